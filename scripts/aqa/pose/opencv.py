"""A pose network that ultralytics wrote as ONNX, run by OpenCV on the CPU: no PyTorch, no ultralytics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from aqa.config import Pose
from aqa.errors import UserError
from aqa.pose.base import GREY, KEYPOINTS, MOST_PEOPLE, Array, Image, Person, cleaned
from aqa.pose.devices import device
from aqa.pose.weights import trusted

OVERLAP = 0.7
"""Of two boxes that share more than this, as intersection over union, the less certain one goes."""

ROWS = 4 + 1 + 3 * KEYPOINTS
"""What the network says of each place: a box, how certain a person is, the joints."""


class Placed(NamedTuple):
    """Where a picture lies in the network's square: times `scale`, then moved by `left` and `top` pixels."""

    scale: float
    left: int
    top: int


class OpenCV:
    """A network that takes one square picture of `image_size` pixels at a time.

    It sees a picture as ultralytics shows it to an ONNX network: scaled to the square, centred, grey around.

    Raises:
        UserError: the weights are missing, no ONNX file, or damaged, or a GPU is asked for.
    """

    batch = 1

    def __init__(self, settings: Pose, weights: Path) -> None:
        trusted(weights, settings)
        device(settings)
        if weights.suffix != ".onnx":
            raise UserError(
                f"{weights}: pose.backend opencv runs .onnx files; let ultralytics write one "
                "(yolo export format=onnx), or take pose.backend ultralytics"
            )
        self._settings, self._weights = settings, weights
        try:
            self._network = cv2.dnn.readNetFromONNX(np.frombuffer(weights.read_bytes(), np.uint8))
        except cv2.error as error:
            raise UserError(f"{weights}: OpenCV cannot read this network ({_told(error)})") from error

    def detect(self, images: Sequence[Image]) -> list[list[Person]]:
        """Return the people of each picture, the most certain first."""
        return [self._people(image) for image in images]

    def _people(self, image: Image) -> list[Person]:
        shown, placed = square(image, self._settings.image_size)
        found = self._run(cv2.dnn.blobFromImage(shown, 1 / 255, swapRB=True))
        certain = found[found[:, 4] > self._settings.confidence]
        certain[:, :2] -= certain[:, 2:4] / 2  # From the middle of a box to its left and top.
        boxes, scores = certain[:, :4], certain[:, 4]
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), self._settings.confidence, OVERLAP)
        joints = cleaned(certain[:, 5:].reshape(-1, KEYPOINTS, 3), self._settings.joint_confidence)
        most = np.array(image.shape[1::-1], np.float64)
        moved = np.array([placed.left, placed.top], np.float64)
        people = []
        for at in np.ravel(kept)[:MOST_PEOPLE].astype(int):
            ends = np.stack([boxes[at, :2], boxes[at, :2] + boxes[at, 2:]])
            box = np.clip((ends - moved) / placed.scale, 0.0, most).ravel()
            joints[at, :, :2] = np.clip((joints[at, :, :2] - moved) / placed.scale, 0.0, most)
            people.append(Person(box, joints[at], float(scores[at])))
        return people

    def _run(self, blob: Any) -> Array:
        """Return what the network says of each place (places, ROWS), in pixels of the square."""
        try:
            self._network.setInput(blob)
            found = np.asarray(self._network.forward(), np.float64)
        except cv2.error as error:
            raise UserError(
                f"{self._weights}: does not run on a square of {self._settings.image_size} pixels; set "
                f"pose.image_size to the size it was exported with ({_told(error)})"
            ) from error
        if found.ndim != 3 or found.shape[1] != ROWS:
            raise UserError(
                f"{self._weights}: its answer has the shape {found.shape}, not (1, {ROWS}, places) of a "
                "network that finds people with 17 joints and leaves the choice among boxes to others"
            )
        places: Array = found[0].T
        return places


def square(image: Image, side: int) -> tuple[Image, Placed]:
    """Return a picture (h, w, 3) scaled into a square of `side` pixels, and where it lies there."""
    height, width = image.shape[:2]
    scale = min(side / height, side / width)
    size = (round(width * scale), round(height * scale))
    left, top = round((side - size[0]) / 2 - 0.1), round((side - size[1]) / 2 - 0.1)
    shown = np.full((side, side, 3), GREY, np.uint8)
    part = image if size == (width, height) else cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    shown[top : top + size[1], left : left + size[0]] = part
    return shown, Placed(scale, left, top)


def _told(error: cv2.error) -> str:
    """Return what OpenCV says of an error, as one line."""
    return " ".join(str(error).split())[:200]
