"""The texts that the tokenizer is trained on: every prompt once, and some answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aqa.config import Representation
from aqa.prompts import answer_key, load_strategy, strategies
from aqa.records import TextPart
from aqa.training.corpus import Course, Lesson

ANSWERS = 200
"""Answers of each dataset."""

SECONDS = 60
"""Times are written in tenths up to so many tenths."""

PHRASES: tuple[Representation, ...] = ("original", "skeleton_only")
"""Representations that are named differently in prompts."""


def texts_of(course: Course) -> list[str]:
    """Return the texts, in a fixed order: of each dataset's first block, since all have the same prompts."""
    prompts: dict[str, None] = {}
    answers: dict[str, dict[str, None]] = {}
    options: list[str] = []
    for number in _firsts(course):
        own = answers.setdefault(course.blocks[number].dataset, {})
        for lesson in _lessons(course, number):
            own[lesson.answer] = None
            for message in lesson.messages:
                prompts.update({part.text: None for part in message.content if isinstance(part, TextPart)})
        for (block, _), sample in course.samples.items():
            if block == number:
                for question in sample.questions:
                    options += [f'"{option}" ' for option in question.options or ()]
                    options.append(f'"{answer_key(question)}": ')
    rng = np.random.default_rng(0)
    some = []
    for own in answers.values():
        listed = sorted(own)
        some += [listed[int(place)] for place in rng.permutation(len(listed))[:ANSWERS]]
    times = [f"<{tenth / 10:.1f} seconds>" for tenth in range(SECONDS)]
    return [*prompts, *options, *some, *times]


def _firsts(course: Course) -> list[int]:
    found: dict[str, int] = {}
    for number, block in enumerate(course.blocks):
        found.setdefault(block.dataset, number)
    return list(found.values())


def _lessons(course: Course, number: int) -> Iterator[Lesson]:
    alone = [name for name in strategies() if not load_strategy(name).examples]
    plain = [name for name in alone if not load_strategy(name).guidelines]
    for block, sample_id in list(course.samples):
        if block != number:
            continue
        clip = course.blocks[number].clip_of[sample_id]
        for phrase in PHRASES:
            if (number, clip, phrase) in course.shown:
                for strategy in alone:
                    yield course.judge(number, sample_id, strategy, phrase)
        for pair in course.pairs[number, sample_id]:
            for strategy in plain:
                lesson = course.compare(number, pair, strategy, "original", anchor_first=True)
                if lesson is not None:
                    yield lesson
