"""What stays in place while the camera moves: edges that persist, shot by shot.

A board burned into a broadcast keeps its edges and its colours from frame to frame while everything behind it
moves. Two things deceive: a camera that stands still, before which everything persists (such moments do not
count), and long level lines, which a panning camera only slides along (so level edges alone do not count:
letters have upright ones).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.masking.boxes import Rectangle, area, common, hull, merged, overlap, share
from aqa.media.picture import Image

STEP_S = 0.2
"""Seconds between two frames that are looked at."""

ROWS = 360
"""Frames are looked at scaled down to at most this height."""

WINDOW = 5
"""Frames (0.8 s) over which an edge must persist: in all of them but one, with the same grey."""

VOTES = 3
"""Windows that must find a box at the same place."""

STILL = 0.05
"""Share of the picture that must change within a window; below it the camera stands still."""

MAX_SHARE = 0.35
"""Persistent edges that spread over more of the picture than this are the scene, not a board."""

_EDGE = 60.0
_SAME_GREY = 24
_CHANGED_GREY = 12
_CUT = 0.5
_BINS = 8
_SAME_PLACE = 0.5
_NEARLY = 0.34

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass
class Group:
    """Boxes that windows found at one place."""

    boxes: list[Rectangle]

    @property
    def votes(self) -> int:
        """How many windows found it."""
        return len(self.boxes)

    @property
    def middle(self) -> Rectangle:
        """The box of which each edge is the median, rounded outwards."""
        left, top, right, bottom = np.median(np.array(self.boxes), axis=0)
        return int(left), int(top), -int(-right // 1), -int(-bottom // 1)


@dataclass
class Seen:
    """What was looked at: when each shot begins and ends (seconds), and how many windows.

    In `still` of the `windows` the camera stood still, in `crowded` ones what persisted was the scene.
    """

    shots: list[tuple[float, float]] = field(default_factory=list)
    windows: int = 0
    still: int = 0
    crowded: int = 0


class Watcher:
    """Takes the frames of one source in order and finds shots, and what persists within them.

    Args:
        width: of the source's pictures, pixels.
        height: of the source's pictures, pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._factor = min(1.0, ROWS / height)
        self._small = max(1, round(width * self._factor)), max(1, round(height * self._factor))
        self._window: deque[tuple[Grey, Mask]] = deque(maxlen=WINDOW)
        self._colours: NDArray[np.float64] | None = None
        self._groups: list[Group] = []
        self.seen = Seen()

    def add(self, picture: Image, time_s: float, *, fresh: bool) -> None:
        """Take a frame; `fresh` says that it does not follow the one before."""
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
        if (grey.shape[1], grey.shape[0]) != self._small:
            grey = np.asarray(cv2.resize(grey, self._small, interpolation=cv2.INTER_AREA), np.uint8)
        colours = palette(picture)
        if fresh or self._colours is None or float(np.minimum(colours, self._colours).sum()) < _CUT:
            self._window.clear()
            self.seen.shots.append((time_s, time_s))
        self._colours = colours
        self.seen.shots[-1] = self.seen.shots[-1][0], time_s
        self._window.append((grey, upright_edges(grey)))
        if len(self._window) == WINDOW:
            self._judge()

    def boxes(self) -> list[Rectangle]:
        """Return the boxes that enough windows agree on, in pixels of the source; none overlaps another.

        Of two that overlap, the one that fewer windows found is dropped, unless it is found nearly as often:
        then it belongs to the same board.
        """
        chosen: list[tuple[Rectangle, int]] = []
        for group in sorted(self._groups, key=lambda group: -group.votes):
            if group.votes < VOTES:
                break
            box, votes = group.middle, group.votes
            touched = [pair for pair in chosen if area(common(box, pair[0]))]
            if any(votes < _NEARLY * most for _, most in touched):
                continue
            for pair in touched:
                chosen.remove(pair)
                box, votes = hull(box, pair[0]), max(votes, pair[1])
            chosen.append((box, votes))
        return merged(self._enlarged(box) for box, _ in chosen)

    def _judge(self) -> None:
        greys = np.stack([grey for grey, _ in self._window])
        spread = greys.max(axis=0) - greys.min(axis=0)
        self.seen.windows += 1
        if float((spread > _CHANGED_GREY).mean()) < STILL:
            self.seen.still += 1
            return
        often = np.sum([edge for _, edge in self._window], axis=0) >= WINDOW - 1
        boxes = joined(blocks(often & (spread <= _SAME_GREY)), spread <= _CHANGED_GREY)
        if share(boxes, *self._small) > MAX_SHARE:
            self.seen.crowded += 1
            return
        for box in boxes:
            near = max(self._groups, key=lambda group: overlap(box, group.boxes[-1]), default=None)
            if near is not None and overlap(box, near.boxes[-1]) >= _SAME_PLACE:
                near.boxes.append(box)
            else:
                self._groups.append(Group([box]))

    def _enlarged(self, box: Rectangle) -> Rectangle:
        """Return a box of the small picture in pixels of the source, rounded outwards."""
        width, height = self._size
        left, top = int(box[0] / self._factor), int(box[1] / self._factor)
        right, bottom = -int(-box[2] / self._factor // 1), -int(-box[3] / self._factor // 1)
        return left, top, min(width, right), min(height, bottom)


def palette(picture: Image) -> NDArray[np.float64]:
    """Return how much of a picture has which colour: shares that add up to 1. A pan hardly changes them."""
    few = picture[::4, ::4].reshape(-1, 3) // (256 // _BINS)
    codes = (few[:, 0].astype(np.int64) * _BINS + few[:, 1]) * _BINS + few[:, 2]
    return np.bincount(codes, minlength=_BINS**3) / len(codes)


def upright_edges(grey: Grey) -> Mask:
    """Return where the grey changes steeply from left to right: (height, width) of bool."""
    across = cv2.Sobel(cv2.GaussianBlur(grey, (3, 3), 0), cv2.CV_32F, 1, 0)
    return np.asarray(np.abs(across) > _EDGE, bool)


def blocks(held: Mask) -> list[Rectangle]:
    """Return the rectangles of edges that stand as close as letters do and are as large as a board's line."""
    height, width = held.shape
    reach = max(3, height // 24)
    kernel = np.ones((reach, 3 * reach), np.uint8)
    padded = np.pad(held.astype(np.uint8), 3 * reach)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[3 * reach : -3 * reach, 3 * reach : -3 * reach]
    count, _, figures, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(closed), connectivity=8)
    found = []
    for index in range(1, count):
        left, top, wide, tall, filled = (int(value) for value in figures[index])
        large = wide * tall >= 0.002 * width * height and wide >= 0.06 * width and tall >= 0.015 * height
        if large and filled >= 0.4 * wide * tall:
            found.append((left, top, left + wide, top + tall))
    return merged(found)


def joined(boxes: list[Rectangle], calm: Mask) -> list[Rectangle]:
    """Return boxes of which neighbours in a row became one where nothing moved between them: one board.

    Args:
        boxes: of letters and lines.
        calm: (height, width), where the grey did not change.
    """
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            left, right = sorted((one, other))
            top, bottom = max(one[1], other[1]), min(one[3], other[3])
            row = bottom - top >= 0.7 * max(one[3] - one[1], other[3] - other[1])
            if row and right[0] > left[2] and calm[top:bottom, left[2] : right[0]].mean() >= 0.9:
                rest = [box for box in boxes if box not in (one, other)]
                return joined(merged([*rest, hull(one, other)]), calm)
    return boxes
