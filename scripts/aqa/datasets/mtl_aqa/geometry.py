"""Geometry rules for dives: the line of the body at the entry, the knees, and the legs together.

World Aquatics' rules on judging ask of every dive that the body is vertical and straight at the entry, that
the knees are straight where they are not tucked, and that the feet are together. The splash and the take-off
leave no trace in the joints. A dive that enters flat has failed.
"""

from __future__ import annotations

import numpy as np

from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import (
    ANKLE,
    HIP,
    KNEE,
    SHOULDER,
    SIDES,
    Motion,
    bend,
    distance,
    lean,
    seen,
    stature,
    typical,
)
from aqa.datasets.pairs import EXECUTION
from aqa.records import Question

PER_DEGREE = {"entry": 0.1, "knees": 0.05}
"""Points a degree: 30 degrees from the vertical cost 3 marks (from excellent to satisfactory, a mark is ten
degrees), knees bent by a right angle 4.5."""

APART = 15.0
"""Points for feet that are apart by the whole stature: a foot's length (0.152) costs 2.3."""

FAILED = 60.0
"""An entry further from the vertical than this, in degrees, is flat."""

LAST = 5
"""How many of the last frames in view make the entry."""


def judge(exercise: str, question: Question, motion: Motion) -> float:
    """Return the execution score within the question's scale; see `aqa.datasets.geometry.Rules`."""
    del exercise
    low, high = question.minimum, question.maximum
    if low is None or high is None:
        raise NoRule(question.text)
    if entry_angle(motion) > FAILED:
        return float(low)
    return float(min(max(high - deductions(motion), low), high))


def merit(exercise: str, text: str, motion: Motion) -> float:
    """Return the negative of the deductions; a flat entry is worse than any other."""
    del exercise
    if text != EXECUTION:
        raise NoRule(text)
    return -deductions(motion) - (100.0 if entry_angle(motion) > FAILED else 0.0)


def deductions(motion: Motion) -> float:
    """Return the points that the dive loses, from the best score of its scale."""
    lost = PER_DEGREE["entry"] * entry_angle(motion) + PER_DEGREE["knees"] * knee_flexion(motion)
    return lost + APART * feet_apart(motion)


def entry_angle(motion: Motion) -> float:
    """Return the trunk's angle from the vertical at the entry, degrees 0 to 90, head or feet first.

    Joints: shoulders, hips; the last two frames in which both are known (under water they are not).
    """
    tilted = lean(motion.middle(SHOULDER), motion.middle(HIP))
    return typical(np.minimum(tilted, 180.0 - tilted)[_known(tilted)[-2:]])


def knee_flexion(motion: Motion) -> float:
    """Return the flexion of the knees in the last frames in which the legs are known, degrees.

    Joints: hips, knees, ankles, of the side that is known. At the entry the legs are straight in every dive.
    """
    sides = np.stack(
        [bend(motion.at(HIP + side), motion.at(KNEE + side), motion.at(ANKLE + side)) for side in SIDES]
    )
    both = np.where(np.isfinite(sides).any(axis=0), np.nanmax(np.nan_to_num(sides, nan=-1.0), axis=0), np.nan)
    return typical(both[_known(both)[-LAST:]])


def feet_apart(motion: Motion) -> float:
    """Return the median distance of the ankles in the second half of the dive, as a share of the stature."""
    flight = motion.between(0.5, 1.0)
    return typical(distance(flight.at(ANKLE), flight.at(ANKLE + 1))) / stature(motion)


def _known(values: np.ndarray) -> np.ndarray:
    """Return the positions of the known values."""
    seen(values)
    return np.flatnonzero(np.isfinite(values))
