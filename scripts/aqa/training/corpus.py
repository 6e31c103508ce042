"""What the network is taught to say: prompts as the workflow renders them, and answers from the truth.

A `Lesson` is one request (the project's own messages) with its answer. Reasoning is short and made from what
the renderer planted: `shin lean 7 of 9`.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from aqa.config import Representation
from aqa.datasets import Dataset, resolve
from aqa.datasets.contrastive import Contrastive, load_contrastive
from aqa.datasets.examples import choose, group_of, origins, usable
from aqa.datasets.pairs import make_pairs
from aqa.datasets.reviewed import Reviewed, load_reviewed
from aqa.errors import UserError
from aqa.prompts import answer, load_strategy, media_part, render, strategies
from aqa.prompts.compare import FIRST, ITEM, SECOND, render_pair
from aqa.records import Clip, MediaPart, Message, Pair, Sample
from aqa.training.blocks import Block, Shown

log = logging.getLogger("aqa")

STEPS = 9
"""Sizes are told in steps from 0 to this."""

ROUNDING = 2
"""Scores are taught in halves: finer ones would be noise to a network of this size."""

Key = tuple[int, str, Representation]
"""A clip: number of the block, sample, representation."""


@dataclass(frozen=True)
class Lesson:
    """A request and its answer: text parts and clips by turn, as messages, and the clips' keys in order."""

    messages: tuple[Message, ...]
    clips: tuple[Key, ...]
    answer: str


@dataclass
class Course:
    """All lessons of some blocks, made when they are asked for."""

    blocks: list[Block]
    datasets: dict[str, Dataset] = field(default_factory=dict)
    texts: dict[str, Reviewed] = field(default_factory=dict)
    contrastive: dict[str, Contrastive | None] = field(default_factory=dict)
    shown: dict[Key, Shown] = field(default_factory=dict)
    samples: dict[tuple[int, str], Sample] = field(default_factory=dict)
    sharing: dict[tuple[int, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    pairs: dict[tuple[int, str], list[Pair]] = field(default_factory=lambda: defaultdict(list))
    examples: dict[tuple[int, str], list[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(list))
    ranges: dict[tuple[str, str, str], tuple[float, float]] = field(default_factory=dict)
    words: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    by_dataset: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    _made: dict[Any, tuple[Message, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, blocks: Sequence[Block], orders: int = 2) -> Course:
        """Return the course of some blocks; `orders`: how many choices of pairs and examples are drawn."""
        course = cls(list(blocks))
        for number, block in enumerate(blocks):
            course._enter(number, block, orders)
        course._measure()
        return course

    def _enter(self, number: int, block: Block, orders: int) -> None:
        name = block.dataset
        if name not in self.datasets:
            self.datasets[name] = resolve(name)
            self.texts[name] = load_reviewed(name, None)
            self.contrastive[name] = load_contrastive(name, [])
        for shown in block.shown:
            self.shown[number, shown.sample_id, shown.representation] = shown
        there = [s for s in block.samples if (number, block.clip_of[s.sample_id], "original") in self.shown]
        for sample in there:
            self.samples[number, sample.sample_id] = sample
            self.sharing[number, block.clip_of[sample.sample_id]].append(sample.sample_id)
        self.by_dataset[name] += sorted({(number, block.clip_of[s.sample_id]) for s in there})
        metadata = self.datasets[name].metadata
        asked = [s for s in there if s.split == metadata.evaluated_split]
        known, origin = {s.sample_id: s for s in there}, origins(there)
        for seed in range(orders):
            pairing = make_pairs(
                there,
                {s.sample_id for s in asked},
                split=metadata.evaluated_split,
                seed=block.seed + seed,
                contrastive=self.contrastive[name],
                per_anchor="all",
            )
            for pair in pairing.pairs:
                self.pairs[number, pair.anchor].append(pair)
            logging.disable(logging.WARNING)
            try:
                found_all = choose(there, asked, train_split=metadata.train_split, seed=block.seed + seed)
            except UserError:
                found_all = []  # In a small block nobody may have examples.
            chosen = {(examples.exercise, examples.items): examples for examples in found_all}
            logging.disable(logging.NOTSET)
            for sample in asked:
                found = chosen.get(group_of(sample))
                names = usable(sample, found, known, origin) if found else None
                if names:
                    self.examples[number, sample.sample_id].append(names)

    def _measure(self) -> None:
        """Learn each fact's range over the training clips, and how often each truth occurs."""
        numbers: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        words: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for key in sorted(self.shown):
            if key[2] != "original":
                continue
            for fact, value in self.facts(key):
                (words[fact].add(value) if isinstance(value, str) else numbers[fact].append(value))
        self.ranges = {
            fact: (float(np.quantile(v, 0.02)), float(np.quantile(v, 0.98))) for fact, v in numbers.items()
        }
        self.words = {fact: tuple(sorted(v)) for fact, v in words.items()}
        for name, clips in self.by_dataset.items():
            counts: Counter[tuple[str, ...]] = Counter()
            classes: dict[tuple[int, str], list[tuple[str, ...]]] = {}
            for clip in clips:
                for sample_id in self.sharing[clip]:
                    sample = self.samples[clip[0], sample_id]
                    mine = [
                        (sample.exercise, q.text, str(sample.truth[q.item]))
                        for q in sample.questions
                        if q.options is not None
                    ]
                    counts.update(mine)
                    classes.setdefault(clip, []).extend(mine)
            rare = np.array(
                [np.mean([counts[c] ** -0.5 for c in classes.get(clip, ())] or [1.0]) for clip in clips]
            )
            self.weights[name] = rare / rare.sum()

    def exercise(self, key: Key) -> str:
        """Return the exercise that a clip shows."""
        return self.samples[key[0], self.sharing[key[0], key[1]][0]].exercise

    def facts(self, key: Key) -> Iterator[tuple[tuple[str, str, str], float | str]]:
        """Yield what was planted in a clip, with (dataset, exercise, name)."""
        exercise = self.exercise(key)
        for name, value in self.shown[key].facts.items():
            yield (self.blocks[key[0]].dataset, exercise, name), value

    def level(self, fact: tuple[str, str, str], value: float) -> int:
        """Return a size in steps of its range over all training clips."""
        low, high = self.ranges[fact]
        return int(np.clip(np.floor((value - low) / max(high - low, 1e-9) * (STEPS + 1)), 0, STEPS))

    def clip(self, key: Key) -> Clip:
        """Return a clip's record, with a name for a digest: prompts do not show it."""
        shown = self.shown[key]
        return Clip(
            sample_id=shown.sample_id,
            file=f"{key[0]}/{shown.sample_id}",
            sha256="0" * 64,
            width=shown.width,
            height=shown.height,
            frame_indices=tuple(range(len(shown.timestamps))),
            timestamps=shown.timestamps,
        )

    def representations(self, number: int, clip: str) -> list[Representation]:
        """Return the representations in which a clip is there."""
        names = self.datasets[self.blocks[number].dataset].metadata.representations
        return [name for name in names if (number, clip, name) in self.shown]

    def judge(self, number: int, sample_id: str, strategy: str, representation: Representation) -> Lesson:
        """Return the lesson of judging a sample, without examples."""
        sample = self.samples[number, sample_id]
        key = (number, self.blocks[number].clip_of[sample_id], representation)
        messages = self._rendered(sample, key, strategy, representation)
        return Lesson(messages, (key,), self.reply(strategy, sample, key))

    def _rendered(
        self, sample: Sample, key: Key, strategy: str, representation: Representation
    ) -> tuple[Message, ...]:
        """Return the conversation; its texts are remembered, for they are the same for many clips."""
        name = self.blocks[key[0]].dataset
        dataset = self.datasets[name]
        clip = self.clip(key)
        facts = tuple(sorted(sample.details.items())), tuple(q.text for q in sample.questions)
        place = name, sample.exercise, facts, strategy, representation
        if place not in self._made:
            self._made[place] = render(
                sample,
                clip,
                exercise=dataset.metadata.exercises[sample.exercise],
                strategy=strategy,
                wording=dataset.wording,
                representation=representation,
                texts=self.texts[name],
            )
        (message,) = self._made[place]
        _, text = message.content
        kind: Literal["image", "video"] = "image" if sample.media.kind == "image" else "video"
        return (message.model_copy(update={"content": (media_part(clip, kind), text)}),)

    def in_context(
        self, number: int, sample_id: str, names: Sequence[str], representation: Representation
    ) -> Lesson | None:
        """Return the lesson of judging a sample after examples, None where a clip is missing."""
        block = self.blocks[number]
        dataset, sample = self.datasets[block.dataset], self.samples[number, sample_id]
        items = {question.item: question for question in sample.questions}
        keys = [(number, block.clip_of[name], representation) for name in (*names, sample_id)]
        if any(key not in self.shown for key in keys):
            return None
        shown = []
        for name, key in zip(names, keys, strict=False):
            other = self.samples[number, name]
            own = {question.item: question for question in other.questions}
            cut = other.model_copy(update={"questions": tuple(own[item] for item in items)})
            shown.append((cut, self.clip(key)))
        messages = render(
            sample,
            self.clip(keys[-1]),
            exercise=dataset.metadata.exercises[sample.exercise],
            strategy=next(s for s in strategies() if load_strategy(s).examples),
            wording=dataset.wording,
            representation=representation,
            texts=self.texts[block.dataset],
            examples=shown,
        )
        return Lesson(messages, tuple(keys), taught(sample))

    def compare(
        self, number: int, pair: Pair, strategy: str, representation: Representation, *, anchor_first: bool
    ) -> Lesson | None:
        """Return the lesson of comparing a pair, None where a clip is missing."""
        block = self.blocks[number]
        dataset = self.datasets[block.dataset]
        names = (pair.anchor, pair.partner) if anchor_first else (pair.partner, pair.anchor)
        keys = tuple((number, block.clip_of[name], representation) for name in names)
        if any(key not in self.shown for key in keys):
            return None
        kind: Literal["image", "video"] = (
            "image" if self.samples[number, pair.anchor].media.kind == "image" else "video"
        )
        messages = render_pair(
            pair,
            (self.clip(keys[0]), self.clip(keys[1])),
            kind=kind,
            exercise=dataset.metadata.exercises[pair.exercise],
            strategy=strategy,
            wording=dataset.wording,
            representation=representation,
        )
        better = FIRST if (pair.better == "anchor") == anchor_first else SECOND
        plain = f'{{"{ITEM}": "{better}"}}'
        seen = [f"{word}: {self.seen(key)}" for word, key in zip((FIRST, SECOND), keys, strict=True)]
        return Lesson(messages, keys, dressed(strategy, plain, "; ".join(seen), f"the {better}"))

    def seen(self, key: Key) -> str:
        """Return what can be seen in a clip, short: `knee in 1 of 9, shin lean 7 of 9`."""
        parts = []
        for fact, value in self.facts(key):
            part, _, name = fact[2].partition(".")
            if part != "sizes":
                continue
            told = f'"{value}"' if isinstance(value, str) else f"{self.level(fact, value)} of {STEPS}"
            parts.append(f"{_plain(name)} {told}")
        return ", ".join(parts)

    def reply(self, strategy: str, sample: Sample, key: Key) -> str:
        """Return the answer that is taught for a strategy."""
        return dressed(strategy, taught(sample), self.seen(key), f"quality {_quality(sample)} of {STEPS}")


def _plain(name: str) -> str:
    words = name.split("_")
    return " ".join(words[:-1] if words[-1] in ("deg", "m", "s") else words)


def _quality(sample: Sample) -> int:
    shares = []
    for question in sample.questions:
        value = sample.truth[question.item]
        if isinstance(value, str):
            shares.append(float(value == question.correct))
        else:
            low, high = question.minimum or 0.0, question.maximum or 1.0
            shares.append((value - low) / (high - low))
    return int(np.clip(np.floor(np.mean(shares) * (STEPS + 1)), 0, STEPS))


def taught(sample: Sample) -> str:
    """Return the true answer in the form asked for, scores in halves."""
    truth = {
        item: value if isinstance(value, str) else round(value * ROUNDING) / ROUNDING
        for item, value in sample.truth.items()
    }
    return answer(sample.questions, truth)


def dressed(strategy: str, plain: str, seen: str, verdict: str) -> str:
    """Return an answer with the reasoning that a strategy asks for."""
    if strategy == "structured_reasoning":
        return (
            f"<look>A person.</look><decompose>Body and movement.</decompose><analyse>{seen}.</analyse>"
            f"<assess>{verdict}.</assess><output>{plain}</output>"
        )
    if strategy in ("two_step", "visual_grounding"):
        return f"{seen}.\n{plain}"
    return plain


def media_of(messages: Sequence[Message]) -> list[MediaPart]:
    """Return the clips of a conversation, in order."""
    return [part for message in messages for part in message.content if isinstance(part, MediaPart)]
