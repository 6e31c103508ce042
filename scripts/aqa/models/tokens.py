"""How many tokens a prompt is likely to have, for models whose servers nobody has asked yet: approximate.

Text: four bytes a token. Pictures: squares of 32 pixels, one token each, two frames of a video together
(Qwen3-VL), or tiles of 448 pixels with 256 tokens each (InternVL). `aqa.models.prices` has the formulas of
paid models.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from aqa.config import ModelFile
from aqa.records import MediaPart, Request, TextPart

BYTES_A_TOKEN = 4
TURN = 5
"""Tokens around a turn."""

_SIDE = 32
_STAMP = 8
_TILE, _TILE_TOKENS, _MOST_TILES = 448, 256, 12


class Counter(NamedTuple):
    """A way to count the tokens of a clip; `says` describes it in a line."""

    says: str
    media: Callable[[MediaPart], int]

    def prompt(self, request: Request) -> int:
        """Return the tokens that a prompt is likely to have."""
        tokens = 0
        for message in request.messages:
            tokens += TURN
            for part in message.content:
                if isinstance(part, TextPart):
                    tokens += len(part.text.encode()) // BYTES_A_TOKEN
                else:
                    tokens += self.media(part)
        return tokens


def counter(model: ModelFile) -> Counter:
    """Return how to count the prompts of a model, by its name on the server."""
    name = f"{model.options.get('model', '')} {model.title}".lower()
    single = model.backend == "openai" and model.options.get("video", "frames") == "frames"
    if "internvl" in name:
        says = f"tiles of {_TILE} pixels, {_TILE_TOKENS} tokens each"
        return Counter(says, lambda part: _tiles(part, single=single))
    if single:
        return Counter(f"one token for {_SIDE} × {_SIDE} pixels", lambda p: _square(p) * len(p.timestamps))
    return Counter(f"one token for {_SIDE} × {_SIDE} pixels of two frames", _pairs)


def _square(part: MediaPart) -> int:
    return max(1, round(part.width / _SIDE)) * max(1, round(part.height / _SIDE))


def _pairs(part: MediaPart) -> int:
    if part.kind == "image":
        return _square(part)
    return math.ceil(len(part.timestamps) / 2) * (_square(part) + _STAMP)


def _tiles(part: MediaPart, *, single: bool) -> int:
    if part.kind == "video" and not single:
        return len(part.timestamps) * (_TILE_TOKENS + _STAMP)
    ratio = part.width / part.height
    grids = [(i, j) for i in range(1, _MOST_TILES + 1) for j in range(1, _MOST_TILES // i + 1)]
    columns, rows = min(grids, key=lambda grid: (abs(grid[0] / grid[1] - ratio), grid[0] * grid[1]))
    for i, j in grids:  # Of the same shape, the largest that the picture fills at least by half.
        same = i * rows == j * columns
        if same and i * j > columns * rows and part.width * part.height > 0.5 * _TILE**2 * i * j:
            columns, rows = i, j
    tiles = columns * rows
    return len(part.timestamps) * _TILE_TOKENS * (tiles + (tiles > 1))
