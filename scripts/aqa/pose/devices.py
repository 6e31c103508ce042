"""Where a network runs."""

from __future__ import annotations

from aqa.config import Pose
from aqa.errors import UserError, lacking


def device(settings: Pose) -> str:
    """Return `cpu` or `cuda`, as `pose.device` says.

    Raises:
        UserError: a GPU is asked for and PyTorch sees none, or PyTorch is not installed; or the backend
            runs on none.
    """
    if settings.backend == "opencv":
        if settings.device == "cuda":
            raise UserError("pose.device cuda: pose.backend opencv runs on the CPU; take ultralytics")
        return "cpu"
    if settings.device == "cpu":
        return "cpu"
    try:
        import torch
    except ImportError as error:
        raise lacking(f"pose.backend {settings.backend}", error, "pose") from error
    if torch.cuda.is_available():
        return "cuda"
    if settings.device == "cuda":
        raise UserError(f"pose.device cuda: PyTorch {torch.__version__} sees no GPU on this machine")
    return "cpu"
