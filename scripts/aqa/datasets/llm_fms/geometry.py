"""Geometry rules for keyframes of the Functional Movement Screen: one size and its cuts a question.

A question is found by its exercise and what it speaks of, with exactly its options; questions of another
release's `FMSRules.json` that no rule of their own fits are read by their form (`geometry_forms`). Cuts are
what the options say (level, straight, parallel, near), with room for how exactly joints are known; none is
fitted to keyframes. A keyframe is one frame, and so is every motion here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from aqa.datasets.contrastive import load_contrastive
from aqa.datasets.criteria import Criterion
from aqa.datasets.kinematics import (
    ANKLE,
    ELBOW,
    FOOT,
    HIP,
    KNEE,
    SHOULDER,
    SIDES,
    WRIST,
    Array,
    Measure,
    Motion,
    above,
    angle,
    bend,
    distance,
    lean,
    most,
    slope,
    stature,
    typical,
)
from aqa.datasets.llm_fms.geometry_forms import DRAFT, by_form, height_asked, lower_of, raised_of
from aqa.records import Question

DATASET = "llm-fms"


def judge(exercise: str, question: Question, motion: Motion) -> str:
    """Return the option that the size means; see `aqa.datasets.geometry.Rules`."""
    options = question.options or ()
    return _criterion(exercise, question.text, options).option(motion, options)


def merit(exercise: str, text: str, motion: Motion) -> float:
    """Return how clearly the image fits a rephrased question, in steps from the nearest cut."""
    criterion, option = _comparison(exercise, text)
    return criterion.towards(option, motion)


def hips_above_knees(motion: Motion) -> float:
    """Height of the hips above the knees, as a share of the stature.

    Equal is a thigh (0.245 of the stature) within 12 degrees of level: 0.05.
    """
    return _share(above(motion.middle(HIP), motion.middle(KNEE)), motion)


def trunk_against_shanks(motion: Motion) -> float:
    """Angle between the directions of trunk and shanks, degrees; parallel is within 10."""
    trunk = motion.middle(SHOULDER) - motion.middle(HIP)
    shank = motion.middle(KNEE) - motion.middle(ANKLE)
    return typical(angle(trunk, np.zeros_like(trunk), shank))


def knees_against_ankles(motion: Motion) -> float:
    """Distance between the knees over that between the ankles, across the picture; the same is 1."""
    knees, ankles = (np.abs(motion.at(left) - motion.at(left + 1))[:, 0] for left in (KNEE, ANKLE))
    return typical(knees / np.where(ankles > 0.0, ankles, np.nan))


def shoulders_slope(motion: Motion) -> float:
    """Angle of the line through the shoulders from level, degrees; level is within 8."""
    return typical(slope(motion.at(SHOULDER), motion.at(SHOULDER + 1)))


def foot_above_string(motion: Motion) -> float:
    """Height of the raised ankle above the standing one, as a share of the stature.

    The embedded hurdle's string is at 0.20 of the stature. A relaxed foot's toe hangs 0.03 below its ankle,
    the standing ankle is at 0.045, so the toe meets the string at 0.185; a camera at chest height a few
    metres in front sees a foot that is a thigh's length nearer about 0.05 lower: 0.135. Equal is within 0.03
    of it.
    """
    raised = raised_of(motion)
    return _share(above(motion.at(ANKLE + raised), motion.at(ANKLE + 1 - raised)), motion)


def ankle_outside_knee(motion: Motion) -> float:
    """How far the raised ankle is out to the side of its knee, as a share of the stature.

    Outwards is away from the other hip. Near is within 0.06: a quarter of the shank, 14 degrees.
    """
    raised = raised_of(motion)
    out = np.sign(motion.at(HIP + raised)[:, 0] - motion.at(HIP + 1 - raised)[:, 0])
    return _share(out * (motion.at(ANKLE + raised) - motion.at(KNEE + raised))[:, 0], motion)


def trunk_from_vertical(motion: Motion) -> float:
    """Angle of the trunk from the vertical, degrees; upright is within 12."""
    return typical(lean(motion.middle(HIP), motion.middle(SHOULDER)))


def knee_behind_heel(motion: Motion) -> float:
    """Distance along the floor from the back knee to the front ankle, as a share of the stature.

    The back knee is the lower one. Near is within 0.105, the length of a foot.
    """
    back = lower_of(motion, KNEE)
    return _share(np.abs(motion.at(KNEE + back) - motion.at(ANKLE + 1 - back))[:, 0], motion)


def back_knee_to_front_ankle(motion: Motion) -> float:
    """Distance of the back knee and the front ankle, as a share of the stature; near is within 0.125, half a
    shank."""
    back = lower_of(motion, KNEE)
    return _share(distance(motion.at(KNEE + back), motion.at(ANKLE + 1 - back)), motion)


def back_knee_over_front_ankle(motion: Motion) -> float:
    """Difference in height of the back knee and the front ankle, as a share of the stature; near is within
    0.06, a quarter of a shank."""
    back = lower_of(motion, KNEE)
    return _share(np.abs(above(motion.at(KNEE + back), motion.at(ANKLE + 1 - back))), motion)


def front_knee_before_ankle(motion: Motion) -> float:
    """How far the front knee is ahead of its ankle, as a share of the stature; ahead is away from the back
    foot.

    The toes are `kinematics.FOOT` (0.115) ahead; level with them is within a quarter of that.
    """
    front = 1 - lower_of(motion, KNEE)
    ahead = np.sign(motion.at(ANKLE + front)[:, 0] - motion.at(ANKLE + 1 - front)[:, 0])
    return _share(ahead * (motion.at(KNEE + front) - motion.at(ANKLE + front))[:, 0], motion)


def raised_ankle_past_knee(motion: Motion) -> float:
    """How far the raised ankle is past the resting knee, towards the head, as a share of the stature.

    Measured along the line from the resting ankle to the shoulders. Equal is within 0.045, the height of an
    ankle: 8 cm.
    """
    raised = raised_of(motion)
    along = motion.middle(SHOULDER) - motion.at(ANKLE + 1 - raised)
    past = ((motion.at(ANKLE + raised) - motion.at(KNEE + 1 - raised)) * along).sum(axis=1)
    return _share(past / np.linalg.norm(along, axis=1), motion)


def raised_knee_bend(motion: Motion) -> float:
    """Flexion of the raised knee, degrees; straight is within 20."""
    return _knee(motion, raised_of(motion))


def resting_knee_bend(motion: Motion) -> float:
    """Flexion of the resting knee, degrees: heel and hip lie on the mat, so a knee off it is a bent one.

    At 25 degrees it is a tenth of the leg's length up.
    """
    return _knee(motion, 1 - raised_of(motion))


def body_bend(motion: Motion) -> float:
    """Flexion of the line shoulders, hips, knees, degrees; straight is within 12."""
    return typical(bend(motion.middle(SHOULDER), motion.middle(HIP), motion.middle(KNEE)))


def elbow_bend(motion: Motion) -> float:
    """Flexion of the more bent elbow, degrees; straight is within 35."""
    both = [bend(motion.at(SHOULDER + s), motion.at(ELBOW + s), motion.at(WRIST + s)) for s in SIDES]
    return most(np.fmax(*both))


def knees_above_hands(motion: Motion) -> float:
    """Height of the knees above the wrists, which are on the mat, as a share of the stature; a knee that
    rests on the mat is within 0.08 (the wrist's own height, and the flesh of the knee)."""
    return _share(above(motion.middle(KNEE), motion.middle(WRIST)), motion)


def _knee(motion: Motion, side: int) -> float:
    return typical(bend(motion.at(HIP + side), motion.at(KNEE + side), motion.at(ANKLE + side)))


def _share(pixels: Array, motion: Motion) -> float:
    return typical(pixels) / stature(motion)


@dataclass(frozen=True)
class Rule:
    """The questions of an exercise that speak of all of `words`, with the criterion that answers them."""

    exercise: str
    words: tuple[str, ...]
    criterion: Criterion

    def fits(self, exercise: str, text: str, options: Sequence[str]) -> bool:
        """Say whether the rule answers a question."""
        same = {_fold(option) for option in options} == {_fold(option) for option in self.criterion.options}
        return exercise == self.exercise and same and all(re.search(word, text) for word in self.words)


def _rules() -> Iterator[Rule]:
    def rule(
        words: str, measure: Measure, cuts: tuple[float, ...], options: str, unit: float
    ) -> Callable[[str], Rule]:
        criterion = Criterion(measure, cuts, tuple(options.split("|")), unit)
        return lambda exercise: Rule(exercise, tuple(words.split("&")), criterion)

    squat, step, lunge = "deep-squat", "hurdle-step", "inline-lunge"
    lift, push = "active-straight-leg-raise", "trunk-stability-push-up"
    toes = (0.75 * FOOT, 1.25 * FOOT)
    yield rule("hips&knees", hips_above_knees, (-0.05, 0.05), "Lower|Equal|Higher", 0.05)(squat)
    yield rule("trunk&shank", trunk_against_shanks, (10.0,), "Parallel|Leaning further forward", 5.0)(squat)
    yield rule("between the knees|knees further apart", knees_against_ankles, (1.0,), "Smaller|Larger", 0.2)(
        squat
    )
    yield rule("stick", shoulders_slope, (8.0,), "Level|Sloping", 4.0)(step)
    yield rule("string", foot_above_string, (0.105, 0.165), "Below|Equal|Above", 0.03)(step)
    yield rule("ankle&knee", ankle_outside_knee, (0.06,), "Near|Far", 0.03)(step)
    yield rule("trunk&vertical", trunk_from_vertical, (12.0,), "Parallel|Not parallel", 5.0)(lunge)
    yield rule("trunk", trunk_from_vertical, (12.0,), "Upright|Leaning forward", 5.0)(lunge)
    yield rule("heel&back leg", knee_behind_heel, (0.105,), "Near|Far", 0.03)(lunge)
    yield rule("toes", front_knee_before_ankle, toes, "Behind|Equal|Past", 0.03)(lunge)
    yield rule(
        "height&(back|posterior) leg&(front|anterior) leg",
        back_knee_over_front_ankle,
        (0.06,),
        "Near|Far",
        0.03,
    )(lunge)
    yield rule(
        "(back|posterior) leg&ankle&(front|anterior) leg",
        back_knee_to_front_ankle,
        (0.125,),
        "Near|Far",
        0.03,
    )(lunge)
    head = "Towards the foot|Equal|Towards the head"
    yield rule("ankle of the raised leg", raised_ankle_past_knee, (-0.045, 0.045), head, 0.03)(lift)
    yield rule("knee of the raised leg", raised_knee_bend, (20.0,), "Straight|Bent", 10.0)(lift)
    yield rule("knee of the resting leg", resting_knee_bend, (25.0,), "Near|Far", 10.0)(lift)
    yield rule("shoulders&hips&knees", body_bend, (12.0,), "A straight line|A sagging line", 5.0)(push)
    yield rule("elbows", elbow_bend, (35.0,), "Straight|Bent", 15.0)(push)
    yield rule("knees&mat", knees_above_hands, (0.08,), "Near|Far", 0.03)(push)


RULES = tuple(_rules())


def _criterion(exercise: str, text: str, options: Sequence[str]) -> Criterion:
    folded = _fold(text)
    for rule in RULES:
        if rule.fits(exercise, folded, options):
            return rule.criterion
    return by_form(folded, options)


def _comparison(exercise: str, text: str) -> tuple[Criterion, str]:
    """Return what a rephrased question compares, and the option of the image that it asks for."""
    known = _rephrased().get((exercise, text))
    if known is not None:
        asked, options, first = known
        return _criterion(exercise, asked, options), first
    folded = _fold(text)
    if quoted := DRAFT.fullmatch(folded):
        option, asked = quoted["option"], quoted["question"]
        for rule in RULES:
            if option in map(_fold, rule.criterion.options) and rule.fits(
                exercise, asked, rule.criterion.options
            ):
                return rule.criterion, option
    return height_asked(folded)


@cache
def _rephrased() -> dict[tuple[str, str], tuple[str, tuple[str, ...], str]]:
    """Return of each reviewed text what it is about, the question's options, and the one asked for."""
    contrastive = load_contrastive(DATASET)
    texts = contrastive.texts.values() if contrastive is not None else ()
    return {
        (text.exercise, text.rephrased): (text.question or text.rephrased, text.options, text.first_option)
        for text in texts
    }


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
