"""What the network is taught from: a square cut of a picture, moved, scaled, mirrored and lightened."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.pose.base import GREY
from aqa.pose.store import JOINTS
from aqa.training.pose.pictures import Image, Picture

Array = NDArray[np.float64]

MIRRORED = [
    JOINTS.index(name.replace("left", "\0").replace("right", "left").replace("\0", "right"))
    for name in JOINTS
]
"""Which joint a joint is in a mirror."""

LARGEST = 0.97
"""Longest side of a figure's box, as a share of the cut's side: larger figures are made smaller."""

SHRUNK = 0.8
"""How much smaller than that they are at most."""


@dataclass(frozen=True)
class Variation:
    """How much views of a picture differ.

    `zoom`: least and greatest scale, times that at which the pose stage shows the picture. `light`: how far
    brightness and each colour may be off, as a share.
    """

    zoom: tuple[float, float] = (0.8, 1.2)
    light: float = 0.15


@dataclass(frozen=True)
class View:
    """`image`: (side, side, 3) red, green, blue. In its pixels `box` (4,) and `joints` (17, 3), whose third
    number is 1 where a joint is in the view and 0 elsewhere."""

    image: Image
    box: Array
    joints: Array


def view(
    image: Image, picture: Picture, sides: tuple[int, int], variation: Variation, rng: np.random.Generator
) -> View:
    """Return a view of a picture in which the figure is whole, as far as the picture has it.

    Args:
        image: The picture, blue, green, red.
        picture: What is known about it.
        sides: Of the view, and the longer one of the picture as the pose stage shows it to the network.
        variation: How much it may differ from that.
        rng: Decides the view.

    The network is taught the numbers of `poses.jsonl` times the scale, so that what the pose stage makes of
    its answers is numbers in the same convention.
    """
    side, shown = sides
    height, width = image.shape[:2]
    box = np.array(picture.box).reshape(2, 2)
    joints = np.array(picture.joints)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        box[:, 0] = (width - 1) - box[::-1, 0]
        joints = joints[MIRRORED]
        joints[:, 0] = (width - 1) - joints[:, 0]
    scale = shown / max(width, height) * float(rng.uniform(*variation.zoom))
    room = LARGEST * side / max(float((box[1] - box[0]).max()), 1.0)
    if scale > room:
        scale = room * float(rng.uniform(SHRUNK, 1.0))
    shift = np.array(
        [
            _shift(box[:, axis] * scale, length * scale, side, rng)
            for axis, length in ((0, width), (1, height))
        ]
    )
    offset = shift + 0.5 * scale - 0.5  # from centres of pixels to centres of pixels
    matrix = np.array([[scale, 0.0, offset[0]], [0.0, scale, offset[1]]])
    moved = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3)
    cut = np.asarray(moved, np.uint8)
    box = np.clip(box * scale + shift, 0.0, side)
    joints[:, :2] = joints[:, :2] * scale + shift
    inside = ((joints[:, :2] >= 0.0) & (joints[:, :2] <= side)).all(axis=1) & (joints[:, 2] > 0.0)
    joints[:, 2] = inside
    return View(_lit(cut, variation.light, rng)[..., ::-1], box.ravel(), joints)


def _shift(box: Array, length: float, side: int, rng: np.random.Generator) -> float:
    """Return where a picture's edge comes to lie: the box is in view, and as little grey as can be."""
    low, high = min(0.0, side - length), max(0.0, side - length)
    if length > side:
        low, high = max(low, -box[0]), min(high, side - box[1])
    return float(rng.uniform(low, max(low, high)))


def _lit(image: Image, most: float, rng: np.random.Generator) -> Image:
    gains = (1.0 + rng.uniform(-most, most)) * (1.0 + rng.uniform(-0.4 * most, 0.4 * most, 3))
    levels = np.arange(256)[:, None] * gains
    table = np.clip(levels + rng.uniform(-60.0, 60.0) * most, 0.0, 255.0).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[:, None]), np.uint8)
