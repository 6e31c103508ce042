"""Geometry rules for the squat and the overhead press: one size and one threshold an error.

The thresholds are the errors' own definitions in lengths of the body; none is fitted to clips.
"""

from __future__ import annotations

import numpy as np

from aqa.datasets.criteria import Criterion
from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import (
    ANKLE,
    ELBOW,
    HIP,
    KNEE,
    SIDES,
    WRIST,
    Array,
    Motion,
    above,
    bone,
    least,
    steady,
    tilt,
    typical,
    where_largest,
)
from aqa.datasets.pairs import EXECUTION
from aqa.records import Question


def judge(exercise: str, question: Question, motion: Motion) -> str:
    """Return whether the question's error is present; see `aqa.datasets.geometry.Rules`."""
    return _criterion(exercise, question.item).option(motion, question.options or ())


def merit(exercise: str, text: str, motion: Motion) -> float:
    """Return how far the exercise's worst error is from being present: an execution is as good as that."""
    if text != EXECUTION or exercise not in ERRORS:
        raise NoRule(text)
    return min(criterion.towards("false", motion) for criterion in ERRORS[exercise].values())


def lowest(motion: Motion) -> Motion:
    """Return the frames in which the hips are nearest to the ankles: the bottom of a squat."""
    return motion.frames(where_largest(-above(motion.middle(HIP), motion.middle(ANKLE))))


def knees_apart(motion: Motion) -> float:
    """Return the distance between the knees over that between the ankles, across the picture, at the bottom.

    Joints: knees, ankles. Both lines lie across the body, so the ratio does not depend on the camera's side.
    """
    bottom = lowest(motion)
    wide = [np.abs(bottom.at(left) - bottom.at(left + 1))[:, 0] for left in (KNEE, ANKLE)]
    return typical(wide[0] / np.where(wide[1] > 0.0, wide[1], np.nan))


def shins_forward(motion: Motion) -> float:
    """Return the tilt of the shanks from the vertical at the bottom, degrees (`kinematics.tilt`)."""
    bottom, length = lowest(motion), bone(motion, KNEE, ANKLE)
    return _mean(bottom, KNEE, ANKLE, length)


def forearms_slanted(motion: Motion) -> float:
    """Return the tilt of the forearms from the vertical while the bar is at its lowest, degrees.

    Joints: elbows, wrists; the frames in which the wrists are lowest.
    """
    racked = motion.frames(where_largest(motion.middle(WRIST)[:, 1], 0.2))
    return _mean(racked, WRIST, ELBOW, bone(motion, ELBOW, WRIST))


def legs_shortened(motion: Motion) -> float:
    """Return the flexion of the knees by which the hips sink at the lowest, degrees.

    Joints: hips, ankles; their height is compared with its median. A leg of two equal bones that is flexed by
    b is cos(b/2) as long as when straight.
    """
    height = steady(above(motion.middle(HIP), motion.middle(ANKLE)))
    return 2.0 * float(tilt(least(height), typical(height)))


def _mean(motion: Motion, upper: int, lower: int, length: float) -> float:
    both: Array = np.stack(
        [tilt(above(motion.at(upper + side), motion.at(lower + side)), length) for side in SIDES]
    )
    known = np.isfinite(both)
    total = np.where(known, both, 0.0).sum(axis=0)
    return typical(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


ERRORS: dict[str, dict[str, Criterion]] = {
    "squat": {
        # In line with the feet the knees are at least as far apart as the ankles (ratio 1 and more); at 0.6
        # the separation is distinctly abnormal (Noyes et al. 2005, on landing). Halfway between: 0.8.
        "knees_inward": Criterion(knees_apart, (0.8,), ("true", "false"), 0.2),
        # The knees reach above the toes where shank * sin(tilt) is the ankle-to-toe length (kinematics.SHANK,
        # FOOT): 28 degrees, usual in a deep squat. Too far is past the toes by a quarter of that length:
        # 35.7.
        "knees_forward": Criterion(shins_forward, (35.7,), ("false", "true"), 8.0),
    },
    "overhead-press": {
        # Upright forearms stand under the bar; a forearm nearer to level than to upright does not: 45.
        "elbows": Criterion(forearms_slanted, (45.0,), ("false", "true"), 15.0),
        # A strict press keeps the knees straight. Below 35 degrees of flexion the hips sink by less than 5 %
        # of the legs' length, about what poses are uncertain by.
        "knees": Criterion(legs_shortened, (35.0,), ("false", "true"), 10.0),
    },
}


def _criterion(exercise: str, item: str) -> Criterion:
    try:
        return ERRORS[exercise][item]
    except KeyError:
        raise NoRule(f"{exercise} {item}") from None
