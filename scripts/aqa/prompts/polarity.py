"""Turning a guideline round: the same words, the other polarity (paper, section 3.4).

"The trunk should be parallel to the calf." and "The trunk not being parallel to the calf."
"""

from __future__ import annotations

import re

_SHOULD = re.compile(r"(?P<who>.+?) should (?P<no>not )?(?P<verb>[a-z]+)(?P<rest>\b.*?)\.?", re.DOTALL)
_DEMAND = re.compile(r"(?P<no>do not |don't |don’t |avoid )?(?P<verb>[a-z]+)(?P<rest>\b.*?)\.?", re.DOTALL)
_ADVERBS = ("always", "never", "only", "just")


def opposite(positive: str) -> str | None:
    """Return the negative counterpart of a positive guideline, None where its form is not known.

    Known are "X should [not] do Y." and the imperatives "Do Y" and "Do not do Y" that begin with a
    plain verb; it is a draft: a person has to read it.
    """
    text = " ".join(positive.split())
    match = _SHOULD.fullmatch(text)
    if match:
        turned = gerund(match["verb"]) if match["no"] else f"not {gerund(match['verb'])}"
        return f"{match['who']} {turned}{match['rest']}."
    match = _DEMAND.fullmatch(text[:1].lower() + text[1:])
    if match is None or match["verb"] in _ADVERBS or match["verb"] == "the":
        return None
    if match["no"] == "avoid ":
        return f"{match['verb'].capitalize()}{match['rest']}."
    verb = gerund(match["verb"])
    return f"{verb.capitalize()}{match['rest']}." if match["no"] else f"Not {verb}{match['rest']}."


def gerund(verb: str) -> str:
    """Return the -ing form of an English verb (regular spelling)."""
    if verb in ("be", "see", "flee"):
        return f"{verb}ing"
    if verb.endswith("ie"):
        return f"{verb[:-2]}ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return f"{verb[:-1]}ing"
    if re.fullmatch(r"(?:[^aeiou]|(?<=q)u)*[aeiou][^aeiouwxy]", verb):
        return f"{verb}{verb[-1]}ing"
    return f"{verb}ing"
