"""Elements of figure skating with faults of known size: jumps, spins and step sequences.

All skaters turn to the left (counter-clockwise seen from above), as most do: they jump off into that
turn and land backwards on the right foot, and they spin forwards on the left foot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aqa.synthetic.body import Body, Pose
from aqa.synthetic.diving import GRAVITY
from aqa.synthetic.geometry import Array, unit, vector
from aqa.synthetic.motion import ease, there_and_back
from aqa.synthetic.postures import (
    BENT,
    ENTRIES,
    FOLDED,
    GLIDE,
    HELD,
    LAST,
    LEAVING,
    LYING,
    OPEN,
    OPENING,
    POSITIONS,
    SITTING,
    SLIPPING,
    SLOPPY,
    SPIN_GLIDE,
    SPIN_READY,
    STEPS,
    STIFF,
    Position,
    TakeOff,
    flung,
    other_foot,
)
from aqa.synthetic.skater import Key, Movement, mixed, perform

Landing = Literal["clean", "two-footed", "fall"]

JUMP_S = 3
SPIN_S = 4
STEPS_S = 4
TAKE_OFF = 1.15
SPIN_FROM, SPIN_TO = 0.55, 3.35


@dataclass(frozen=True)
class JumpFaults:
    """`under_deg` is missing of the turn when the blade touches the ice, `height_m` how high the centre of
    mass rises above a straight line, `lean_deg` how far the trunk is thrown forward after the landing."""

    under_deg: float
    height_m: float
    lean_deg: float
    landing: Landing


@dataclass(frozen=True)
class SpinFaults:
    """`rev_per_s` is the mean speed, `travel_m` how far the centre wanders, `wobble_deg` how far the axis
    tilts, `shortfall` what is missing of the position: 0 nothing, 1 most of it."""

    rev_per_s: float
    travel_m: float
    wobble_deg: float
    shortfall: float


@dataclass(frozen=True)
class StepFaults:
    """`speed` over the ice in metres a second, `reach` of knees, arms and edges (1 full, 0.25 small),
    `stumbles` how often the skater trips, `trip_deg` how far that throws the trunk forward."""

    speed: float
    reach: float
    stumbles: int
    trip_deg: float


@dataclass(frozen=True)
class Element:
    """A skated element: true joints, the time [frames] in seconds, and when the judges have seen enough
    (`decided`, seconds)."""

    pose: Pose
    time: Array
    decided: float


def _clock(seconds: float, rate: float) -> Array:
    return np.arange(round(seconds * rate)) / rate


def _along(heading: Array, speed: Array, time: Array) -> Array:
    """Return the path [frames, 2] of moving at `speed` in the direction `heading`, from the origin."""
    step = np.gradient(time)
    path = np.cumsum(np.stack([np.sin(heading), np.cos(heading)], axis=1) * (speed * step)[:, None], axis=0)
    return np.asarray(path - path[0], float)


def _leaning(heading: Array, speed: Array, time: Array, share: float | Array = 0.8) -> Array:
    """Return the axis [frames, 3] of a skater who leans into the curve."""
    pull = share * speed * np.gradient(heading, time) / GRAVITY
    pull = np.clip(pull, -0.5, 0.5)
    return unit(vector(pull * np.cos(heading), 1.0, -pull * np.sin(heading)))


def _tilted(axis: Array, angle: Array, towards: Array) -> Array:
    """Return the axis tilted by `angle` radians [frames] to the horizontal direction `towards` [frames]."""
    return unit(axis + np.tan(angle)[:, None] * vector(np.sin(towards), 0.0, np.cos(towards)))


def jump(
    body: Body, turns: float, take_off: TakeOff, faults: JumpFaults, *, heading: float, rate: float
) -> Element:
    """Return a jump of `turns` revolutions, `JUMP_S` seconds long.

    Args:
        body: Proportions.
        turns: In the air; an Axel, whose take-off is `forward`, has a half one more than its name says.
        take_off: Off the toe pick, off a backward edge or off a forward edge.
        faults: What is wrong with it, and by how much.
        heading: Direction of travel at the take-off, radians from +z towards +x.
        rate: Frames a second.
    """
    time = _clock(JUMP_S, rate)
    end = TAKE_OFF + float(np.sqrt(8.0 * faults.height_m / GRAVITY))
    curve = heading + 0.32 * (time - TAKE_OFF) + 0.45 * np.maximum(time - end, 0.0)
    loss = {"clean": 0.25, "two-footed": 0.45, "fall": 0.85}[faults.landing] + 0.004 * faults.lean_deg
    speed = 4.6 * (1.0 - 0.16 * ease(time, 0.4, 1.3)) * (1.0 - min(loss, 0.9) * ease(time, end, end + 1.1))
    turned = _jump_turn(time, end, 2.0 * np.pi * turns, np.radians(faults.under_deg))
    start = 0.0 if take_off == "forward" else np.pi
    stagger = np.radians(0.30 * faults.lean_deg) * there_and_back(time, end, end + 0.3, end + 0.4, end + 0.95)
    share = 0.8 - 0.7 * (faults.landing == "two-footed") * ease(time, end - 0.1, end + 0.15)
    axis = _tilted(_leaning(curve, speed, time, share), stagger, curve - 1.2)
    keys = (*_entry(take_off), *_flight(end), *_landed(faults, end))
    movement = Movement(
        time, _along(curve, speed, time), curve + start + turned, axis, keys, ((TAKE_OFF, end),)
    )
    return Element(perform(body, movement), time, end + 0.5)


def _jump_turn(time: Array, end: float, total: float, under: float) -> Array:
    """Return how far the body has turned [frames], radians: `total` - `under` when it lands at `end`."""
    fine = np.linspace(TAKE_OFF - 0.14, end, 200)
    pace = (0.12 + 0.88 * ease(fine, TAKE_OFF - 0.14, TAKE_OFF + 0.14)) * (
        1.0 - 0.72 * ease(fine, end - 0.16, end)
    )
    turned = np.concatenate([[0.0], np.cumsum(0.5 * (pace[1:] + pace[:-1]))])
    landed = np.interp(time, fine, turned / turned[-1]) * (total - under)
    return np.asarray(landed + under * ease(time, end, end + 0.34), float)


def _entry(take_off: TakeOff) -> tuple[Key, ...]:
    glide, ready, leave = ENTRIES[take_off]
    return (
        (0.0, glide),
        (TAKE_OFF - 0.34, ready),
        (TAKE_OFF - 0.16, mixed(ready, leave, 0.3)),
        (TAKE_OFF, leave),
    )


def _flight(end: float) -> tuple[Key, ...]:
    """Return the position in the air and how it opens before the landing at `end`."""
    length = end - TAKE_OFF
    return (TAKE_OFF + 0.30 * length, FOLDED), (TAKE_OFF + 0.72 * length, FOLDED), (end, OPENING)


def _landed(faults: JumpFaults, end: float) -> tuple[Key, ...]:
    """Return what follows the touch of the blade at `end`: held on the right foot, or saved, or not."""
    if faults.landing == "fall":
        return (end + 0.10, BENT), (end + 0.28, SLIPPING), (end + 0.52, LYING), (JUMP_S - 0.2, SITTING)
    lean = faults.lean_deg
    thrown = min(lean / 50.0, 1.0)
    bent = replace(
        BENT,
        right_hip=46 + 1.45 * lean,
        right_knee=62 + 0.3 * lean,
        left_hip=-28 - 12 * thrown,
        curl=0.4 * lean,
        left_arm=8 + 62 * thrown,
        right_arm=16 + 66 * thrown,
        left_spread=80 - 40 * thrown,
        right_spread=80 - 52 * thrown,
    )
    if faults.landing == "two-footed":
        both = {"left_out": 9.0, "right_out": 9.0, "right": 0.5, "left_point": 0.0}
        bent = replace(bent, left_hip=bent.right_hip, left_knee=bent.right_knee, **both)
        hip = 34 + 0.6 * lean
        flat = replace(bent, right_hip=hip, right_knee=46, left_hip=hip, left_knee=46)
        last = mixed(flat, replace(LAST, right=0.5), 0.35)
        return (end + 0.17, bent), (end + 0.62, flat), (JUMP_S - 0.1, last)
    saved = mixed(HELD, replace(bent, right_hip=40 + lean, right_knee=50, left_hip=-6), 0.9 * thrown)
    return (end + 0.17, bent), (end + 0.52, saved), (JUMP_S - 0.1, mixed(LAST, saved, 0.4 * thrown))


_PACE: dict[Position, float] = {"camel": 0.8, "sit": 1.0, "upright": 1.25, "layback": 0.95}


def spin(
    body: Body,
    positions: tuple[Position, ...],
    change: bool,
    faults: SpinFaults,
    *,
    heading: float,
    rate: float,
) -> Element:
    """Return a spin, `SPIN_S` seconds long.

    Args:
        body: Proportions.
        positions: One after another, in equal shares of the time.
        change: Whether the skater steps onto the right foot for the last position.
        faults: What is wrong with it, and by how much.
        heading: Direction of travel into the spin, radians from +z towards +x.
        rate: Frames a second.
    """
    time = _clock(SPIN_S, rate)
    keys, pace = _spin_keys(positions, change, faults.shortfall, time)
    turning = _spin_speed(time, pace, faults.rev_per_s, rate)
    yaw = heading + np.cumsum(turning) / rate
    away = float(yaw[-1]) + np.pi
    into = 3.2 * (1.0 - ease(time, 0.1, SPIN_FROM + 0.1))
    out = 2.2 * ease(time, SPIN_TO + 0.05, SPIN_S)
    path = _along(np.full(len(time), heading), into, time) + _along(np.full(len(time), away), out, time)
    side = heading + 1.3
    wander = faults.travel_m * np.clip((time - SPIN_FROM) / (SPIN_TO - SPIN_FROM), 0.0, 1.0)
    path = path + wander[:, None] * np.array([np.sin(side), np.cos(side)])
    amount = there_and_back(time, SPIN_FROM, SPIN_FROM + 0.4, SPIN_TO - 0.2, SPIN_TO + 0.3)
    upright = np.broadcast_to(np.array([0.0, 1.0, 0.0]), (len(time), 3))
    axis = _tilted(upright, np.radians(faults.wobble_deg) * amount, 2.0 * np.pi * 1.1 * time)
    return Element(perform(body, Movement(time, path, yaw, axis, keys)), time, SPIN_TO - 0.1)


def _spin_keys(
    positions: tuple[Position, ...], change: bool, shortfall: float, time: Array
) -> tuple[tuple[Key, ...], Array]:
    """Return the postures of a spin and how fast its positions turn, relative to each other [frames]."""
    length = (SPIN_TO - SPIN_FROM) / len(positions)
    keys: list[Key] = [(0.0, SPIN_GLIDE), (SPIN_FROM - 0.1, SPIN_READY)]
    pace = np.zeros(len(time))
    for number, position in enumerate(positions):
        posture = mixed(POSITIONS[position], SLOPPY[position], shortfall)
        if change and number == len(positions) - 1:
            posture = other_foot(posture)
        start, end = SPIN_FROM + number * length, SPIN_FROM + (number + 1) * length
        keys += [(start + 0.34, posture), (end - 0.10, posture)]
        pace += _PACE[position] * ((time >= start) & (time < end))
    return (*keys, (SPIN_TO + 0.32, LEAVING), (SPIN_S - 0.06, LEAVING)), pace


def _spin_speed(time: Array, pace: Array, rev_per_s: float, rate: float) -> Array:
    """Return the turning speed [frames] in radians a second; its mean while spinning is `rev_per_s`."""
    window = max(round(0.25 * rate), 1)
    padded = np.pad(pace, window, mode="edge")
    smooth = np.convolve(padded, np.ones(window) / window, "same")[window:-window]
    swell = there_and_back(time, SPIN_FROM - 0.15, SPIN_FROM + 0.4, SPIN_TO - 0.1, SPIN_TO + 0.3)
    turning: Array = np.maximum(smooth, 0.2) * swell
    full = (time >= SPIN_FROM + 0.4) & (time <= SPIN_TO - 0.1)
    return turning / float(turning[full].mean()) * rev_per_s * 2.0 * np.pi


_BEAT = 0.5


def steps(body: Body, faults: StepFaults, heading: float, rate: float, rng: np.random.Generator) -> Element:
    """Return a step sequence, `STEPS_S` seconds long: steps and half turns on alternating feet.

    Args:
        body: Proportions.
        faults: What is wrong with it, and by how much.
        heading: Mean direction of travel, radians from +z towards +x.
        rate: Frames a second.
        rng: Draws the steps, the turns and the moments of the stumbles.
    """
    time = _clock(STEPS_S, rate)
    beats = round(STEPS_S / _BEAT)
    order = [int(k) for part in range(2) for k in rng.permutation(len(STEPS))][:beats]
    tripping = sorted(rng.choice([2, 4, 6], faults.stumbles, replace=False).tolist())
    keys: list[Key] = []
    turn, slow, sway = np.zeros(len(time)), np.ones(len(time)), np.zeros(len(time))
    for beat in range(beats):
        when = beat * _BEAT
        posture = mixed(STIFF, STEPS[order[beat]], faults.reach)
        posture = other_foot(posture) if beat % 2 else posture
        if beat in tripping:
            thrown = flung(posture, faults.trip_deg)
            keys += [(when + 0.22, thrown), (when + 0.36, mixed(thrown, posture, 0.35))]
            slow *= 1.0 - 0.45 * there_and_back(time, when, when + 0.25, when + 0.4, when + 1.2)
            sway += there_and_back(time, when + 0.05, when + 0.22, when + 0.28, when + 0.6)
        else:
            keys.append((when + 0.22, posture))
        half = 1.0 if beat % 2 == 0 else -1.0
        double = 2.0 if order[beat] == 4 and beat not in tripping else 0.0
        turn += np.pi * (half + double) * ease(time, when + 0.22, when + 0.22 + 0.26)
    speed = faults.speed * slow
    curve = heading + 0.75 * faults.reach * np.sin(2.0 * np.pi * time / 2.4 + rng.uniform(0.0, 2.0 * np.pi))
    axis = _tilted(_leaning(curve, speed, time, 0.95), np.radians(0.32 * faults.trip_deg) * sway, curve + 0.5)
    movement = Movement(time, _along(curve, speed, time), curve + turn, axis, tuple(keys))
    return Element(perform(body, movement), time, STEPS_S - 1.0)


def glide(body: Body, heading: float, seconds: float, rate: float) -> Element:
    """Return a plain glide forwards between elements, changing from one foot to the other."""
    time = _clock(seconds, rate)
    first = GLIDE
    keys = ((0.0, first), (0.5 * seconds, replace(OPEN, right=0.5)), (seconds, other_foot(first)))
    speed = np.full(len(time), 4.0)
    curve = heading + 0.25 * np.sin(np.pi * time / seconds)
    movement = Movement(time, _along(curve, speed, time), curve, _leaning(curve, speed, time), keys)
    return Element(perform(body, movement), time, seconds)
