"""Smooth curves over time: eased steps, repetitions, sway, and the intervals where a curve is high."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from aqa.synthetic.geometry import Array


def ease(time: ArrayLike, start: float, end: float) -> Array:
    """Return 0 before `start`, 1 after `end` and a minimum-jerk rise between, for times [frames]."""
    x = np.clip((np.asarray(time, float) - start) / max(end - start, 1e-9), 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def there_and_back(time: ArrayLike, start: float, turn: float, back: float, end: float) -> Array:
    """Return a curve that rises from 0 at `start` to 1 at `turn`, stays until `back`, is 0 from `end`."""
    return ease(time, start, turn) * (1.0 - ease(time, back, end))


def sway(rng: np.random.Generator, time: ArrayLike, amplitude: float, axes: int = 3) -> Array:
    """Return a slow random drift [frames, axes] of about `amplitude`: two sines an axis."""
    time = np.asarray(time, float)[:, None]
    total = np.zeros((len(time), axes))
    for _ in range(2):
        frequency, phase = rng.uniform(0.2, 0.9, axes), rng.uniform(0.0, 2.0 * np.pi, axes)
        total += 0.5 * amplitude * np.sin(2.0 * np.pi * frequency * time + phase)
    return total


def intervals(amount: Array, threshold: float, rate: float) -> list[list[float]]:
    """Return [start, end] in seconds of each run of frames with `amount` [frames] above `threshold`.

    A run from frame i to frame j (inclusive) gives [i / rate, (j + 1) / rate], rounded to milliseconds.
    """
    high = np.concatenate([[False], amount > threshold, [False]])
    edges = np.flatnonzero(high[1:] != high[:-1])
    return [
        [round(float(a) / rate, 3), round(float(b) / rate, 3)]
        for a, b in zip(edges[::2], edges[1::2], strict=True)
    ]
