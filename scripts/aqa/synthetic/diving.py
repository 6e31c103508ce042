"""Springboard and platform dives with faults of known size.

A dive has a take-off on the board, a flight under gravity whose rotation speeds up in the tuck or
pike, an opening and an entry. The water is y = 0, the board's end is at x = 0, flight goes towards +x.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aqa.synthetic.body import (
    SIDES,
    Body,
    Joint,
    Pose,
    centre_of_mass,
    reach,
    swing_arm,
    swing_leg,
    trunk_pose,
)
from aqa.synthetic.geometry import Array, apply, rotation, vector
from aqa.synthetic.motion import ease, there_and_back

GRAVITY = 9.81

Position = Literal["free", "pike", "tuck"]
Direction = Literal["back", "forward", "inward", "reverse"]


@dataclass(frozen=True)
class DiveFaults:
    """What is wrong with a dive, and by how much.

    `entry_deg` is the body's angle from the vertical when the hands reach the water (positive: turned
    too far), `knee_bend_deg` how far the knees are bent where they should be straight, `apart_deg` the
    angle between the thighs (one ahead of the other), `splash_m` the height of the splash in metres.
    """

    entry_deg: float
    knee_bend_deg: float
    apart_deg: float
    splash_m: float


@dataclass(frozen=True)
class DivePlan:
    """A dive: `half_somersaults` and `half_twists` count half turns; `height` of the board in metres."""

    height: float
    springboard: bool
    direction: Direction
    position: Position
    armstand: bool
    half_somersaults: int
    half_twists: int


@dataclass(frozen=True)
class Dive:
    """The figure over time; `time` [frames] is 0 at take-off, `entry` when the water is reached (both in
    seconds), `board` [frames] how far the board's end is bent down in metres, `mass` [frames, 3] the
    path of the centre of mass."""

    pose: Pose
    time: Array
    entry: float
    board: Array
    mass: Array


def dive(body: Body, plan: DivePlan, faults: DiveFaults, *, rate: float, before: float, after: float) -> Dive:
    """Return a dive sampled at `rate` frames a second, from `before` seconds ahead of take-off until
    `after` seconds past the entry."""
    start = plan.height + (1.35 if plan.armstand else 0.60 * body.stature)
    rise = 4.6 if plan.springboard else (1.2 if plan.armstand else 2.9)
    end = 0.62 * body.stature if abs(faults.entry_deg) < 60.0 else 0.25 * body.stature
    entry = (rise + np.sqrt(rise**2 + 2.0 * GRAVITY * (start - end))) / GRAVITY
    time = np.arange(round((before + float(entry) + after) * rate)) / rate - before
    pose = _shape(body, plan, faults, time, entry)
    mass = centre_of_mass(pose)
    board = np.zeros(len(time))
    if plan.springboard:
        board = 0.42 * there_and_back(time, -0.42, -0.16, -0.14, 0.04)
        board -= 0.10 * np.exp(-3.0 * np.maximum(time, 0.0)) * np.sin(24.0 * np.maximum(time, 0.0))
    held = _support(pose, plan)
    at_board = vector(-0.10, plan.height - board, 0.0) - held + mass
    leaving = at_board[int(np.argmin(np.abs(time)))]
    flight = np.clip(time, 0.0, None)
    slow = np.clip(time - entry, 0.0, None)
    drop = flight - 0.45 * slow
    path = leaving + vector(
        (0.75 if plan.springboard else 0.65) * flight,
        rise * drop - 0.5 * GRAVITY * drop**2,
        np.zeros(len(time)),
    )
    on_board = (time < 0.0)[:, None]
    place = np.where(on_board, at_board, path)
    return Dive(pose.moved(place - mass), time, float(entry), board, place)


def _support(pose: Pose, plan: DivePlan) -> Array:
    """Return where the figure touches the board [frames, 3]: under the hands or the balls of the feet."""
    if plan.armstand:
        hands = 0.5 * (pose.at(Joint.LEFT_HAND) + pose.at(Joint.RIGHT_HAND))
        return hands - vector(0.0, 0.03, 0.0)
    toes = 0.5 * (pose.at(Joint.LEFT_TOE) + pose.at(Joint.RIGHT_TOE))
    return toes - vector(0.0, 0.026, 0.0)


def _shape(body: Body, plan: DivePlan, faults: DiveFaults, time: Array, entry: float) -> Pose:
    """Return the figure's shape and orientation, its pelvis at the origin."""
    frames = len(time)
    gather, opening = 0.10, 0.66 * entry
    folded = there_and_back(time, gather, gather + 0.24, opening, opening + 0.34)
    twisted = ease(time, gather + 0.15, opening) if plan.half_twists else np.zeros(frames)
    hip = {"tuck": 2.15, "pike": 2.05, "free": 1.2}[plan.position] * folded
    tuck = 2.35 * folded if plan.position == "tuck" else np.zeros(frames)
    if plan.half_twists:
        spinning = there_and_back(time, gather, gather + 0.2, opening - 0.05, opening + 0.12)
        after = opening + entry * np.array([-0.02, 0.11, 0.12, 0.27])
        hip = 1.5 * there_and_back(time, *after.tolist())
        tuck, folded = np.zeros(frames), np.zeros(frames)
    else:
        spinning = np.zeros(frames)
    crouch = np.zeros(frames) if plan.armstand else there_and_back(time, -0.46, -0.20, -0.16, 0.02)
    airborne = ease(time, 0.05, 0.30)
    loose = np.radians(faults.knee_bend_deg) * airborne * (1.0 - (folded if plan.position == "tuck" else 0.0))
    apart = np.radians(faults.apart_deg) * airborne
    orientation = _orientation(plan, _somersault(plan, faults, time, entry, hip), hip, twisted, crouch)
    curl = 0.5 * folded + 0.25 * np.clip(hip, 0.0, 0.8) * (plan.half_twists > 0)
    chest = orientation @ rotation("x", curl)
    pose = trunk_pose(body, np.zeros((frames, 3)), orientation, chest, chest @ rotation("x", 0.35 * folded))
    for side in SIDES:
        sign = 1.0 if side == 0 else -1.0
        flexion = hip + 0.95 * crouch + 0.5 * sign * apart + 0.45 * loose
        knee = tuck + 1.55 * crouch + loose
        pointed = 1.15 * airborne if not plan.armstand else np.full(frames, 1.15)
        standing = 0.62 * crouch * (1.0 - airborne)
        swing_leg(pose, side, flexion=flexion, abduction=0.18 * apart, knee=knee, point=pointed - standing)
    _hold(pose, plan, time, folded, spinning)
    return pose


def _orientation(plan: DivePlan, turn: Array, hip: Array, twisted: Array, crouch: Array) -> Array:
    """Return the pelvis' orientation [frames, 3, 3]: facing, somersault by `turn` radians, and twist."""
    forwards = plan.direction in ("forward", "inward")
    angle = (1.0 if forwards else -1.0) * turn + (np.pi if plan.armstand else 0.0)
    fold = 0.5 * hip + 0.46 * crouch
    facing = np.pi / 2.0 if plan.direction in ("forward", "reverse") else -np.pi / 2.0
    spin = rotation("y", np.pi * plan.half_twists * twisted)
    return rotation("y", np.full(len(turn), facing)) @ rotation("x", angle + fold) @ spin


def _somersault(plan: DivePlan, faults: DiveFaults, time: Array, entry: float, hip: Array) -> Array:
    """Return how far the body has turned [frames], radians: the tighter it is folded, the faster."""
    if plan.half_twists:
        speed = (0.55 + 0.45 * np.clip(hip / 1.5, 0.0, 1.0)) * ease(time, -0.06, 0.10)
    else:
        speed = 1.0 / (1.0 + 2.6 * np.clip(1.0 - hip / 1.5, 0.0, 1.0)) * ease(time, -0.06, 0.10)
    turned = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]))])
    turned = turned / np.interp(entry, time, turned)
    under = 1.0 + 0.02 * np.clip(time - entry, 0.0, 0.3)
    total = np.pi * plan.half_somersaults + np.radians(faults.entry_deg)
    turn: Array = total * np.where(time > entry, under, turned)
    return turn


def _hold(pose: Pose, plan: DivePlan, time: Array, folded: Array, spinning: Array) -> None:
    """Place the arms: up for the take-off and the entry, around the legs or the body between."""
    chest = pose.chest_rotation
    low = np.zeros(len(time)) if plan.armstand else 1.0 - ease(time, -0.34, -0.02)
    for side in SIDES:
        sign = 1.0 if side == 0 else -1.0
        swing_arm(pose, side, flexion=3.02 - 2.9 * low, abduction=-0.09 + 0.20 * low, elbow=0.06)
        overhead = pose.at(Joint.LEFT_WRIST + side).copy()
        knee, ankle = pose.at(Joint.LEFT_KNEE + side), pose.at(Joint.LEFT_ANKLE + side)
        share = 0.45 if plan.position == "tuck" else 0.55
        shin = knee + share * (ankle - knee)
        front = apply(pose.pelvis_rotation, vector(sign * 0.02, 0.0, 0.07))
        grasp = shin + front
        shoulder = pose.at(Joint.LEFT_SHOULDER + side)
        across = shoulder + apply(chest, vector(-sign * 0.16, -0.10 if side == 0 else 0.18, 0.15))
        wrist = overhead + folded[:, None] * (grasp - overhead)
        wrist = wrist + spinning[:, None] * (across - wrist)
        pole = apply(chest, vector(sign * 0.9, -0.2, 0.1))
        reach(pose, side, wrist, pole)
