"""Geometry rules for scores on hand-made movements: skating elements and dives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from geometry_questions import judged
from stick_figures import FRONT, motion, pixels

from aqa.datasets.geometry import load_rules
from aqa.datasets.kinematics import Motion
from aqa.datasets.pairs import EXECUTION


def skater(top: float = 0.15, landing: dict[str, Any] | None = None) -> Motion:
    """A jump of 75 frames: the hips rise by `top` of the stature in the middle, then the landing is held."""
    rise = [top * max(0.0, 1.0 - ((i - 33) / 6) ** 2) for i in range(42)]
    flight = [pixels({name: (x, y + up) for name, (x, y) in FRONT.items()}) for up in rise]
    held = {"left_ankle": (0.4, 0.40), "left_knee": (0.2, 0.45)} if landing is None else landing
    return motion(*flight, *[pixels(FRONT, **held)] * 33)


LYING_DOWN = {
    f"{side}_{joint}": (0.1, 0.06) for side in ("left", "right") for joint in ("hip", "knee", "shoulder")
}


def test_a_jump_is_better_the_higher_and_the_more_securely_it_is_landed() -> None:
    quality = [
        load_rules("finefs").merit("jump", EXECUTION, clip)
        for clip in (
            skater(0.20),
            skater(0.10),
            skater(0.10, {}),
            skater(0.10, {"left_shoulder": (0.35, 0.65), "right_shoulder": (0.25, 0.65)}),
            skater(0.10, LYING_DOWN),
        )
    ]
    assert quality == sorted(quality, reverse=True)
    assert len(set(quality)) == 5
    assert judged("finefs", "jump", "", skater(0.10, LYING_DOWN)) < -4
    assert judged("finefs", "jump", "", skater(0.25)) > 4


def spinner(turns_a_second: float) -> Motion:
    frames = []
    for i in range(100):
        x = 0.11 * math.cos(2 * math.pi * turns_a_second * i / 25 + 0.3)
        frames.append(pixels(FRONT, left_shoulder=(x, 0.82), right_shoulder=(-x, 0.82)))
    return motion(*frames)


@pytest.mark.parametrize(("speed", "grade"), [(0.5, -5.0), (2.0, 0.0), (3.5, 5.0)])
def test_a_spin_is_graded_by_its_turns_a_second(speed: float, grade: float) -> None:
    assert judged("finefs", "spin", "", spinner(speed)) == pytest.approx(grade, abs=0.7)


def test_steps_are_better_with_the_whole_body_and_without_a_stumble() -> None:
    small, large = (
        pixels(FRONT),
        pixels(FRONT, left_ankle=(0.2, 0.3), left_wrist=(0.45, 0.8), right_wrist=(-0.45, 0.8)),
    )
    tripped = pixels(FRONT, left_shoulder=(0.4, 0.6), right_shoulder=(0.3, 0.6))
    merit = load_rules("finefs").merit
    best, poor, worst = (
        merit("sequence", EXECUTION, motion(*frames))
        for frames in ([large] * 50, [small] * 50, [small] * 45 + [tripped] * 5)
    )
    assert best > poor > worst


def diver(entry: float = 0.0, knees: float = 0.0, apart: float = 0.0) -> Motion:
    """Head first into the water at `entry` degrees, knees bent, ankles apart; then out of sight."""
    turn = np.radians(180.0 + entry)
    bent = 0.24 * np.array([math.sin(math.radians(knees)), math.cos(math.radians(knees))])
    pose = FRONT | {
        "left_ankle": (0.06 + apart / 2 + bent[0], 0.285 - bent[1]),
        "right_ankle": (0.06 - apart / 2 + bent[0], 0.285 - bent[1]),
        "left_knee": (0.06, 0.285),
        "right_knee": (0.06, 0.285),
        "left_hip": (0.06, 0.53),
        "right_hip": (0.06, 0.53),
        "left_shoulder": (0.06, 0.82),
        "right_shoulder": (0.06, 0.82),
    }
    turned = {
        name: (x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn))
        for name, (x, y) in pose.items()
    }
    gone = np.full((17, 2), np.nan)
    return motion(*[pixels(FRONT)] * 10, *[pixels(turned)] * 10, *[gone] * 5)


@pytest.mark.parametrize(
    ("clip", "score"),
    [
        (diver(), 10.0),
        (diver(entry=20), 8.0),
        (diver(entry=-20), 8.0),
        (diver(knees=40), 8.0),
        (diver(apart=0.1), 8.5),
        (diver(entry=20, knees=40, apart=0.1), 4.5),
        (diver(entry=85), 0.0),
    ],
    ids=["straight", "over", "short", "bent knees", "feet apart", "all", "flat"],
)
def test_a_dive_loses_points_for_its_entry_knees_and_feet(clip: Motion, score: float) -> None:
    assert judged("mtl-aqa", "diving", "", clip) == pytest.approx(score, abs=0.6)


def test_a_flat_dive_is_worse_than_any_other() -> None:
    merit = load_rules("mtl-aqa").merit
    assert merit("diving", EXECUTION, diver(entry=85)) < merit("diving", EXECUTION, diver(entry=50, knees=90))
