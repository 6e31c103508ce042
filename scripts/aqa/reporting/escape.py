"""Making any text safe and faithful in LaTeX and Markdown: titles and reasons come from files."""

from __future__ import annotations

import re
import unicodedata

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "[": "{[}",
    "]": "{]}",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "∗": r"$^\ast$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "ρ": r"$\rho$",
    "ℓ": r"$\ell$",
    "√": r"$\surd$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "₂": r"$_2$",
    "²": r"$^2$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
}


def latex(text: str) -> str:
    """Return `text` for LaTeX in text mode: specials escaped, maths signs as maths.

    Letters of Latin scripts stay (UTF-8 is LaTeX's default encoding); a character that a default
    LaTeX cannot print becomes its code point in brackets rather than an error or a gap.
    """
    return "".join(_latex_character(letter) for letter in unicodedata.normalize("NFC", plain(text)))


def markdown(text: str) -> str:
    """Return `text` for a Markdown table cell or sentence: neither markup nor HTML, one line."""
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", escaped)


def plain(text: str) -> str:
    """Return `text` on one line, without control characters or characters that turn the direction."""
    kept = (
        " " if character.isspace() else character
        for character in text
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs")
    )
    return "".join(kept).strip()


def _latex_character(character: str) -> str:
    if character in LATEX:
        return LATEX[character]
    if character.isascii() or _is_latin_letter(character):
        return character
    return f"{{[}}U+{ord(character):04X}{{]}}"


def _is_latin_letter(character: str) -> bool:
    """Whether the T1 default set of LaTeX surely has it: Latin-1 letters."""
    return "À" <= character <= "ÿ" and character not in "×÷"
