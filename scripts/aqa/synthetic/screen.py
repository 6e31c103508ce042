"""Held poses of the Functional Movement Screen, each with quantities of known size.

Every function returns one frame, in metres and degrees; a quantity that an argument names is true of the
joints to the last digit, for legs and trunk are placed in closed form. The figure faces +z (lying: the
feet or the head point there); turn it with `placing.turned`.
"""

from __future__ import annotations

import numpy as np

from aqa.synthetic.body import SIDES, Body, Joint, Pose, plant, reach, swing_arm, trunk_pose
from aqa.synthetic.geometry import Array, apply, rotation, two_bone_ik, vector
from aqa.synthetic.placing import grasp_behind, set_leg

MAT = 0.03
"""Thickness in metres of the mat on which lying figures lie."""

STRING = 0.20
"""Height of the hurdle's string, as a share of the stature."""

_TUCKED, _TUCKED_INSTEP = np.array([[0.0, -0.95, 0.31]]), np.array([[0.0, 0.31, 0.95]])
"""A foot that stands on its toes, the heel up and behind."""

_HIP_DROP = 0.03  # of the hips below the pelvis' centre, as `body.trunk_pose` places them


def _point(x: float, y: float, z: float) -> Array:
    return np.array([[x, y, z]])


def _tilt(axis: str, degrees: float) -> Array:
    return rotation(axis, np.radians([degrees]))


def _heel_up(body: Body) -> float:
    """Return the height of the ankle over a foot that stands on its toes, metres."""
    return 0.024 + 0.31 * 0.62 * body.ankle_height + 0.95 * body.foot


def _sign(side: int) -> float:
    return 1.0 if side == 0 else -1.0


def deep_squat(
    body: Body, *, hips_above_knees: float, knees_wider: float, shin: float, trunk: float, stance: float
) -> Pose:
    """Return the bottom of a deep squat with the arms overhead.

    Args:
        body: Proportions.
        hips_above_knees: Height of the hips above the knees, metres; negative is below.
        knees_wider: Distance between the knees minus that between the ankles, metres.
        shin: The shanks' forward lean from the vertical, degrees.
        trunk: The trunk's forward lean from the vertical, degrees.
        stance: Half the distance between the ankles, metres.
    """
    out = 0.5 * knees_wider
    rise = np.sqrt(body.shank**2 - out**2)
    knee_y = body.ankle_height + rise * np.cos(np.radians(shin))
    knee_z = rise * np.sin(np.radians(shin))
    sideways = stance + out - body.hips
    hip_z = knee_z - np.sqrt(body.thigh**2 - hips_above_knees**2 - sideways**2)
    upright = _tilt("x", trunk)
    pelvis = _point(0.0, knee_y + hips_above_knees, hip_z) + _HIP_DROP * upright[:, :, 1]
    pose = trunk_pose(body, pelvis, upright, upright, _tilt("x", 0.35 * trunk))
    for side in SIDES:
        sign = _sign(side)
        toes = _point(0.22 * sign, 0.0, 1.0)
        ankle, knee = (
            _point(sign * stance, body.ankle_height, 0.0),
            _point(sign * (stance + out), knee_y, knee_z),
        )
        set_leg(pose, side, knee, ankle, toes=toes, instep=_point(0.0, 1.0, 0.0))
        swing_arm(pose, side, flexion=np.pi - 0.10, abduction=-0.38, elbow=0.05)
    return pose


def hurdle_step(body: Body, *, side: int, tilt: float, clearance: float, ankle_out: float) -> Pose:
    """Return the moment at which a foot is raised at the hurdle, a stick across the shoulders.

    Args:
        body: Proportions.
        side: The stepping leg, 0 left or 1 right.
        tilt: The shoulders' slope against the floor, degrees, down on the standing leg's side.
        clearance: Height of the stepping foot's toe above the string (`STRING`), metres.
        ankle_out: How far the stepping ankle is out to the side of its knee, metres.
    """
    sign = _sign(side)
    height = body.ankle_height + 0.9985 * (body.thigh + body.shank) + _HIP_DROP
    chest = _tilt("z", sign * tilt)
    pose = trunk_pose(
        body, _point(0.0, height, 0.0), _tilt("z", 0.15 * sign * tilt), chest, _tilt("z", 0.5 * sign * tilt)
    )
    other = 1 - side
    standing = _point(-sign * body.hips, body.ankle_height, 0.0)
    plant(pose, other, standing, _point(0.0, 0.0, 1.0), _point(-0.12 * sign, 0.0, 1.0))
    hip = pose.at(Joint.LEFT_HIP + side)
    fall, back = np.sqrt(body.shank**2 - ankle_out**2), np.radians(8.0)
    toe_y = STRING * body.stature + clearance
    knee_y = toe_y + 0.62 * body.ankle_height + fall * np.cos(back)
    drop = float(hip[0, 1]) - knee_y
    knee = hip + _point(0.0, -drop, float(np.sqrt(body.thigh**2 - drop**2)))
    ankle = knee + _point(sign * ankle_out, -fall * float(np.cos(back)), -fall * float(np.sin(back)))
    set_leg(pose, side, knee, ankle, toes=_point(sign * ankle_out, 0.0, 0.9), instep=_point(0.0, 1.0, 0.0))
    for arm in SIDES:
        across = 2.1 * (pose.at(Joint.LEFT_SHOULDER + arm) - pose.at(Joint.NECK))
        wrist = pose.at(Joint.NECK) + across + apply(chest, vector(0.0, 0.06, -0.07))
        reach(pose, arm, wrist, _point(_sign(arm) * 0.5, -1.0, -0.4))
    return pose


def inline_lunge(body: Body, *, side: int, trunk: float, knee_gap: float, knee_past_toes: float) -> Pose:
    """Return the bottom of an inline lunge, a stick held along the back.

    Args:
        body: Proportions.
        side: The leg in front, 0 left or 1 right.
        trunk: The trunk's forward lean from the vertical, degrees.
        knee_gap: How far the back knee is behind the front heel, metres along the floor.
        knee_past_toes: How far the front knee is in front of the front toes, metres; negative is behind.
    """
    sign, other = _sign(side), 1 - side
    upright = _tilt("x", trunk)
    lean = body.foot + knee_past_toes
    front_knee = np.array([0.0, body.ankle_height + np.sqrt(body.shank**2 - lean**2), lean])
    back_knee = np.array([0.0, 0.062, -0.25 * body.foot - knee_gap])
    narrow = body.hips - 0.02  # sideways from a hip to its knee
    span = float(np.sqrt(body.thigh**2 - narrow**2))
    hip, _ = two_bone_ik(front_knee[None], back_knee[None], span, span, _point(0.0, 1.0, 0.0))
    pose = trunk_pose(body, hip + _HIP_DROP * upright[:, :, 1], upright, upright, _tilt("x", 0.5 * trunk))
    x = _point(0.02 * sign, 0.0, 0.0)
    ahead, above = _point(0.0, 0.0, 1.0), _point(0.0, 1.0, 0.0)
    set_leg(pose, side, front_knee + x, _point(0.02 * sign, body.ankle_height, 0.0), toes=ahead, instep=above)
    rise = _heel_up(body) - float(back_knee[1])
    ankle = back_knee - x + _point(0.0, rise, -float(np.sqrt(body.shank**2 - rise**2)))
    set_leg(pose, other, back_knee - x, ankle, toes=_TUCKED, instep=_TUCKED_INSTEP)
    out = _point(sign, 0.0, 0.0)
    reach(pose, side, grasp_behind(pose, side, 0.30), apply(upright, vector(sign, -0.2, -0.8)), -out)
    reach(pose, other, grasp_behind(pose, other, 1.06), apply(upright, vector(-sign, 0.9, 0.1)), out)
    return pose


def leg_raise(
    body: Body, *, side: int, ankle_past_knee: float, knee_bend: float, resting_knee: float
) -> Pose:
    """Return an active straight leg raise on the mat; the feet point to +z, the face up.

    Args:
        body: Proportions.
        side: The raised leg, 0 left or 1 right.
        ankle_past_knee: How far the raised ankle is on the head's side of the resting knee, metres.
        knee_bend: Flexion of the raised knee, degrees.
        resting_knee: Height of the resting knee above the mat, metres.
    """
    lying = _tilt("x", -90.0)
    floor = MAT + 0.115 * body.girth
    pelvis = _point(0.0, floor, -_HIP_DROP)
    pose = trunk_pose(body, pelvis, lying, lying, _tilt("x", -82.0))
    other, hip_y = 1 - side, floor
    knee_y, ankle_y = MAT + resting_knee, MAT + 0.065
    far = float(np.sqrt(body.thigh**2 - (knee_y - hip_y) ** 2))
    end = far + float(np.sqrt(body.shank**2 - (knee_y - ankle_y) ** 2))
    x = pose.at(Joint.LEFT_HIP + other)[0, 0]
    knee, ankle = _point(x, knee_y, far), _point(x, ankle_y, end)
    set_leg(pose, other, knee, ankle, toes=_forward(knee, ankle), instep=knee - ankle)
    bend = np.radians(knee_bend)
    along, across = body.thigh + body.shank * np.cos(bend), body.shank * np.sin(bend)
    raised = np.arctan2(across, along) + np.arccos((far - ankle_past_knee) / np.hypot(along, across))
    hip = pose.at(Joint.LEFT_HIP + side)
    knee = hip + body.thigh * _point(0.0, float(np.sin(raised)), float(np.cos(raised)))
    ankle = knee + body.shank * _point(0.0, float(np.sin(raised - bend)), float(np.cos(raised - bend)))
    set_leg(pose, side, knee, ankle, toes=_forward(knee, ankle), instep=knee - ankle)
    for arm in SIDES:
        swing_arm(pose, arm, flexion=-0.06, abduction=0.30, elbow=0.08)
    return pose


def _forward(knee: Array, ankle: Array) -> Array:
    """Return the direction of a relaxed foot of somebody who lies on the back."""
    shank = ankle - knee
    return np.stack([0.0 * shank[:, 0], shank[:, 2], -shank[:, 1]], axis=-1) + 0.35 * shank


def push_up(body: Body, *, sag: float, elbow: float, knees_down: bool) -> Pose:
    """Return a push-up held on the mat; the head points to +z, the face down.

    Args:
        body: Proportions.
        sag: How far the hips hang: 180 minus the angle between shoulders, hips and knees, degrees.
        elbow: Flexion of the elbows, degrees.
        knees_down: Whether the knees are on the mat.
    """
    size = body.stature / 1.75
    grip = body.shoulders + 0.05
    arm = body.upper_arm**2 + body.forearm**2
    arm += 2.0 * body.upper_arm * body.forearm * float(np.cos(np.radians(elbow)))
    wrist_y = MAT + 0.03
    shoulder_y = wrist_y + float(np.sqrt(arm - (grip - body.shoulders) ** 2))
    trunk = body.trunk + _HIP_DROP - 0.035 * size
    leg = body.thigh if knees_down else body.thigh + body.shank
    end_y = MAT + (0.062 if knees_down else _heel_up(body))
    bend = np.radians(sag)
    span = float(np.sqrt(trunk**2 + leg**2 + 2.0 * trunk * leg * np.cos(bend)))
    slope = np.arcsin((shoulder_y - end_y) / span)
    inner = np.arcsin(leg * np.sin(bend) / span)  # at the shoulders, between the trunk and the line
    up = slope + inner  # of the trunk, above the horizontal
    back = up - bend
    hip = np.array([0.0, shoulder_y - trunk * np.sin(up), 0.0])
    line = _tilt("x", 90.0 - float(np.degrees(up)))
    pelvis = hip[None] + _HIP_DROP * line[:, :, 1]
    pose = trunk_pose(body, pelvis, line, line, _tilt("x", 62.0 - float(np.degrees(up))))
    away = _point(0.0, -float(np.sin(back)), -float(np.cos(back)))
    for side in SIDES:
        knee = pose.at(Joint.LEFT_HIP + side) + body.thigh * away
        if knees_down:
            ankle = knee + body.shank * _point(0.0, 0.05, -float(np.sqrt(1.0 - 0.05**2)))
            set_leg(pose, side, knee, ankle, toes=_point(0.0, -0.2, -1.0), instep=_point(0.0, -1.0, 0.2))
        else:
            ankle = knee + body.shank * away
            set_leg(pose, side, knee, ankle, toes=_TUCKED, instep=_TUCKED_INSTEP)
        wrist = pose.at(Joint.LEFT_SHOULDER + side).copy()
        wrist[:, 0], wrist[:, 1] = _sign(side) * grip, wrist_y
        reach(pose, side, wrist, _point(_sign(side) * 0.55, 0.0, -1.0), _point(0.0, -0.1, 1.0))
    return pose
