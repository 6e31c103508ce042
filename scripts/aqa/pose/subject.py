"""Who is judged: the one whom the camera is about, among coaches, judges and spectators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqa.pose.base import Array
from aqa.pose.tracks import Track, centred

WINDOW_S = 0.4
"""Motion is what happens within this time: the jitter of a detector is not motion."""

FASTEST = 3.0
"""Body heights a second beyond which motion counts no more."""

LEAST_SHARE = 0.2
"""Somebody in fewer of a shot's frames than this share of the most frequent person is no candidate."""


@dataclass(frozen=True)
class Picture:
    """What a score is relative to: the picture's size in pixels, and the seconds (n,) of a shot's frames."""

    width: int
    height: int
    times: Array


@dataclass(frozen=True)
class Choice:
    """The subject of a shot (index of a track), and how clearly: its score over the second best's."""

    index: int
    margin: float | None


def score(track: Track, steady: Array, picture: Picture) -> float:
    """Return how much a person looks like the one whom a shot is about.

    coverage · √area · centrality² · √(0.1 + motion) · √(0.05 + shape change): the share of the shot's
    frames; the box as a share of the picture; nearness to the picture's middle (1 there, 0 in a
    corner); body heights a second relative to the scene; and how much the joints move within the body.

    Args:
        track: `at` counts in the shot.
        steady: (n, 2, 3) for the shot's frames.
        picture: see there.
    """
    coverage = len(track.at) / len(picture.times)
    size = np.array([picture.width, picture.height], dtype=np.float64)
    inside = np.clip(track.boxes.reshape(-1, 2, 2), 0.0, size)
    area = float(np.prod(inside[:, 1] - inside[:, 0], axis=1).mean() / size.prod())
    middle = inside.mean(axis=1)
    centrality = 1.0 - float(np.linalg.norm(middle - size / 2, axis=1).mean() / (np.linalg.norm(size) / 2))
    places = centred(track.boxes, steady[track.at])
    motion = _motion(places, picture.times[track.at])
    change = _shape_change(track, picture.times[track.at])
    return float(coverage * np.sqrt(area) * centrality**2 * np.sqrt(0.1 + motion) * np.sqrt(0.05 + change))


def choose(tracks: Sequence[Track], steady: Array, picture: Picture) -> Choice | None:
    """Return who is judged; None where nobody is there."""
    if not tracks:
        return None
    scores = np.array([score(track, steady, picture) for track in tracks])
    seen = np.array([len(track.at) for track in tracks])
    scores[seen < LEAST_SHARE * seen.max()] = 0.0
    order = np.argsort(-scores, kind="stable")
    second = float(scores[order[1]]) if len(order) > 1 else 0.0
    margin = float(scores[order[0]]) / second if second > 0.0 else None
    return Choice(int(order[0]), margin)


def _averaged(values: Array, times: Array) -> Array:
    """Return running means (m, ...) over about `WINDOW_S`."""
    if len(times) < 3:
        return values
    step = float(np.median(np.diff(times)))
    width = int(np.clip(round(WINDOW_S / max(step, 1e-3)), 1, len(times)))
    totals = np.cumsum(np.concatenate([np.zeros((1, *values.shape[1:])), values]), axis=0)
    means: Array = (totals[width:] - totals[:-width]) / width
    return means


def _motion(places: Array, times: Array) -> float:
    """Return the usual speed in body heights a second, from running means `WINDOW_S` apart."""
    if len(times) < 3:
        return 0.0
    means, moments = _averaged(places[:, :2], times), _averaged(times, times)
    height = float(np.median(places[:, 3]))
    step = max(float(np.median(np.diff(times))), 1e-3)
    apart = int(np.clip(round(WINDOW_S / step), 1, max(len(means) - 1, 1)))
    if len(means) <= apart:
        return 0.0
    passed = np.maximum(moments[apart:] - moments[:-apart], step)
    speed = np.linalg.norm(means[apart:] - means[:-apart], axis=1) / passed / height
    return float(min(speed.mean(), FASTEST))


def _shape_change(track: Track, times: Array) -> float:
    """Return how much a person's shape varies over time, as a share of the body's size (0 to 1).

    By the joints, relative to their mean and to the box; by the box's proportions where joints are not known.
    """
    extent = np.maximum(track.boxes[:, 2:] - track.boxes[:, :2], 1.0)
    size = float(np.median(extent.max(axis=1)))
    joints = track.keypoints[..., :2]
    known = np.isfinite(joints[..., 0])
    if known.any(axis=1).mean() < 0.5:
        return float(np.clip(np.std(np.log(extent[:, 0] / extent[:, 1])), 0.0, 1.0))
    shape = _relative(joints, known) / size
    frequent = known.mean(axis=0) > 0.5
    if not frequent.any():
        return 0.0
    means = np.stack([_spread(shape[:, k], known[:, k], times) for k in np.flatnonzero(frequent)])
    return float(np.clip(means.mean(), 0.0, 1.0))


def _relative(joints: Array, known: NDArray[np.bool_]) -> Array:
    weights = known[..., None].astype(np.float64)
    centre = np.where(known[..., None], joints, 0.0).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    relative: Array = joints - centre[:, None]
    return relative


def _spread(places: Array, known: NDArray[np.bool_], times: Array) -> float:
    """Return the standard deviation of a joint's place, after running means."""
    means = _averaged(places[known], times[known])
    return float(np.sqrt(np.var(means, axis=0).sum()))
