"""A lean forward pass of Qwen3-VL for training on a CPU: the modules of transformers, without their overhead.

A test compares its logits with those of transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from aqa.training.packing import Batch, Grid
from aqa.training.pixels import MERGE, PATCH, TEMPORAL

Tensor: TypeAlias = torch.Tensor


def patches(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the patches (patches, values) of a clip (frames, an even number; height; width; 3), ordered."""
    count, height, width = frames.shape[:3]
    groups, rows, columns = count // TEMPORAL, height // (PATCH * MERGE), width // (PATCH * MERGE)
    blocks = frames.reshape(groups, TEMPORAL, rows, MERGE, PATCH, columns, MERGE, PATCH, 3)
    ordered = blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)
    return np.ascontiguousarray(ordered).reshape(groups * rows * columns * MERGE**2, -1)


def _attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    scores = torch.matmul(query * (query.shape[-1] ** -0.5), key.transpose(-1, -2))
    return torch.matmul(torch.softmax(scores if bias is None else scores + bias, -1), value)


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat((-second, first), -1) * sin


def _norm(module: Any, x: Tensor) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)


class Lean:
    """The forward pass over a model's own modules."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._places: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor, Tensor]] = {}

    def _place(self, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return indices and weights of the position embedding, and cosines and sines, of one grid."""
        from transformers.models.qwen3_vl import modeling_qwen3_vl as modeling

        found = self._places.get((rows, columns))
        if found is None:
            vision = self._model.model.visual
            grid = torch.tensor([[1, rows * MERGE, columns * MERGE]])
            indices, weights = modeling.get_vision_interpolation_indices_and_weights(
                grid,
                num_grid_per_side=vision.num_grid_per_side,
                mode=vision.interpolation_mode,
                align_corners=vision.interpolation_align_corners,
                spatial_merge_size=MERGE,
                kwargs={},
            )
            with torch.no_grad():
                zero = torch.zeros(1, dtype=torch.float32)
                cos, sin = vision.rotary_pos_emb(
                    zero, modeling.get_vision_position_ids(grid, MERGE, kwargs={})
                )
            found = self._places[rows, columns] = indices, weights, cos.float(), sin.float()
        return found

    def see(self, clips: Sequence[tuple[Tensor, Grid]]) -> tuple[list[Tensor], list[list[Tensor]]]:
        """Return for each clip its merged tokens (groups x tokens, width), and those of each deep layer.

        `clips`: patches scaled to -1..1, and the grid; groups of equal grids are computed together.
        """
        outputs: list[Any] = [None] * len(clips)
        kinds = sorted({grid[1:] for _, grid in clips})
        for rows, columns in kinds:
            members = [at for at, (_, grid) in enumerate(clips) if grid[1:] == (rows, columns)]
            merged, deep = self._vision(torch.cat([clips[at][0] for at in members]), rows, columns)
            counts = [clips[at][1][0] * rows * columns for at in members]
            parts = [merged.split(counts), *[layer.split(counts) for layer in deep]]
            for place, at in enumerate(members):
                outputs[at] = [part[place] for part in parts]
        return [out[0] for out in outputs], [out[1:] for out in outputs]

    def _vision(self, pixels: Tensor, rows: int, columns: int) -> tuple[Tensor, list[Tensor]]:
        vision = self._model.model.visual
        kind = vision.pos_embed.weight.dtype
        indices, weights, cos, sin = self._place(rows, columns)
        tokens = rows * columns * MERGE**2
        embed = vision.patch_embed.proj
        x = functional.linear(pixels.to(kind), embed.weight.flatten(1), embed.bias)
        x = x.view(-1, tokens, x.shape[-1]) + (vision.pos_embed(indices) * weights[:, :, None].to(kind)).sum(
            1
        )
        cos, sin = cos.to(kind), sin.to(kind)
        count, deep = x.shape[0], []
        for number, block in enumerate(vision.blocks):
            heads = block.attn.num_heads
            query, key, value = (
                block.attn.qkv(block.norm1(x))
                .view(count, tokens, 3, heads, -1)
                .permute(2, 0, 3, 1, 4)
                .unbind(0)
            )
            seen = _attend(_turn(query, cos, sin), _turn(key, cos, sin), value)
            x = x + block.attn.proj(seen.transpose(1, 2).reshape(count, tokens, -1))
            x = x + block.mlp(block.norm2(x))
            if number in vision.deepstack_visual_indexes:
                merger = vision.deepstack_merger_list[vision.deepstack_visual_indexes.index(number)]
                deep.append(merger(x.reshape(count * tokens, -1)))
        return vision.merger(x.reshape(count * tokens, -1)), deep

    def read(
        self,
        batch: Batch,
        merged: Tensor,
        deep: Sequence[Tensor],
        taps: list[Tensor] | None = None,
        layers: int | None = None,
    ) -> Tensor:
        """Return the last hidden states (b, t, width); `taps` receives those of each layer.

        With `layers`, only so many are computed and nothing is normalised.
        """
        decoder = self._model.model.language_model
        x = decoder.embed_tokens(batch.ids)
        rows, length = batch.ids.shape
        places = batch.visual.reshape(-1).nonzero()[:, 0]
        x = x.reshape(rows * length, -1).index_copy(0, places, merged.to(x.dtype))
        cos, sin = (part[:, None] for part in decoder.rotary_emb(x, batch.positions))
        bias = torch.zeros(batch.mask.shape, dtype=x.dtype).masked_fill(~batch.mask, float("-inf"))
        x = x.view(rows, length, -1)
        for number, layer in enumerate(decoder.layers):
            own, before = layer.self_attn, _norm(layer.input_layernorm, x)
            shape = (rows, length, -1, own.head_dim)
            query = _turn(_norm(own.q_norm, own.q_proj(before).view(shape)).transpose(1, 2), cos, sin)
            key = _turn(_norm(own.k_norm, own.k_proj(before).view(shape)).transpose(1, 2), cos, sin)
            value = own.v_proj(before).view(shape).transpose(1, 2)
            share = query.shape[1] // key.shape[1]
            seen = _attend(query, key.repeat_interleave(share, 1), value.repeat_interleave(share, 1), bias)
            x = x + own.o_proj(seen.transpose(1, 2).reshape(rows, length, -1))
            x = x + layer.mlp(_norm(layer.post_attention_layernorm, x))
            if number < len(deep):
                flat = x.reshape(rows * length, -1).index_add(0, places, deep[number].to(x.dtype))
                x = flat.view(rows, length, -1)
            if taps is not None:
                taps.append(x)
            if layers is not None and number + 1 == layers:
                return x
        return _norm(decoder.norm, x)

    def head(self, hidden: Tensor) -> Tensor:
        """Return the logits of hidden states."""
        logits: Tensor = self._model.lm_head(hidden)
        return logits
