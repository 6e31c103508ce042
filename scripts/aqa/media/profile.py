"""Which frames of a clip are kept: a pure function of the frames' times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aqa.config import MediaProfile

TOLERANCE_S = 0.002
"""A frame belongs to [start, end) if start - 2 ms <= t < end - 2 ms.

Containers with millisecond clocks move a frame by up to 1 ms; at 240 frames a second 2 ms is still
less than half a frame. At 25 fps the interval [(n-1)/25, m/25) is exactly the frames n..m (from 1).
"""


class Profile(MediaProfile):
    """How the frames of a clip are sampled; the default (`native`) is every frame at native size.

    `fps`: for k = 0, 1, 2, ... the first frame at or after start + k/fps (tolerance 2 ms) is kept,
    each frame once, so a source slower than `fps` keeps all its frames. The last frame has no
    privilege: it is kept only if it is the first one after some start + k/fps.
    `max_frames`: if more than m frames remain, m of them are kept, evenly spaced by number and with
    both ends: number round(i (n-1)/(m-1)), halves up; m = 1 keeps the middle frame, (n-1)//2.
    `scale`: width and height are multiplied by it and rounded, halves up, at least one pixel.
    """

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Return the scaled (width, height) in pixels."""
        return max(1, int(width * self.scale + 0.5)), max(1, int(height * self.scale + 0.5))


NATIVE = Profile()


def within(times: NDArray[np.float64], start: float | None, end: float | None) -> range:
    """Return the positions of the frames in the half-open interval [start, end).

    Args:
        times: (n,) seconds, increasing.
        start: seconds, None for the first frame.
        end: seconds, None for after the last frame.
    """
    first = 0 if start is None else int(np.searchsorted(times, start - TOLERANCE_S))
    last = len(times) if end is None else int(np.searchsorted(times, end - TOLERANCE_S))
    return range(first, max(first, last))


def select(times: NDArray[np.float64], inside: range, start: float, profile: Profile) -> tuple[int, ...]:
    """Return the positions that `profile` keeps of those `inside` a clip that starts at `start` s."""
    kept: Sequence[int] = inside
    if profile.fps is not None and len(inside):
        clip = times[inside.start : inside.stop]
        count = int(np.floor((clip[-1] - start + TOLERANCE_S) * profile.fps)) + 1
        targets = start + np.arange(max(count, 1)) / profile.fps
        found = np.unique(np.searchsorted(clip, targets - TOLERANCE_S))
        kept = [inside.start + int(i) for i in found if i < len(clip)]
    return thin(kept, profile.max_frames)


def thin(kept: Sequence[int], most: int | None) -> tuple[int, ...]:
    """Return at most `most` of `kept`, evenly spaced with both ends (see `Profile.max_frames`)."""
    n = len(kept)
    if most is None or n <= most:
        return tuple(kept)
    if most == 1:
        return (kept[(n - 1) // 2],)
    gaps = most - 1
    return tuple(kept[(2 * i * (n - 1) + gaps) // (2 * gaps)] for i in range(most))


def clip_times(times: NDArray[np.float64], kept: Sequence[int], start: float) -> tuple[float, ...]:
    """Return the kept frames' seconds from the clip's start, in whole microseconds, never below 0."""
    return tuple(round(max(0.0, float(times[i]) - start), 6) for i in kept)
