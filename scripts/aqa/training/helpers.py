"""Heads that are thrown away: where the joints are, and what was planted. Without them nothing is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch.nn import functional

from aqa.training.corpus import Course, Key
from aqa.training.packing import Grid
from aqa.training.pixels import TEMPORAL

JOINTS = 17
TARGETS = JOINTS * TEMPORAL

Tensor: TypeAlias = torch.Tensor


class Helpers(torch.nn.Module):  # type: ignore[misc]
    """Linear heads.

    `place`: from each merged token, for each joint whether it lies there and where exactly. `recall`, `pose`:
    the joints in the picture, and about the figure, from a middle layer of the decoder. `judge`: planted
    facts and truths, from a later one. `pool`: as `recall` and `pose`, from the mean of the merged tokens of
    a temporal group: a decoder of few heads can read what a mean tells, not which of many tokens holds what.
    """

    def __init__(self, width: int, facts: int) -> None:
        super().__init__()
        self.place = torch.nn.Linear(width, TARGETS * 3)
        self.recall = torch.nn.Linear(width, TARGETS * 2)
        self.judge = torch.nn.Linear(width, facts)
        self.pose = torch.nn.Linear(width, TARGETS * 2)
        self.pool = torch.nn.Linear(width, TARGETS * 4)

    def placing(self, merged: Sequence[Tensor], grids: Sequence[Grid], joints: Sequence[Tensor]) -> Tensor:
        """Return the loss of finding the joints among the merged tokens of each temporal group."""
        losses, count = merged[0].new_zeros((), dtype=torch.float32), 0
        for tokens, (groups, rows, columns), true in zip(merged, grids, joints, strict=True):
            out = self.place(tokens).float().view(groups, rows * columns, TARGETS, 3)
            wanted = true.view(groups, TARGETS, 3)
            x, y = wanted[..., 0] * columns, wanted[..., 1] * rows
            inside = (wanted[..., 2] > 0) & (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
            if not inside.any():
                continue
            cell = y.clamp(0, rows - 1e-3).long() * columns + x.clamp(0, columns - 1e-3).long()
            logits = out[..., 0].transpose(1, 2)[inside]
            losses = losses + functional.cross_entropy(logits, cell[inside])
            exact = out[..., 1:].gather(1, cell[:, None, :, None].expand(-1, 1, -1, 2))[:, 0]
            offset = torch.stack([x - x.floor(), y - y.floor()], -1) - 0.5
            losses = losses + functional.smooth_l1_loss(exact[inside], offset[inside], beta=0.1)
            count += 1
        return losses / max(count, 1)

    def pooling(self, merged: Sequence[Tensor], grids: Sequence[Grid], joints: Sequence[Tensor]) -> Tensor:
        """Return the loss of telling the joints from the mean of each temporal group's merged tokens."""
        means = torch.cat(
            [t.view(groups, -1, t.shape[-1]).mean(1) for t, (groups, _, _) in zip(merged, grids, strict=True)]
        )
        true = torch.cat([part.view(-1, TARGETS, 3) for part in joints])
        known = true[..., 2] > 0
        told = self.pool(means).float().view(-1, TARGETS, 4)
        if not known.any():
            return told.sum() * 0.0
        wanted = torch.cat([2 * true[..., :2] - 1, relative(true)], -1)
        return 2 * functional.smooth_l1_loss(told[known], wanted[known], beta=0.1)

    def recalling(self, states: Tensor, joints: Sequence[Tensor]) -> Tensor:
        """Return the loss of telling the joints from the state after each temporal group."""
        true = torch.cat([part.view(-1, TARGETS, 3) for part in joints])
        told = self.recall(states).float().view(-1, TARGETS, 2)
        known = true[..., 2] > 0
        if not known.any():
            return told.sum() * 0.0
        place = functional.smooth_l1_loss(told[known], 2 * true[..., :2][known] - 1, beta=0.1)
        posed = self.pose(states).float().view(-1, TARGETS, 2)
        return place + functional.smooth_l1_loss(posed[known], relative(true)[known], beta=0.1)

    def judging(self, states: Tensor, facts: tuple[Tensor, Tensor], groups: Sequence[int]) -> Tensor:
        """Return the loss of telling facts after each temporal group, the later the heavier.

        `states` are those of all groups; `facts` (clips, facts) and a mask of those known; `groups` how many
        groups each clip has.
        """
        true, known = facts
        owner = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(list(groups)))
        share = torch.cat([torch.arange(1, count + 1) / count for count in groups])
        weights = known[owner] * share[:, None] ** 2
        if not known.any():
            return states.sum() * 0.0
        told = self.judge(states).float()
        loss = functional.smooth_l1_loss(told, true[owner], reduction="none", beta=0.3)
        return (loss * weights).sum() / weights.sum()


def relative(joints: Tensor) -> Tensor:
    """Return joints (groups, frames x 17, 3) about the middle of the figure, in halves of its extent.

    So a small figure's posture weighs as much as a large one's.
    """
    each = joints.view(-1, JOINTS, 3)
    known = (each[..., 2:] > 0).float()
    count = known.sum(1, keepdim=True).clamp(min=1)
    middle = (each[..., :2] * known).sum(1, keepdim=True) / count
    apart = (each[..., :2] - middle) * known
    extent = apart.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-2)
    return (apart / extent).view(*joints.shape[:2], 2)


class FactTable:
    """Planted facts and truths as numbers from -1 to 1, one column for each (dataset, exercise, name)."""

    def __init__(self, course: Course) -> None:
        columns: list[tuple[str, str, str, str]] = [(*fact, "") for fact in sorted(course.ranges)]
        columns += [(*fact, word) for fact in sorted(course.words) for word in course.words[fact]]
        truths = set()
        for (number, _), sample in course.samples.items():
            dataset = course.blocks[number].dataset
            for question in sample.questions:
                words = question.options or ("",)
                truths |= {(dataset, sample.exercise, f"truth.{question.text}", word) for word in words}
        self.columns = columns + sorted(truths)
        self._at = {column: place for place, column in enumerate(self.columns)}
        self._course = course

    def of(self, keys: Sequence[Key]) -> tuple[Tensor, Tensor]:
        """Return the facts of clips and which of them are known, both (clips, columns)."""
        values = np.zeros((2, len(keys), len(self.columns)), np.float32)
        for row, key in enumerate(keys):
            for place, value in self._values(key):
                values[0, row, place], values[1, row, place] = value, 1.0
        return torch.from_numpy(values[0]), torch.from_numpy(values[1])

    def _values(self, key: Key) -> list[tuple[int, float]]:
        course, found = self._course, []
        for fact, value in course.facts((key[0], key[1], "original")):
            if isinstance(value, str):
                words = course.words[fact]
                found += [(self._at[(*fact, word)], 1.0 if word == value else -1.0) for word in words]
            else:
                low, high = course.ranges[fact]
                scaled = 2 * (value - low) / max(high - low, 1e-9) - 1
                found.append((self._at[(*fact, "")], float(np.clip(scaled, -1.3, 1.3))))
        for sample_id in course.sharing[key[0], key[1]]:
            sample = course.samples[key[0], sample_id]
            for question in sample.questions:
                name = (course.blocks[key[0]].dataset, sample.exercise, f"truth.{question.text}")
                truth = sample.truth[question.item]
                if isinstance(truth, str):
                    for word in question.options or ():
                        found.append((self._at[(*name, word)], 1.0 if word == truth else -1.0))
                else:
                    low, high = question.minimum or 0.0, question.maximum or 1.0
                    found.append((self._at[(*name, "")], 2 * (truth - low) / (high - low) - 1))
        return found
