"""Questions of `FMSRules.json` that are read by their form: an angle, a distance or a height of two parts.

The release asks in one form: "What is the type of angle between <part> and <part>?", "... of distance
between ...", "What is the height ... of <part> relative to <part>?". A part is a joint or a bone, of the leg
or arm that a word tells (left, right, front, back, raised, supporting) or of both. Of the real file only the
six questions of the inline lunge are known here, which have rules of their own; the forms are for the others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from aqa.datasets.criteria import Criterion
from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import (
    ANKLE,
    ELBOW,
    HIP,
    KNEE,
    SHOULDER,
    WRIST,
    Array,
    Joint,
    Measure,
    Motion,
    above,
    angle,
    distance,
    seen,
    stature,
    typical,
)

DRAFT = re.compile(
    r'in which image does "(?P<option>.+?)" fit better as the answer to the question "(?P<question>.+)"\?'
)
"""What `aqa.datasets.contrastive.draft` writes where it cannot rephrase."""

PARALLEL_DEG = 15.0
"""Two lines are parallel within this angle."""

NEAR, EQUAL = 0.125, 0.05
"""Shares of the stature: near is within half a shank, as high is within a fifth of one."""

_TO = r"(?:relative|compared) (?:to|with) (?:the )?(?P<other>.+?)\s*\?*$"
_BETWEEN = re.compile(
    r"\b(?P<what>angle|distance) between (?:the )?(?P<one>.+?) and (?:the )?(?P<other>.+?)\s*\?*$"
)
_HEIGHT = re.compile(rf"\b(?:height|position)(?: type)? of (?:the )?(?P<one>.+?) {_TO}")
_ASKED = re.compile(rf"in which image (?:is|are) (?:the )?(?P<one>.+?) (?P<word>higher|lower) {_TO}")

_JOINTS = {
    "hips?": HIP,
    "knees?": KNEE,
    "ankles?|heels?|foot|feet": ANKLE,
    "shoulders?": SHOULDER,
    "elbows?": ELBOW,
    "wrists?|hands?|palms?": WRIST,
}
_BONES: dict[str, tuple[Joint, Joint]] = {
    "trunk|torso|back|spine|upper body": (HIP, SHOULDER),
    "thighs?|upper legs?": (KNEE, HIP),
    "shanks?|lower legs?|calf|calves|tibias?|shins?": (ANKLE, KNEE),
    "upper arms?": (ELBOW, SHOULDER),
    "forearms?|lower arms?": (WRIST, ELBOW),
}
_FIXED = {
    "vertical": np.array([0.0, -1.0]),
    "horizontal|floor|ground": np.array([1.0, 0.0]),
}

Find = Callable[[Motion], Array]
"""A point or a direction (n, 2) of a motion."""


def lower_of(motion: Motion, left: int) -> int:
    """Return the side whose joint is lower in the picture: 0 left, 1 right (the other one, if one is
    unknown)."""
    pair = motion.points[:, left : left + 2, 1]
    both = [float(np.median(seen(pair[:, side]))) for side in (0, 1)]
    return int(both[1] > both[0])


def raised_of(motion: Motion) -> int:
    """Return the side of the raised leg: that of the higher ankle."""
    return 1 - lower_of(motion, ANKLE)


def by_form(text: str, options: Sequence[str]) -> Criterion:
    """Return the criterion of a question that is asked in one of the forms.

    Args:
        text: of the question, in lower case.
        options: of the question.

    Raises:
        NoRule: neither the form nor the options are known.
    """
    chosen = {option.casefold() for option in options}
    if (match := _BETWEEN.search(text)) and match["what"] == "angle":
        if chosen == {"parallel", "not parallel"}:
            measure = partial(_angle, _direction(match["one"]), _direction(match["other"]))
            return Criterion(measure, (PARALLEL_DEG,), ("Parallel", "Not parallel"), 5.0)
    elif match and chosen == {"near", "far"}:
        measure = partial(_distance, _point(match["one"]), _point(match["other"]))
        return Criterion(measure, (NEAR,), ("Near", "Far"), 0.03)
    if match := _HEIGHT.search(text):
        higher = partial(_height, _point(match["one"]), _point(match["other"]))
        if chosen == {"higher", "equal", "lower"}:
            return Criterion(higher, (-EQUAL, EQUAL), ("Lower", "Equal", "Higher"), 0.03)
        if chosen == {"higher", "lower"}:
            return Criterion(higher, (0.0,), ("Lower", "Higher"), 0.03)
        if chosen == {"near", "far"}:
            return Criterion(lambda motion: abs(higher(motion)), (EQUAL,), ("Near", "Far"), 0.03)
    raise NoRule(text)


def height_asked(text: str) -> tuple[Criterion, str]:
    """Return what a rephrased question about heights compares, and the option that it asks for."""
    match = _ASKED.fullmatch(text)
    if match is None:
        raise NoRule(text)
    measure: Measure = partial(_height, _point(match["one"]), _point(match["other"]))
    return Criterion(measure, (-EQUAL, EQUAL), ("lower", "equal", "higher"), 0.03), match["word"]


def _angle(one: Find, other: Find, motion: Motion) -> float:
    """Return the angle of two lines, degrees 0 to 90."""
    first, second = one(motion), other(motion)
    between = angle(first, np.zeros_like(first), second)
    return typical(np.minimum(between, 180.0 - between))


def _distance(one: Find, other: Find, motion: Motion) -> float:
    return typical(distance(one(motion), other(motion))) / stature(motion)


def _height(one: Find, other: Find, motion: Motion) -> float:
    return typical(above(one(motion), other(motion))) / stature(motion)


def _point(phrase: str) -> Find:
    for words, joint in _JOINTS.items():
        if re.search(rf"\b(?:{words})\b", phrase):
            return partial(_place, phrase, joint)
    raise NoRule(phrase)


def _direction(phrase: str) -> Find:
    for words, fixed in _FIXED.items():
        if re.search(rf"\b(?:{words})\b", phrase):
            return lambda motion: np.broadcast_to(fixed, (len(motion.points), 2))
    for words, (low, high) in _BONES.items():
        if re.search(rf"\b(?:{words})\b", phrase):
            return lambda motion: _place(phrase, high, motion) - _place(phrase, low, motion)
    raise NoRule(phrase)


def _place(phrase: str, joint: int, motion: Motion) -> Array:
    """Return a joint of the side that a phrase tells; the middle of both where it tells none."""
    for words, side in _SIDES.items():
        if re.search(rf"\b(?:{words})\b", phrase):
            return motion.at(joint + side(motion))
    return motion.middle(joint)


_SIDES: dict[str, Callable[[Motion], int]] = {
    "left": lambda _: 0,
    "right": lambda _: 1,
    "raised|lifted|stepping|moving|swing": raised_of,
    "supporting|standing|resting|static": lambda motion: 1 - raised_of(motion),
    "(?:back|rear|posterior|hind)(?= leg| foot| knee| ankle)": lambda motion: lower_of(motion, KNEE),
    "(?:front|anterior|leading)(?= leg| foot| knee| ankle)": lambda motion: 1 - lower_of(motion, KNEE),
}
