"""Joints over time: short gaps filled in, and jitter smoothed without blunting what is fast."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aqa.pose.base import Array

LOWEST_CUTOFF_HZ = 3.0
"""Of a joint at rest: what changes faster is jitter."""

CUTOFF_PER_SPEED = 6.0
"""Hertz by which the cutoff rises for each body height a second: a fast limb is left alone."""

SPEED_CUTOFF_HZ = 1.5


def fill_gaps(values: Array, longest: int) -> tuple[Array, NDArray[np.bool_]]:
    """Interpolate between the frames before and after a gap of at most `longest` frames.

    Args:
        values: (n, k, d); a frame is missing where all its values are NaN. A value that is unknown on
            one side of a gap stays unknown in it.
        longest: frames; nothing is filled in at the beginning or the end.

    Returns:
        The values, and (n,) which frames were filled in.
    """
    filled = values.copy()
    done = np.zeros(len(values), dtype=np.bool_)
    there = np.flatnonzero(np.isfinite(values).any(axis=(1, 2)))
    for before, after in pairwise(there):
        missing = int(after - before - 1)
        if not 0 < missing <= longest:
            continue
        share = (np.arange(1, missing + 1) / (missing + 1))[:, None, None]
        filled[before + 1 : after] = (1.0 - share) * values[before] + share * values[after]
        done[before + 1 : after] = True
    return filled, done


def smooth(places: Array, times: Array, unit: float) -> Array:
    """Smooth places (n, k, d) with a one-euro filter in both directions of time, and average the two.

    A filter that runs forward lags behind; the one that runs backward runs ahead by as much. After an
    unknown value (NaN) a joint begins anew.

    Args:
        places: pixels.
        times: (n,) seconds, increasing.
        unit: the subject's height in pixels, in which speed is measured.
    """
    forward = _one_euro(places, times, unit)
    backward = _one_euro(places[::-1], -times[::-1], unit)[::-1]
    return (forward + backward) / 2


def _one_euro(places: Array, times: Array, unit: float) -> Array:
    result = np.array(places, dtype=np.float64)
    before, speed = result[0], np.zeros_like(result[0])
    for i in range(1, len(result)):
        passed = max(float(times[i] - times[i - 1]), 1e-4)
        known = np.isfinite(before)
        rate = np.where(known, (result[i] - before) / passed, 0.0)
        speed = np.where(known, speed + _weight(SPEED_CUTOFF_HZ, passed) * (rate - speed), 0.0)
        speed = np.nan_to_num(speed)
        cutoff = LOWEST_CUTOFF_HZ + CUTOFF_PER_SPEED * np.abs(speed) / unit
        step = np.where(known, _weight(cutoff, passed) * (result[i] - before), 0.0)
        result[i] = np.where(known, before + step, result[i])
        before = result[i]
    return result


def _weight(cutoff: Array | float, passed: float) -> Array:
    """Return the weight of a new value in a low-pass filter with a cutoff in hertz."""
    turn = 2.0 * np.pi * np.asarray(cutoff, dtype=np.float64) * passed
    weight: Array = turn / (turn + 1.0)
    return weight
