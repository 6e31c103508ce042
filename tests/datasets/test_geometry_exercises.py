"""Geometry rules for exercises on hand-made poses: errors and guidelines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry_questions import judged, texts
from stick_figures import FRONT, SIDE, motion, pixels

from aqa.datasets.geometry import NoRule, load_rules
from aqa.datasets.kinematics import Motion
from aqa.datasets.pairs import EXECUTION
from aqa.records import Question

# Fitness-AQA.


def squat(knees: float = 0.10, tilt: float = 20.0) -> Motion:
    """Down and up: at the bottom the knees are at +-`knees`, the shanks tilted by `tilt` degrees."""
    height = 0.04 + 0.245 * math.cos(math.radians(tilt))
    low = {f"{side}_knee": (sign * knees, height) for side, sign in (("left", 1), ("right", -1))}
    hips = {"left_hip": (0.06, height), "right_hip": (-0.06, height)}
    wide = {"left_ankle": (0.08, 0.04), "right_ankle": (-0.08, 0.04)}
    return motion(pixels(FRONT, **wide), pixels(FRONT, **low, **hips, **wide), pixels(FRONT, **wide))


@pytest.mark.parametrize(
    ("knees", "answer"), [(0.12, "false"), (0.08, "false"), (0.05, "true"), (0.0, "true")]
)
def test_knees_move_inward_when_they_are_clearly_closer_than_the_ankles(knees: float, answer: str) -> None:
    assert judged("fitness-aqa", "squat", "knees_inward", squat(knees)) == answer


@pytest.mark.parametrize(("tilt", "answer"), [(10, "false"), (30, "false"), (42, "true"), (60, "true")])
def test_knees_are_too_far_forward_when_the_shanks_are_tilted_past_the_toes(tilt: float, answer: str) -> None:
    assert judged("fitness-aqa", "squat", "knees_forward", squat(tilt=tilt)) == answer


def press(slant: float = 0.0, dip: float = 0.0) -> Motion:
    """From the shoulders, the forearms slanted by `slant` degrees, up overhead; knees bent by `dip`."""
    rise, out = 0.15 * math.cos(math.radians(slant)), 0.15 * math.sin(math.radians(slant))
    rack = {
        name: (sign * (0.13 + x), y)
        for side, sign in (("left", 1), ("right", -1))
        for name, x, y in ((f"{side}_elbow", out, 0.85 - rise), (f"{side}_wrist", 0.0, 0.85))
    }
    up = {
        "left_wrist": (0.13, 1.17),
        "right_wrist": (-0.13, 1.17),
        "left_elbow": (0.13, 1.02),
        "right_elbow": (-0.13, 1.02),
    }
    sunk = 0.49 * math.cos(math.radians(dip / 2))
    low = {"left_hip": (0.06, 0.04 + sunk), "right_hip": (-0.06, 0.04 + sunk)}
    racked, dipped = pixels(FRONT, **rack), pixels(FRONT, **rack, **low)
    return motion(*[racked] * 10, *[dipped] * 6, *[racked] * 4, *[pixels(FRONT, **up)] * 20)


@pytest.mark.parametrize(("slant", "answer"), [(0, "false"), (35, "false"), (55, "true"), (80, "true")])
def test_elbows_are_out_of_place_when_forearms_are_nearer_to_level(slant: float, answer: str) -> None:
    assert judged("fitness-aqa", "overhead-press", "elbows", press(slant)) == answer


@pytest.mark.parametrize(("dip", "answer"), [(0, "false"), (25, "false"), (45, "true"), (70, "true")])
def test_knees_help_when_the_hips_sink_before_the_bar_goes_up(dip: float, answer: str) -> None:
    assert judged("fitness-aqa", "overhead-press", "knees", press(dip=dip)) == answer


def test_joints_that_jitter_by_a_hundredth_of_the_body_make_no_push_press() -> None:
    still, rng = press(), np.random.default_rng(0)
    for _ in range(20):
        jittery = Motion(still.points + rng.normal(0.0, 3.0, still.points.shape), still.rate)
        assert judged("fitness-aqa", "overhead-press", "knees", jittery) == "false"


def test_an_execution_is_as_good_as_its_worst_error() -> None:
    merit = load_rules("fitness-aqa").merit
    clean, one, both = squat(), squat(knees=0.02), squat(knees=0.02, tilt=60)
    assert merit("squat", EXECUTION, clean) > 0 > merit("squat", EXECUTION, one)
    assert merit("squat", EXECUTION, one) >= merit("squat", EXECUTION, both)
    with pytest.raises(NoRule):
        merit("squat", "In which is the bar higher?", clean)


# EgoExo-Fitness.

LIFTED = {"left_knee": (0.10, 0.56), "left_ankle": (0.10, 0.33)}
SUMO = {
    "left_hip": (0.06, 0.33),
    "right_hip": (-0.06, 0.33),
    "left_ankle": (0.2, 0.04),
    "right_ankle": (-0.2, 0.04),
}
OPEN = {"left_knee": (0.27, 0.28), "right_knee": (-0.27, 0.28)}
CAVED = {"left_knee": (0.08, 0.28), "right_knee": (-0.08, 0.28)}
SHORT_TRUNK = {"left_shoulder": (0.11, 0.66), "right_shoulder": (-0.11, 0.66)}
UP = {
    "left_wrist": (0.2, 1.15),
    "right_wrist": (-0.2, 1.15),
    "left_elbow": (0.16, 0.98),
    "right_elbow": (-0.16, 0.98),
}
BENT = {"left_wrist": (0.01, 0.66), "right_wrist": (-0.01, 0.66)}
SIDEWAYS = {"left_shoulder": (0.21, 0.78), "right_shoulder": (0.0, 0.80)}
GUIDELINES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("sumo-squat", "knees_inward", SUMO | OPEN, SUMO | CAVED),
    ("sumo-squat", "trunk_lean", {}, SHORT_TRUNK),
    ("sumo-squat", "shallow", SUMO | OPEN, {}),
    ("jumping-jacks", "low_arms", UP, {}),
    ("jumping-jacks", "narrow_feet", {"left_ankle": (0.3, 0.04), "right_ankle": (-0.3, 0.04)}, {}),
    ("jumping-jacks", "bent_elbows", UP, BENT),
    ("high-knee", "low_knees", LIFTED, {}),
    ("high-knee", "straight_arms", BENT, {}),
    ("high-knee", "trunk_lean", LIFTED, SHORT_TRUNK),
    ("knee-raise-abdominals", "low_knee", LIFTED, {}),
    ("knee-raise-abdominals", "bent_support", LIFTED, LIFTED | {"right_hip": (-0.06, 0.42)}),
    ("knee-raise-abdominals", "stiff_trunk", LIFTED | SIDEWAYS, LIFTED),
]


@pytest.mark.parametrize(
    ("exercise", "fault", "kept", "broken"), GUIDELINES, ids=[f"{g[0]} {g[1]}" for g in GUIDELINES]
)
def test_a_guideline_is_kept_or_not(
    exercise: str, fault: str, kept: dict[str, Any], broken: dict[str, Any]
) -> None:
    text = next(
        e["positive"] for e in texts("egoexo-fitness") if (e["exercise"], e["fault"]) == (exercise, fault)
    )
    good, bad = (motion(pixels(FRONT), *[pixels(FRONT, **pose)] * 8) for pose in (kept, broken))
    assert judged("egoexo-fitness", exercise, text, good) == "true"
    assert judged("egoexo-fitness", exercise, text, bad) == "false"
    merit = load_rules("egoexo-fitness").merit
    assert merit(exercise, text, good) > 0 > merit(exercise, text, bad)


@pytest.mark.parametrize(
    ("exercise", "text"),
    [
        ("push-ups", "Keep your body in a straight line."),
        ("kneeling-push-ups", "Keep the back straight"),
        ("leg-reverse-lunge", "Bend the front knee to about 90 degrees."),
        ("leg-reverse-lunge", "Do not let the knees move past the toes."),
        ("leg-lunge-knee-lift", "Raise your knee to waist height."),
        ("clap-jacks", "Keep your arms straight."),
        ("sumo-squat", "Keep your back straight."),
        ("sumo-squat", "Thighs parallel to the ground."),
    ],
)
def test_guidelines_in_other_words_are_understood(exercise: str, text: str) -> None:
    question = Question(item="g", text=text, options=("true", "false"))
    assert load_rules("egoexo-fitness").judge(exercise, question, motion(pixels(FRONT), pixels(SIDE))) in (
        "true",
        "false",
    )
