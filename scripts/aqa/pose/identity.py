"""What decides poses besides the pictures: poses are found again when it changes, and only then."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aqa.config import Pose
from aqa.files import digest, digest_file
from aqa.pose.needs import SAM_3D_BODY, body_model, in_torch, weights_of

_NOT_DECIDING = {"weights", "detector", "code", "sha256", "trust", "device", "batch", "file"}
"""Settings whose names decide nothing: files count by their content, and devices do the same sums."""

_MEDIA = ("decode", "picture", "posing", "profile", "stills", "walk")


def identity(settings: Pose) -> dict[str, Any]:
    """Return the settings, the digests of weights and foreign code, and the versions of the libraries."""
    numbers: dict[str, Any] = settings.model_dump(mode="json", exclude=_NOT_DECIDING)
    libraries: dict[str, str | None] = {"numpy": np.__version__, "opencv": cv2.__version__}
    if in_torch(settings):
        libraries |= {name: _version(name) for name in ("torch", "ultralytics")}
    if settings.backend != "precomputed":
        weights = weights_of(settings)
        files = [weights, None if settings.detector is None else Path(settings.detector)]
        if settings.backend == "sam3d_body" and weights is not None:
            files.append(body_model(weights))
        numbers["weights"] = [_digests(file) for file in files if file is not None]
        numbers["code"] = (
            _code(Path(settings.code)) if settings.backend == "sam3d_body" and settings.code else None
        )
    return {"settings": numbers, "libraries": libraries}


def code() -> dict[str, str]:
    """Return the digests of the modules that decide poses."""
    here = Path(__file__).parent
    files = sorted(here.glob("*.py")) + [here.parent / "media" / f"{name}.py" for name in _MEDIA]
    return {f"{file.parent.name}/{file.name}": digest_file(file) for file in files}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _digests(weights: Path) -> list[str]:
    """Return the digest of a file of weights, and of the network described beside it."""
    files = [weights]
    if weights.suffix == ".safetensors":
        files.append(weights.with_suffix(".yaml"))
    return [digest_file(file) for file in files if file.is_file()]


def _code(checkout: Path) -> str:
    files = sorted((checkout / SAM_3D_BODY).rglob("*.py"))
    return digest([[file.relative_to(checkout).as_posix(), digest_file(file)] for file in files])
