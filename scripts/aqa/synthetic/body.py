"""A human body: proportions, a pose of named joints, forward and inverse kinematics."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

from aqa.synthetic.geometry import Array, apply, orthonormal, rotation, two_bone_ik, unit, vector


class Joint(IntEnum):
    """Index of a joint in `Pose.joints`; the first 17 are COCO's keypoints in COCO's order."""

    NOSE = 0
    LEFT_EYE = 1
    RIGHT_EYE = 2
    LEFT_EAR = 3
    RIGHT_EAR = 4
    LEFT_SHOULDER = 5
    RIGHT_SHOULDER = 6
    LEFT_ELBOW = 7
    RIGHT_ELBOW = 8
    LEFT_WRIST = 9
    RIGHT_WRIST = 10
    LEFT_HIP = 11
    RIGHT_HIP = 12
    LEFT_KNEE = 13
    RIGHT_KNEE = 14
    LEFT_ANKLE = 15
    RIGHT_ANKLE = 16
    PELVIS = 17
    SPINE = 18
    NECK = 19
    HEAD = 20
    LEFT_HAND = 21
    RIGHT_HAND = 22
    LEFT_HEEL = 23
    RIGHT_HEEL = 24
    LEFT_TOE = 25
    RIGHT_TOE = 26


COCO_KEYPOINTS = 17
SIDES = (0, 1)
"""Left and right: an offset to add to a LEFT_* joint."""

_MASSES = {
    Joint.PELVIS: 0.24,
    Joint.SPINE: 0.17,
    Joint.NECK: 0.12,
    Joint.HEAD: 0.08,
    Joint.LEFT_ELBOW: 0.03,
    Joint.LEFT_WRIST: 0.02,
    Joint.LEFT_KNEE: 0.10,
    Joint.LEFT_ANKLE: 0.045,
}


@dataclass(frozen=True)
class Body:
    """Proportions. Lengths are metres; `girth` scales how thick, `shoulders` and `hips` half widths."""

    stature: float = 1.75
    girth: float = 1.0
    shoulders: float = 0.185
    hips: float = 0.092
    leg_ratio: float = 1.0

    @property
    def thigh(self) -> float:
        """Length from hip to knee."""
        return 0.245 * self.stature * self.leg_ratio

    @property
    def shank(self) -> float:
        """Length from knee to ankle."""
        return 0.240 * self.stature * self.leg_ratio

    @property
    def ankle_height(self) -> float:
        """Height of the ankle above the sole."""
        return 0.045 * self.stature

    @property
    def foot(self) -> float:
        """Length from ankle to toe, along the sole."""
        return 0.105 * self.stature

    @property
    def trunk(self) -> float:
        """Length from the pelvis' centre to the neck's base."""
        return 0.300 * self.stature

    @property
    def upper_arm(self) -> float:
        """Length from shoulder to elbow."""
        return 0.170 * self.stature

    @property
    def forearm(self) -> float:
        """Length from elbow to wrist."""
        return 0.148 * self.stature

    @property
    def hand(self) -> float:
        """Length from wrist to the middle of the fingers."""
        return 0.055 * self.stature


def random_body(rng: np.random.Generator) -> Body:
    """Draw an adult's proportions."""
    stature = float(rng.uniform(1.58, 1.90))
    return Body(
        stature=stature,
        girth=float(rng.uniform(0.88, 1.18)),
        shoulders=stature * float(rng.uniform(0.100, 0.116)),
        hips=stature * float(rng.uniform(0.048, 0.056)),
        leg_ratio=float(rng.uniform(0.96, 1.05)),
    )


@dataclass
class Pose:
    """A figure over time: joints in world coordinates and the orientation of trunk and head.

    `joints` is [frames, len(Joint), 3] in metres. The rotations are [frames, 3, 3]; their columns are
    the part's left, up and forward in the world.
    """

    joints: Array
    pelvis_rotation: Array
    chest_rotation: Array
    head_rotation: Array
    body: Body = field(default_factory=Body)

    def at(self, joint: int) -> Array:
        """Return one joint's positions [frames, 3]."""
        return self.joints[:, joint]

    def moved(self, offset: Array) -> Pose:
        """Return the pose shifted by `offset` [3] or [frames, 3] metres."""
        joints = self.joints + np.asarray(offset).reshape(-1, 1, 3)
        return Pose(joints, self.pelvis_rotation, self.chest_rotation, self.head_rotation, self.body)


def trunk_pose(
    body: Body, pelvis: Array, pelvis_rotation: Array, chest_rotation: Array, head_rotation: Array
) -> Pose:
    """Return a pose with trunk, head, hips and shoulders placed; arms and legs still to come.

    Args:
        body: Proportions.
        pelvis: Position of the pelvis' centre [frames, 3].
        pelvis_rotation: World orientation of the pelvis [frames, 3, 3].
        chest_rotation: World orientation of the chest [frames, 3, 3].
        head_rotation: World orientation of the head [frames, 3, 3].
    """
    frames = len(pelvis)
    joints = np.zeros((frames, len(Joint), 3))
    size = body.stature / 1.75
    middle = orthonormal(0.5 * (pelvis_rotation + chest_rotation))
    spine = pelvis + 0.45 * body.trunk * middle[..., :, 1]
    neck = spine + 0.55 * body.trunk * chest_rotation[..., :, 1]
    head = (
        neck
        + size * 0.09 * orthonormal(0.5 * (chest_rotation + head_rotation))[..., :, 1]
        + size * apply(head_rotation, vector(0.0, 0.085, 0.02))
    )
    joints[:, Joint.PELVIS], joints[:, Joint.SPINE] = pelvis, spine
    joints[:, Joint.NECK], joints[:, Joint.HEAD] = neck, head
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        joints[:, Joint.LEFT_HIP + side] = pelvis + apply(
            pelvis_rotation, vector(sign * body.hips, -0.03, 0.0)
        )
        shoulder = vector(sign * body.shoulders, -0.035 * size, 0.0)
        joints[:, Joint.LEFT_SHOULDER + side] = neck + apply(chest_rotation, shoulder)
        eye, ear = vector(sign * 0.033, 0.012, 0.086), vector(sign * 0.074, -0.005, 0.0)
        joints[:, Joint.LEFT_EYE + side] = head + size * apply(head_rotation, eye)
        joints[:, Joint.LEFT_EAR + side] = head + size * apply(head_rotation, ear)
    joints[:, Joint.NOSE] = head + size * apply(head_rotation, vector(0.0, -0.022, 0.104))
    return Pose(joints, pelvis_rotation, chest_rotation, head_rotation, body)


def swing_arm(
    pose: Pose,
    side: int,
    *,
    flexion: ArrayLike,
    abduction: ArrayLike = 0.0,
    elbow: ArrayLike = 0.0,
    twist: ArrayLike = 0.0,
) -> None:
    """Place an arm by angles in radians [frames], relative to the chest.

    Args:
        pose: Filled in place.
        side: 0 left, 1 right.
        flexion: Forward and up; pi is overhead.
        abduction: Away from the body, sideways.
        elbow: Flexion of the elbow; 0 is straight.
        twist: Turn of the forearm's bending plane about the upper arm, towards the midline.
    """
    body, frames = pose.body, len(pose.joints)
    flexion, abduction, elbow, twist = (
        np.broadcast_to(np.asarray(a, float), frames) for a in (flexion, abduction, elbow, twist)
    )
    sign = 1.0 if side == 0 else -1.0
    upper = pose.chest_rotation @ rotation("z", sign * abduction) @ rotation("x", -flexion)
    lower = upper @ rotation("y", -sign * twist) @ rotation("x", -elbow)
    joint = pose.joints
    joint[:, Joint.LEFT_ELBOW + side] = joint[:, Joint.LEFT_SHOULDER + side] - body.upper_arm * upper[..., 1]
    joint[:, Joint.LEFT_WRIST + side] = joint[:, Joint.LEFT_ELBOW + side] - body.forearm * lower[..., 1]
    joint[:, Joint.LEFT_HAND + side] = joint[:, Joint.LEFT_WRIST + side] - body.hand * lower[..., 1]


def reach(pose: Pose, side: int, wrist: Array, pole: Array, hand: Array | None = None) -> None:
    """Place an arm so that its wrist is at `wrist` [frames, 3], the elbow bending towards `pole`.

    `hand` is the direction of the fingers [frames, 3]; without it the hand prolongs the forearm.
    """
    joint, body = pose.joints, pose.body
    shoulder = joint[:, Joint.LEFT_SHOULDER + side]
    elbow, end = two_bone_ik(shoulder, wrist, body.upper_arm, body.forearm, pole)
    joint[:, Joint.LEFT_ELBOW + side], joint[:, Joint.LEFT_WRIST + side] = elbow, end
    direction = unit(end - elbow) if hand is None else unit(hand)
    joint[:, Joint.LEFT_HAND + side] = end + body.hand * direction


def swing_leg(
    pose: Pose,
    side: int,
    *,
    flexion: ArrayLike,
    abduction: ArrayLike = 0.0,
    knee: ArrayLike = 0.0,
    point: ArrayLike = 0.0,
) -> None:
    """Place a leg by angles in radians [frames], relative to the pelvis.

    Args:
        pose: Filled in place.
        side: 0 left, 1 right.
        flexion: Of the hip, forward.
        abduction: Of the hip, away from the midline.
        knee: Flexion of the knee; 0 is straight.
        point: Of the foot; 0 is at right angles to the shank, about 1.2 is pointed.
    """
    body, frames, joint = pose.body, len(pose.joints), pose.joints
    flexion, abduction, knee, point = (
        np.broadcast_to(np.asarray(a, float), frames) for a in (flexion, abduction, knee, point)
    )
    sign = 1.0 if side == 0 else -1.0
    upper = pose.pelvis_rotation @ rotation("z", sign * abduction) @ rotation("x", -flexion)
    lower = upper @ rotation("x", knee)
    joint[:, Joint.LEFT_KNEE + side] = joint[:, Joint.LEFT_HIP + side] - body.thigh * upper[..., 1]
    joint[:, Joint.LEFT_ANKLE + side] = joint[:, Joint.LEFT_KNEE + side] - body.shank * lower[..., 1]
    _foot(pose, side, lower @ rotation("x", point))


def plant(pose: Pose, side: int, ankle: Array, pole: Array, toes: Array) -> None:
    """Place a leg so that its ankle is at `ankle` [frames, 3] with the sole flat on the floor.

    Args:
        pose: Filled in place.
        side: 0 left, 1 right.
        ankle: Where the ankle stands; out of reach, the leg is straight and the foot leaves the place.
        pole: The direction in which the knee bends [frames, 3].
        toes: The horizontal direction of the foot [frames, 3].
    """
    joint, body = pose.joints, pose.body
    hip = joint[:, Joint.LEFT_HIP + side]
    knee, end = two_bone_ik(hip, ankle, body.thigh, body.shank, pole)
    joint[:, Joint.LEFT_KNEE + side], joint[:, Joint.LEFT_ANKLE + side] = knee, end
    forward = unit(toes * np.array([1.0, 0.0, 1.0]))
    up = np.broadcast_to(np.array([0.0, 1.0, 0.0]), forward.shape)
    _foot(pose, side, np.stack([np.cross(up, forward), up, forward], axis=-1))


def _foot(pose: Pose, side: int, frame: Array) -> None:
    joint, body = pose.joints, pose.body
    ankle = joint[:, Joint.LEFT_ANKLE + side]
    down = -0.62 * body.ankle_height
    joint[:, Joint.LEFT_HEEL + side] = ankle + apply(frame, vector(0.0, down, -0.25 * body.foot))
    joint[:, Joint.LEFT_TOE + side] = ankle + apply(frame, vector(0.0, down, body.foot))


def centre_of_mass(pose: Pose) -> Array:
    """Return the approximate centre of mass [frames, 3] in metres (fixed weights on joints)."""
    total, weight = np.zeros((len(pose.joints), 3)), 0.0
    for joint, mass in _MASSES.items():
        for index in (joint,) if joint >= Joint.PELVIS else (joint, joint + 1):
            total += mass * pose.joints[:, index]
            weight += mass
    return total / weight
