"""Any pose network of the ultralytics library (AGPL-3.0): boxes and COCO-17 joints of everybody."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from aqa.config import Pose
from aqa.errors import UserError, lacking
from aqa.pose.base import KEYPOINTS, MOST_PEOPLE, Image, Person, cleaned, no_joints
from aqa.pose.devices import device
from aqa.pose.weights import trusted

PERSON = 0
"""The class of people, in pose networks and in detectors trained on COCO."""


class Ultralytics:
    """A network on one device; finds people, and their joints where it is a pose network.

    On the CPU it runs in one thread (two threads on two cores are slower than one; run more processes
    instead) and frame by frame, which costs the same as a batch.

    Raises:
        UserError: the library or the weights are missing, nobody vouches for the weights, they hold no
            network that finds 17 joints, or the device is not there.
    """

    def __init__(self, settings: Pose, weights: Path, *, joints: bool = True) -> None:
        trusted(weights, settings)
        self._device = device(settings)
        self.batch = settings.batch if self._device != "cpu" else 1
        self._settings = settings
        self._joints = joints
        self._model = _load(weights, joints)
        if joints and self._model.task != "pose":
            raise UserError(f"{weights}: a network for the task '{self._model.task}', which finds no joints")

    def detect(self, images: Sequence[Image]) -> list[list[Person]]:
        """Return the people of each picture, the most certain first."""
        results = self._model.predict(
            list(images),
            imgsz=self._settings.image_size,
            conf=self._settings.confidence,
            device=self._device,
            classes=[PERSON],
            max_det=MOST_PEOPLE,
            verbose=False,
        )
        return [self._people(result) for result in results]

    def _people(self, result: Any) -> list[Person]:
        if result.boxes is None:
            return []
        boxes = np.asarray(result.boxes.xyxy.cpu(), dtype=np.float64).reshape(-1, 4)
        scores = np.asarray(result.boxes.conf.cpu(), dtype=np.float64)
        keypoints = np.stack([no_joints()] * len(boxes)) if len(boxes) else np.empty((0, KEYPOINTS, 3))
        if self._joints and result.keypoints is not None:
            found = np.asarray(result.keypoints.data.cpu(), dtype=np.float64)
            if len(boxes) and found.shape[1:] not in ((KEYPOINTS, 3), (KEYPOINTS, 2)):
                raise UserError(
                    f"pose.weights: the network finds {found.shape[1]} joints, not the {KEYPOINTS} of COCO"
                )
            if found.shape[-1] == 2 and len(boxes):
                certain = np.broadcast_to(scores[:, None, None], (len(boxes), KEYPOINTS, 1))
                found = np.concatenate([found, certain], axis=-1)
            keypoints = cleaned(found, self._settings.joint_confidence) if len(boxes) else keypoints
        people = [Person(*entry) for entry in zip(boxes, keypoints, scores.tolist(), strict=True)]
        return sorted(people, key=lambda person: -person.score)


def _load(weights: Path, joints: bool) -> Any:
    settings_folder = tempfile.mkdtemp(prefix="aqa-yolo-")
    os.environ.update(
        YOLO_AUTOINSTALL="false", YOLO_OFFLINE="1", YOLO_VERBOSE="false", YOLO_CONFIG_DIR=settings_folder
    )
    try:
        import torch
        from ultralytics import YOLO
    except ImportError as error:
        raise lacking("pose.backend ultralytics", error, "pose") from error
    _provide_torchvision()
    torch.set_num_threads(1)
    torch.manual_seed(0)  # A network from its YAML alone has random weights: the same each time.
    try:
        if weights.suffix == ".safetensors":
            return _with_numbers(YOLO, weights)
        return YOLO(str(weights), task="pose" if joints and weights.suffix != ".pt" else None, verbose=False)
    except UserError:
        raise
    except Exception as error:  # Whatever a damaged file makes the library raise.
        raise UserError(f"{weights}: cannot be loaded by ultralytics ({error})") from error


def _with_numbers(make: Any, weights: Path) -> Any:
    """Return the network of the YAML beside `weights`, with the numbers in that safetensors file."""
    network = weights.with_suffix(".yaml")
    if not network.is_file():
        raise UserError(f"{network}: missing; the network of {weights.name} must be described there")
    from safetensors.torch import load_file

    model = make(str(network), task="pose", verbose=False)
    model.model.load_state_dict(load_file(str(weights)), strict=True)
    return model


def _provide_torchvision() -> None:
    """Where torchvision cannot be loaded (absent, or built for another torch), use the library's own NMS.

    ultralytics asks torchvision for this one function, and has a slower one with the same results.
    """
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError, OSError):
        from ultralytics.utils.nms import TorchNMS

        stand_in = ModuleType("torchvision")
        stand_in.ops = SimpleNamespace(nms=TorchNMS.nms)  # type: ignore[attr-defined]
        sys.modules["torchvision"] = stand_in
