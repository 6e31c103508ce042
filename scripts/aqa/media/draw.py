"""Skeletons as pictures: COCO-17 joints as dots, and the limbs between them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.pose.store import JOINTS

CONFIDENCE = 0.3
"""Confidence from which on a joint is drawn."""

LEFT, RIGHT, CENTRE = "#0072B2", "#D55E00", "#009E73"
"""Blue, vermillion and bluish green of Okabe and Ito's palette: the subject's left and right side, and
what belongs to neither (nose; from shoulder to shoulder, hip to hip, eye to eye)."""

WHITE = (255, 255, 255)
GREY = (96, 96, 96)
NOTHING = "no person found"
"""What a skeleton-only picture without joints says."""

LIMBS = (
    *(("left_eye", "right_eye"), ("nose", "left_eye"), ("nose", "right_eye")),
    *(("left_eye", "left_ear"), ("right_eye", "right_ear")),
    *(("left_ear", "left_shoulder"), ("right_ear", "right_shoulder")),
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")),
    *(("left_shoulder", "left_hip"), ("right_shoulder", "right_hip")),
    *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
    *(("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist")),
    *(("left_hip", "left_knee"), ("left_knee", "left_ankle")),
    *(("right_hip", "right_knee"), ("right_knee", "right_ankle")),
)
"""The 19 connections of the COCO keypoint format."""

LINE_WIDTH = 0.015
"""Width of a limb as a share of the subject's height: 7.5 pixels for 500."""

MIN_WIDTH = 2
"""Narrowest limb in pixels."""

DOT = 1.5
"""Radius of a joint's dot as a multiple of the limbs' width."""

_SHIFT = 4
"""Fractional bits of coordinates in drawing: sixteenths of a pixel."""

Colour = tuple[int, int, int]
Image = NDArray[np.uint8]


def bgr(colour: str) -> Colour:
    """Return `#RRGGBB` as blue, green, red."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def colour_of(*joints: str) -> Colour:
    """Return the colour of a joint, or of the limb between two."""
    sides = {name.partition("_")[0] for name in joints}
    return bgr({"left": LEFT, "right": RIGHT}.get(sides.pop(), CENTRE) if len(sides) == 1 else CENTRE)


_DOTS = tuple(colour_of(name) for name in JOINTS)
_LINES = tuple((JOINTS.index(a), JOINTS.index(b), colour_of(a, b)) for a, b in LIMBS)


def line_width(unit: float) -> int:
    """Return the width of limbs in pixels for a subject `unit` pixels tall."""
    return max(MIN_WIDTH, round(LINE_WIDTH * unit)) if np.isfinite(unit) else MIN_WIDTH


def drawable(joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which joints are known well enough to be drawn; (…, 17, 3) to (…, 17)."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(joints).all(axis=-1) & (joints[..., 2] >= CONFIDENCE)


def draw_overlay(image: Image, joints: NDArray[np.float32], unit: float) -> None:
    """Draw a skeleton on an image, in place. Joints that are not `drawable`, and their limbs, are left out.

    Args:
        image: (height, width, 3) blue, green, red, contiguous.
        joints: (17, 3) x, y in pixels, (0, 0) being the middle of the first one, and confidence; those
            outside the image by more than its own size are left out.
        unit: the subject's height in pixels, which line widths follow.
    """
    width = line_width(unit)
    radius = round(DOT * width * (1 << _SHIFT))
    points = dict(_points(image, joints))
    for first, second, colour in _LINES:
        if first in points and second in points:
            cv2.line(image, points[first], points[second], colour, width, cv2.LINE_AA, _SHIFT)
    for joint, point in points.items():
        cv2.circle(image, point, radius, _DOTS[joint], cv2.FILLED, cv2.LINE_AA, _SHIFT)


def _points(image: Image, joints: NDArray[np.float32]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the joints to draw, by number, in sixteenths of a pixel."""
    size = np.array([image.shape[1], image.shape[0]])
    known = drawable(joints)
    for joint in np.flatnonzero(known):
        place = joints[joint, :2].astype(np.float64)
        if np.all(place >= -size) and np.all(place <= 2 * size):
            x, y = np.rint(place * (1 << _SHIFT)).astype(int).tolist()
            yield int(joint), (x, y)


def draw_skeleton(size: tuple[int, int], joints: NDArray[np.float32], unit: float) -> Image:
    """Return a white image of `size` (width, height) with the skeleton alone, or the words `NOTHING`."""
    image = np.full((size[1], size[0], 3), 255, dtype=np.uint8)
    draw_overlay(image, joints, unit)
    if image.min() == 255:
        _say_nothing(image)
    return image


def _say_nothing(image: Image) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    height, width = image.shape[:2]
    (wide, tall), _ = cv2.getTextSize(NOTHING, font, 1.0, 1)
    scale = min(0.5 * width / wide, 0.25 * height / tall)
    place = (round((width - scale * wide) / 2), round((height + scale * tall) / 2))
    cv2.putText(image, NOTHING, place, font, scale, GREY, max(1, round(2 * scale)), cv2.LINE_AA)
