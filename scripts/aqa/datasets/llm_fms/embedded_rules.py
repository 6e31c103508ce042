"""What the embedded questions ask for, as quantities of the true joints with thresholds.

Every option is a range of sizes; between two ranges lies a margin in which no keyframe is planted, and in
its middle the threshold. Lengths are metres, angles degrees. The texts are in `embedded_texts.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aqa.config import load_yaml
from aqa.synthetic import screen
from aqa.synthetic.body import Body, Joint, Pose
from aqa.synthetic.geometry import Array, angle_at

HERE = Path(__file__).parent
TEXTS = "embedded_texts.yaml"

Measure = Callable[[Pose, int], float]
"""A quantity of a pose (its first frame, before it is turned) whose active side is 0 left or 1 right."""


@dataclass(frozen=True)
class Criterion:
    """A question's quantity and the range (low, high) of its sizes under each option."""

    quantity: str
    measure: Measure
    ranges: dict[str, tuple[float, float]]

    def option(self, size: float) -> str:
        """Return the option of a size: the one with the nearest range."""
        gaps = {name: max(low - size, size - high, 0.0) for name, (low, high) in self.ranges.items()}
        return min(gaps, key=lambda name: gaps[name])


@dataclass(frozen=True)
class Movement:
    """An exercise of the embedded data: its movements in FMSRules.json, left before right."""

    exercise: str
    movements: dict[str, str]
    view: str
    criteria: dict[str, Criterion]


def texts() -> list[dict[str, Any]]:
    """Return the entries of `embedded_texts.yaml`."""
    entries: list[dict[str, Any]] = load_yaml(HERE / TEXTS)
    return entries


def _joint(pose: Pose, joint: int) -> Array:
    point: Array = pose.joints[0, joint]
    return point


def _middle(pose: Pose, left: int) -> Array:
    middle: Array = 0.5 * (pose.joints[0, left] + pose.joints[0, left + 1])
    return middle


def _lean(vector: Array) -> float:
    """Return the forward lean of a direction from the vertical, degrees."""
    return float(np.degrees(np.arctan2(vector[2], vector[1])))


def _trunk(pose: Pose) -> Array:
    trunk: Array = pose.joints[0, Joint.NECK] - pose.joints[0, Joint.PELVIS]
    return trunk


def _apart(pose: Pose, left: int) -> float:
    return float(np.linalg.norm(pose.joints[0, left] - pose.joints[0, left + 1]))


def _bend(pose: Pose, first: int, joint: int, last: int) -> float:
    return 180.0 - float(angle_at(_joint(pose, first), _joint(pose, joint), _joint(pose, last)))


def _trunk_past_shanks(pose: Pose, side: int) -> float:  # noqa: ARG001
    return _lean(_trunk(pose)) - _lean(_middle(pose, Joint.LEFT_KNEE) - _middle(pose, Joint.LEFT_ANKLE))


def _slope(pose: Pose, side: int) -> float:
    across = _joint(pose, Joint.LEFT_SHOULDER) - _joint(pose, Joint.RIGHT_SHOULDER)
    return (1.0 if side == 0 else -1.0) * float(np.degrees(np.arctan2(across[1], across[0])))


def _ankle_out(pose: Pose, side: int) -> float:
    offset = _joint(pose, Joint.LEFT_ANKLE + side)[0] - _joint(pose, Joint.LEFT_KNEE + side)[0]
    return float(offset if side == 0 else -offset)


def _sag(pose: Pose, side: int) -> float:  # noqa: ARG001
    shoulder, hip = _middle(pose, Joint.LEFT_SHOULDER), _middle(pose, Joint.LEFT_HIP)
    return 180.0 - float(angle_at(shoulder, hip, _middle(pose, Joint.LEFT_KNEE)))


def _between(first: int, second: int, axis: int) -> Measure:
    """Measure how far along an axis the first joint is past the second, both of the active side."""

    def measure(pose: Pose, side: int) -> float:
        return float(_joint(pose, first + side)[axis] - _joint(pose, second + side)[axis])

    return measure


def _knee_gap(pose: Pose, side: int) -> float:
    return float(_joint(pose, Joint.LEFT_HEEL + side)[2] - _joint(pose, Joint.RIGHT_KNEE - side)[2])


def _clearance(pose: Pose, side: int) -> float:
    return float(_joint(pose, Joint.LEFT_TOE + side)[1]) - screen.STRING * pose.body.stature


def _ankle_past_knee(pose: Pose, side: int) -> float:
    return float(_joint(pose, Joint.RIGHT_KNEE - side)[2] - _joint(pose, Joint.LEFT_ANKLE + side)[2])


MOVEMENTS = (
    Movement(
        "deep-squat",
        {"m01": "Deep Squat"},
        "front",
        {
            "r01": Criterion(
                "hips_above_knees_m",
                _between(Joint.LEFT_HIP, Joint.LEFT_KNEE, 1),
                {"Higher": (0.14, 0.22), "Equal": (-0.015, 0.015), "Lower": (-0.19, -0.12)},
            ),
            "r02": Criterion(
                "trunk_past_shanks_deg",
                _trunk_past_shanks,
                {"Parallel": (-5.0, 4.0), "Leaning further forward": (20.0, 28.0)},
            ),
            "r03": Criterion(
                "knees_wider_m",
                lambda pose, _: _apart(pose, Joint.LEFT_KNEE) - _apart(pose, Joint.LEFT_ANKLE),
                {"Smaller": (-0.20, -0.14), "Larger": (0.08, 0.16)},
            ),
        },
    ),
    Movement(
        "hurdle-step",
        {"m03": "Hurdle Step (Left)", "m04": "Hurdle Step (Right)"},
        "front",
        {
            "r01": Criterion("shoulder_slope_deg", _slope, {"Level": (-2.0, 2.0), "Sloping": (13.0, 20.0)}),
            "r02": Criterion(
                "toe_above_string_m",
                _clearance,
                {"Above": (0.09, 0.15), "Equal": (-0.01, 0.01), "Below": (-0.20, -0.12)},
            ),
            "r03": Criterion("ankle_out_m", _ankle_out, {"Near": (-0.02, 0.02), "Far": (0.16, 0.22)}),
        },
    ),
    Movement(
        "inline-lunge",
        {"m05": "Inline Lunge (Left)", "m06": "Inline Lunge (Right)"},
        "side",
        {
            "r01": Criterion(
                "trunk_lean_deg",
                lambda pose, _: _lean(_trunk(pose)),
                {"Upright": (-2.0, 4.0), "Leaning forward": (22.0, 32.0)},
            ),
            "r02": Criterion("knee_gap_m", _knee_gap, {"Near": (0.02, 0.07), "Far": (0.24, 0.32)}),
            "r03": Criterion(
                "knee_past_toes_m",
                _between(Joint.LEFT_KNEE, Joint.LEFT_TOE, 2),
                {"Behind": (-0.16, -0.11), "Equal": (-0.012, 0.012), "Past": (0.08, 0.11)},
            ),
        },
    ),
    Movement(
        "active-straight-leg-raise",
        {"m09": "Active Straight Leg Raise (Left)", "m10": "Active Straight Leg Raise (Right)"},
        "side",
        {
            "r01": Criterion(
                "ankle_past_knee_m",
                _ankle_past_knee,
                {
                    "Towards the head": (0.13, 0.28),
                    "Equal": (-0.015, 0.015),
                    "Towards the foot": (-0.21, -0.13),
                },
            ),
            "r02": Criterion(
                "raised_knee_bend_deg",
                lambda pose, side: _bend(
                    pose, Joint.LEFT_HIP + side, Joint.LEFT_KNEE + side, Joint.LEFT_ANKLE + side
                ),
                {"Straight": (0.0, 6.0), "Bent": (38.0, 52.0)},
            ),
            "r03": Criterion(
                "resting_knee_m",
                lambda pose, side: float(_joint(pose, Joint.RIGHT_KNEE - side)[1]) - screen.MAT,
                {"Near": (0.065, 0.085), "Far": (0.22, 0.29)},
            ),
        },
    ),
    Movement(
        "trunk-stability-push-up",
        {"m11": "Trunk Stability Push-up"},
        "side",
        {
            "r01": Criterion(
                "hip_sag_deg", _sag, {"A straight line": (-3.0, 4.0), "A sagging line": (21.0, 27.0)}
            ),
            "r02": Criterion(
                "elbow_bend_deg",
                lambda pose, _: _bend(pose, Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
                {"Straight": (4.0, 12.0), "Bent": (62.0, 76.0)},
            ),
            "r03": Criterion(
                "knee_height_m",
                lambda pose, _: float(_middle(pose, Joint.LEFT_KNEE)[1]) - screen.MAT,
                {"Near": (0.04, 0.08), "Far": (0.12, 0.40)},
            ),
        },
    ),
)


def pose_of(exercise: str, body: Body, side: int, sizes: dict[str, float], rng: np.random.Generator) -> Pose:
    """Return the pose of an exercise in which each rule's quantity has its size, by rule."""
    first, second, third = (sizes[rule] for rule in ("r01", "r02", "r03"))
    if exercise == "deep-squat":
        shin = float(rng.uniform(24.0, 32.0))
        stance = body.hips + float(rng.uniform(0.11, 0.14))
        return screen.deep_squat(
            body, hips_above_knees=first, knees_wider=third, shin=shin, trunk=shin + second, stance=stance
        )
    if exercise == "hurdle-step":
        return screen.hurdle_step(body, side=side, tilt=first, clearance=second, ankle_out=third)
    if exercise == "inline-lunge":
        return screen.inline_lunge(body, side=side, trunk=first, knee_gap=second, knee_past_toes=third)
    if exercise == "active-straight-leg-raise":
        return screen.leg_raise(body, side=side, ankle_past_knee=first, knee_bend=second, resting_knee=third)
    return screen.push_up(body, sag=first, elbow=second, knees_down=third < 0.10)
