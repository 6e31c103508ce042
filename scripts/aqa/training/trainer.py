"""The training loop: seeded by (seed, step), resumable at any checkpoint, on one core or on a GPU."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from aqa.training.corpus import Course, Key
from aqa.training.draw import PICTURE, SIGHT, Drawn, draw_rows, picture, stream
from aqa.training.helpers import FactTable, Helpers
from aqa.training.lean import Lean, patches
from aqa.training.packing import IGNORED, Grid, Packer
from aqa.training.progress import Means
from aqa.training.settings import Recipe

STATE = "state.pt"
MODEL = "model"


class Trainer:
    """A model in training."""

    def __init__(
        self, start: Path, course: Course, recipe: Recipe, seed: int = 0, *, rank: int = 0, ranks: int = 1
    ) -> None:
        from transformers import AutoTokenizer, Qwen3VLForConditionalGeneration
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()

        self.start, self.course, self.recipe = start, course, recipe
        self.seed, self.rank, self.ranks = seed, rank, ranks
        self.tokenizer = AutoTokenizer.from_pretrained(start)
        self.packer = Packer(self.tokenizer)
        model = Qwen3VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32)
        self.model = model.to(torch.bfloat16).train()
        self.lean = Lean(self.model)
        self.facts = FactTable(course)
        torch.manual_seed(self.seed)
        width = self.model.config.text_config.hidden_size
        self.helpers = Helpers(width, len(self.facts.columns)).to(torch.bfloat16)
        named = [*self.model.named_parameters(), *self.helpers.named_parameters()]
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.masters = [p.detach().float().clone().requires_grad_() for p in self.parameters]
        counts = [p.numel() for p in self.parameters]
        self._small = torch.zeros(sum(counts), dtype=torch.bfloat16)
        self._large = torch.zeros(sum(counts))
        self._places = [
            part.view_as(p) for part, p in zip(self._small.split(counts), self.parameters, strict=True)
        ]
        for master, part in zip(self.masters, self._large.split(counts), strict=True):
            master.grad = part.view_as(master)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in self.masters if p.ndim > 1], "weight_decay": recipe.weight_decay},
                {"params": [p for p in self.masters if p.ndim <= 1], "weight_decay": 0.0},
            ],
            lr=recipe.rate,
            betas=(0.9, 0.98),
            fused=True,
        )
        self.weights = torch.full((self.model.config.text_config.vocab_size,), recipe.form)
        self.weights[self._telling()] = 1.0
        self.step = 0
        self.means = Means()

    def _telling(self) -> list[int]:
        """Return the tokens that tell one answer from another."""
        words = {"-", ".", " -", " ", " true", " false", *"0123456789"}
        for sample in self.course.samples.values():
            for question in sample.questions:
                words |= {f'"{option}"' for option in question.options or ()}
        words |= {'"first"', '"second"'} | {
            f'"{word}"' for some in self.course.words.values() for word in some
        }
        return sorted({ids[0] for word in sorted(words) for ids in [self.packer.ids(word)] if len(ids) == 1})

    def batch(self, rows: Sequence[Drawn], rng: np.random.Generator | None, *, answers: bool = True) -> Any:
        """Return the tensors of drawn rows: the batch, the clips, joints and facts."""
        clips: list[tuple[torch.Tensor, Grid]] = []
        joints = []
        keys: list[Key] = []
        packed = []
        for row in rows:
            for key, grid in zip(row.keys, row.grids, strict=True):
                frames, true = picture(self.course, key, rng)
                pixels = torch.from_numpy(patches(frames)).float().div_(127.5).sub_(1.0)
                clips.append((pixels, grid))
                joints.append(torch.from_numpy(true))
                keys.append(key)
            asked = row.conversations if answers else row.conversations[:1]
            packed.append(self.packer.row(asked, row.answers if answers else (), row.grids))
        return self.packer.batch(packed), clips, joints, keys

    def losses(
        self, rows: Sequence[Drawn], rng: np.random.Generator, *, text: bool
    ) -> dict[str, torch.Tensor]:
        """Return the weighted losses of a batch."""
        recipe = self.recipe
        batch, clips, joints, keys = self.batch(rows, rng, answers=text)
        merged, deep = self.lean.see(clips)
        taps: list[torch.Tensor] = []
        flat = torch.cat(merged)
        layers = [torch.cat(parts) for parts in zip(*deep, strict=True)]
        hidden = self.lean.read(batch, flat, layers, taps, None if text else 3)
        grids = [grid for _, grid in clips]
        row, place = batch.ends[:, 0], batch.ends[:, 1]
        told = self.helpers.judging(taps[2][row, place], self.facts.of(keys), [grid[0] for grid in grids])
        losses = {
            **self._seen(merged, grids, joints),
            "recall": recipe.recall * self.helpers.recalling(taps[1][row, place], joints),
            "judge": recipe.judge * told,
        }
        if text:
            known = batch.labels != IGNORED
            labels = batch.labels[known]
            each = functional.cross_entropy(self.lean.head(hidden[known]).float(), labels, reduction="none")
            weights = self.weights[labels]
            losses["text"] = (each * weights).sum() / weights.sum()
        return losses

    def placing(self, rows: Sequence[Drawn], rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Return the loss of finding joints in the pictures, for which no text is read."""
        _, clips, joints, _ = self.batch(rows, rng, answers=False)
        merged, _ = self.lean.see(clips)
        grids = [grid for _, grid in clips]
        return self._seen(merged, grids, joints)

    def _seen(
        self, merged: list[torch.Tensor], grids: list[Grid], joints: list[torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        return {
            "place": self.recipe.place * self.helpers.placing(merged, grids, joints),
            "pool": self.recipe.pool * self.helpers.pooling(merged, grids, joints),
        }

    def advance(self) -> None:
        """Do one step; everything random in it follows from (seed, step)."""
        recipe = self.recipe
        rng = stream(self.seed, self.step, SIGHT)
        sight = rng.random() < recipe.sight
        mix = replace(recipe.mix, compare=0.0, in_context=0.0) if sight else recipe.mix
        mine = range(self.rank, recipe.batch * (1 + sight), self.ranks)
        rows = draw_rows(self.course, mix, (self.seed, self.step), mine)
        text = self.step >= recipe.silent * recipe.steps and rng.random() >= recipe.wordless
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.rate * self._pace()
        varied = stream(self.seed, self.step, PICTURE, self.rank)
        losses = self.placing(rows, varied) if sight else self.losses(rows, varied, text=text)
        sum(losses.values(), torch.zeros(())).backward()
        self._gather()
        torch.nn.utils.clip_grad_norm_(self.masters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.masters)
        self.step += 1
        self.means.add({name: float(loss.detach()) for name, loss in losses.items()})

    def _gather(self) -> None:
        """Move the gradients to the masters, averaged over the processes that train together."""
        for small, place in zip(self.parameters, self._places, strict=True):
            if small.grad is None:
                place.zero_()
            else:
                place.copy_(small.grad)
            small.grad = None
        if self.ranks > 1:
            torch.distributed.all_reduce(self._small)
        self._large.copy_(self._small)
        if self.ranks > 1:
            self._large /= self.ranks

    def _pace(self) -> float:
        recipe = self.recipe
        left = (recipe.steps - self.step) / max(recipe.decay * recipe.steps, 1)
        return min((self.step + 1) / recipe.warm, 1.0) * max(0.02, min(1.0, left))

    def run(self, out: Path, report: Callable[[Trainer, float], None], last: int) -> None:
        """Train up to step `last`; write checkpoints on the way and at the end."""
        while self.step < min(last, self.recipe.steps):
            before = time.monotonic()
            self.advance()
            report(self, time.monotonic() - before)
            if self.step % self.recipe.every == 0:
                self.save(out)
        self.save(out)

    def save(self, out: Path) -> None:
        """Write the model's folder and the state from which training goes on; the first process does."""
        if self.rank:
            return
        out.mkdir(parents=True, exist_ok=True)
        moments = self.optimizer.state
        state = {
            "step": self.step,
            "masters": dict(zip(self.names, [m.detach() for m in self.masters], strict=True)),
            "moments": {n: moments[m] for n, m in zip(self.names, self.masters, strict=True) if m in moments},
            "columns": self.facts.columns,
            "means": self.means.values,
        }
        torch.save(state, out / f".{STATE}")
        (out / f".{STATE}").replace(out / STATE)
        self.export(out / MODEL)

    def export(self, folder: Path) -> None:
        """Write the model with its tokenizer and processors, as they were at the start."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.start.iterdir():
            if file.suffix in (".json", ".jinja"):
                shutil.copyfile(file, folder / file.name)
        self.model.save_pretrained(folder)
        shutil.copyfile(self.start / "config.json", folder / "config.json")

    def load(self, out: Path) -> None:
        """Go on from a checkpoint; heads that it lacks, and those of other facts, start anew."""
        state = torch.load(out / STATE, weights_only=True)
        same = [tuple(column) for column in state["columns"]] == list(self.facts.columns)
        with torch.no_grad():
            for name, master in zip(self.names, self.masters, strict=True):
                found = state["masters"].get(name)
                if found is None or found.shape != master.shape or (name.startswith("judge") and not same):
                    continue
                master.copy_(found)
                if name in state["moments"]:
                    self.optimizer.state[master] = dict(state["moments"][name])
            torch._foreach_copy_(self.parameters, self.masters)
        self.step = state["step"]
        self.means = Means(dict(state["means"]))
