"""Barbell exercises with faults of known size: the back squat and the overhead press.

A lifter stands at the origin and faces +z, feet planted on the floor by inverse kinematics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aqa.synthetic.body import SIDES, Body, Joint, Pose, plant, reach, trunk_pose
from aqa.synthetic.geometry import Array, apply, rotation, vector
from aqa.synthetic.motion import ease, there_and_back

_GRAVITY_LINE = 0.055  # metres in front of the ankles: over this point the load is balanced


@dataclass(frozen=True)
class Stance:
    """Feet: half the distance between the ankles in metres, and how far the toes turn out, radians."""

    half_width: float
    toes_out: float


@dataclass(frozen=True)
class Lift:
    """A lifter with a bar: the pose, the bar's middle and direction [frames, 3], and how far the
    movement is [frames] (0 at rest, 1 at the bottom of a squat or at the top of a press)."""

    pose: Pose
    bar: Array
    bar_direction: Array
    phase: Array


@dataclass(frozen=True)
class Squat:
    """One repetition of a back squat; angles in radians.

    `shin` is the shins' forward lean at the bottom: the knees-forward fault is a large one. `knee_in` is
    how far the knees' plane turns inwards from the direction of the toes at the bottom: the
    knees-inward fault (valgus). `thigh` is the thighs' angle from the vertical at the bottom. The times
    are shares of the clip: down starts, bottom reached, bottom left, up again.
    """

    stance: Stance
    shin: float
    thigh: float
    knee_in: float
    grip: float = 0.36
    times: tuple[float, float, float, float] = (0.08, 0.46, 0.53, 0.92)


@dataclass(frozen=True)
class Press:
    """One repetition of an overhead press; angles in radians.

    `flare` turns the elbows from below the bar (0) out to the sides and behind it: the elbows fault.
    `dip` is the knees' bend before the drive: the knees fault (a push press). The times are shares of
    the clip: press starts, top reached, top left, down again.
    """

    stance: Stance
    flare: float
    dip: float
    grip: float = 0.27
    times: tuple[float, float, float, float] = (0.24, 0.52, 0.62, 0.92)


def squat(body: Body, style: Squat, frames: int) -> Lift:
    """Return a back squat of `frames` frames."""
    share = np.linspace(0.0, 1.0, frames)
    phase = there_and_back(share, *style.times)
    sideways = style.stance.half_width - body.hips
    length = body.thigh + body.shank
    reachable = 0.993 * np.sqrt(max(length**2 - sideways**2, 0.0)) / length
    shin = 0.04 + (style.shin - 0.04) * phase
    thigh = 0.07 + (style.thigh - 0.07) * phase
    pelvis_z = reachable * (body.shank * np.sin(shin) - body.thigh * np.sin(thigh))
    pelvis_y = body.ankle_height + 0.03 + reachable * (body.shank * np.cos(shin) + body.thigh * np.cos(thigh))
    lean = np.arcsin(np.clip((_GRAVITY_LINE + 0.05 * phase - pelvis_z) / (0.97 * body.trunk), -0.1, 0.86))
    upright = rotation("x", lean)
    pose = trunk_pose(
        body,
        vector(0.0, pelvis_y, pelvis_z),
        rotation("x", 1.05 * lean),
        upright,
        rotation("x", 0.25 * lean),
    )
    _stand(pose, style.stance, style.knee_in * phase)
    bar = pose.at(Joint.NECK) + apply(upright, vector(0.0, -0.035, -0.098))
    across = np.broadcast_to(np.array([1.0, 0.0, 0.0]), bar.shape)
    for side in SIDES:
        sign = 1.0 if side == 0 else -1.0
        wrist = bar + apply(upright, vector(sign * style.grip, -0.035, -0.02))
        pole = apply(upright, vector(sign * 0.35, -1.0, -0.45))
        reach(pose, side, wrist, pole, apply(upright, vector(-sign * 0.1, 0.9, 0.45)))
    return Lift(pose, bar, np.array(across), phase)


def press(body: Body, style: Press, frames: int) -> Lift:
    """Return an overhead press of `frames` frames, from the shoulders and back to them."""
    share = np.linspace(0.0, 1.0, frames)
    phase = there_and_back(share, *style.times)
    start = style.times[0]
    bend = style.dip * there_and_back(share, start - 0.20, start - 0.04, start - 0.02, start + 0.16) + 0.05
    sideways = style.stance.half_width - body.hips
    leg = np.sqrt(body.thigh**2 + body.shank**2 + 2.0 * body.thigh * body.shank * np.cos(bend))
    pelvis_y = body.ankle_height + 0.03 + np.sqrt(leg**2 - sideways**2) * 0.997
    lean = -0.05 - 0.05 * np.sin(np.pi * phase)
    upright = rotation("x", lean)
    pelvis = vector(0.0, pelvis_y, 0.035 - 0.10 * (bend - 0.05))
    pose = trunk_pose(body, pelvis, rotation("x", 0.4 * lean), upright, rotation("x", lean - 0.08))
    _stand(pose, style.stance, np.zeros(frames))
    neck = pose.at(Joint.NECK)
    arm = body.upper_arm + body.forearm
    shoulder = 0.5 * (pose.at(Joint.LEFT_SHOULDER) + pose.at(Joint.RIGHT_SHOULDER))
    top = np.sqrt((0.985 * arm) ** 2 - (style.grip - body.shoulders) ** 2)
    low = neck + vector(0.0, -0.035, 0.135)
    high = shoulder + vector(0.0, top, -0.01)
    around = 0.05 * np.sin(np.pi * ease(phase, 0.0, 1.0))
    wrists = low + phase[:, None] * (high - low) + vector(0.0, 0.0, around)
    bar = wrists + vector(0.0, 0.045, 0.01)
    for side in SIDES:
        sign = 1.0 if side == 0 else -1.0
        below = np.array([0.0, -1.0, 0.45])
        out = np.array([sign * 1.0, 0.10, -0.45])
        pole = np.broadcast_to(np.cos(style.flare) * below + np.sin(style.flare) * out, neck.shape)
        grip = wrists + vector(sign * style.grip, 0.0, 0.0)
        reach(pose, side, grip, pole, np.broadcast_to(np.array([0.0, 1.0, 0.12]), neck.shape))
    across = np.broadcast_to(np.array([1.0, 0.0, 0.0]), bar.shape)
    return Lift(pose, bar, np.array(across), phase)


def _stand(pose: Pose, stance: Stance, knee_in: Array) -> None:
    """Plant both feet; the knees bend along the toes, turned inwards by `knee_in` [frames] radians."""
    frames = len(pose.joints)
    for side in SIDES:
        sign = 1.0 if side == 0 else -1.0
        ankle = np.tile([sign * stance.half_width, pose.body.ankle_height, 0.0], (frames, 1))
        toes = vector(sign * np.sin(stance.toes_out), 0.0, np.cos(stance.toes_out))
        turned = stance.toes_out - knee_in
        plant(
            pose, side, ankle, vector(sign * np.sin(turned), 0.0, np.cos(turned)), np.tile(toes, (frames, 1))
        )
