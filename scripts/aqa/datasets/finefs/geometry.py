"""Geometry rules for skating elements: what the ISU's grades of execution ask for, as far as joints show it.

Each element is graded by a few sizes, every one between what is bad and what is good; their weighted mean,
from 0 to 1, is the place on the question's scale. The ends are orders of magnitude from mechanics and from
the ISU's guidelines (height, landing on one flowing edge, speed of a spin, use of the whole body), none is
fitted.
"""

from __future__ import annotations

import numpy as np

from aqa.datasets.criteria import graded
from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import (
    ANKLE,
    HIP,
    SHOULDER,
    WRIST,
    Motion,
    above,
    distance,
    lean,
    least,
    most,
    seen,
    stature,
    typical,
)
from aqa.datasets.pairs import EXECUTION
from aqa.records import Question


def judge(exercise: str, question: Question, motion: Motion) -> float:
    """Return the grade within the question's scale; see `aqa.datasets.geometry.Rules`."""
    low, high = question.minimum, question.maximum
    if low is None or high is None:
        raise NoRule(question.text)
    return float(low + (high - low) * quality(exercise, motion))


def merit(exercise: str, text: str, motion: Motion) -> float:
    """Return the quality of the element, from 0 to 1."""
    if text != EXECUTION:
        raise NoRule(text)
    return quality(exercise, motion)


def quality(exercise: str, motion: Motion) -> float:
    """Return the quality of an element, from 0 (worst) to 1 (best)."""
    grade = {"jump": jump, "spin": spin, "sequence": sequence}.get(exercise)
    if grade is None:
        raise NoRule(exercise)
    return grade(motion)


def jump(motion: Motion) -> float:
    """Return the quality of a jump: its height, and how it is landed.

    A fall is the worst grade (ISU: -5): after the landing the hips come down to a tenth of the stature above
    the lower ankle; only its height counts a little, to order falls. Otherwise height (the hips rise by 0.06
    to 0.20 of the stature: 10 to 35 cm) counts one half, control after the landing (the trunk leans by less
    than 60 to 15 degrees) one quarter, and the free leg (lifted by 0.05 to 0.25 of the stature; both feet on
    the ice cost the most among landings without a fall) one quarter.
    """
    height = stature(motion)
    level = motion.middle(HIP)[:, 1] / height
    count = len(level)
    resting = typical(level[: max(count // 2, 1)])
    middle = np.arange(count // 4, max(3 * count // 4, count // 4 + 1))
    seen(level[middle])
    top = int(middle[np.nanargmin(level[middle])])
    rise = resting - float(level[top])
    landed = top
    while landed < count - 1 and not level[landed] > resting - 0.02:
        landed += 1
    after = motion.frames(np.arange(min(landed + 3, count - 1), min(landed + int(1.2 * motion.rate), count)))
    feet = np.fmax(after.at(ANKLE)[:, 1], after.at(ANKLE + 1)[:, 1])
    fallen = least(feet - after.middle(HIP)[:, 1]) < 0.1 * height
    jumped = graded(rise, 0.06, 0.20)
    if fallen:
        return 0.1 * jumped
    thrown = most(lean(after.middle(HIP), after.middle(SHOULDER)))
    free = typical(np.abs(above(after.at(ANKLE), after.at(ANKLE + 1)))) / height
    return 0.1 + 0.9 * (0.5 * jumped + 0.25 * graded(thrown, 60.0, 15.0) + 0.25 * graded(free, 0.05, 0.25))


def spin(motion: Motion) -> float:
    """Return the quality of a spin: its speed, from one turn a second (bad) to three (good).

    Joints: shoulders. In the picture the left shoulder is to the right of the other one when the skater faces
    the camera and to the left when not, so the side changes twice a turn. The middle of the clip counts, in
    which the spin is up to speed.
    """
    middle = motion.between(0.25, 0.8)
    return graded(turns(middle) / (len(middle.points) / motion.rate), 1.0, 3.0)


def turns(motion: Motion) -> float:
    """Return how many turns about its long axis a body makes, from the changes of the shoulders' sides."""
    across = seen((motion.at(SHOULDER) - motion.at(SHOULDER + 1))[:, 0])
    sides = np.sign(across[across != 0.0])
    return float(np.count_nonzero(np.diff(sides))) / 2.0


def sequence(motion: Motion) -> float:
    """Return the quality of a step sequence: use of the whole body, and no stumble.

    Arms: the median distance of the wrists, 0.15 to 0.50 of the stature, counts 0.4. Legs: the median
    difference of the ankles' heights, 0.02 to 0.10, counts 0.3. Stumbles: the most that the trunk leans, 60
    to 15 degrees, counts 0.3.
    """
    height = stature(motion)
    arms = typical(distance(motion.at(WRIST), motion.at(WRIST + 1))) / height
    legs = typical(np.abs(above(motion.at(ANKLE), motion.at(ANKLE + 1)))) / height
    thrown = most(lean(motion.middle(HIP), motion.middle(SHOULDER)))
    return 0.4 * graded(arms, 0.15, 0.5) + 0.3 * graded(legs, 0.02, 0.10) + 0.3 * graded(thrown, 60.0, 15.0)
