"""How a clip is shown: cut to the subject, with its skeleton drawn on top, or as the skeleton alone.

When joints are missing (a joint is known from the confidence `draw.CONFIDENCE` on, a frame from `MIN_JOINTS`
known joints inside the picture on, filled gaps included):

- original needs no joints.
- cropped, skeleton_overlay and skeleton_only need at least `MIN_SHARE` of the clip's kept frames known;
  otherwise the clip has a `problem` and is not made. Below that a box rests on too little of the movement,
  and a model would be asked about pictures that show none. Not every frame is asked for, since a diver is
  under water at the end and a skater is hidden behind the boards: most clips would be lost.
- skeleton_overlay leaves a frame without joints as it is: the picture shows what there is to see.
- skeleton_only never shows an empty picture: a frame without joints says "no person found".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aqa.config import Representation
from aqa.media.draw import draw_overlay, draw_skeleton, drawable
from aqa.pose.store import Poses

__all__ = ["crop_box", "draw_overlay", "draw_skeleton", "joints_at", "problem", "subject_height"]

MARGIN = 0.2
"""Space around the joints in a cropped picture, as a share of the longer side of their extent. Joints end at
eyes, wrists and ankles: 0.2 keeps the whole figure in every clip of the embedded benchmark, 0.15 cuts off
toes or fingers in a third of its keyframes."""

MIN_JOINTS = 5
"""Known joints from which on a frame counts: fewer are no body (COCO has five in the face alone)."""

MIN_SHARE = 0.5
"""Share of a clip's kept frames that must count."""

MIN_SIDE = 32
"""Shortest side of a cropped picture in pixels, where the source has that many."""


def joints_at(poses: Poses, index: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Return the joints of a source frame, (17, 3): x, y in pixels of the scaled picture, and confidence.

    (0, 0) is the middle of the first pixel, before and after scaling. All NaN where nothing was found or
    looked for in that frame.
    """
    joints = np.full((17, 3), np.nan, dtype=np.float32)
    row = int(np.searchsorted(poses.indices, index))
    if row < len(poses.indices) and int(poses.indices[row]) == index:
        joints[:] = poses.keypoints[row]
        joints[:, :2] = (joints[:, :2] + 0.5) * scale - 0.5
    return joints


def crop_box(poses: Poses, kept: Sequence[int], margin: float = MARGIN) -> tuple[int, int, int, int] | None:
    """Return the box that holds the known joints of all kept frames, one for the clip.

    Left, top, right, bottom (the last two exclusive) in pixels of the source's upright picture. All four
    are even, so that the box can be cut from 4:2:0 planes; an odd last row or column of the picture is
    therefore left out. The box lies inside the picture, and its sides are at least `MIN_SIDE` there.
    None where no joint is known inside the picture.

    Args:
        poses: the clip's.
        kept: source positions of the frames, as `Poses.indices`.
        margin: see `MARGIN`.
    """
    joints = _kept(poses, kept)
    points = joints[_visible(poses, joints)][:, :2].astype(np.float64) + 0.5
    if not len(points):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    space = margin * float((high - low).max())
    left, right = _span(float(low[0]) - space, float(high[0]) + space, poses.width)
    top, bottom = _span(float(low[1]) - space, float(high[1]) + space, poses.height)
    return left, top, right, bottom


def crop_boxes(
    poses: Poses, kept: Sequence[int], margin: float = MARGIN
) -> dict[int, tuple[int, int, int, int]]:
    """Return, for each kept frame, a box of one size that follows the subject; see `crop_box`.

    The size is that of the largest single frame's box. A frame without a known joint takes the box of the
    nearest kept frame that has one. Empty where no joint is known in any.
    """
    single = {position: box for position in kept if (box := crop_box(poses, [position], margin))}
    if not single:
        return {}
    width = max(right - left for left, _, right, _ in single.values())
    height = max(bottom - top for _, top, _, bottom in single.values())
    known = np.array(list(single))
    found = {}
    for position in kept:
        left, top, right, bottom = single[int(known[np.abs(known - position).argmin()])]
        first = _centred(left, right, width, poses.width)
        upper = _centred(top, bottom, height, poses.height)
        found[position] = (first, upper, first + width, upper + height)
    return found


def _centred(low: int, high: int, length: int, size: int) -> int:
    """Return the even start of `length` pixels around the middle of low to high, inside the picture."""
    whole = size - size % 2 if size > 1 else size
    start = (low + high - length) // 2
    return min(max(0, start - start % 2), whole - length)


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the even pixels [first, last) of a picture's side that hold the edges low to high.

    At least `MIN_SIDE` of them, or as many as there are.
    """
    whole = size - size % 2 if size > 1 else size
    least = min(MIN_SIDE, whole)
    grow = max(0.0, least - (high - low)) / 2
    first = min(max(0, 2 * math.floor((low - grow) / 2)), whole - least)
    last = max(min(whole, 2 * math.ceil((high + grow) / 2)), first + least)
    return first, last


def subject_height(poses: Poses, kept: Sequence[int], scale: float = 1.0) -> float:
    """Return how tall the subject is in the clip's scaled pictures, pixels: the unit of line widths.

    The median over the kept frames of the longer side of the known joints' extent, so that lines keep one
    width through a clip; 0 where nothing is known.
    """
    joints = _kept(poses, kept)
    points = np.where(drawable(joints)[..., None], joints[..., :2].astype(np.float64), np.nan)
    points = points[np.isfinite(points).all(axis=2).sum(axis=1) >= 2]
    if not len(points):
        return 0.0
    extent = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    return float(np.median(extent.max(axis=1))) * scale


def problem(
    representation: Representation, poses: Poses, kept: Sequence[int], size: tuple[int, int] | None = None
) -> str | None:
    """Return why a clip cannot be shown so, one line; None if it can.

    Args:
        representation: how.
        poses: the clip's.
        kept: source positions of the clip's frames; none to compare the size alone.
        size: width and height of the upright source picture, if they are to be compared.
    """
    if representation == "original":
        return None
    if size is not None and size != (poses.width, poses.height):
        return (
            f"the poses were found in a picture of {poses.width}x{poses.height} pixels, this one has "
            f"{size[0]}x{size[1]}; run the pose stage again"
        )
    known = _visible(poses, _kept(poses, kept)).sum(axis=1) >= MIN_JOINTS
    if kept and known.sum() < max(1.0, MIN_SHARE * len(kept)):
        return (
            f"the subject's joints are known in {int(known.sum())} of {len(kept)} frames; "
            f"{representation} needs at least {MIN_SHARE:.0%}"
        )
    return None


def _visible(poses: Poses, joints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which joints are known and lie in the picture; (n, 17, 3) to (n, 17)."""
    size = np.array([poses.width, poses.height])
    with np.errstate(invalid="ignore"):
        inside = (joints[..., :2] >= -0.5) & (joints[..., :2] <= size - 0.5)
    return drawable(joints) & np.asarray(inside.all(axis=-1))


def _kept(poses: Poses, kept: Sequence[int]) -> NDArray[np.float32]:
    return np.stack([joints_at(poses, index) for index in kept]) if kept else np.empty((0, 17, 3), np.float32)
