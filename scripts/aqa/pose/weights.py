"""Which weight files may be loaded: those that cannot carry code, and those that somebody vouches for."""

from __future__ import annotations

from pathlib import Path

from aqa.config import Pose, load_yaml
from aqa.errors import UserError
from aqa.files import digest_file

_INERT = {".onnx", ".safetensors"}
_NETWORKS = {".yaml", ".yml"}

_LAYERS = {
    *("A2C2f", "AConv", "ADown", "Bottleneck", "C2", "C2PSA", "C2f", "C2fCIB", "C3", "C3Ghost", "C3k2"),
    *("CBFuse", "CBLinear", "Concat", "Conv", "DWConv", "Detect", "ELAN1", "GhostConv", "PSA", "Pose"),
    *("Pose26", "SCDown", "SPP", "SPPELAN", "SPPF", "nn.Identity", "nn.MaxPool2d", "nn.Upsample"),
    "v10Detect",
}
"""Layers of ultralytics that only compute. A description may name anything that the library knows, and what
it names is called with its arguments: `load_checkpoint` among others."""


def trusted(path: Path, settings: Pose) -> Path:
    """Return `path` if it may be loaded.

    ONNX holds numbers only, and so do safetensors, beside which the network's YAML is checked as well. A YAML
    is safe that names known layers and no activation, which would be evaluated. Any other file can run code
    when it is loaded: it needs its digest in `pose.sha256`, or `pose.trust: true`.

    Raises:
        UserError: the file is missing, or nobody vouches for it (with the digest to compare).
    """
    if not path.is_file():
        raise UserError(
            f"{path}: no such file of weights; nothing is downloaded: put it there (pose.weights)"
        )
    if settings.trust:
        return path
    if path.suffix in _INERT:
        network = path.with_suffix(".yaml")
        if path.suffix == ".safetensors" and network.is_file():
            trusted(network, settings)
        return path
    if path.suffix in _NETWORKS and not _runs_code(path):
        return path
    found = digest_file(path)
    if found in settings.sha256:
        return path
    raise UserError(
        f"{path}: a file of this kind can run code when it is loaded; compare its sha256 {found} with the "
        "publisher's and add it to pose.sha256, or set pose.trust: true"
    )


def _runs_code(path: Path) -> bool:
    """Say whether a description of a network names more than layers that compute."""
    network = load_yaml(path)
    if not isinstance(network, dict):
        raise UserError(f"{path}: not the description of a network")
    parts = [network.get(part, []) for part in ("backbone", "head")]
    known = all(isinstance(part, list) and all(map(_computes, part)) for part in parts)
    return "activation" in network or not known


def _computes(layer: object) -> bool:
    """Say whether a layer (from, repeats, kind, arguments) is of a known kind."""
    return isinstance(layer, list) and len(layer) > 2 and isinstance(layer[2], str) and layer[2] in _LAYERS
