"""A stand-in for facebookresearch/sam-3d-body: the same names, arguments and answers, without a network.

As the original, it reads `model_config.yaml` beside the checkpoint, prints as it works, wants pictures as
red, green, blue, and boxes (n, 4), and answers with a dict a person whose `pred_keypoints_2d` is (70, 2)
in pixels of the whole picture, without confidences. The joint k lies at ((k + 1) / 71,
1 / 2 + (k - 35) / 142) of the box, moved right by 3 pixels where the box is mostly red: what a wrong
channel order would miss. A checkpoint that says `angry` cannot be loaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

CALLS: list[tuple[int, str]] = []


class _Model:
    def __init__(self, device: str) -> None:
        if device == "cuda":
            raise RuntimeError("this stand-in has no GPU")
        self.device = device


def load_sam_3d_body(
    checkpoint_path: str = "", device: str = "cuda", mhr_path: str = ""
) -> tuple[_Model, dict]:
    print("Loading SAM 3D Body model...")
    folder = Path(checkpoint_path).parent
    config = {"config": (folder / "model_config.yaml").read_text(), "mhr": Path(mhr_path).read_bytes()}
    if Path(checkpoint_path).read_bytes().startswith(b"angry"):
        raise RuntimeError("checkpoint of another model")
    return _Model(device), config


class SAM3DBodyEstimator:
    def __init__(
        self, sam_3d_body_model, model_cfg, human_detector=None, human_segmentor=None, fov_estimator=None
    ) -> None:
        assert isinstance(sam_3d_body_model, _Model) and "config" in model_cfg
        assert human_detector is None and human_segmentor is None and fov_estimator is None

    def process_one_image(
        self,
        img,
        bboxes=None,
        masks=None,
        cam_int=None,
        det_cat_id=0,
        bbox_thr=0.5,
        nms_thr=0.3,
        use_mask=False,
        inference_type="full",
    ) -> list[dict]:
        print("####### Please make sure the input image is in RGB format")
        assert isinstance(img, np.ndarray) and img.dtype == np.uint8 and img.flags["C_CONTIGUOUS"]
        boxes = np.asarray(bboxes).reshape(-1, 4)
        CALLS.append((len(boxes), inference_type))
        people = []
        for box in boxes:
            left, top, right, bottom = box
            inside = img[int(top) : int(bottom), int(left) : int(right)].reshape(-1, 3)
            shift = 3.0 if inside[:, 0].mean() > inside[:, 2].mean() + 50 else 0.0
            k = np.arange(70)
            x = left + (k + 1) / 71 * (right - left) + shift
            y = top + (0.5 + (k - 35) / 142) * (bottom - top)
            people.append(
                {
                    "bbox": box,
                    "focal_length": np.float32(1000.0),
                    "pred_keypoints_2d": np.column_stack([x, y]).astype(np.float32),
                    "pred_keypoints_3d": np.zeros((70, 3), np.float32),
                    "pred_cam_t": np.zeros(3, np.float32),
                }
            )
        return people
