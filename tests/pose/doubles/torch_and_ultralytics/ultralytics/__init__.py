"""A double of ultralytics' interface: it finds people who are painted as red rectangles.

Each connected red region is a person; the joints lie at fixed shares of its box (`SHARES`), so that a test
knows where they must come out. As the real library, it takes pictures as blue, green, red and answers in
their pixels. It refuses to run where it could download or install something.
"""

from __future__ import annotations

import os
import time

import cv2
import numpy as np

if os.environ.get("YOLO_AUTOINSTALL") != "false" or os.environ.get("YOLO_OFFLINE") != "1":
    raise RuntimeError("imported where it may install or download")
if not os.path.isdir(os.environ.get("YOLO_CONFIG_DIR", "")):  # noqa: PTH112
    raise RuntimeError("imported where it writes into the user's settings")

SHARES = np.column_stack([np.linspace(0.1, 0.9, 17), np.linspace(0.95, 0.05, 17)])


class Tensor:
    """An array that has to be fetched, as from a GPU."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def cpu(self) -> np.ndarray:
        return self._values


class _Boxes:
    def __init__(self, boxes: np.ndarray) -> None:
        self.xyxy = Tensor(boxes.astype(np.float32))
        self.conf = Tensor(np.linspace(0.9, 0.8, len(boxes)).astype(np.float32))


class _Keypoints:
    def __init__(self, keypoints: np.ndarray) -> None:
        self.data = Tensor(keypoints.astype(np.float32))


class Result:
    """What is found in one picture."""

    def __init__(self, boxes: np.ndarray) -> None:
        self.boxes = _Boxes(boxes)
        places = boxes[:, None, :2] + SHARES * (boxes[:, 2:] - boxes[:, :2])[:, None]
        confidence = np.full((len(boxes), 17, 1), 0.8)
        confidence[:, 3] = 0.05
        self.keypoints = _Keypoints(np.concatenate([places, confidence], axis=-1))


class YOLO:
    """A network from a file."""

    def __init__(self, model: str, task: str | None = None, verbose: bool = False) -> None:
        assert os.path.isfile(model), "would be downloaded"  # noqa: PTH113
        self.task = task or "pose"

    def predict(
        self,
        source: list[np.ndarray],
        *,
        imgsz: int,
        conf: float,
        device: str,
        classes: list[int],
        max_det: int,
        verbose: bool,
    ) -> list[Result]:
        assert device == "cpu" and classes == [0] and not verbose
        time.sleep(float(os.environ.get("AQA_DOUBLE_SECONDS", "0")))
        if os.environ.get("AQA_DOUBLE_CRASH") and any(image[0, 0, 1] > 200 for image in source):
            os.abort()
        return [Result(_red(image)) for image in source]


def _red(image: np.ndarray) -> np.ndarray:
    blue, green, red = (image[..., k].astype(int) for k in range(3))
    mask = ((red > 150) & (green < 90) & (blue < 90)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
    boxes = [
        (left, top, left + width, top + height)
        for left, top, width, height, area in stats[1:count]
        if area > 60
    ]
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)
