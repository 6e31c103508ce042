"""The network: its description in ultralytics' own language, made from widths, and its files.

A backbone of five halvings, a pyramid that carries coarse features to finer ones and back, and heads on the
features of a sixteenth and a thirty-second of the picture only: figures are large in it.
"""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aqa.errors import lacking
from aqa.files import atomic

JOINTS = 17
STRIDE = 32
"""A picture's sides must be multiples of this."""

FINE = 16
"""Layer whose features, an eighth of the picture, teach the heat maps (`loss.Heatmaps`)."""


@dataclass(frozen=True)
class Shape:
    """Widths after each halving of the picture."""

    widths: tuple[int, int, int, int, int] = (8, 16, 32, 64, 128)


def description(shape: Shape) -> dict[str, Any]:
    """Return the network as ultralytics describes networks: layers as from, repeats, kind, arguments."""
    first, half, quarter, eighth, last = shape.widths
    backbone = [
        [-1, 1, "Conv", [first, 3, 2]],
        [-1, 1, "Conv", [half, 3, 2]],
        [-1, 1, "C3k2", [quarter, False, 0.25]],
        [-1, 1, "Conv", [quarter, 3, 2]],
        [-1, 1, "C3k2", [eighth, False, 0.25]],
        [-1, 1, "Conv", [eighth, 3, 2]],
        [-1, 1, "C3k2", [eighth, True]],
        [-1, 1, "Conv", [last, 3, 2]],
        [-1, 1, "C3k2", [last, True]],
        [-1, 1, "SPPF", [last, 5]],
        [-1, 1, "C2PSA", [last]],
    ]
    upwards = [
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 6], 1, "Concat", [1]],
        [-1, 1, "C3k2", [eighth, False]],
        [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
        [[-1, 4], 1, "Concat", [1]],
        [-1, 1, "C3k2", [quarter, False]],
    ]
    downwards = [
        [-1, 1, "Conv", [quarter, 3, 2]],
        [[-1, 13], 1, "Concat", [1]],
        [-1, 1, "C3k2", [eighth, False]],
        [-1, 1, "Conv", [eighth, 3, 2]],
        [[-1, 10], 1, "Concat", [1]],
        [-1, 1, "C3k2", [last, True]],
        [[19, 22], 1, "Pose", ["nc", "kpt_shape"]],
    ]
    return {"nc": 1, "kpt_shape": [JOINTS, 3], "backbone": backbone, "head": upwards + downwards}


def model(shape: Shape, seed: int) -> Any:
    """Return the untrained network (an ultralytics `PoseModel`); the same for the same seed.

    Raises:
        UserError: ultralytics is not installed.
    """
    # Imported by name it would otherwise install packages, and write settings into the user's home.
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="1", YOLO_VERBOSE="false")
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp(prefix="aqa-yolo-"))
    try:
        import onnx  # noqa: F401 - at the end of a training, PyTorch writes the network by means of it
        import torch
        from ultralytics.nn.tasks import PoseModel
    except ImportError as error:
        raise lacking("training a pose network", error, "pose") from error
    torch.manual_seed(seed)
    return PoseModel(description(shape), ch=3, verbose=False)


def export(folder: Path, shape: Shape, numbers: Any) -> None:
    """Write the network as `pose.backend: ultralytics` reads it: `model.safetensors`, `model.yaml` beside it.

    `numbers`: the network's state. Half precision is enough for weights and halves the file.
    """
    from safetensors.torch import save

    with atomic(folder / "model.yaml") as stream:
        stream.write(yaml.safe_dump(description(shape), sort_keys=False).encode())
    with atomic(folder / "model.safetensors") as stream:
        stream.write(save(_halves(numbers)))


def export_onnx(path: Path, shape: Shape, numbers: Any, side: int) -> None:
    """Write the network of `export` as ultralytics writes ONNX, for square pictures of `side` pixels.

    Its answer is (1, 56, places), in pixels of the square: `aqa.pose.opencv` reads it.
    """
    import torch

    network = model(shape, 0)
    network.load_state_dict(_halves(numbers))
    network = network.eval().fuse(verbose=False)
    head = network.model[-1]
    head.export, head.format = True, "onnx"
    found = io.BytesIO()
    with warnings.catch_warnings():
        # The newer exporter needs a further library and writes what OpenCV does not read.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            torch.zeros(1, 3, side, side),
            found,
            dynamo=False,
            opset_version=17,
            input_names=["images"],
            output_names=["output0"],
        )
    with atomic(path) as stream:
        stream.write(found.getvalue())


def _halves(numbers: Any) -> dict[str, Any]:
    return {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in numbers.items()
    }
