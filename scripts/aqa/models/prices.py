"""What the requests of paid models cost: a dated table of prices, and the arithmetic on it.

The numbers are data (`resources/prices.yaml`), never code. All money is in USD.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from aqa.config import Section, load_yaml, parse
from aqa.records import MediaPart, Request, TextPart, Usage

TABLE = Path(__file__).parents[3] / "resources" / "prices.yaml"

_MILLION = 1_000_000
_BYTES_A_TOKEN = 4
_OVERHEAD = 16
"""Tokens that a turn or a part may add around its content (roles, times): a generous guess."""

Resolution = Literal["default", "low", "medium", "high"]


class Tier(Section):
    """Prices per 1 million tokens for prompts of at most `up_to` tokens; None: for all longer ones."""

    up_to: int | None = Field(None, ge=1)
    input: float = Field(ge=0)
    cached: float = Field(ge=0)
    output: float = Field(ge=0)


class Entry(Section):
    """One model of the table; see the comments in the file."""

    batch: float = Field(1.0, gt=0, le=1)
    tiers: tuple[Tier, ...] = Field(min_length=1)
    image_tokens: dict[Resolution, int]
    frame_tokens: dict[Resolution, int]
    max_prompt: int = Field(ge=1)
    max_output: int = Field(ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Entry:
        limits = [tier.up_to for tier in self.tiers]
        known = [limit for limit in limits if limit is not None]
        if limits[-1] is not None or len(known) < len(limits) - 1 or known != sorted(set(known)):
            raise ValueError("tiers must have increasing `up_to`, and the last one none")
        if "default" not in self.image_tokens or "default" not in self.frame_tokens:
            raise ValueError("image_tokens and frame_tokens need a `default`")
        return self


class Table(Section):
    """The file: when it was read, where, and what it says."""

    read: date
    source: str
    models: dict[str, Entry]


@dataclass(frozen=True)
class Price:
    """What requests to one model cost, as `aqa.models.base.Price` wants it.

    `max_output` are the most tokens, reasoning included, that one answer may have; `factor` is 1, or the
    table's for batch mode (`in_batch`); `read` is the date of the table.
    """

    model: str
    entry: Entry
    max_output: int
    resolution: Resolution = "default"
    factor: float = 1.0
    read: str = ""

    @property
    def image_tokens(self) -> int:
        """Tokens of one image."""
        return _of(self.entry.image_tokens, self.resolution)

    @property
    def frame_tokens(self) -> int:
        """Tokens of one frame of a video."""
        return _of(self.entry.frame_tokens, self.resolution)

    def in_batch(self) -> Price:
        """Return the price of the same requests in batch mode."""
        return replace(self, factor=self.entry.batch)

    def prompt_tokens(self, request: Request) -> int:
        """Return the tokens that a prompt is likely to have: media by formula, four bytes of text a token."""
        media, text, _ = self._sizes(request)
        return media + text // _BYTES_A_TOKEN

    def most_tokens(self, request: Request) -> tuple[int, int]:
        """Return the most tokens that prompt and answer can have.

        A token of text stands for at least one byte, so the bytes bound it whatever the tokenizer.
        """
        media, text, pieces = self._sizes(request)
        return min(media + text + _OVERHEAD * pieces, self.entry.max_prompt), self.max_output

    def worst_case(self, request: Request) -> float:
        """Return the most that one attempt at a request can cost: nothing cached, the longest answer."""
        prompt, output = self.most_tokens(request)
        return self._cost(prompt, 0, output)

    def cost(self, usage: Usage) -> float:
        """Return what an answer with this usage costs; the worst case of what it leaves open."""
        prompt = self.entry.max_prompt if usage.prompt_tokens is None else usage.prompt_tokens
        output = self.max_output if usage.completion_tokens is None else usage.completion_tokens
        return self._cost(prompt, min(usage.cached_tokens or 0, prompt), output)

    def _cost(self, prompt: int, cached: int, output: int) -> float:
        tier = next(tier for tier in self.entry.tiers if tier.up_to is None or prompt <= tier.up_to)
        dollars = (prompt - cached) * tier.input + cached * tier.cached + output * tier.output
        return dollars * self.factor / _MILLION

    def _sizes(self, request: Request) -> tuple[int, int, int]:
        """Return tokens of media, bytes of text, and the number of turns, parts and frames."""
        media = text = pieces = 0
        for message in request.messages:
            pieces += 1
            for part in message.content:
                if isinstance(part, TextPart):
                    text += len(part.text.encode())
                    pieces += 1
                else:
                    media += self._media(part)
                    pieces += len(part.timestamps)  # Each frame of a video may be given its time.
        return media, text, pieces

    def _media(self, part: MediaPart) -> int:
        return self.image_tokens if part.kind == "image" else self.frame_tokens * len(part.timestamps)


def _of(tokens: Mapping[Resolution, int], resolution: Resolution) -> int:
    return tokens.get(resolution, tokens["default"])


@functools.cache
def table(path: Path = TABLE) -> Table:
    """Read a table of prices.

    Raises:
        UserError: the file is missing or wrong.
    """
    return parse(Table, load_yaml(path), str(path))


def price_of(
    model: str, *, max_output: int | None = None, resolution: Resolution = "default", path: Path = TABLE
) -> Price | None:
    """Return what a model costs, None where the table does not have it.

    `max_output`: the limit that requests set, None where they set none.

    Raises:
        UserError: the file is missing or wrong.
    """
    read = table(path)
    entry = read.models.get(model)
    if entry is None:
        return None
    limit = entry.max_output if max_output is None else min(max_output, entry.max_output)
    return Price(model, entry, limit, resolution, read=read.read.isoformat())


def cost_usd(price: Price, usage: Usage, *, batch: bool) -> float:
    """Return what an answer cost, asked online or in batch mode."""
    return (price.in_batch() if batch else price).cost(usage)


def worst_case(price: Price, request: Request, *, batch: bool = False) -> tuple[int, float]:
    """Return the most tokens, prompt and answer together, and the most money that a request can take."""
    tokens = sum(price.most_tokens(request))
    return tokens, (price.in_batch() if batch else price).worst_case(request)
