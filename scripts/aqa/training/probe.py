"""A quick look at a model in training: the base prompt on held-out clips, by the lean forward pass."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import numpy as np
import torch

from aqa.config import Representation
from aqa.scoring.metrics import spearman
from aqa.training.corpus import Course, taught
from aqa.training.draw import Drawn
from aqa.training.packing import grid_of
from aqa.training.trainer import Trainer

BATCH = 16
DIGITS = 4


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def probe(
    trainer: Trainer,
    held: Course,
    count: int,
    representation: Representation = "original",
    strategy: str = "base",
) -> dict[str, dict[str, float]]:
    """Return for each dataset what the base prompt scores: balanced accuracy by question, or correlation."""
    mine = trainer.course
    trainer.course = held
    try:
        return {
            name: _dataset(trainer, held, name, count, (representation, strategy))
            for name in sorted(held.by_dataset)
        }
    finally:
        trainer.course = mine


def _dataset(
    trainer: Trainer, held: Course, name: str, count: int, asked: tuple[Representation, str]
) -> dict[str, float]:
    representation, _ = asked
    pool = [
        (number, sample)
        for number, clip in held.by_dataset[name]
        for sample in held.sharing[number, clip]
        if (number, clip, representation) in held.shown
    ]
    order = np.random.default_rng(0).permutation(len(pool))[:count]
    told: dict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for start in range(0, len(order), BATCH):
        chosen = [pool[int(place)] for place in order[start : start + BATCH]]
        for question, true, said in _ask(trainer, held, chosen, asked):
            told[question].append((true, said))
    scores = {}
    for question, both in told.items():
        true, said = zip(*both, strict=True)
        if isinstance(true[0], str):
            hits: dict[str, list[bool]] = defaultdict(list)
            for t, s in both:
                hits[t].append(t == s)
            scores[question] = float(np.mean([np.mean(h) for h in hits.values()]))
        else:
            scores[question] = spearman(true, said).value
    return scores


def _ask(
    trainer: Trainer, held: Course, chosen: list[tuple[int, str]], asked: tuple[Representation, str]
) -> list[tuple[str, Any, Any]]:
    representation, strategy = asked
    rows, samples = [], []
    for number, sample_id in chosen:
        lesson = held.judge(number, sample_id, strategy, representation)
        sample = held.samples[number, sample_id]
        video = sample.media.kind != "image"
        grids = tuple(grid_of(held.shown[key].shape, video=video) for key in lesson.clips)
        answer = taught(sample)
        score = sample.questions[0].options is None
        opening = '{"score":' if score else answer
        rows.append(Drawn((lesson.messages,), (opening,), lesson.clips, grids))
        samples.append(sample)
    batch, clips, _, _ = trainer.batch(rows, None)
    merged, deep = trainer.lean.see(clips)
    flat, layers = torch.cat(merged), [torch.cat(parts) for parts in zip(*deep, strict=True)]
    hidden = trainer.lean.read(batch, flat, layers)
    found: list[tuple[str, Any, Any]] = []
    if samples[0].questions[0].options is None:
        texts = _digits(trainer, batch, flat, layers)
        for sample, text in zip(samples, texts, strict=True):
            found.append((sample.exercise, float(sample.truth[""]), text))
        return found
    said = trainer.lean.head(hidden).argmax(-1)
    tell = trainer.weights[batch.labels.clamp(min=0)].eq(1.0) & (batch.labels >= 0)
    decode = trainer.tokenizer.decode
    keys = {" ", *(f'"{q.item}"' for s in samples for q in s.questions)}
    for row, sample in enumerate(samples):
        places = [
            p for p in tell[row].nonzero()[:, 0].tolist() if decode([int(batch.labels[row, p])]) not in keys
        ]
        for question, place in zip(sample.questions, places, strict=False):
            word = decode([int(said[row, place])]).strip().strip('"')
            found.append((f"{sample.exercise}:{question.item}"[:40], str(sample.truth[question.item]), word))
    return found


def _digits(trainer: Trainer, batch: Any, flat: torch.Tensor, layers: list[torch.Tensor]) -> list[float]:
    """Return the scores that are told after `{"score":`."""
    lengths = [int((batch.labels[row] >= 0).nonzero()[-1, 0]) for row in range(len(batch.labels))]
    # The last label is the end of the turn, which stands where the score begins.
    rows = len(lengths)
    width = max(lengths) + 1 + DIGITS
    ids = torch.full((rows, width), trainer.packer.pad)
    positions = torch.zeros(3, rows, width, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, : length + 1] = batch.ids[row, : length + 1]
        positions[:, row, : length + 1] = batch.positions[:, row, : length + 1]
        first = int(batch.positions[0, row, length]) + 1
        positions[:, row, length + 1 :] = torch.arange(first, first + width - length - 1)
    mask = torch.ones(width, width, dtype=torch.bool).tril()[None, None].expand(rows, 1, width, width)
    visual = (ids == trainer.packer.image) | (ids == trainer.packer.video)
    told = [""] * rows
    for place in range(DIGITS):
        step = type(batch)(ids, positions, mask, visual, ids, batch.ends)
        hidden = trainer.lean.read(step, flat, layers)
        at = torch.tensor([length + place for length in lengths])
        new = trainer.lean.head(hidden[torch.arange(rows), at]).argmax(-1)
        for row in range(rows):
            ids[row, lengths[row] + place + 1] = new[row]
            told[row] += trainer.tokenizer.decode([int(new[row])])
    return [_number(text) for text in told]


def _number(text: str) -> float:
    text = re.split(r"[}<]", text, maxsplit=1)[0].strip()
    try:
        return float(text)
    except ValueError:
        return 0.0
