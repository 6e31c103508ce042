"""What a pose backend needs on this machine, checked without loading any of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aqa.config import Pose

SAM_3D_BODY = "sam_3d_body"
"""The package in a checkout of facebookresearch/sam-3d-body."""


EMBEDDED = Path(__file__).parents[3] / "resources" / "pose-net" / "model.onnx"
"""The network of docs/pose-net.md, which has seen the embedded benchmark's figures and nobody else."""


def weights_of(settings: Pose) -> Path | None:
    """Return the file of the network; None where none is set."""
    if settings.weights == "embedded":
        return EMBEDDED
    return None if settings.weights is None else Path(settings.weights)


def in_torch(settings: Pose) -> bool:
    """Return whether the backend runs in PyTorch, in the environment of pose networks."""
    return settings.backend in ("ultralytics", "sam3d_body")


def body_model(weights: Path) -> Path:
    """Return the file of the body model that belongs to a checkpoint of SAM 3D Body."""
    return weights.parent / "assets" / "mhr_model.pt"


def missing(settings: Pose, data: Path, *, embedded: bool = False) -> str | None:
    """Return what the backend lacks, as one line with the next step; None if it lacks nothing.

    Args:
        settings: the backend and its files.
        data: the dataset's data folder.
        embedded: the data are made by the run, and need not be there yet.
    """
    if settings.weights == "embedded" and not embedded:
        return (
            "pose.weights: the embedded network has seen rendered figures only and would find nonsense in "
            "real pictures; set pose.backend: precomputed and bring keypoints, or take another network "
            "(docs/own-data.md)"
        )
    for key, path, what in _files(settings, data):
        if key == "pose.file" and embedded:
            continue
        if path is None:
            return f"{key}: not set, but pose.backend {settings.backend} needs {what}"
        if not path.exists():
            return f"{key}: {path} is missing: {what}"
    return None


def _files(settings: Pose, data: Path) -> Iterator[tuple[str, Path | None, str]]:
    weights = weights_of(settings)
    if settings.backend == "precomputed":
        yield (
            "pose.file",
            data / settings.file,
            "the keypoints of each clip (docs/own-data.md says how they are written); or let a network find "
            "them: set pose.backend and pose.weights",
        )
    elif settings.backend in ("opencv", "ultralytics"):
        yield "pose.weights", weights, "the file of a pose network; nothing is downloaded"
    else:
        code = None if settings.code is None else Path(settings.code)
        yield "pose.code", code, "a checkout of facebookresearch/sam-3d-body"
        yield (
            "pose.weights",
            weights,
            "its model.ckpt (apply for it at huggingface.co/facebook/sam-3d-body-dinov3)",
        )
        rig = None if weights is None else body_model(weights)
        yield "pose.weights", rig, "the body model that comes with model.ckpt"
        if settings.detector is None:
            yield "pose.file", data / settings.file, "the people's boxes; or set pose.detector"
        else:
            yield "pose.detector", Path(settings.detector), "ultralytics weights that find people"
