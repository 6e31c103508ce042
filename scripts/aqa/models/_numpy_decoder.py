"""The decoder of Qwen3-VL: Qwen3 with places in time, height and width (as in transformers 5.19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqa.models._numpy_layers import ACTIVATIONS, Linear, RMSNorm, rotate, softmax
from aqa.models._numpy_tensors import Array, Tensors
from aqa.models._qwen_pixels import Grid
from aqa.models._qwen_prompt import IMAGE, VIDEO

Places: TypeAlias = NDArray[np.int64]
"""(3, tokens): where tokens stand in time, height and width."""


class Cache:
    """Keys and values of the tokens so far; room for `size` tokens, the first `length` are there."""

    def __init__(self, layers: int, heads: int, size: int, head: int) -> None:
        self._keys = np.empty((layers, heads, size, head), np.float32)
        self._values = np.empty_like(self._keys)
        self.length = 0

    @property
    def size(self) -> int:
        """Tokens that there is room for."""
        return int(self._keys.shape[2])

    def extend(self, layer: int, keys: Array, values: Array) -> tuple[Array, Array]:
        """Put the keys and values (heads, tokens, head) of new tokens after the others; return all."""
        end = self.length + keys.shape[1]
        self._keys[layer, :, self.length : end] = keys
        self._values[layer, :, self.length : end] = values
        return self._keys[layer, :, :end], self._values[layer, :, :end]

    def grown(self, size: int) -> Cache:
        """Return this cache, or a copy with room for more."""
        if size <= self.size:
            return self
        layers, heads, _, head = self._keys.shape
        larger = Cache(layers, heads, size, head)
        larger._keys[:, :, : self.length] = self._keys[:, :, : self.length]
        larger._values[:, :, : self.length] = self._values[:, :, : self.length]
        larger.length = self.length
        return larger


class _Layer:
    """A layer; see `Decoder`."""

    def __init__(self, tensors: Tensors, name: str, config: Mapping[str, Any]) -> None:
        epsilon = config["rms_norm_eps"]
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        self._before = RMSNorm(tensors, f"{name}.input_layernorm", epsilon)
        self._after = RMSNorm(tensors, f"{name}.post_attention_layernorm", epsilon)
        self._qkv = Linear(tensors, *(f"{attention}.{part}_proj" for part in "qkv"))
        self._query_norm, self._key_norm = (
            RMSNorm(tensors, f"{attention}.{part}_norm", epsilon) for part in "qk"
        )
        self._out = Linear(tensors, f"{attention}.o_proj")
        self._gate_up = Linear(tensors, f"{mlp}.gate_proj", f"{mlp}.up_proj")
        self._down = Linear(tensors, f"{mlp}.down_proj")
        self._activation = ACTIVATIONS[config["hidden_act"]]
        self._heads, self._shared = config["num_attention_heads"], config["num_key_value_heads"]
        self._head = config["head_dim"]

    def __call__(self, x: Array, turn: tuple[Array, Array], cache: Cache, number: int) -> Array:
        """Apply it to `x` (tokens, width), the tokens that follow those of the cache."""
        tokens = len(x)
        split = self._qkv(self._before(x)).reshape(tokens, self._heads + 2 * self._shared, self._head)
        query, key, value = np.split(split, [self._heads, self._heads + self._shared], axis=1)
        query = rotate(self._query_norm(query).swapaxes(0, 1), *turn)
        key = rotate(self._key_norm(key).swapaxes(0, 1), *turn)
        keys, values = cache.extend(number, key, value.swapaxes(0, 1))
        # Several heads read the same keys: they stand below each other in one product.
        rows = query.reshape(self._shared, -1, self._head)
        scores = rows @ keys.swapaxes(-1, -2) * np.float32(self._head**-0.5)
        if tokens > 1:
            later = np.arange(keys.shape[1])[None] > (cache.length + np.arange(tokens))[:, None]
            by_head = scores.reshape(self._heads, tokens, -1)
            by_head[:, later] = -np.inf
        seen = (softmax(scores) @ values).reshape(self._heads, tokens, self._head)
        x = x + self._out(seen.swapaxes(0, 1).reshape(tokens, -1))
        gate, up = np.split(self._gate_up(self._after(x)), 2, axis=-1)
        return x + self._down(self._activation(gate) * up)


class Decoder:
    """Tokens in, the likelihood of the next token out."""

    def __init__(self, config: Mapping[str, Any], tensors: Tensors, pause: Callable[[], None]) -> None:
        name = "model.language_model"
        self._config = config
        self.embedding = tensors(f"{name}.embed_tokens.weight")
        """(vocabulary, width)."""
        self._layers = [
            _Layer(tensors, f"{name}.layers.{number}", config)
            for number in range(config["num_hidden_layers"])
        ]
        self._norm = RMSNorm(tensors, f"{name}.norm", config["rms_norm_eps"])
        self._head = tensors("lm_head.weight") if "lm_head.weight" in tensors else self.embedding
        self._pause = pause
        rope, head = config["rope_parameters"], config["head_dim"]
        steps = np.arange(0, head, 2, dtype=np.float32) / head
        self._speeds = (1.0 / rope["rope_theta"] ** steps).astype(np.float32)
        self._axis = np.zeros(head // 2, np.int64)
        for axis in (1, 2):
            self._axis[axis : 3 * rope["mrope_section"][axis] : 3] = axis

    def cache(self, size: int) -> Cache:
        """Return an empty cache with room for so many tokens."""
        return Cache(len(self._layers), self._config["num_key_value_heads"], size, self._config["head_dim"])

    def __call__(
        self,
        x: Array,
        places: Places,
        cache: Cache,
        visual: NDArray[np.bool_] | None = None,
        deep: Sequence[Array] = (),
    ) -> Array:
        """Return the logits (vocabulary) of the token after the last.

        Args:
            x: embeddings of the tokens that follow those of the cache, (tokens, width).
            places: where they stand.
            cache: is extended by them.
            visual: which of them stand for pixels, (tokens).
            deep: what is added to these after each of the first layers.
        """
        turn = self._turn(places)
        for number, layer in enumerate(self._layers):
            self._pause()
            x = layer(x, turn, cache, number)
            if number < len(deep) and visual is not None:
                x[visual] += deep[number]
        cache.length += len(x)
        logits: Array = self._norm(x[-1]) @ self._head.T
        return logits

    def _turn(self, places: Places) -> tuple[Array, Array]:
        """Return cosines and sines (tokens, head): each pair turns with time, height or width."""
        angles = places[self._axis].T.astype(np.float32) * self._speeds
        both = np.concatenate([angles, angles], axis=-1)
        return np.cos(both), np.sin(both)


def places_of(
    kinds: Sequence[int], images: Sequence[Grid], videos: Sequence[Grid], merge: int
) -> tuple[Places, int]:
    """Return where the tokens of a prompt stand, and where the next one will.

    Text stands in line; each picture, and each moment of a video, is a square of its own.
    """
    grids: dict[int, Iterator[tuple[int, int]]] = {
        IMAGE: iter([(rows, columns) for _, rows, columns in images]),
        VIDEO: iter([(rows, columns) for times, rows, columns in videos for _ in range(times)]),
    }
    parts = []
    now = 0
    for kind, run in groupby(kinds):
        count = sum(1 for _ in run)
        if kind == 0:
            parts.append(np.broadcast_to(np.arange(now, now + count), (3, count)))
            now += count
            continue
        rows, columns = (side // merge for side in next(grids[kind]))
        row, column = np.divmod(np.arange(rows * columns), columns)
        parts.append(now + np.stack([np.zeros_like(row), row, column]))
        now += max(rows, columns)
    return np.concatenate(parts, axis=1), now
