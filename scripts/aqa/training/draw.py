"""Drawing batches: which clips, which questions about them, and how their pictures are varied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.config import Representation
from aqa.prompts import load_strategy, strategies
from aqa.records import Message
from aqa.training.corpus import Course, Key, Lesson
from aqa.training.packing import Grid, grid_of
from aqa.training.pixels import TEMPORAL
from aqa.training.settings import Mix

MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""COCO's joints with left and right exchanged."""

Frames = NDArray[np.uint8]
Joints = NDArray[np.float32]


KIND, ROW, SIGHT, PICTURE = range(1, 5)
"""What is drawn in a step, each from a stream of its own. None is 0: numpy takes zeros at the end of a seed
for nothing, so that streams which should be independent would be one."""


def stream(seed: int, step: int, what: int, number: int = 0) -> np.random.Generator:
    """Return the generator of one of the things that a step draws; `number` counts rows or processes."""
    return np.random.default_rng([seed, step, what, number])


@dataclass(frozen=True)
class Drawn:
    """One row to be: conversations over the same clips, their answers, the clips and their grids."""

    conversations: tuple[tuple[Message, ...], ...]
    answers: tuple[str, ...]
    keys: tuple[Key, ...]
    grids: tuple[Grid, ...]


def draw_rows(course: Course, mix: Mix, at: tuple[int, int], rows: Sequence[int]) -> list[Drawn]:
    """Draw the rows of a batch: all judge a clip, all compare two, or all have examples, to be alike long.

    Row n follows from `at` (seed, step) and n, so that processes can share a batch.
    """
    kind = stream(*at, KIND).random()
    draw = _judged
    if kind < mix.compare:
        draw = _pairs
    elif kind < mix.compare + mix.in_context:
        draw = _examples
    return [_row(course, mix, stream(*at, ROW, row), draw) for row in rows]


def _row(course: Course, mix: Mix, rng: np.random.Generator, draw: Callable[..., list[Lesson]]) -> Drawn:
    lessons: list[Lesson] = []
    while not lessons:
        dataset = _weighted(rng, list(course.by_dataset), mix.datasets)
        clips = course.by_dataset[dataset]
        number, clip = clips[int(rng.choice(len(clips), p=course.weights[dataset]))]
        names = course.representations(number, clip)
        representation = cast(Representation, _weighted(rng, names, mix.representations))
        lessons = draw(course, mix, rng, (number, clip, representation))
    keys = lessons[0].clips
    video = course.samples[keys[0][0], course.sharing[keys[0][0], keys[0][1]][0]].media.kind != "image"
    grids = tuple(grid_of(course.shown[key].shape, video=video) for key in keys)
    return Drawn(
        tuple(lesson.messages for lesson in lessons), tuple(lesson.answer for lesson in lessons), keys, grids
    )


def _judged(course: Course, mix: Mix, rng: np.random.Generator, key: Key) -> list[Lesson]:
    number, clip, representation = key
    alone = [name for name in strategies() if not load_strategy(name).examples]
    asked = course.sharing[number, clip]
    lessons = {}
    for _ in range(mix.branches):
        sample = asked[int(rng.integers(len(asked)))]
        strategy = _weighted(rng, alone, mix.strategies)
        lessons[sample, strategy] = course.judge(number, sample, strategy, representation)
    return list(lessons.values())


def _pairs(course: Course, mix: Mix, rng: np.random.Generator, key: Key) -> list[Lesson]:
    number, clip, representation = key
    found = [pair for sample in course.sharing[number, clip] for pair in course.pairs[number, sample]]
    if not found:
        return []
    pair = found[int(rng.integers(len(found)))]
    alone = [s for s in strategies() if not load_strategy(s).examples and not load_strategy(s).guidelines]
    first = bool(rng.random() < 0.5)
    chosen = {_weighted(rng, alone, mix.strategies) for _ in range(2)}
    lessons = [
        course.compare(number, pair, strategy, representation, anchor_first=first)
        for strategy in sorted(chosen)
    ]
    return [lesson for lesson in lessons if lesson is not None]


def _examples(course: Course, mix: Mix, rng: np.random.Generator, key: Key) -> list[Lesson]:
    number, clip, representation = key
    del mix
    asked = [s for s in course.sharing[number, clip] if course.examples[number, s]]
    if not asked:
        return []
    sample = asked[int(rng.integers(len(asked)))]
    sets = course.examples[number, sample]
    lesson = course.in_context(number, sample, sets[int(rng.integers(len(sets)))], representation)
    return [] if lesson is None else [lesson]


def _weighted(rng: np.random.Generator, names: Sequence[str], weights: Mapping[str, float]) -> str:
    values = np.array([weights.get(name, 1.0) for name in names])
    return names[int(rng.choice(len(names), p=values / values.sum()))]


def picture(course: Course, key: Key, rng: np.random.Generator | None) -> tuple[Frames, Joints]:
    """Return a clip's frames, an even number, and joints (frames, 17, 3), varied by `rng` (None: not).

    Moved and scaled a little, lighter or darker, noisier; mirrored where nothing tells left from right.
    """
    shown = course.shown[key]
    frames = np.array(course.blocks[key[0]].frames(shown))
    joints = np.array(shown.joints, np.float32).reshape(-1, 17, 3)
    if not len(joints):
        joints = np.zeros((len(frames), 17, 3), np.float32)
    if len(frames) % TEMPORAL:
        frames, joints = (np.concatenate([part, part[-1:]]) for part in (frames, joints))
    if rng is None:
        return frames, joints
    plain = shown.representation in ("original", "cropped")
    if plain and shown.shape[0] > 1 and rng.random() < 0.5:
        frames, joints = frames[:, :, ::-1], joints[:, MIRRORED]
        joints[..., 0] = 1.0 - joints[..., 0]
    return _moved(np.ascontiguousarray(frames), joints, rng, plain)


def _moved(frames: Frames, joints: Joints, rng: np.random.Generator, plain: bool) -> tuple[Frames, Joints]:
    height, width = frames.shape[1:3]
    scale = float(rng.uniform(0.94, 1.07))
    shift = rng.uniform(-0.035, 0.035, 2)
    if rng.random() < 0.25:
        scale, shift = 1.0, np.zeros(2)
    matrix = np.array(
        [
            [scale, 0.0, (0.5 * (1 - scale) + shift[0]) * width],
            [0.0, scale, (0.5 * (1 - scale) + shift[1]) * height],
        ]
    )
    gain, offset = (float(rng.uniform(0.85, 1.15)), float(rng.uniform(-14, 14))) if plain else (1.0, 0.0)
    noise = float(rng.uniform(0.0, 4.0)) if plain else 0.0
    found = np.empty_like(frames)
    for place, frame in enumerate(frames):
        moved = cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        found[place] = (
            cv2.convertScaleAbs(moved, alpha=gain, beta=max(offset, -255.0))
            if offset >= 0
            else np.clip(moved * np.float32(gain) + offset, 0, 255)
        )
    if noise > 1.0:
        grain = rng.integers(-int(noise), int(noise) + 1, found.shape[1:], dtype=np.int16)
        found = np.clip(found + grain, 0, 255).astype(np.uint8)
    joints = joints.copy()
    joints[..., 0] = (joints[..., 0] - 0.5) * scale + 0.5 + shift[0]
    joints[..., 1] = (joints[..., 1] - 0.5) * scale + 0.5 + shift[1]
    return found, joints
