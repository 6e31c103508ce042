"""The answer that a reasoning states in words, to be held against the answer that was given.

A score is stated by the last sentence that names a number together with a word of verdict ("score", "grade",
"rate", "out of 10", ...), unless that sentence gives a range or several such numbers. An option is stated by
the last sentence that names exactly one option of the question, without a negation before it, together with a
word of verdict ("answer", "therefore", "choose", "better", ...), or by `<item>: <option>`; where a request
asks several questions, the sentence must name the item too. A draft of the answer as JSON counts where no
sentence states it. Whatever else is read stays "not stated": the rule rather misses a statement than invents
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from aqa.records import Question, Value, answer_key
from aqa.scoring.parse import fold, parse

_Names: TypeAlias = tuple[tuple[str, re.Pattern[str]], ...]
"""Options with the pattern of what says each."""

SAME = {"true": ("true", "yes"), "false": ("false", "no")}
"""What else says an option, where the options are true and false."""

_NUMBER = r"(?P<number>[+\-−]?\d{1,3}(?:\.\d{1,6})?)"
_UNIT = (
    r"(?!\.?\d|\s?(?:°|%|deg|seconds?|secs?|s\b|cm|m\b|met|somersault|twist|frame|judge|rotation|turn|"
    r"rev|half|of the))"
)
_SCORED = re.compile(
    r"\b(?:scor(?:e|ed|es|ing)|grades?|goe|marks?|rating|rate|rated|prediction|predict|estimate|answer|verdict|give|"
    r"assign|award|settle on|settle for|go with|land on|say|evaluate)\b"
    rf"(?:[^\d.!?+\-−]{{0,60}}?(?:\s|[:=(~*])){_NUMBER}{_UNIT}",
    re.IGNORECASE,
)
_OUT_OF = re.compile(
    rf"(?<![\d.]){_NUMBER}\s?(?:/|out of)\s?(?P<top>\d{{1,3}})(?:\.0)?(?![\d/])", re.IGNORECASE
)
_RANGE = re.compile(
    r"\d\s?(?:-|–|—|to|or|and)\s?[+\-−]?\d|\bbetween\b|\bscale\b|\bfrom [+\-−]?\d|\bif\b|"
    r"\bdifficulty\b|\bmaximum\b",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    r"\b(?:answers?|option|therefore|thus|hence|conclu\w+|verdict|choose|select|pick|go with|final|decide|"
    r"decision|judge\w*|settle|overall|better|best)\b|^so\b|^then\b",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|isn't|aren't|wasn't|doesn't|don't|can't|"
    r"rather than|than)\W+(?:\w+\W+){0,2}$"
)
_SIGN = re.compile(r"[\s*`\"')]{0,4}(?::|=|->|→|\bis\b:?|\s)[\s*`\"'(]{0,4}")
_THINKING = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)


def stated(sentences: Sequence[str], text: str, questions: Sequence[Question]) -> dict[str, Value | None]:
    """Return what a reasoning states about each question, by item; None where it states nothing.

    Args:
        sentences: those of the reasoning, in order.
        text: the reasoning itself, for drafts of the answer.
        questions: those of the request.
    """
    drafts: Mapping[str, Value | None] = {}
    if "{" in text:
        drafts = parse(_THINKING.sub("\n", text), questions)
    several = len(questions) > 1
    found: dict[str, Value | None] = {}
    for question in questions:
        value: Value | None
        if question.options is None:
            value = _score(sentences, question)
        else:
            value = _choice(sentences, question, several=several)
        found[question.item] = drafts.get(question.item) if value is None else value
    return found


def agrees(said: Value, answered: Value) -> bool:
    """Say whether a stated answer is the given one.

    A score agrees if the given one rounds to it: it differs by less than half of the last digit stated.
    """
    if isinstance(said, str) or isinstance(answered, str):
        return said == answered
    shown = repr(said).rstrip("0").rstrip(".")
    decimals = len(shown.partition(".")[2])
    return abs(said - answered) < 0.5 * 10.0**-decimals


def _score(sentences: Sequence[str], question: Question) -> float | None:
    low = -1e9 if question.minimum is None else question.minimum
    high = 1e9 if question.maximum is None else question.maximum
    for sentence in reversed(sentences):
        values = {value for value in _numbers(sentence, question) if low <= value <= high}
        if values:
            if len(values) == 1 and not _RANGE.search(_OUT_OF.sub(" ", sentence)):
                return values.pop()
            return None
    return None


def _numbers(sentence: str, question: Question) -> Iterable[float]:
    for match in _OUT_OF.finditer(sentence):
        if question.maximum is not None and float(match["top"]) == question.maximum:
            yield _float(match["number"])
    for match in _SCORED.finditer(_OUT_OF.sub(" ", sentence)):
        yield _float(match["number"])


def _float(text: str) -> float:
    return float(text.replace("−", "-")) + 0.0


def _choice(sentences: Sequence[str], question: Question, *, several: bool) -> str | None:
    names = _names(question.options or ())
    item = re.compile(rf"(?<!\w){re.escape(fold(answer_key(question)))}(?!\w)")
    for sentence in reversed(sentences):
        text = fold(sentence)
        places = [match.end() for match in item.finditer(text)]
        for place in reversed(places):
            if (assigned := _assigned(text[place:], names)) is not None:
                return assigned
        if several and not places:
            continue
        options = _options(text, names)
        if len(options) == 1 and _VERDICT.search(text):
            return options.pop()
    return None


def _assigned(rest: str, names: _Names) -> str | None:
    """Return the option that follows an item at once, with only a sign or "is" between them."""
    start = _SIGN.match(rest)
    if start is None:
        return None
    return next((option for option, pattern in names if pattern.match(rest, start.end())), None)


@lru_cache(maxsize=512)
def _names(options: tuple[str, ...]) -> _Names:
    plain = {fold(option) for option in options} == set(SAME)
    found = []
    for option in options:
        said = SAME[fold(option)] if plain else (fold(option),)
        found.append((option, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, said))})(?!\w)")))
    return tuple(sorted(found, key=lambda pair: -len(pair[0])))


def _options(text: str, names: _Names) -> set[str]:
    """Return the options that a text names without a negation before them; longer ones hide shorter ones."""
    found: set[str] = set()
    for option, pattern in names:
        places = [match.start() for match in pattern.finditer(text)]
        if any(not _NOT.search(text[max(0, place - 40) : place]) for place in places):
            found.add(option)
        if places:
            text = pattern.sub(lambda match: "\0" * len(match[0]), text)
    return found
