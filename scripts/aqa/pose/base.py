"""What finds people in pictures: the interface of pose networks, and what they hand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) blue, green, red; upright; origin top left."""

Array: TypeAlias = NDArray[np.float64]

KEYPOINTS = 17

MOST_PEOPLE = 100
"""So many people of a picture are kept, the most certain."""

GREY = 114
"""What ultralytics puts around a picture that does not fill its frame."""


@dataclass(frozen=True)
class Person:
    """Somebody in a picture, in its pixels.

    `box`: (4,) left, top, right, bottom. `keypoints`: (17, 3) COCO-17 x, y and confidence from 0 to 1;
    x and y are NaN and the confidence 0 where a joint was not found. `score`: confidence of the person.
    """

    box: Array
    keypoints: Array
    score: float


class PoseBackend(Protocol):
    """Finds all people in pictures. `batch` is how many pictures it likes to see at once."""

    batch: int

    def detect(self, images: Sequence[Image]) -> list[list[Person]]:
        """Return the people of each picture; without joints (all NaN) if it finds only boxes."""
        ...


class Refiner(Protocol):
    """Finds the joints of one person whose box is known: too slow to run on everybody."""

    def refine(self, image: Image, box: Array) -> Array:
        """Return the keypoints (17, 3) of the person in `box` (4,)."""
        ...


def no_joints() -> Array:
    """Return the keypoints (17, 3) of somebody of whom no joint is known."""
    keypoints = np.full((KEYPOINTS, 3), np.nan)
    keypoints[:, 2] = 0.0
    return keypoints


def cleaned(keypoints: Array, least: float) -> Array:
    """Return keypoints (..., 17, 3) in which a joint below `least`, or with confidence 0, is unknown."""
    keypoints = np.array(keypoints, dtype=np.float64)
    confidence = np.clip(np.nan_to_num(keypoints[..., 2], nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)
    found = np.isfinite(keypoints[..., :2]).all(axis=-1) & (confidence > 0.0) & (confidence >= least)
    keypoints[..., 2] = np.where(found, confidence, 0.0)
    keypoints[~found, :2] = np.nan
    return keypoints
