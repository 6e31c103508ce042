"""Bodyweight exercises with faults of known size: sumo squat, jumping jacks, high knees, side knee raise.

Somebody stands at the origin and faces +z. Angles are radians, lengths metres; a size that an argument
names is reached at the movement's peak.
"""

from __future__ import annotations

import numpy as np

from aqa.synthetic.body import SIDES, Body, Joint, Pose, plant, reach, swing_arm, swing_leg, trunk_pose
from aqa.synthetic.geometry import Array, apply, rotation, unit, vector
from aqa.synthetic.motion import there_and_back
from aqa.synthetic.placing import set_leg

_TOES_OUT = 0.70  # of a sumo squat, radians
_SOLE = 0.03  # from the hips up to the pelvis' centre


def _sign(side: int) -> float:
    return 1.0 if side == 0 else -1.0


def sumo_squat(body: Body, *, knee_in: float, lean: float, thigh: float, frames: int) -> Pose:
    """Return one sumo squat with the hands in front of the chest.

    Args:
        body: Proportions.
        knee_in: How far the knees' plane turns inwards from the toes at the bottom.
        lean: The trunk's forward lean from the vertical at the bottom.
        thigh: The thighs' angle from the vertical at the bottom; pi / 2 is level.
        frames: How many.
    """
    phase = there_and_back(np.linspace(0.0, 1.0, frames), 0.06, 0.44, 0.56, 0.94)
    half = 0.18 * body.stature
    straight = np.sqrt((0.995 * (body.thigh + body.shank)) ** 2 - (half - body.hips) ** 2)
    top = body.ankle_height + _SOLE + straight

    def at(depth: float, share: Array) -> Pose:
        back = 0.05 + 0.10 * np.sin(lean)
        pelvis = vector(0.0, top - depth * share, -back * share)
        return _sumo(body, half, pelvis, knee_in * share, lean * share)

    low, high = 0.0, 0.40 * body.stature
    for _ in range(24):  # the depth at which the thighs reach their angle
        middle = 0.5 * (low + high)
        pose = at(middle, np.ones(1))
        bone = unit(pose.at(Joint.LEFT_HIP) - pose.at(Joint.LEFT_KNEE))[0, 1]
        low, high = (middle, high) if np.arccos(bone) < thigh else (low, middle)
    return at(0.5 * (low + high), phase)


def _sumo(body: Body, half: float, pelvis: Array, knee_in: Array, lean: Array) -> Pose:
    frames = len(pelvis)
    upright = rotation("x", lean)
    pose = trunk_pose(body, pelvis, upright, upright, rotation("x", 0.4 * lean))
    for side in SIDES:
        sign = _sign(side)
        turned = _TOES_OUT - knee_in
        toes = np.tile([sign * np.sin(_TOES_OUT), 0.0, np.cos(_TOES_OUT)], (frames, 1))
        ankle = np.tile([sign * half, body.ankle_height, 0.0], (frames, 1))
        leg = pose.at(Joint.LEFT_HIP + side) - ankle
        bend = vector(sign * np.sin(turned), 0.0, np.cos(turned))
        bend[:, 1] = -(bend * leg).sum(-1) / leg[:, 1]  # at right angles to the leg, the heading kept
        plant(pose, side, ankle, bend, toes)
        wrist = pose.at(Joint.NECK) + apply(upright, vector(0.04 * sign, -0.12, 0.24))
        reach(pose, side, wrist, apply(upright, vector(sign, -0.8, 0.1)), apply(upright, _up(frames)))
    return pose


def _up(frames: int) -> Array:
    return np.tile([0.0, 1.0, 0.15], (frames, 1))


def jumping_jacks(body: Body, *, arms: float, feet: float, elbow: float, frames: int, count: int = 2) -> Pose:
    """Return `count` jumping jacks.

    Args:
        body: Proportions.
        arms: The angle at the top between straight down and the line from shoulder to wrist.
        feet: The widest distance between the ankles.
        elbow: Flexion of the elbows at the top.
        frames: How many.
        count: Repetitions.
    """
    turn = 2.0 * np.pi * count * np.linspace(0.0, 1.0, frames)
    open_ = 0.5 - 0.5 * np.cos(turn)
    hop = 0.055 * np.sin(turn) ** 2
    half = 0.075 + (0.5 * feet - 0.075) * open_
    leg = 0.985 * (body.thigh + body.shank) - 0.015 * np.cos(2.0 * turn)
    height = body.ankle_height + hop + _SOLE + np.sqrt(leg**2 - (half - body.hips) ** 2)
    lean = np.full(frames, 0.04)
    pose = trunk_pose(
        body, vector(0.0, height, 0.0), rotation("x", lean), rotation("x", lean), rotation("x", 0.0 * lean)
    )
    bend = elbow * (0.35 + 0.65 * open_)
    inside = np.arctan2(body.forearm * np.sin(bend), body.upper_arm + body.forearm * np.cos(bend))
    whole = 0.26 + (arms - 0.26) * open_
    for side in SIDES:
        sign = _sign(side)
        ankle = vector(sign * half, body.ankle_height + hop, 0.0)
        ahead = np.tile([0.12 * sign, 0.0, 1.0], (frames, 1))
        plant(pose, side, ankle, vector(sign * 0.3, 0.0, 1.0 + 0.0 * half), ahead)
        swing_arm(pose, side, flexion=0.0, abduction=whole - inside, elbow=bend, twist=-0.5 * np.pi)
    return pose


def high_knee(body: Body, *, lift: float, elbow: float, lean: float, frames: int, count: int = 4) -> Pose:
    """Return `count` steps of running on the spot with high knees, left and right in turn.

    Args:
        body: Proportions.
        lift: The lifted thigh's angle from straight down.
        elbow: Flexion of the elbows.
        lean: The trunk's forward lean from the vertical.
        frames: How many.
        count: Steps.
    """
    beat = count * np.linspace(0.0, 1.0, frames)
    wave = np.sin(np.pi * beat)
    raised = [np.maximum(wave, 0.0) ** 1.3, np.maximum(-wave, 0.0) ** 1.3]
    upright = rotation("x", np.full(frames, lean))
    height = body.ankle_height + _SOLE + body.thigh + body.shank + 0.035 * wave**2
    pose = trunk_pose(
        body, vector(0.0, height, 0.0), upright, upright, rotation("x", np.full(frames, 0.4 * lean))
    )
    for side in SIDES:
        up = raised[side]
        swing_leg(pose, side, flexion=lean + lift * up, knee=(lift + 0.12) * up, point=0.35 * up)
        swing = 0.55 * (raised[1 - side] - raised[side])
        swing_arm(pose, side, flexion=lean + 0.15 + swing, abduction=0.10, elbow=elbow, twist=0.25)
    return pose


def side_knee_raise(body: Body, *, lift: float, support: float, bend: float, frames: int) -> Pose:
    """Return a knee raise to the left side and one to the right, the hands beside the head.

    Args:
        body: Proportions.
        lift: The raised thigh's angle from straight down.
        support: Flexion of the standing knee while the other one is raised.
        bend: How far the trunk bends sideways towards the raised knee.
        frames: How many.
    """
    share = np.linspace(0.0, 1.0, frames)
    raised = [there_and_back(share, 0.02, 0.20, 0.28, 0.47), there_and_back(share, 0.53, 0.72, 0.80, 0.98)]
    both = raised[0] + raised[1]
    flexion = 0.10 + (support - 0.10) * both
    leg = np.sqrt(body.thigh**2 + body.shank**2 + 2.0 * body.thigh * body.shank * np.cos(flexion))
    shift = 0.06 * (raised[1] - raised[0])
    half = 0.09
    height = body.ankle_height + _SOLE + np.sqrt(leg**2 - 0.05**2)
    sideways = rotation("z", bend * (raised[1] - raised[0]))
    level = rotation("z", 0.0 * share)
    pose = trunk_pose(body, vector(shift, height, 0.0), level, sideways, sideways)
    for side in SIDES:
        sign, up = _sign(side), raised[side]
        ankle = np.tile([sign * half, body.ankle_height, 0.0], (frames, 1))
        ahead = np.tile([0.25 * sign, 0.0, 1.0], (frames, 1))
        plant(pose, side, ankle, ahead, ahead)
        _raise(pose, side, lift, up)
        head = pose.at(Joint.HEAD)
        wrist = head + apply(sideways, vector(0.15 * sign, -0.02, -0.03))
        pole = apply(sideways, vector(sign, -0.15, -0.15))
        reach(pose, side, wrist, pole, apply(sideways, vector(-0.35 * sign, 0.9, -0.3)))
    return pose


def _raise(pose: Pose, side: int, lift: float, up: Array) -> None:
    """Raise a planted leg's knee out to the side, by `up` [frames] of the way."""
    sign, body = _sign(side), pose.body
    hip = pose.at(Joint.LEFT_HIP + side)
    planted = {
        name: unit(pose.at(last + side) - pose.at(first + side))
        for name, first, last in (
            ("thigh", Joint.LEFT_HIP, Joint.LEFT_KNEE),
            ("shank", Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
        )
    }
    out = 1.05
    angle = lift * up
    thigh = vector(sign * np.sin(out) * np.sin(angle), -np.cos(angle), np.cos(out) * np.sin(angle))
    share = np.clip(up / 0.12, 0.0, 1.0)[:, None]  # from the planted leg to the raised one
    thigh = unit((1.0 - share) * planted["thigh"] + share * thigh)
    hanging = np.tile([0.0, -1.0, -0.06], (len(up), 1))
    shank = unit((1.0 - share) * planted["shank"] + share * unit(hanging))
    knee = hip + body.thigh * thigh
    toes = vector(sign * (0.25 + 0.5 * up), -0.3 * up, 1.0)
    set_leg(
        pose, side, knee, knee + body.shank * shank, toes=toes, instep=np.tile([0.0, 1.0, 0.0], (len(up), 1))
    )
