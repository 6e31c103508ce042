"""From lessons to tensors: tokens, positions, and several questions behind one visual prefix.

What is built token by token equals the prompts of the backend (`aqa.models`); a test compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from aqa.records import MediaPart, Message
from aqa.training.pixels import FACTOR, TEMPORAL

IGNORED = -100

Grid = tuple[int, int, int]
"""Temporal groups, rows and columns of merged tokens."""


class Tokenizer(Protocol):
    """What is needed of a tokenizer of transformers."""

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]: ...

    def convert_tokens_to_ids(self, token: str) -> int: ...


@dataclass
class Row:
    """One row of a batch: tokens with positions (time, row, column), branches and shifted labels.

    `segments`: 0 for what all branches see, else the branch. `ends`: for each clip the places of the tokens
    that close its temporal groups.
    """

    ids: list[int] = field(default_factory=list)
    positions: list[tuple[int, int, int]] = field(default_factory=list)
    segments: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    ends: list[list[int]] = field(default_factory=list)
    next: int = 0

    def text(self, ids: Sequence[int], segment: int, *, learnt: bool = False) -> None:
        """Append text; `learnt`: the token before predicts the first of these, and so on."""
        if learnt:
            self.labels[-1] = ids[0]
        self.ids += ids
        self.positions += [(self.next + place,) * 3 for place in range(len(ids))]
        self.segments += [segment] * len(ids)
        self.labels += [*ids[1:], IGNORED] if learnt else [IGNORED] * len(ids)
        self.next += len(ids)

    def picture(self, token: int, rows: int, columns: int) -> None:
        """Append the tokens of one temporal group."""
        self.ids += [token] * (rows * columns)
        self.positions += [
            (self.next, self.next + row, self.next + column)
            for row in range(rows)
            for column in range(columns)
        ]
        self.segments += [0] * (rows * columns)
        self.labels += [IGNORED] * (rows * columns)
        self.next += max(rows, columns)


@dataclass(frozen=True)
class Batch:
    """Tensors of rows: `ids`, `visual` and `labels` (b, t), `positions` (3, b, t), `mask` (b, 1, t, t).

    `ends`: (row, place) of the token that closes each temporal group, in the order of the groups.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    visual: torch.Tensor
    labels: torch.Tensor
    ends: torch.Tensor


class Packer:
    """Builds rows with a model's tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        names = ("<|image_pad|>", "<|video_pad|>", "<|endoftext|>")
        self.image, self.video, self.pad = map(tokenizer.convert_tokens_to_ids, names)

    def ids(self, text: str) -> list[int]:
        """Return the tokens of a text, remembered."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(self._known) > 50_000:
                self._known.clear()
        return found

    def row(
        self, conversations: Sequence[Sequence[Message]], answers: Sequence[str], grids: Sequence[Grid]
    ) -> Row:
        """Return one row of conversations that show the same clips, and differ after the last one.

        Without answers (evaluation) one conversation is open for its answer.
        """
        row = Row()
        shared = list(conversations[0])
        self._shared(row, shared, grids)
        start = row.next
        for number, messages in enumerate(conversations, start=1):
            row.next = start
            tail = "".join(part.text for part in _after_media(messages[-1]))
            row.text(self.ids(f"{tail}<|im_end|>\n<|im_start|>assistant\n"), number)
            if answers:
                row.text(self.ids(f"{answers[number - 1]}<|im_end|>"), number, learnt=True)
        return row

    def _shared(self, row: Row, messages: Sequence[Message], grids: Sequence[Grid]) -> None:
        grid = iter(grids)
        for place, message in enumerate(messages):
            last = place == len(messages) - 1
            row.text(self.ids(f"<|im_start|>{message.role}\n"), 0)
            after = _after_media(message) if last else ()
            for part in message.content[: len(message.content) - len(after)]:
                if isinstance(part, MediaPart):
                    self._clip(row, part, next(grid))
                else:
                    learnt = message.role == "assistant"
                    row.text(self.ids(part.text), 0, learnt=learnt)
            if not last:
                closing = self.ids("<|im_end|>\n")
                row.text(closing[:1], 0, learnt=message.role == "assistant")
                row.text(closing[1:], 0)

    def _clip(self, row: Row, part: MediaPart, grid: Grid) -> None:
        groups, rows, columns = grid
        video = part.kind == "video"
        ends = []
        for group in range(groups):
            if video:
                times = [*part.timestamps, *[part.timestamps[-1]] * (-len(part.timestamps) % TEMPORAL)]
                middle = (times[group * TEMPORAL] + times[group * TEMPORAL + TEMPORAL - 1]) / 2
                row.text(self.ids(f"<{middle:.1f} seconds>"), 0)
            row.text(self.ids("<|vision_start|>"), 0)
            row.picture(self.video if video else self.image, rows, columns)
            ends.append(len(row.ids))
            row.text(self.ids("<|vision_end|>"), 0)
        row.ends.append(ends)

    def batch(self, rows: Sequence[Row]) -> Batch:
        """Return the tensors of some rows, padded to the longest."""
        longest, count = max(len(row.ids) for row in rows), len(rows)
        ids = torch.full((count, longest), self.pad)
        positions = torch.zeros(3, count, longest, dtype=torch.long)
        segments = torch.full((count, longest), -1)
        labels = torch.full((count, longest), IGNORED)
        for place, row in enumerate(rows):
            length = len(row.ids)
            ids[place, :length] = torch.tensor(row.ids)
            positions[:, place, :length] = torch.tensor(row.positions).T
            segments[place, :length] = torch.tensor(row.segments)
            labels[place, :length] = torch.tensor(row.labels)
        order = torch.arange(longest)
        mask = (order[None, :] <= order[:, None])[None] & (
            (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
        )
        mask |= torch.eye(longest, dtype=torch.bool)[None]
        return Batch(
            ids=ids,
            positions=positions,
            mask=mask[:, None],
            visual=(ids == self.image) | (ids == self.video),
            labels=labels,
            ends=torch.tensor([(p, e) for p, row in enumerate(rows) for clip in row.ends for e in clip]),
        )


def _after_media(message: Message) -> tuple[Any, ...]:
    """Return the parts of a message after its last clip."""
    last = max((at for at, part in enumerate(message.content) if isinstance(part, MediaPart)), default=-1)
    return message.content[last + 1 :]


def grid_of(shape: tuple[int, int, int], *, video: bool) -> Grid:
    """Return the grid of a clip of (frames, height, width)."""
    frames, height, width = shape
    groups = -(-frames // TEMPORAL) if video else 1
    return groups, height // FACTOR, width // FACTOR
