"""Splitting what a model wrote into sentences; English, linear in the text's length, whatever it holds."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 200_000
"""Of one text: what lies beyond is not read (about 30,000 words, more than any model's limit here)."""

MAX_SENTENCE = 600
"""Characters; a longer sentence is cut, at a space if there is one."""

_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9_-]{0,30}>")
_DATA = re.compile(r"```[A-Za-z0-9_+-]{0,20}|\{[^{}]{0,2000}\}")
_BULLET = re.compile(r"\A(?:[-*•–—>#|]{1,6}\s+|\(?\d{1,3}[.)]\s+|\(?[a-z][.)]\s+)+")
_END = re.compile(r"[.!?…]{1,10}[\"'”’)\]*_]{0,4}(?=\s)")
_START = re.compile(r"\s+[\"'“‘(\[*_]{0,4}[A-Z0-9]")
_ABBREVIATIONS = frozenset(
    (
        *("e.g", "i.e", "etc", "approx", "vs", "cf", "fig", "figs", "deg", "no", "nr", "st", "dr", "mr"),
        *("mrs", "ms", "prof", "sec", "min", "max", "ca", "resp", "est", "incl"),
    )
)
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " "})


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, in order, each on one line and with at least one letter.

    Tags (`<look>`) separate, JSON objects and code fences are left out, marks of lists are removed.
    """
    found = []
    for line in _lines(text[:MAX_CHARACTERS]):
        for sentence in _split(line):
            found += _cut(sentence)
    return [sentence for sentence in found if any(map(str.isalpha, sentence))]


def words(text: str) -> int:
    """Return how many words a text has: what stands between white space and holds a letter or a digit."""
    return sum(any(character.isalnum() for character in word) for word in text[:MAX_CHARACTERS].split())


def _lines(text: str) -> list[str]:
    text = _DATA.sub(" ", _TAG.sub("\n", text))
    lines = (" ".join(_visible(line).split()) for line in text.splitlines())
    return [rest for line in lines if (rest := _BULLET.sub("", line))]


def _visible(line: str) -> str:
    """Return a line without control characters, its quotation marks straight."""
    if not line.isprintable():
        line = "".join(
            character if character.isprintable() or unicodedata.category(character) == "Zs" else " "
            for character in line
        )
    return line.translate(_QUOTES)


def _split(line: str) -> list[str]:
    found, start = [], 0
    for end in _END.finditer(line):
        if _START.match(line, end.end()) and not _abbreviated(line, end.start(), end[0]):
            found.append(line[start : end.end()].strip())
            start = end.end()
    found.append(line[start:].strip())
    return [sentence for sentence in found if sentence]


def _abbreviated(line: str, stop: int, marks: str) -> bool:
    """Say whether the full stop at a place belongs to an abbreviation or an initial."""
    if not marks.startswith(".") or marks.startswith(".."):
        return False
    before = line[max(0, stop - 12) : stop].rpartition(" ")[2].lstrip("(\"'[").casefold()
    return before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha() and before != "i")


def _cut(sentence: str) -> list[str]:
    found = []
    while len(sentence) > MAX_SENTENCE:
        space = sentence.rfind(" ", 1, MAX_SENTENCE + 1)
        place = space if space > 0 else MAX_SENTENCE
        found.append(sentence[:place].rstrip())
        sentence = sentence[place:].lstrip()
    return [*found, sentence] if sentence else found
