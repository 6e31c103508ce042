"""Weights as numpy arrays of 32-bit floats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqa.errors import UserError

Array: TypeAlias = NDArray[np.float32]

_PLAIN = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


class Tensors:
    """The tensors of a folder of weights, by name; every one that is asked for must be there."""

    def __init__(self, folder: Path) -> None:
        """Read all files of weights.

        Raises:
            UserError: a file is damaged, or of a number format that is not known here.
        """
        self._folder = folder
        self._found: dict[str, Array] = {}
        for file in sorted(folder.glob("*.safetensors")):
            self._found |= _read(file)

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __call__(self, name: str) -> Array:
        """Return a tensor.

        Raises:
            UserError: the weights lack it.
        """
        if name not in self._found:
            raise UserError(f"{self._folder}: the weights lack the tensor {name}; fetch the model again")
        return self._found[name]

    def count(self) -> int:
        """Return how many numbers all tensors hold."""
        return sum(tensor.size for tensor in self._found.values())


def _read(file: Path) -> dict[str, Array]:
    from safetensors import SafetensorError, deserialize

    try:
        parts = deserialize(file.read_bytes())  # type: ignore[no-untyped-call]
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: cannot be read as safetensors ({error}); fetch the model again") from None
    return {name: _floats(file, name, part["dtype"], part["data"], part["shape"]) for name, part in parts}


def _floats(file: Path, name: str, dtype: str, data: bytes, shape: list[int]) -> Array:
    if dtype == "BF16":
        # The upper half of a 32-bit float.
        upper = np.frombuffer(data, np.dtype("<u2")).astype(np.uint32)
        return np.left_shift(upper, 16).view(np.float32).reshape(shape)
    if dtype not in _PLAIN:
        raise UserError(
            f"{file}: tensor {name} is of the format {dtype}, which the backend numpy does not know; use the "
            "backend transformers"
        )
    numbers: NDArray[Any] = np.frombuffer(data, np.dtype(_PLAIN[dtype]))
    return numbers.astype(np.float32).reshape(shape)


def read_config(folder: Path, name: str) -> dict[str, object]:
    """Read a JSON file of a folder of weights.

    Raises:
        UserError: it is missing or not valid JSON.
    """
    path = folder / name
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); fetch the model again") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: is no JSON object; fetch the model again")
    return values
