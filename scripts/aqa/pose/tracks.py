"""Following people from frame to frame, and joining the pieces of a path that was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aqa.pose.base import Array, Person

PATIENCE = 8
"""Frames for which a path waits for its person before it ends."""

LEAST_LIKENESS = 0.25
"""Below this, a person is not the continuation of a path."""

LONGEST_BREAK = 60
"""Frames between the end of a path and its continuation, at most."""

_HELD = 0.8
_SPEED_MEMORY = 0.6
_REACH = 0.75
_DRIFT = 0.03
_TURN = 0.4


@dataclass(frozen=True)
class Track:
    """One person over a clip.

    `at`: (m,) frames of the clip, increasing, from 0. `boxes`: (m, 4) and `keypoints`: (m, 17, 3) in pixels.
    """

    at: NDArray[np.int64]
    boxes: Array
    keypoints: Array

    @staticmethod
    def joined(parts: Sequence[Track]) -> Track:
        """Return one path of several; where two have the same frame, the earlier part counts."""
        at = np.concatenate([part.at for part in parts])
        boxes = np.concatenate([part.boxes for part in parts])
        keypoints = np.concatenate([part.keypoints for part in parts])
        kept, first = np.unique(at, return_index=True)
        return Track(kept, boxes[first], keypoints[first])


@dataclass
class _Path:
    """A path in the making; `place` is where the next frame should show it: x, y, width, height."""

    at: list[int] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    place: Array = field(default_factory=lambda: np.zeros(4))
    speed: Array = field(default_factory=lambda: np.zeros(2))
    last: Array = field(default_factory=lambda: np.zeros(2))

    def add(self, frame: int, person: Person, seen: Array) -> None:
        if self.at:
            passed = max(frame - self.at[-1], 1)
            moved = (seen[:2] - self.last) / passed
            self.speed = _SPEED_MEMORY * self.speed + (1.0 - _SPEED_MEMORY) * moved
        self.last = seen[:2]
        self.at.append(frame)
        self.people.append(person)
        self.place = seen

    def expected(self, frame: int) -> Array:
        place = self.place.copy()
        place[:2] += self.speed * (frame - self.at[-1])
        return place

    def track(self) -> Track:
        return Track(
            np.array(self.at, dtype=np.int64),
            np.stack([person.box for person in self.people]),
            np.stack([person.keypoints for person in self.people]),
        )


def centred(boxes: Array, steady: Array) -> Array:
    """Return boxes (n, 4) as x, y, width, height in the steady coordinates of `steady` (n, 2, 3)."""
    boxes = np.asarray(boxes, dtype=np.float64)
    centre = (
        np.stack([boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3], np.full(len(boxes), 2.0)], axis=1) / 2
    )
    place = np.einsum("nij,nj->ni", steady, centre)
    zoom = np.sqrt(np.abs(np.linalg.det(steady[:, :, :2])))[:, None]
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0) * zoom
    return np.concatenate([place, size], axis=1)


def _plain(boxes: Array) -> Array:
    """Return boxes (n, 4) as x, y, width, height."""
    plain: Array = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)
    return plain


def follow(people: Sequence[Sequence[Person]], steady: Array) -> list[Track]:
    """Follow everybody through a shot.

    Args:
        people: those found in each frame.
        steady: (n, 2, 3) what takes a frame's pixels to coordinates in which the scene stands still.

    Returns:
        The paths, interrupted where somebody was not found for more than `PATIENCE` frames; the
        pieces that belong together are joined (`joined_up`).
    """
    paths: list[_Path] = []
    for frame, found in enumerate(people):
        if not found:
            continue
        boxes = np.stack([person.box for person in found])
        seen = centred(boxes, np.broadcast_to(steady[frame], (len(found), 2, 3)))
        open_ = [path for path in paths if frame - path.at[-1] <= PATIENCE]
        taken = _match(open_, seen, boxes, frame)
        for index, person in enumerate(found):
            path = taken.get(index)
            if path is None:
                path = _Path()
                paths.append(path)
            path.add(frame, person, seen[index])
    return joined_up([path.track() for path in paths], steady)


def _match(paths: Sequence[_Path], seen: Array, boxes: Array, frame: int) -> dict[int, _Path]:
    """Return who continues which path: the most alike first, each once."""
    if not paths:
        return {}
    likeness = alike(np.stack([path.expected(frame) for path in paths]), seen)
    likeness = np.maximum(likeness, alike(np.stack([path.place for path in paths]), seen))
    last = np.stack([path.people[-1].box for path in paths])
    held = alike(_plain(last), _plain(boxes))  # The camera follows somebody, and its motion was misjudged.
    likeness = np.maximum(likeness, _HELD * held)
    order = np.argsort(-likeness, axis=None, kind="stable")
    taken: dict[int, _Path] = {}
    used: set[int] = set()
    for flat in order:
        row, column = divmod(int(flat), seen.shape[0])
        if likeness[row, column] < LEAST_LIKENESS:
            break
        if row not in used and column not in taken:
            used.add(row)
            taken[column] = paths[row]
    return taken


def alike(first: Array, second: Array) -> Array:
    """Return how alike places (n, 4) and (m, 4) are, (n, m) from 0 to 1: overlap and nearness, half each."""
    a, b = first[:, None, :], second[None, :, :]
    low = np.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = np.prod(np.clip(high - low, 0.0, None), axis=-1)
    overlap = common / (np.prod(a[..., 2:], axis=-1) + np.prod(b[..., 2:], axis=-1) - common)
    size = np.sqrt(np.prod(a[..., 2:], axis=-1) * np.prod(b[..., 2:], axis=-1)) ** 0.5
    distance = np.linalg.norm(a[..., :2] - b[..., :2], axis=-1) / size
    likeness: Array = 0.5 * overlap + 0.5 * np.exp(-((distance / 0.5) ** 2))
    return likeness


def joined_up(tracks: Sequence[Track], steady: Array) -> list[Track]:
    """Join paths of which one begins where another ended: soon, near, and of the same size.

    The best fit first; what is joined may go on, with the speed that it then has.
    """
    open_ = dict(enumerate(tracks))
    places = {i: centred(track.boxes, steady[track.at]) for i, track in open_.items()}
    costs: dict[tuple[int, int], float] = {}

    def compare(i: int, j: int) -> None:
        gap = int(open_[j].at[0] - open_[i].at[-1])
        cost = _jump(places[i], open_[i].at, places[j], gap) if 0 < gap <= LONGEST_BREAK else None
        if cost is not None:
            costs[i, j] = cost

    for i in open_:
        for j in open_:
            compare(i, j)
    while costs:
        i, j = min(costs, key=lambda pair: (costs[pair], pair))
        open_[i] = Track.joined([open_[i], open_.pop(j)])
        places[i] = np.concatenate([places[i], places.pop(j)])
        costs = {pair: cost for pair, cost in costs.items() if not {i, j} & set(pair)}
        for k in open_:
            compare(i, k)
            compare(k, i)
    return list(open_.values())


def _jump(ended: Array, at: NDArray[np.int64], begun: Array, gap: int) -> float | None:
    """Return how far the beginning of a path is from where an ended one would be, None if too far."""
    last, next_ = np.median(ended[-3:], axis=0), np.median(begun[:3], axis=0)
    size = float(np.sqrt(np.prod(last[2:])))
    ratio = float(np.log(np.sqrt(np.prod(next_[2:])) / size))
    tail = slice(max(len(at) - 6, 0), None)
    passed = int(at[-1] - at[tail][0])
    speed = (ended[-1, :2] - ended[tail][0, :2]) / passed if passed else np.zeros(2)
    straight = float(np.linalg.norm(begun[0, :2] - ended[-1, :2] - speed * gap))
    still = float(np.linalg.norm(begun[0, :2] - ended[-1, :2]))
    distance = min(straight, still) / size
    travelled = float(np.linalg.norm(speed)) * gap / size
    if abs(ratio) > 0.6 or distance > _REACH + _DRIFT * gap + _TURN * travelled:
        return None
    return distance + abs(ratio) + 0.01 * gap


def spans(breaks: Sequence[int], n: int) -> list[range]:
    """Return the shots of a clip of `n` frames that begins anew at each frame of `breaks`."""
    edges = [0, *breaks, n]
    return [range(a, b) for a, b in pairwise(edges) if b > a]
