"""How the camera moves: what stands still in the scene, and where a shot ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from aqa.pose.base import Array, Image, Person
from aqa.pose.tracks import spans

_SIDE = 320
_POINTS = 200
_LEAST_POINTS = 6
_LEAST_SEEN = 0.2
_MOST_ZOOM = 0.07
_ALIKE = 6.0
_CUT = 12.0
_UNLIKE = 0.9
_STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class Steady:
    """`to_scene`: (n, 2, 3) takes a frame's pixels to its shot's first frame; `shots`: all its shots."""

    to_scene: Array
    shots: list[range]


@dataclass(frozen=True)
class _View:
    """A frame, small and grey, and its background: 255 where nobody is."""

    grey: Image
    background: Image


def unmoved(n: int) -> Steady:
    """Return the camera that stands still for `n` frames."""
    return Steady(np.tile(_STILL, (n, 1, 1)), spans([], n))


class CameraMotion:
    """Estimates the camera's motion from one frame to the next by the background.

    Corners outside the people's boxes are followed by optical flow in a small picture; the similarity
    (shift, zoom, roll) on which most of them agree is the camera's, or in a fast pan the shift at which the
    two pictures correlate. Where nothing makes one background look like the next, the shot ends.
    """

    def __init__(self) -> None:
        self._before: _View | None = None
        self._to_scene: list[Array] = []
        self._breaks: list[int] = []

    def add(self, image: Image, people: Sequence[Person]) -> None:
        """Take the next frame and who is in it."""
        scale = min(1.0, _SIDE / max(image.shape[:2]))
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        view = _View(np.asarray(small, np.uint8), _background(small.shape, people, scale))
        if self._before is None:
            self._to_scene.append(_STILL.copy())
        else:
            move = _move(self._before, view, scale)
            if move is None:
                self._breaks.append(len(self._to_scene))
                self._to_scene.append(_STILL.copy())
            else:
                self._to_scene.append(_after(self._to_scene[-1], move))
        self._before = view

    def steady(self) -> Steady:
        """Return the motion over all frames so far."""
        n = len(self._to_scene)
        return Steady(np.array(self._to_scene).reshape(n, 2, 3), spans(self._breaks, n))


def _after(to_scene: Array, move: Array) -> Array:
    """Return what takes a frame to the scene, if `move` takes the frame before to it."""
    back = cv2.invertAffineTransform(move)
    whole: Array = to_scene @ np.vstack([back, [0.0, 0.0, 1.0]])
    return whole


def _background(shape: tuple[int, ...], people: Sequence[Person], scale: float) -> Image:
    mask = np.full(shape, 255, np.uint8)
    for person in people:
        left, top, right, bottom = (int(v) for v in np.clip(person.box * scale, -1e4, 1e4).round())
        mask[max(top - 2, 0) : max(bottom + 3, 0), max(left - 2, 0) : max(right + 3, 0)] = 0
    return mask


def _move(before: _View, after: _View, scale: float) -> Array | None:
    """Return the similarity (2, 3) from a frame to the next in full pixels; None at a cut.

    Of several guesses the one counts under which the two backgrounds differ least; where people hide all of
    it, the camera is taken to stand still.
    """
    if before.grey.shape != after.grey.shape:
        return None
    guesses = [_STILL, _flow(before, after, np.zeros(2))]
    best, left = _best(before, after, guesses)
    if _ALIKE < left < np.inf:
        window = cv2.createHanningWindow((before.grey.shape[1], before.grey.shape[0]), cv2.CV_32F)
        shift, _ = cv2.phaseCorrelate(before.grey.astype(np.float32), after.grey.astype(np.float32), window)
        pan = _STILL.copy()
        pan[:, 2] = shift
        best, left = _best(before, after, [best, pan, _flow(before, after, pan[:, 2])])
    if np.isfinite(left) and left > _CUT and left > _UNLIKE * _contrast(after):
        return None
    full: Array = best.copy()
    full[:, 2] /= scale
    return full


def _flow(before: _View, after: _View, shift: Array) -> Array | None:
    """Return the similarity on which most corners agree, starting from a guess of their `shift`."""
    points = cv2.goodFeaturesToTrack(before.grey, _POINTS, 0.005, 6, mask=before.background)
    if points is None or len(points) < _LEAST_POINTS:
        return None
    guess = (points + shift).astype(np.float32)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(
        before.grey, after.grey, points, guess, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
    )
    kept = found.ravel() == 1
    if kept.sum() < _LEAST_POINTS:
        return None
    matrix, _ = cv2.estimateAffinePartial2D(
        points[kept], moved[kept], method=cv2.RANSAC, ransacReprojThreshold=1.0
    )
    if matrix is None:
        return None
    zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    return np.asarray(matrix, np.float64) if abs(np.log(zoom)) < _MOST_ZOOM else None


def _best(before: _View, after: _View, guesses: Sequence[Array | None]) -> tuple[Array, float]:
    """Return the guess under which the backgrounds differ least, and by how many grey levels they do."""
    size = (before.grey.shape[1], before.grey.shape[0])
    best, least = _STILL, np.inf
    for guess in guesses:
        if guess is None:
            continue
        carried = cv2.warpAffine(before.background, guess, size, flags=cv2.INTER_NEAREST)
        seen = (carried > 0) & (after.background > 0)
        if seen.mean() < _LEAST_SEEN:
            continue
        picture = cv2.warpAffine(before.grey, guess, size)
        left = float(np.abs(picture.astype(np.int16) - after.grey.astype(np.int16))[seen].mean())
        if left < least:
            best, least = guess, left
    return best, least


def _contrast(view: _View) -> float:
    grey = view.grey[view.background > 0].astype(np.float64)
    return float(np.abs(grey - grey.mean()).mean())
