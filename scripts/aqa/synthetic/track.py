"""True COCO-17 keypoints of a rendered figure, and the record in which they are written."""

from __future__ import annotations

import numpy as np

from aqa.records import Record
from aqa.synthetic.body import COCO_KEYPOINTS, Joint, Pose
from aqa.synthetic.camera import Camera
from aqa.synthetic.surface import Canvas

Keypoint = tuple[float, float, float]
Box = tuple[float, float, float, float]

VISIBLE, HIDDEN, ABSENT = 1.0, 0.5, 0.0

_HIDDEN_M = 0.15  # a surface so far in front of a joint is not the joint's own flesh
_FLESH_M = np.full(len(Joint), 0.07)  # from a joint to the outline
_FLESH_M[Joint.HEAD] = 0.13
_FLESH_M[[Joint.PELVIS, Joint.SPINE, Joint.LEFT_HIP, Joint.RIGHT_HIP]] = 0.13
_FLESH_M[[Joint.NECK, Joint.LEFT_SHOULDER, Joint.RIGHT_SHOULDER]] = 0.08


class Track(Record):
    """A line of `poses.jsonl`: the figure that a clip is about, frame by frame.

    `media` is relative to the folder of the data; `first_frame` counts from 0 in that file.
    `keypoints` is [frames][17][x, y, confidence]: pixels in COCO's order, (0, 0) being the centre of the
    top left pixel; confidence 1 in view, 0.5 hidden behind the body or what it holds, 0 outside the
    picture or under water (the place is still true). `boxes` are (left, top, right, bottom) in pixels,
    None where nothing of the figure is in view.
    """

    clip_id: str
    media: str
    first_frame: int
    width: int
    height: int
    keypoints: tuple[tuple[Keypoint, ...], ...]
    boxes: tuple[Box | None, ...]


def observe(
    canvas: Canvas, camera: Camera, pose: Pose, index: int, submerged: bool = False
) -> tuple[tuple[Keypoint, ...], Box | None]:
    """Return the keypoints and the box of one drawn frame.

    Args:
        canvas: With the figure drawn on it.
        camera: Of this frame (its first entry).
        pose: The figure.
        index: The frame in `pose`.
        submerged: Whether joints below y = 0 are under water.
    """
    joints = pose.joints[index]
    depth = camera.see(joints[None])[0, :, 2]
    pixels = camera.project(joints[None])[0]
    inside = (pixels >= -0.5).all(axis=1) & (pixels < np.array([camera.width, camera.height]) - 0.5).all(
        axis=1
    )
    if submerged:
        inside &= joints[:, 1] > 0.0
    points = []
    for k in range(COCO_KEYPOINTS):
        confidence = ABSENT
        if inside[k]:
            column, row = np.round(pixels[k]).astype(int)
            hidden = float(canvas.depth[row, column]) < depth[k] - _HIDDEN_M
            confidence = HIDDEN if hidden else VISIBLE
        points.append((round(float(pixels[k, 0]), 2), round(float(pixels[k, 1]), 2), confidence))
    return tuple(points), _box(camera, joints, depth, pixels, submerged)


def _box(
    camera: Camera, joints: np.ndarray, depth: np.ndarray, pixels: np.ndarray, submerged: bool
) -> Box | None:
    shown = joints[:, 1] > 0.0 if submerged else np.ones(len(joints), bool)
    if not shown.any():
        return None
    margin = _FLESH_M * float(camera.focal[0]) / depth
    low = (pixels - margin[:, None])[shown].min(axis=0)
    high = (pixels + margin[:, None])[shown].max(axis=0)
    low = np.clip(low, 0.0, [camera.width - 1, camera.height - 1])
    high = np.clip(high, 0.0, [camera.width - 1, camera.height - 1])
    if (high - low).min() < 1.0:
        return None
    left, top, right, bottom = (round(float(v), 2) for v in (*low, *high))
    return left, top, right, bottom
