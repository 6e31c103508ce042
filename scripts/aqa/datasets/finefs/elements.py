"""Codes of figure skating elements, in the notation of the International Skating Union.

`3Lz+3T` is a jump combination, `CCoSp4` a spin of level 4, `StSq3` a step sequence. In protocols the
technical panel adds marks (`<`, `<<`, `q` rotation, `e`, `!` edge, `*` invalid, `x` second half, `V`, `F`,
`+REP`, `+COMBO`), most of which say what went wrong, and gives spins and sequences the level that they
reached (`B`, 1 to 4).
"""

from __future__ import annotations

import re

_SEQUENCE = r"[A-Z][a-z]Sq"
_SPIN = r"[A-Za-z]*Sp"
_JUMP = r"[0-4](?:Lz|Lo|Eu|A|T|S|F|W)"
_TYPES = {"sequence": re.compile(_SEQUENCE), "spin": re.compile(_SPIN), "jump": re.compile(_JUMP)}
_PART = re.compile(rf"{_SEQUENCE}|{_SPIN}|SEQ|{_JUMP}|Eu")
_PLAIN = re.compile(r"[A-Za-z0-9]+")


def element_type(code: str, stated: str | None) -> str | None:
    """Return jump, spin or sequence: as stated, else as the code says; None where neither does."""
    if stated is not None and stated.strip().lower() in _TYPES:
        return stated.strip().lower()
    for name, pattern in _TYPES.items():
        if any(pattern.match(part) for part in _parts(code)):
            return name
    return None


def announced(code: str) -> str:
    """Return an element's code without what the technical panel adds: `3Lz<+3T` is `3Lz+3T`, `StSq3` `StSq`.

    A prompt may name it; marks and levels are judgements of the execution and would lead the answer.
    """
    kept = [match[0] for part in _parts(code) if (match := _PART.match(part))]
    plain = _PLAIN.match(code.strip())
    return "+".join(kept) or (plain[0] if plain else "unknown")


def _parts(code: str) -> list[str]:
    return "".join(code.split()).split("+")
