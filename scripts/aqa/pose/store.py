"""The poses of one clip in one file: what every pose backend writes and every representation reads."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aqa.errors import UserError
from aqa.files import atomic

JOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
)
"""COCO-17, in order; left and right are the subject's own."""


@dataclass(frozen=True)
class Poses:
    """The subject's joints in the frames of a clip.

    Coordinates are pixels of the source's upright, unscaled picture, origin top left; NaN where a joint or
    the subject was not found.

    `indices`: (n,) frames, counted as `Clip.frame_indices` counts them, increasing.
    `keypoints`: (n, 17, 3) x, y and confidence from 0 to 1 (0 where x and y are NaN).
    `boxes`: (n, 4) left, top, right, bottom of the subject.
    `interpolated`: (n,) whether a frame's joints were filled in from its neighbours.
    `width`, `height`: of that picture.
    """

    indices: NDArray[np.int64]
    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    interpolated: NDArray[np.bool_]
    width: int
    height: int


def write_poses(path: Path, poses: Poses) -> None:
    """Write the poses of a clip as an uncompressed NPZ; atomic, byte for byte reproducible."""
    with atomic(path) as stream:
        np.savez(
            stream,
            indices=poses.indices.astype(np.int64),
            keypoints=poses.keypoints.astype(np.float32),
            boxes=poses.boxes.astype(np.float32),
            interpolated=poses.interpolated.astype(np.bool_),
            size=np.array([poses.width, poses.height], dtype=np.int64),
        )


def read_poses(path: Path) -> Poses:
    """Read what `write_poses` wrote; nothing in the file is unpickled.

    Raises:
        UserError: the file is missing, damaged, or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            width, height = (int(value) for value in arrays["size"])
            poses = Poses(
                arrays["indices"],
                arrays["keypoints"],
                arrays["boxes"],
                arrays["interpolated"],
                width,
                height,
            )
    except FileNotFoundError as error:
        raise UserError(f"{path}: the poses are missing; run the pose stage again") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path}: not the poses of a clip ({error}); delete it and run the pose stage again"
        ) from error
    n = len(poses.indices)
    shapes = [poses.keypoints.shape, poses.boxes.shape, poses.interpolated.shape]
    if shapes != [(n, 17, 3), (n, 4), (n,)]:
        raise UserError(f"{path}: arrays of shapes {shapes} for {n} frames; run the pose stage again")
    return poses
