"""Placing what inverse kinematics does not: a leg by its joints, feet at any angle, a figure turned about."""

from __future__ import annotations

from numpy.typing import ArrayLike

from aqa.synthetic.body import Joint, Pose
from aqa.synthetic.geometry import Array, apply, orthonormal, rotation, unit, vector


def set_leg(pose: Pose, side: int, knee: Array, ankle: Array, *, toes: Array, instep: Array) -> None:
    """Place a leg by its joints.

    Args:
        pose: Filled in place.
        side: 0 left, 1 right.
        knee: Position [frames, 3]; its distance from the hip must be the thigh's length.
        ankle: Position [frames, 3]; its distance from the knee must be the shank's length.
        toes: The direction of the foot [frames, 3].
        instep: The direction away from the sole [frames, 3], about at right angles to `toes`.
    """
    joint, body = pose.joints, pose.body
    joint[:, Joint.LEFT_KNEE + side], joint[:, Joint.LEFT_ANKLE + side] = knee, ankle
    forward = unit(toes)
    up = unit(instep - (instep * forward).sum(-1, keepdims=True) * forward)
    down, length = -0.62 * body.ankle_height, body.foot
    joint[:, Joint.LEFT_HEEL + side] = ankle + down * up - 0.25 * length * forward
    joint[:, Joint.LEFT_TOE + side] = ankle + down * up + length * forward


def turned(pose: Pose, angle: ArrayLike) -> Pose:
    """Return the pose turned by `angle` radians about the vertical through the origin."""
    turn = rotation("y", angle)
    return Pose(
        pose.joints @ turn.T,
        turn @ pose.pelvis_rotation,
        turn @ pose.chest_rotation,
        turn @ pose.head_rotation,
        pose.body,
    )


def grasp_behind(pose: Pose, side: int, height: float) -> Array:
    """Return a point behind the trunk [frames, 3], `height` (0 pelvis, 1 neck) up, to the hand's own side."""
    upright = orthonormal(pose.chest_rotation)
    along = pose.at(Joint.PELVIS) + height * (pose.at(Joint.NECK) - pose.at(Joint.PELVIS))
    sign = 1.0 if side == 0 else -1.0
    return along + apply(upright, vector(0.03 * sign, 0.0, -0.15 * pose.body.girth))
