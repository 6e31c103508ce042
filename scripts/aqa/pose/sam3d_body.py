"""SAM 3D Body, the paper's pose model: the joints of a person whose box is known.

Its code is a checkout of facebookresearch/sam-3d-body (nothing is packaged) and its weights are gated:
`model.ckpt` with `model_config.yaml` and `assets/mhr_model.pt` beside it, as their owners distribute them.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aqa.config import Pose
from aqa.errors import UserError
from aqa.pose.base import Array, Image, cleaned, no_joints
from aqa.pose.devices import device
from aqa.pose.needs import SAM_3D_BODY, body_model
from aqa.pose.weights import trusted

MHR_JOINTS = 70

COCO_FROM_MHR = (0, 1, 2, 3, 4, 5, 6, 7, 8, 62, 41, 9, 10, 11, 12, 13, 14)
"""Where each COCO-17 joint stands among the 70 of the Momentum Human Rig (left wrist 62, right wrist 41)."""


class Sam3dBody:
    """The model on one device.

    It gives every joint a place, hidden or not, and no confidence: joints that it places count as 1.

    Raises:
        UserError: the code, the weights or the GPU are missing, or nobody vouches for the weights.
    """

    def __init__(self, settings: Pose, code: Path, weights: Path) -> None:
        rig = body_model(weights)
        for file in (weights, rig):
            trusted(file, settings)
        where = self._where(settings)
        module = _module(code)
        try:
            model, config = module.load_sam_3d_body(
                checkpoint_path=str(weights), device=where, mhr_path=str(rig)
            )
            self._estimator: Any = module.SAM3DBodyEstimator(
                sam_3d_body_model=model,
                model_cfg=config,
                human_detector=None,
                human_segmentor=None,
                fov_estimator=None,
            )
        except Exception as error:  # Whatever a damaged checkpoint makes the checkout raise.
            raise UserError(f"{weights}: SAM 3D Body cannot be loaded ({error})") from error

    @staticmethod
    def _where(settings: Pose) -> str:
        where = device(settings)
        if where == "cpu" and settings.device != "cpu":
            raise UserError(
                "pose.backend sam3d_body: needs a CUDA GPU and PyTorch sees none; run the pose stage on a "
                "machine with one, or choose another backend"
            )
        return where

    def refine(self, image: Image, box: Array) -> Array:
        """Return the keypoints (17, 3) of the person in `box`, in pixels of `image`."""
        people = self._estimator.process_one_image(
            np.ascontiguousarray(image[:, :, ::-1]),
            bboxes=np.asarray(box, dtype=np.float32).reshape(1, 4),
            inference_type="body",
        )
        if not people:
            return no_joints()
        joints = np.asarray(people[0]["pred_keypoints_2d"], dtype=np.float64)
        if joints.shape != (MHR_JOINTS, 2):
            raise UserError(
                f"pose.code: the checkout returns joints of shape {joints.shape}, not ({MHR_JOINTS}, 2); "
                "use a version with the 70 joints of the Momentum Human Rig"
            )
        chosen = joints[list(COCO_FROM_MHR)]
        return cleaned(np.concatenate([chosen, np.ones((len(chosen), 1))], axis=1), 0.0)


def _module(code: Path) -> Any:
    """Import the checkout; its folder goes to the front of the search path."""
    if not (code / SAM_3D_BODY).is_dir():
        raise UserError(
            f"{code}: no folder {SAM_3D_BODY}; pose.code names a checkout of facebookresearch/sam-3d-body"
        )
    sys.path.insert(0, str(code.resolve()))
    try:
        return importlib.import_module(SAM_3D_BODY)
    except ImportError as error:
        raise UserError(
            f"{code}: {SAM_3D_BODY} cannot be imported ({error}); install what its INSTALL.md lists"
        ) from error
