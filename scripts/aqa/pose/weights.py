"""Which weight files may be loaded: those that cannot carry code, and those that somebody vouches for."""

from __future__ import annotations

from pathlib import Path

from aqa.config import Pose, load_yaml
from aqa.errors import UserError
from aqa.files import digest_file

_INERT = {".onnx", ".safetensors"}
_NETWORKS = {".yaml", ".yml"}


def trusted(path: Path, settings: Pose) -> Path:
    """Return `path` if it may be loaded.

    ONNX and safetensors hold numbers only, and a network's YAML does too unless it names an activation,
    which is evaluated. Any other file can run code when it is loaded: it needs its digest in
    `pose.sha256`, or `pose.trust: true`.

    Raises:
        UserError: the file is missing, or nobody vouches for it (with the digest to compare).
    """
    if not path.is_file():
        raise UserError(
            f"{path}: no such file of weights; nothing is downloaded: put it there (pose.weights)"
        )
    if path.suffix in _INERT or settings.trust:
        return path
    if path.suffix in _NETWORKS and not _evaluates(path):
        return path
    found = digest_file(path)
    if found in settings.sha256:
        return path
    raise UserError(
        f"{path}: a file of this kind can run code when it is loaded; compare its sha256 {found} with the "
        "publisher's and add it to pose.sha256, or set pose.trust: true"
    )


def _evaluates(path: Path) -> bool:
    network = load_yaml(path)
    if not isinstance(network, dict):
        raise UserError(f"{path}: not the description of a network")
    return "activation" in network
