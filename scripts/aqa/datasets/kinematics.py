"""Angles, distances and rotations in the plane of the picture, from the joints of one person.

What the geometry rules of all datasets share (`aqa.datasets.geometry`). Joints are COCO-17; x grows to the
right and y downwards, in pixels, so everything here is either an angle or a ratio of two lengths: moving,
scaling or mirroring the picture changes no result, except where a function says that it tells directions.

Unknown joints are NaN and so is what rests on them; the summaries over frames (`most`, `typical`, ...) leave
NaN out and raise `NotSeen` where nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqa.datasets.geometry import NotSeen

Array: TypeAlias = NDArray[np.float64]

GRAVITY = 9.81
"""Metres per second squared."""

TRUNK, THIGH, SHANK, FOOT = 0.288, 0.245, 0.246, 0.115
"""Lengths as shares of the stature: hip to shoulder, hip to knee, knee to ankle (Drillis and Contini 1966, as
in Winter, Biomechanics and Motor Control of Human Movement, fig. 4.1), and ankle to toe along the sole (foot
of 0.152 less the heel)."""


class Joint(IntEnum):
    """COCO-17, in order; left and right are the person's own. Right is left + 1."""

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


SHOULDER, ELBOW, WRIST = Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST
HIP, KNEE, ANKLE = Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE
"""The left joint of a pair; `joint + 1` is the right one."""

SIDES = (0, 1)


@dataclass(frozen=True)
class Motion:
    """The joints of one person in the frames of a clip, and what was announced about it.

    `points`: (n, 17, 2) x and y in pixels, NaN where unknown. `rate`: frames a second. `details`: those of
    the sample (never the truth).
    """

    points: Array
    rate: float = 30.0
    details: Mapping[str, str | float] = field(default_factory=dict)

    def at(self, joint: int) -> Array:
        """Return a joint (n, 2)."""
        return self.points[:, joint]

    def middle(self, left: int) -> Array:
        """Return the middle of a pair of joints (n, 2); the one that is known where the other is not."""
        pair = self.points[:, left : left + 2]
        known = np.isfinite(pair[..., :1])
        count = known.sum(axis=1)
        total = np.where(known, pair, 0.0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def between(self, start: float, end: float) -> Motion:
        """Return the part of the clip from `start` to `end`, shares of its frames, at least one frame."""
        n = len(self.points)
        first = min(int(start * n), n - 1)
        return Motion(self.points[first : max(int(np.ceil(end * n)), first + 1)], self.rate, self.details)

    def frames(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Motion:
        """Return some of the frames."""
        return Motion(self.points[chosen], self.rate, self.details)


Measure: TypeAlias = Callable[[Motion], float]
"""A size in a clip; raises `NotSeen` where the joints that it needs are not known."""


def distance(one: Array, other: Array) -> Array:
    """Return the distances (n,) of two points (n, 2)."""
    return np.asarray(np.linalg.norm(one - other, axis=-1), float)


def above(one: Array, other: Array) -> Array:
    """Return how far one point is above the other (n,), pixels."""
    return np.asarray(other[:, 1] - one[:, 1], float)


def angle(first: Array, corner: Array, last: Array) -> Array:
    """Return the angle (n,) at `corner` between two points, degrees from 0 to 180."""
    return _angle_of(first - corner, last - corner)


def bend(first: Array, corner: Array, last: Array) -> Array:
    """Return how far a joint is flexed (n,): 0 where the three points lie on a line, degrees."""
    return 180.0 - angle(first, corner, last)


def lean(low: Array, high: Array) -> Array:
    """Return the angle (n,) of the direction from `low` to `high` from straight up, degrees 0 to 180."""
    return _angle_of(high - low, np.broadcast_to(np.array([0.0, -1.0]), low.shape))


def slope(one: Array, other: Array) -> Array:
    """Return the angle (n,) of the line through two points from the horizontal, degrees 0 to 90."""
    across = np.abs(other - one)
    steep = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    return np.asarray(steep, float)


def tilt(rise: ArrayLike, length: ArrayLike) -> Array:
    """Return how far a bone is tilted from the vertical (n,), degrees, from how high it stands and its
    length.

    Unlike the angle in the picture this does not depend on where around the person the camera stands, as
    long as it looks about level: a bone that comes towards the camera becomes shorter but, in the picture,
    stands no less high than it does.
    """
    share = np.clip(np.asarray(rise, float) / np.maximum(np.asarray(length, float), 1e-9), -1.0, 1.0)
    return np.asarray(np.degrees(np.arccos(share)), float)


def _angle_of(one: Array, other: Array) -> Array:
    product = (one * other).sum(axis=-1)
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(lengths > 0.0, product / lengths, np.nan)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))), float)


def bone(motion: Motion, upper: int, lower: int) -> float:
    """Return the length of a bone of both sides in the picture, pixels: the 90th percentile over the frames.

    The camera shortens a bone that points at it, never lengthens one, so the longest that it appears (less
    outliers) is nearest to its length.
    """
    both = [distance(motion.at(upper + side), motion.at(lower + side)) for side in SIDES]
    return share_of(np.concatenate(both), 90.0)


def stature(motion: Motion) -> float:
    """Return the height of the person in pixels, from the longest that trunk, thighs and shanks appear.

    The median of the estimates from each part by `TRUNK`, `THIGH` and `SHANK`.
    """
    trunk = share_of(distance(motion.middle(SHOULDER), motion.middle(HIP)), 90.0)
    parts = (trunk / TRUNK, bone(motion, HIP, KNEE) / THIGH, bone(motion, KNEE, ANKLE) / SHANK)
    return float(np.median(parts))


def seen(values: ArrayLike) -> Array:
    """Return the values that are known.

    Raises:
        NotSeen: none is.
    """
    array = np.asarray(values, float).ravel()
    known: Array = array[np.isfinite(array)]
    if not len(known):
        raise NotSeen("the joints that the rule needs are not known in any frame")
    return known


def share_of(values: ArrayLike, percent: float) -> float:
    """Return a percentile of the known values."""
    return float(np.percentile(seen(values), percent))


def most(values: ArrayLike) -> float:
    """Return about the largest known value: the 95th percentile, so that one bad frame does not decide."""
    return share_of(values, 95.0)


def least(values: ArrayLike) -> float:
    """Return about the smallest known value: the 5th percentile."""
    return share_of(values, 5.0)


def typical(values: ArrayLike) -> float:
    """Return the median of the known values."""
    return share_of(values, 50.0)


def steady(values: Array, width: int = 5) -> Array:
    """Return the running medians (n,) of the known values over `width` frames, fewer at the ends.

    Joints jitter from frame to frame, people do not; what rests on the extremes of a clip is smoothed first.
    """
    reach = width // 2
    result = np.full(len(values), np.nan)
    for i in range(len(values)):
        near = values[max(i - reach, 0) : i + reach + 1]
        near = near[np.isfinite(near)]
        if len(near):
            result[i] = np.median(near)
    return result


def where_largest(values: Array, share: float = 0.15) -> NDArray[np.bool_]:
    """Return which frames (n,) have the largest known values: that share of them, at least one."""
    known = np.sort(seen(values))
    limit = known[max(len(known) - max(int(np.ceil(share * len(known))), 1), 0)]
    with np.errstate(invalid="ignore"):
        return np.asarray(values >= limit, bool)
