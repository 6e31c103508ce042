"""A figure on skates: postures between which it moves, balance over the blade, and flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from aqa.synthetic.body import (
    SIDES,
    Body,
    Joint,
    Pose,
    centre_of_mass,
    swing_arm,
    swing_leg,
    trunk_pose,
)
from aqa.synthetic.diving import GRAVITY
from aqa.synthetic.geometry import Array, apply, orthonormal, rotation, unit, vector
from aqa.synthetic.motion import ease
from aqa.synthetic.surface import Colour, Limb, Shape

BLADE_M = 0.075
"""From the heel and toe joints, which lie inside the boot, down to the ice."""

_UP = np.array([0.0, 1.0, 0.0])
_TOUCHING = (
    (Joint.PELVIS, 0.13),
    (Joint.LEFT_KNEE, 0.06),
    (Joint.RIGHT_KNEE, 0.06),
    (Joint.LEFT_HAND, 0.04),
    (Joint.RIGHT_HAND, 0.04),
    (Joint.LEFT_ELBOW, 0.05),
    (Joint.RIGHT_ELBOW, 0.05),
)


@dataclass(frozen=True)
class Posture:
    """Angles of a skater in degrees.

    Legs: flexion of the hip (`hip`), away from the midline (`out`), flexion of the knee, and of the free
    foot (`point`). Arms: forward and up (`arm`), away from the body (`spread`), flexion of the elbow, and
    the forearm's turn towards the midline (`fold`). The trunk curls forward, twists to the left and bends
    to the left; the head nods forward and turns to the left. `right` is the share of the weight on the
    right blade. `down` is 0 on the blades and 1 on the ice, then pitched forward by `tip` and rolled to
    the right by `roll`.
    """

    left_hip: float = 9.0
    left_out: float = 0.0
    left_knee: float = 18.0
    left_point: float = 10.0
    right_hip: float = 9.0
    right_out: float = 0.0
    right_knee: float = 18.0
    right_point: float = 10.0
    curl: float = 0.0
    twist: float = 0.0
    bend: float = 0.0
    nod: float = 0.0
    look: float = 0.0
    left_arm: float = 12.0
    left_spread: float = 62.0
    left_elbow: float = 14.0
    left_fold: float = 0.0
    right_arm: float = 12.0
    right_spread: float = 62.0
    right_elbow: float = 14.0
    right_fold: float = 0.0
    right: float = 0.0
    down: float = 0.0
    tip: float = 0.0
    roll: float = 0.0


Key = tuple[float, Posture]
"""A posture and the second at which it is reached."""

_NAMES = tuple(entry.name for entry in fields(Posture))


def mixed(first: Posture, second: Posture, share: float) -> Posture:
    """Return the posture `share` of the way from `first` to `second`."""
    return Posture(
        **{
            name: getattr(first, name) + share * (getattr(second, name) - getattr(first, name))
            for name in _NAMES
        }
    )


def animate(time: Array, keys: Sequence[Key]) -> dict[str, Array]:
    """Return each angle of the postures [frames] in degrees: a smooth curve through the keys, without
    overshoot and still before the first key and after the last."""
    knots = np.array([when for when, _ in keys])
    if (np.diff(knots) <= 0.0).any():
        raise ValueError(f"postures must follow each other in time: {knots.tolist()}")
    values = np.array([[getattr(posture, name) for name in _NAMES] for _, posture in keys])
    step = np.diff(knots)[:, None]
    rise = np.diff(values, axis=0) / step
    slope = np.zeros_like(values)
    first, second = rise[:-1], rise[1:]
    alike = first * second > 0.0
    slope[1:-1][alike] = (2.0 * first * second)[alike] / (first + second)[alike]
    at = np.clip(np.searchsorted(knots, time, side="right") - 1, 0, len(knots) - 2)
    x = np.clip((time - knots[at]) / step[at, 0], 0.0, 1.0)[:, None]
    width = step[at]
    curve = (
        (1.0 + 2.0 * x) * (1.0 - x) ** 2 * values[at]
        + x * (1.0 - x) ** 2 * width * slope[at]
        + x**2 * (3.0 - 2.0 * x) * values[at + 1]
        + x**2 * (x - 1.0) * width * slope[at + 1]
    )
    return {name: curve[:, k] for k, name in enumerate(_NAMES)}


@dataclass(frozen=True)
class Movement:
    """How a skater moves over the ice.

    `path` [frames, 2] is x and z of the point on which the weight rests, in metres; `yaw` [frames] the
    way the pelvis faces, radians from +z towards +x; `axis` [frames, 3] the direction from that point to
    the centre of mass (upright where the skater does not lean). `flights` are (take-off, landing) in
    seconds.
    """

    time: Array
    path: Array
    yaw: Array
    axis: Array
    keys: tuple[Key, ...]
    flights: tuple[tuple[float, float], ...] = field(default=())


def perform(body: Body, movement: Movement) -> Pose:
    """Return the true joints of a movement: in balance over the blade, and thrown freely in a flight.

    The ice is y = 0. In a flight the centre of mass follows a parabola under gravity between where the
    take-off leaves it and where the landing takes it up, so that time in the air and height agree.
    """
    time = movement.time
    angle = {name: np.radians(values) for name, values in animate(time, movement.keys).items()}
    weight = np.clip(np.degrees(angle["right"]), 0.0, 1.0)
    down = np.clip(np.degrees(angle["down"]), 0.0, 1.0)
    air = np.zeros(len(time))
    for start, end in movement.flights:
        air = np.maximum(air, ease(time, start - 0.04, start + 0.06) * (1.0 - ease(time, end - 0.10, end)))
    pose = _shaped(body, angle, weight)
    turned = _balanced(pose, movement, angle, weight, down)
    _flatten(pose, weight, (1.0 - air) * (1.0 - down), turned)
    pose = _placed(pose, movement, weight, down)
    mass = centre_of_mass(pose)
    for start, end in movement.flights:
        first, last = (
            np.array([np.interp(when, time, mass[:, k]) for k in range(3)]) for when in (start, end)
        )
        flying = (time > start) & (time < end)
        share = ((time - start) / (end - start))[:, None]
        free = first + share * (last - first)
        free[:, 1] += 0.5 * GRAVITY * (time - start) * (end - time)
        pose = pose.moved(np.where(flying[:, None], free - mass, 0.0))
    return pose


def _shaped(body: Body, angle: dict[str, Array], weight: Array) -> Pose:
    """Return the posture with the pelvis at the origin, the bearing leg about upright."""
    frames = len(weight)

    def mix(name: str) -> Array:
        return (1.0 - weight) * angle[f"left_{name}"] + weight * angle[f"right_{name}"]

    roll = weight * angle["right_out"] - (1.0 - weight) * angle["left_out"]
    pelvis = rotation("z", roll) @ rotation("x", mix("hip") - 0.5 * mix("knee"))
    chest = (
        pelvis @ rotation("y", angle["twist"]) @ rotation("z", -angle["bend"]) @ rotation("x", angle["curl"])
    )
    head = chest @ rotation("y", angle["look"]) @ rotation("x", angle["nod"])
    pose = trunk_pose(body, np.zeros((frames, 3)), pelvis, chest, head)
    for side, name in zip(SIDES, ("left", "right"), strict=True):
        swing_leg(
            pose,
            side,
            flexion=angle[f"{name}_hip"],
            abduction=angle[f"{name}_out"],
            knee=angle[f"{name}_knee"],
            point=angle[f"{name}_point"],
        )
        swing_arm(
            pose,
            side,
            flexion=angle[f"{name}_arm"],
            abduction=angle[f"{name}_spread"],
            elbow=angle[f"{name}_elbow"],
            twist=angle[f"{name}_fold"],
        )
    return pose


def _bearing(pose: Pose, weight: Array) -> Array:
    """Return the point [frames, 3] between the ankles on which the weight rests."""
    left, right = pose.at(Joint.LEFT_ANKLE), pose.at(Joint.RIGHT_ANKLE)
    return left + weight[:, None] * (right - left)


def _between(first: Array, second: Array) -> Array:
    """Return the smallest rotations [frames, 3, 3] that turn directions `first` to `second` [frames, 3]."""
    first, second = unit(first), unit(second)
    cross = np.cross(first, second)
    cosine = (first * second).sum(-1)
    skew = np.zeros((len(first), 3, 3))
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -cross[:, 2], cross[:, 1], -cross[:, 0]
    skew -= np.swapaxes(skew, 1, 2)
    factor = 1.0 / np.maximum(1.0 + cosine, 1e-6)
    found: Array = np.eye(3) + skew + skew @ skew * factor[:, None, None]
    return found


def _balanced(pose: Pose, movement: Movement, angle: dict[str, Array], weight: Array, down: Array) -> Array:
    """Turn the pose in place so that its mass lies over its blade along the axis; return the facing."""
    facing = rotation("y", movement.yaw)
    lean = centre_of_mass(pose) - _bearing(pose, weight)
    up = np.broadcast_to(_UP, lean.shape)
    turn = _between(up, movement.axis) @ facing @ _between(lean, up)
    lying = facing @ rotation("x", angle["tip"]) @ rotation("z", angle["roll"])
    flat = lying @ np.swapaxes(pose.pelvis_rotation, 1, 2)
    turn = orthonormal((1.0 - down)[:, None, None] * turn + down[:, None, None] * flat)
    pose.joints[:] = apply(turn[:, None], pose.joints)
    for part in (pose.pelvis_rotation, pose.chest_rotation, pose.head_rotation):
        part[:] = turn @ part
    return _between(up, movement.axis)


def _flatten(pose: Pose, weight: Array, ice: Array, lean: Array) -> None:
    """Set the bearing foot level along its blade; the free foot keeps its angle."""
    joints, body = pose.joints, pose.body
    up = apply(lean, _UP)
    drop, length = 0.62 * body.ankle_height, body.foot
    for side in SIDES:
        ankle, toe = joints[:, Joint.LEFT_ANKLE + side], joints[:, Joint.LEFT_TOE + side]
        heel = joints[:, Joint.LEFT_HEEL + side]
        forward = unit((toe - heel) * np.array([1.0, 0.0, 1.0]))
        forward = unit(forward - (forward * up).sum(-1, keepdims=True) * up)
        own = weight if side else 1.0 - weight
        share = (np.clip(2.0 * own, 0.0, 1.0) * ice)[:, None]
        level = ankle - drop * up
        heel[:] = heel + share * (level - 0.25 * length * forward - heel)
        toe[:] = toe + share * (level + length * forward - toe)


def _placed(pose: Pose, movement: Movement, weight: Array, down: Array) -> Pose:
    """Return the pose with its bearing point on the path and its lowest point on the ice."""
    joints = pose.joints
    bearing = _bearing(pose, weight)
    bearing += down[:, None] * (pose.at(Joint.PELVIS) - bearing)
    feet = [Joint.LEFT_HEEL, Joint.LEFT_TOE, Joint.RIGHT_HEEL, Joint.RIGHT_TOE]
    low = [joints[:, index, 1] - BLADE_M for index in feet]
    low += [joints[:, index, 1] - radius for index, radius in _TOUCHING]
    lowest = np.min(low, axis=0)
    offset = vector(movement.path[:, 0] - bearing[:, 0], -lowest, movement.path[:, 1] - bearing[:, 2])
    return pose.moved(offset)


def skates(pose: Pose, steel: Colour = (196.0, 204.0, 214.0)) -> list[Shape]:
    """Return the blades under a figure's boots."""
    shapes: list[Shape] = []
    for side in SIDES:
        ankle = pose.at(Joint.LEFT_ANKLE + side)
        heel, toe = pose.at(Joint.LEFT_HEEL + side), pose.at(Joint.LEFT_TOE + side)
        forward = unit(toe - heel)
        down = heel - ankle
        down = unit(down - (down * forward).sum(-1, keepdims=True) * forward)
        depth = BLADE_M - 0.012
        start, end = heel - 0.02 * forward + depth * down, toe + depth * down
        shapes.append(Limb(start, end, 0.012, 0.012, steel))
    return shapes
