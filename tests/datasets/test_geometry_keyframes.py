"""Geometry rules for keyframes: every option of every question, and questions of other releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from geometry_questions import texts
from stick_figures import FRONT, SIDE, motion, moved, pixels

from aqa.datasets.contrastive import draft, load_contrastive
from aqa.datasets.geometry import load_rules
from aqa.datasets.llm_fms.rules import read_rules
from aqa.records import Question

REAL_RULES = Path("/work/shared/data/llm_fms/FMSRules.m05_m06.json")

LYING = {
    "nose": (-0.40, 0.06),
    **{f"{side}_{joint}": place for side in ("left", "right") for joint, place in (
        ("shoulder", (-0.29, 0.05)), ("elbow", (-0.12, 0.04)), ("wrist", (0.03, 0.04)), ("hip", (0.0, 0.05)),
        ("knee", (0.245, 0.05)), ("ankle", (0.49, 0.05)),
    )},
}  # fmt: skip
PLANK = {
    "nose": (0.30, 0.38),
    **{f"{side}_{joint}": place for side in ("left", "right") for joint, place in (
        ("shoulder", (0.18, 0.33)), ("elbow", (0.18, 0.18)), ("wrist", (0.18, 0.03)), ("hip", (-0.09, 0.24)),
        ("knee", (-0.32, 0.165)), ("ankle", (-0.55, 0.09)),
    )},
}  # fmt: skip
LUNGE = SIDE | {
    "left_knee": (0.10, 0.28), "left_ankle": (0.08, 0.04),
    "right_knee": (0.02, 0.04), "right_ankle": (-0.22, 0.08),
    "left_hip": (0.0, 0.28), "right_hip": (0.0, 0.28),
    "left_shoulder": (0.0, 0.57), "right_shoulder": (0.0, 0.57),
}  # fmt: skip
LOW = {"left_knee": (0.1, 0.27), "right_knee": (-0.1, 0.27)}
RAISED = {"left_knee": (0.06, 0.55), "left_ankle": (0.06, 0.31)}
OVER = {"left_knee": (0.10, 0.28), "left_ankle": (0.06, 0.52)}
LEG, BENT_LEG = ({"left_knee": (0.10, 0.27), "left_ankle": ankle} for ankle in ((0.2, 0.49), (0.34, 0.27)))
OFF = {"right_knee": (0.2, 0.19), "right_ankle": (0.4, 0.05)}


def both(joint: str, x: float, y: float, spread: float = 0.0) -> dict[str, tuple[float, float]]:
    return {f"left_{joint}": (x + spread, y), f"right_{joint}": (x - spread, y)}


KEYFRAMES: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("deep-squat", "r01", "Higher", FRONT, LOW | both("hip", 0, 0.40, 0.06)),
    ("deep-squat", "r01", "Equal", FRONT, LOW | both("hip", 0, 0.28, 0.06)),
    ("deep-squat", "r01", "Lower", FRONT, LOW | both("hip", 0, 0.17, 0.06)),
    ("deep-squat", "r02", "Parallel", SIDE, both("knee", 0.1, 0.27) | both("shoulder", 0.12, 0.80)),
    ("deep-squat", "r02", "Leaning further forward", SIDE, both("shoulder", 0.2, 0.75)),
    ("deep-squat", "r03", "Larger", FRONT, both("knee", 0, 0.28, 0.12)),
    ("deep-squat", "r03", "Smaller", FRONT, both("knee", 0, 0.28, 0.03)),
    ("hurdle-step", "r01", "Level", FRONT, RAISED),
    ("hurdle-step", "r01", "Sloping", FRONT, {"left_shoulder": (0.11, 0.88)}),
    ("hurdle-step", "r02", "Above", FRONT, RAISED),
    ("hurdle-step", "r02", "Equal", FRONT, {"left_ankle": (0.06, 0.175)}),
    ("hurdle-step", "r02", "Below", FRONT, {"left_ankle": (0.06, 0.10)}),
    ("hurdle-step", "r03", "Near", FRONT, RAISED),
    ("hurdle-step", "r03", "Far", FRONT, RAISED | {"left_ankle": (0.17, 0.32)}),
    ("inline-lunge", "r01", "Upright", LUNGE, {}),
    ("inline-lunge", "r01", "Leaning forward", LUNGE, both("shoulder", 0.12, 0.54)),
    ("inline-lunge", "r02", "Near", LUNGE, {}),
    ("inline-lunge", "r02", "Far", LUNGE, {"right_knee": (-0.14, 0.04)}),
    ("inline-lunge", "r03", "Behind", LUNGE, {}),
    ("inline-lunge", "r03", "Equal", LUNGE, {"left_knee": (0.195, 0.27)}),
    ("inline-lunge", "r03", "Past", LUNGE, {"left_knee": (0.26, 0.25)}),
    ("active-straight-leg-raise", "r01", "Towards the head", LYING, OVER),
    ("active-straight-leg-raise", "r01", "Equal", LYING, OVER | {"left_ankle": (0.245, 0.5)}),
    ("active-straight-leg-raise", "r01", "Towards the foot", LYING, OVER | {"left_ankle": (0.38, 0.4)}),
    ("active-straight-leg-raise", "r02", "Straight", LYING, LEG),
    ("active-straight-leg-raise", "r02", "Bent", LYING, BENT_LEG),
    ("active-straight-leg-raise", "r03", "Near", LYING, OVER),
    ("active-straight-leg-raise", "r03", "Far", LYING, OVER | OFF),
    ("trunk-stability-push-up", "r01", "A straight line", PLANK, {}),
    ("trunk-stability-push-up", "r01", "A sagging line", PLANK, both("hip", -0.09, 0.15)),
    ("trunk-stability-push-up", "r02", "Straight", PLANK, {}),
    ("trunk-stability-push-up", "r02", "Bent", PLANK, both("elbow", 0.02, 0.2)),
    ("trunk-stability-push-up", "r03", "Far", PLANK, {}),
    ("trunk-stability-push-up", "r03", "Near", PLANK, both("knee", -0.32, 0.05)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("exercise", "rule", "option", "pose", "changes"), KEYFRAMES, ids=[" ".join(k[:3]) for k in KEYFRAMES]
)
def test_a_keyframe_shows_an_option(
    exercise: str, rule: str, option: str, pose: dict[str, Any], changes: dict[str, Any]
) -> None:
    entry = next(e for e in texts("llm-fms") if (e["exercise"], e["rule"]) == (exercise, rule))
    question = Question(item=rule, text=entry["question"], options=tuple(entry["options"]))
    clip, rules = motion(pixels(pose, **changes)), load_rules("llm-fms")
    assert rules.judge(exercise, question, clip) == option
    assert rules.judge(exercise, question, moved(clip, mirror=True)) == option
    asked, opposite = entry["compare"]["options"]
    merit = rules.merit(exercise, entry["compare"]["question"], clip)
    if option in (asked, opposite):
        assert (merit > 0) == (option == asked)
    else:
        assert merit < 0, "a boundary option is not the one asked for"


def test_every_planted_option_is_among_the_keyframes_above() -> None:
    shown = {(k[0], k[1], k[2]) for k in KEYFRAMES}
    assert shown == {(e["exercise"], e["rule"], option) for e in texts("llm-fms") for option in e["options"]}


@pytest.mark.skipif(not REAL_RULES.is_file(), reason=f"{REAL_RULES} is not there")
def test_the_real_questions_have_rules_and_so_have_their_comparisons() -> None:
    rules = load_rules("llm-fms")
    near, far = motion(pixels(LUNGE)), motion(pixels(LUNGE, **KEYFRAMES[15][4], right_knee=(-0.2, 0.2)))
    contrastive = load_contrastive("llm-fms")
    assert contrastive is not None
    for movement in read_rules(REAL_RULES).values():
        for rule in movement.rules.values():
            question = Question(item="r", text=rule.ruleQuestion, options=rule.ruleOptions)
            first, second = rule.ruleOptions
            assert rules.judge("inline-lunge", question, near) == first
            assert rules.judge("inline-lunge", question, far) == second
            text = contrastive.find("inline-lunge", question)
            assert text is not None
            assert (
                rules.merit("inline-lunge", text.rephrased, near)
                > 0
                > rules.merit("inline-lunge", text.rephrased, far)
            )


@pytest.mark.parametrize(
    ("text", "options", "option"),
    [
        (
            "What is the type of angle between the thigh and the horizontal axis?",
            ("Parallel", "Not parallel"),
            "Not parallel",
        ),
        (
            "What is the type of angle between the trunk and the vertical axis?",
            ("Parallel", "Not parallel"),
            "Parallel",
        ),
        (
            "What is the height type of the left wrist relative to the left shoulder?",
            ("Higher", "Equal", "Lower"),
            "Lower",
        ),
        ("What is the height of the hip relative to the knee?", ("Higher", "Lower"), "Higher"),
        ("What is the type of distance between the left wrist and the right hip?", ("Near", "Far"), "Far"),
        ("What is the type of distance between the left wrist and the left hip?", ("Near", "Far"), "Near"),
    ],
)
def test_other_questions_of_the_release_are_read_by_their_form(
    text: str, options: tuple[str, ...], option: str
) -> None:
    question = Question(item="r", text=text, options=options)
    rules, clip = load_rules("llm-fms"), motion(pixels(FRONT))
    assert rules.judge("rotary-stability", question, clip) == option
    drafted = draft("rotary-stability", question, "image")
    if "height" in drafted.rephrased and "fit better" not in drafted.rephrased:
        assert (rules.merit("rotary-stability", drafted.rephrased, clip) > 0) == (
            option == drafted.first_option
        )
