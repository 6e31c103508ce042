"""The vision tower of Qwen3-VL (technical report: arXiv 2511.21631), as in transformers 5.19."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqa.models._numpy_layers import ACTIVATIONS, LayerNorm, Linear, gelu, rotate, softmax
from aqa.models._numpy_tensors import Array, Tensors
from aqa.models._qwen_pixels import Grid

_THETA = 10_000.0


class _Block:
    """A transformer block; frames do not see each other."""

    def __init__(self, tensors: Tensors, name: str, heads: int, activation: Callable[[Array], Array]) -> None:
        self._norm1, self._norm2 = (LayerNorm(tensors, f"{name}.{norm}") for norm in ("norm1", "norm2"))
        self._qkv, self._proj = (Linear(tensors, f"{name}.attn.{part}") for part in ("qkv", "proj"))
        self._up, self._down = (
            Linear(tensors, f"{name}.mlp.{part}") for part in ("linear_fc1", "linear_fc2")
        )
        self._heads = heads
        self._activation = activation

    def __call__(self, x: Array, cos: Array, sin: Array) -> Array:
        """Apply it to `x`, (frames, patches, width)."""
        frames, patches, width = x.shape
        split = self._qkv(self._norm1(x)).reshape(frames, patches, 3, self._heads, -1)
        query, key, value = split.transpose(2, 0, 3, 1, 4)
        scale = np.float32(query.shape[-1] ** -0.5)
        weights = softmax(rotate(query, cos, sin) @ rotate(key, cos, sin).swapaxes(-1, -2) * scale)
        x = x + self._proj((weights @ value).transpose(0, 2, 1, 3).reshape(frames, patches, width))
        return x + self._down(self._activation(self._up(self._norm2(x))))


class _Merger:
    """Makes one token of the patches of a square."""

    def __init__(self, tensors: Tensors, name: str, *, joined_first: bool) -> None:
        self._norm = LayerNorm(tensors, f"{name}.norm")
        self._up, self._down = (Linear(tensors, f"{name}.{part}") for part in ("linear_fc1", "linear_fc2"))
        self._joined_first = joined_first
        self._width = self._up.weights.shape[1]

    def __call__(self, x: Array) -> Array:
        """Return (tokens, width of the decoder)."""
        joined = self._norm(x.reshape(-1, self._width)) if self._joined_first else self._norm(x)
        return self._down(gelu(self._up(joined.reshape(-1, self._width))))


class Vision:
    """Patches in, tokens of the decoder out, with what its first layers add to them (DeepStack)."""

    def __init__(self, config: Mapping[str, Any], tensors: Tensors, pause: Callable[[], None]) -> None:
        name = "model.visual"
        kernel = tensors(f"{name}.patch_embed.proj.weight")
        self._kernel = kernel.reshape(len(kernel), -1)
        self._bias = tensors(f"{name}.patch_embed.proj.bias")
        self._positions = tensors(f"{name}.pos_embed.weight")
        activation = ACTIVATIONS[config["hidden_act"]]
        self._blocks = [
            _Block(tensors, f"{name}.blocks.{number}", config["num_heads"], activation)
            for number in range(config["depth"])
        ]
        self._merger = _Merger(tensors, f"{name}.merger", joined_first=False)
        self._deep = {
            layer: _Merger(tensors, f"{name}.deepstack_merger_list.{number}", joined_first=True)
            for number, layer in enumerate(config["deepstack_visual_indexes"])
        }
        self._merge = int(config["spatial_merge_size"])
        self._head = config["hidden_size"] // config["num_heads"]
        self._pause = pause

    def __call__(self, patches: Array, grids: Sequence[Grid]) -> tuple[Array, list[Array]]:
        """Return the tokens (tokens, width), and as many again for each of the decoder's first layers."""
        found: list[tuple[Array, list[Array]]] = []
        start = 0
        for grid in grids:
            size = grid[0] * grid[1] * grid[2]
            found.append(self._clip(patches[start : start + size], grid))
            start += size
        deep = [np.concatenate([layers[number] for _, layers in found]) for number in range(len(self._deep))]
        return np.concatenate([tokens for tokens, _ in found]), deep

    def _clip(self, patches: Array, grid: Grid) -> tuple[Array, list[Array]]:
        frames, rows, columns = grid
        at = _order(rows, columns, self._merge)
        x = (patches @ self._kernel.T + self._bias).reshape(frames, rows * columns, -1)
        x = x + self._resampled(at, rows, columns)
        cos, sin = _angles(at, self._head)
        layers = []
        for number, block in enumerate(self._blocks):
            self._pause()
            x = block(x, cos, sin)
            if number in self._deep:
                layers.append(self._deep[number](x))
        return self._merger(x), layers

    def _resampled(self, at: NDArray[np.int64], rows: int, columns: int) -> Array:
        """Return the learnt position of each patch: bilinear in the square grid, corners on corners."""
        side = round(len(self._positions) ** 0.5)
        ends = []
        for place, size in ((at[0], rows), (at[1], columns)):
            exact = place.astype(np.float32) * np.float32(side - 1) / np.float32(max(size - 1, 1))
            low = np.floor(exact).astype(np.int64)
            share = exact - low.astype(np.float32)
            ends.append(((low, 1 - share), (np.minimum(low + 1, side - 1), share)))
        total = np.zeros((len(at[0]), self._positions.shape[1]), np.float32)
        for row, row_share in ends[0]:
            for column, column_share in ends[1]:
                total += self._positions[row * side + column] * (row_share * column_share)[:, None]
        return total


def _order(rows: int, columns: int, merge: int) -> NDArray[np.int64]:
    """Return row and column of each patch, (2, patches): the patches of a token stand together."""
    grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"))
    blocks = grid.reshape(2, rows // merge, merge, columns // merge, merge)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(2, -1)


def _angles(at: NDArray[np.int64], head: int) -> tuple[Array, Array]:
    """Return cosines and sines (patches, head): half of the pairs turn with the row, half with the column."""
    half = head // 2
    speeds = (1.0 / _THETA ** (np.arange(0, half, 2, dtype=np.float32) / half)).astype(np.float32)
    turned = np.concatenate([at[0][:, None] * speeds, at[1][:, None] * speeds], axis=-1).astype(np.float32)
    both = np.concatenate([turned, turned], axis=-1)
    return np.cos(both), np.sin(both)
