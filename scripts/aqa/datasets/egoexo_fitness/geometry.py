"""Geometry rules for guidelines: what a guideline says in words, as a size of the joints with a threshold.

The guidelines come with the user's files, so a rule is found by what the text speaks of (`CONCEPTS`, in
order, the first that fits); a guideline that speaks of none of these has no rule. Thresholds are what the
words say (level, a right angle, hip height, straight), with room for how exactly poses are known; none is
fitted to clips.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from aqa.datasets.criteria import Criterion
from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import (
    ANKLE,
    ELBOW,
    HIP,
    KNEE,
    SHANK,
    SHOULDER,
    SIDES,
    THIGH,
    TRUNK,
    WRIST,
    Array,
    Joint,
    Measure,
    Motion,
    above,
    bend,
    bone,
    distance,
    lean,
    most,
    share_of,
    stature,
    tilt,
    typical,
    where_largest,
)
from aqa.records import Question

PRONE = ("push-ups", "kneeling-push-ups", "shoulder-bridge")
"""Exercises in which a straight body is a line, not an upright trunk."""


def judge(exercise: str, question: Question, motion: Motion) -> str:
    """Return whether the guideline is kept, "true" or "false"; see `aqa.datasets.geometry.Rules`."""
    return _criterion(exercise, question.text).option(motion, question.options or ())


def merit(exercise: str, text: str, motion: Motion) -> float:
    """Return how clearly the guideline is kept, in steps from the threshold."""
    return _criterion(exercise, text).towards("true", motion)


def lowest(motion: Motion) -> Motion:
    """Return the frames in which the hips are nearest to the ankles in height."""
    return motion.frames(where_largest(-above(motion.middle(HIP), motion.middle(ANKLE))))


def lifted(motion: Motion) -> Motion:
    """Return the frames in which the two ankles differ most in height: one leg is raised."""
    return motion.frames(where_largest(np.abs(above(motion.at(ANKLE), motion.at(ANKLE + 1)))))


def knees_apart(motion: Motion) -> float:
    """Distance of the knees over that of the ankles, across the picture, at the lowest position.

    Knees in the direction of toes that point outwards are further apart than the ankles; 0.8 lies halfway
    between in line (1) and a distinctly abnormal separation (0.6, Noyes et al. 2005).
    """
    low = lowest(motion)
    knees, ankles = (np.abs(low.at(left) - low.at(left + 1))[:, 0] for left in (KNEE, ANKLE))
    return typical(knees / np.where(ankles > 0.0, ankles, np.nan))


def shins_forward(motion: Motion) -> float:
    """Tilt of the shanks from the vertical at the lowest position, degrees: beyond 35.7 the knees are past
    the toes by a quarter of the ankle-to-toe length (`kinematics.SHANK`, `FOOT`)."""
    low, length = lowest(motion), bone(motion, KNEE, ANKLE)
    return typical([tilt(above(low.at(KNEE + side), low.at(ANKLE + side)), length) for side in SIDES])


def trunk_lean(motion: Motion) -> float:
    """Lean of the trunk from the vertical, degrees, where it leans the most: towards the camera too.

    The trunk's length follows from the legs' by body proportions, for it may never be seen upright. Upright
    is within 35 degrees: about 10 for the trunk, the rest for proportions that differ by a tenth between
    people.
    """
    legs = bone(motion, HIP, KNEE) + bone(motion, KNEE, ANKLE)
    rise = above(motion.middle(SHOULDER), motion.middle(HIP))
    return share_of(tilt(rise, legs * TRUNK / (THIGH + SHANK)), 75.0)


def body_bent(motion: Motion) -> float:
    """Flexion at the hips of the line shoulder, hip, knee, degrees, typical: straight within 20."""
    return typical(bend(motion.middle(SHOULDER), motion.middle(HIP), motion.middle(KNEE)))


def thighs_tilted(motion: Motion) -> float:
    """Tilt of the thighs from the vertical at the lowest position, degrees: about level from 60 on (a knee
    that much bent carries half of the thigh's length above the knee's height)."""
    low, length = lowest(motion), bone(motion, HIP, KNEE)
    return typical(tilt(above(low.middle(HIP), low.middle(KNEE)), length))


def hands_above_head(motion: Motion) -> float:
    """Height of the lower wrist above the nose at its highest, as a share of the stature; high is above the
    top of the head, 0.06 over the nose."""
    nose = motion.at(Joint.NOSE)
    lower = np.minimum(above(motion.at(WRIST), nose), above(motion.at(WRIST + 1), nose))
    return most(lower) / stature(motion)


def feet_apart(motion: Motion) -> float:
    """Widest distance of the ankles over the width of the shoulders; wider than the shoulders is above
    1.2."""
    width = typical(np.abs(motion.at(SHOULDER) - motion.at(SHOULDER + 1))[:, 0])
    return most(np.abs(motion.at(ANKLE) - motion.at(ANKLE + 1))[:, 0]) / max(width, 1e-9)


def elbows_bent(motion: Motion) -> float:
    """Flexion of the elbows, degrees, typical; halfway between straight and a right angle is 45."""
    return typical(_bends(motion, SHOULDER, ELBOW, WRIST))


def elbows_most_bent(motion: Motion) -> float:
    """Greatest flexion of the elbows, degrees; halfway between straight and a right angle is 45."""
    return most(_bends(motion, SHOULDER, ELBOW, WRIST))


def knee_height(motion: Motion) -> float:
    """Height of the higher knee above its hip, as a share of the stature; hip height is from -0.08 on, a
    third of the thigh: a thigh less than 20 degrees below level."""
    raised = [above(motion.at(KNEE + side), motion.at(HIP + side)) for side in SIDES]
    return most(np.fmax(*raised)) / stature(motion)


def support_shortened(motion: Motion) -> float:
    """Flexion of the standing knee while the other leg is up, degrees, from how low the hips stand.

    The lower ankle stands. A leg that is flexed by b is cos(b/2) as long. Straight is within 45 (halfway to a
    right angle); the legs' own length is known to about 5 %, which alone looks like 36.
    """
    up, legs = lifted(motion), bone(motion, HIP, KNEE) + bone(motion, KNEE, ANKLE)
    left_stands = (up.at(ANKLE)[:, 1] > up.at(ANKLE + 1)[:, 1])[:, None]
    hip = np.where(left_stands, up.at(HIP), up.at(HIP + 1))
    ankle = np.where(left_stands, up.at(ANKLE), up.at(ANKLE + 1))
    return 2.0 * typical(tilt(above(hip, ankle), legs))


def trunk_sideways(motion: Motion) -> float:
    """Lean of the trunk in the picture while a knee is raised, degrees; bent sideways from 10 on."""
    up = lifted(motion)
    return typical(lean(up.middle(HIP), up.middle(SHOULDER)))


def knee_bent_low(motion: Motion) -> float:
    """Flexion of the more upright shank's knee at the lowest position, degrees; a right angle from 60 on."""
    return typical(_bends(lowest(motion), HIP, KNEE, ANKLE))


def hands_apart(motion: Motion) -> float:
    """Distance of the wrists over the width of the shoulders; wider than the shoulders is above 1.2."""
    width = typical(distance(motion.at(SHOULDER), motion.at(SHOULDER + 1)))
    return typical(distance(motion.at(WRIST), motion.at(WRIST + 1))) / max(width, 1e-9)


def _bends(motion: Motion, first: int, corner: int, last: int) -> Array:
    return np.concatenate(
        [bend(motion.at(first + side), motion.at(corner + side), motion.at(last + side)) for side in SIDES]
    )


@dataclass(frozen=True)
class Concept:
    """What a text speaks of: all of `words`, none of `without`, in an exercise that `prone` fits."""

    words: tuple[str, ...]
    criterion: Criterion
    without: str = r"(?!)"
    prone: bool | None = None

    def fits(self, exercise: str, text: str) -> bool:
        """Say whether a guideline speaks of it."""
        place = self.prone is None or self.prone == (exercise in PRONE)
        return (
            place and all(re.search(word, text) for word in self.words) and not re.search(self.without, text)
        )


def _from(measure: Measure, cut: float, unit: float) -> Criterion:
    """Keep a guideline from `cut` on."""
    return Criterion(measure, (cut,), ("false", "true"), unit)


def _up_to(measure: Measure, cut: float, unit: float) -> Criterion:
    """Keep a guideline below `cut`."""
    return Criterion(measure, (cut,), ("true", "false"), unit)


_TRUNK = r"\b(back|trunk|torso|spine|upper body|waist|chest)\b"
_ARMS = r"\b(arms?|elbows?)\b"

CONCEPTS: tuple[Concept, ...] = (
    Concept(
        (r"\bknees?\b", r"\btoes?\b", r"\b(direction|align|same|follow|point)"), _from(knees_apart, 0.8, 0.2)
    ),
    Concept(
        (r"\bknees?\b", r"\btoes?\b", r"\b(past|over|beyond|exceed|behind)"),
        _up_to(shins_forward, 35.7, 10.0),
    ),
    Concept((_TRUNK, r"\b(sideways?|side|lateral)"), _from(trunk_sideways, 10.0, 5.0)),
    Concept((_TRUNK, r"\btowards? the (raised )?knee"), _from(trunk_sideways, 10.0, 5.0)),
    Concept((r"\b(support|stand)ing (leg|knee)", r"\bstraight"), _up_to(support_shortened, 45.0, 10.0)),
    Concept(
        (r"\bknees?\b", r"\b(hips?|waist)\b", r"\b(height|level|high|rais|lift)"),
        _from(knee_height, -0.08, 0.05),
    ),
    Concept((r"\b(hands?|arms?)\b", r"\b(above|over)\b.*\bhead"), _from(hands_above_head, 0.06, 0.05)),
    Concept((r"\bthighs?\b", r"\b(level|parallel|horizontal)"), _from(thighs_tilted, 60.0, 10.0)),
    Concept((r"\b(feet|legs)\b", r"\b(wider?|apart)\b", r"\bshoulders?"), _from(feet_apart, 1.2, 0.3)),
    Concept((r"\bhands?\b", r"\b(wider?|apart)\b", r"\bshoulders?"), _from(hands_apart, 1.2, 0.3)),
    Concept((_ARMS, r"\bstraight"), _up_to(elbows_most_bent, 45.0, 15.0), r"\bbend\b|\bbent\b"),
    Concept((_ARMS, r"\b(bend|bent|right angle|90)"), _from(elbows_bent, 45.0, 15.0), prone=False),
    Concept((_ARMS, r"\b(bend|bent|right angle|90)"), _from(elbows_most_bent, 45.0, 15.0), prone=True),
    Concept((r"\b(knees?|legs?)\b", r"\b(right angle|90)"), _from(knee_bent_low, 60.0, 15.0)),
    Concept((r"\bbody\b|" + _TRUNK, r"\b(straight|line)"), _up_to(body_bent, 20.0, 10.0), prone=True),
    Concept((_TRUNK, r"\b(straight|upright|vertical)"), _up_to(trunk_lean, 35.0, 10.0), prone=False),
)
"""In order: the first that fits a guideline is its rule."""


def _criterion(exercise: str, text: str) -> Criterion:
    folded = " ".join(text.casefold().split())
    for concept in CONCEPTS:
        if concept.fits(exercise, folded):
            return concept.criterion
    raise NoRule(text)
