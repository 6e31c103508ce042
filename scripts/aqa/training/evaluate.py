"""What a trained model scores on held-out clips, asked through the backend `numpy`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aqa.config import Representation
from aqa.models._numpy_engine import NumpyEngine
from aqa.models._sampling import Scalar
from aqa.models._weights import Weights
from aqa.models.numpy import Options
from aqa.prompts import load_strategy, strategies
from aqa.prompts.compare import FIRST, ITEM, SECOND, question
from aqa.records import Prediction, Question, Record, Request, Value
from aqa.scoring.intervals import Resampler
from aqa.scoring.parse import parse
from aqa.scoring.rows import ALL
from aqa.scoring.table import choices, scores
from aqa.training.corpus import Course, Lesson

RESAMPLES = 2_000

Progress = Callable[[int, int], None]


class Score(Record):
    """What a cell scored: share of usable answers, and balanced accuracy or Spearman with a 95 % interval.

    The interval is that of `aqa.scoring`, over clips. Unusable choices are wrong, unusable scores left out.
    """

    dataset: str
    task: str
    representation: str
    strategy: str
    asked: int
    parsed: float
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Asked:
    """A lesson to be asked: the cell it belongs to, its questions and their truths."""

    cell: tuple[str, str, str, str]
    unit: str
    exercise: str
    lesson: Lesson
    questions: tuple[Question, ...]
    truth: dict[str, Value]


def plan(held: Course, most: int, base: int) -> list[Asked]:
    """Return what is asked: the cells of the default configuration, every strategy where it is cheap.

    Originals with all strategies, the other representations and the compare task with the base prompt; `base`
    samples of base and original, `most` of the others. In order of clips, so that prefixes are shared.
    """
    found: list[Asked] = []
    for dataset, clips in sorted(held.by_dataset.items()):
        rng = np.random.default_rng(0)
        pool = [(number, sample) for number, clip in clips for sample in held.sharing[number, clip]]
        order = [pool[int(place)] for place in rng.permutation(len(pool))[: max(most, base)]]
        for place, (number, sample_id) in enumerate(order):
            found += _judged(held, dataset, (number, sample_id), place < most)
            if place < most:
                found += _compared(held, dataset, (number, sample_id))
    return found


def _judged(held: Course, dataset: str, key: tuple[int, str], everything: bool) -> Iterator[Asked]:
    number, sample_id = key
    sample = held.samples[key]
    clip = held.blocks[number].clip_of[sample_id]

    def asked(strategy: str, representation: Representation, lesson: Lesson) -> Asked:
        cell = dataset, "judge", representation, strategy
        return Asked(cell, f"{number}.{clip}", sample.exercise, lesson, sample.questions, sample.truth)

    yield asked("base", "original", held.judge(number, sample_id, "base", "original"))
    if not everything:
        return
    for strategy in strategies():
        if load_strategy(strategy).examples:
            sets = held.examples[key]
            lesson = held.in_context(number, sample_id, sets[0], "original") if sets else None
            if lesson is not None:
                yield asked(strategy, "original", lesson)
        elif strategy != "base":
            yield asked(strategy, "original", held.judge(number, sample_id, strategy, "original"))
    for representation in held.representations(number, clip):
        if representation != "original":
            yield asked("base", representation, held.judge(number, sample_id, "base", representation))


def _compared(held: Course, dataset: str, key: tuple[int, str]) -> Iterator[Asked]:
    for pair in held.pairs[key][:1]:
        for first in (True, False):
            lesson = held.compare(key[0], pair, "base", "original", anchor_first=first)
            if lesson is not None:
                better = FIRST if (pair.better == "anchor") == first else SECOND
                cell = dataset, "compare", "original", "base"
                unit = f"{key[0]}.{pair.pair_id}"
                yield Asked(cell, unit, pair.exercise, lesson, (question(pair),), {ITEM: better})


def evaluate(
    folder: Path, held: Course, asked: Sequence[Asked], most_tokens: int, progress: Progress
) -> list[Score]:
    """Ask a model greedily and return what each cell scored."""
    options = Options(model=str(folder))
    sampling: dict[str, Scalar] = {"temperature": 0, "max_tokens": most_tokens}
    source = Weights(str(folder), None, code=False, local_files_only=True, place="evaluate")
    engine = NumpyEngine(folder, source, options, sampling, "evaluate")
    told: dict[tuple[str, str, str, str], list[tuple[Asked, dict[str, Value | None]]]] = defaultdict(list)
    for number, one in enumerate(asked, start=1):
        frames = [np.array(held.blocks[key[0]].frames(held.shown[key])) for key in one.lesson.clips]
        request = Request(
            key="0" * 64,
            settings="0" * 64,
            sample_id="held",
            subject="held",
            exercise="held",
            messages=one.lesson.messages,
            questions=one.questions,
        )
        result = engine.answer(request, frames, lambda: False)
        usable = not isinstance(result, str) and not result.cut
        text = "" if isinstance(result, str) or not usable else result.text
        told[one.cell].append((one, parse(text, one.questions)))
        progress(number, len(asked))
    return [_score(cell, answers) for cell, answers in told.items()]


def _score(
    cell: tuple[str, str, str, str], answers: Sequence[tuple[Asked, dict[str, Value | None]]]
) -> Score:
    """Score a cell as `metrics.json` does, headline policies: strict for choices, answered for scores."""
    questions = [question for one, _ in answers for question in one.questions]
    rows = [
        Prediction(
            sample_id=one.unit,
            item=question.item,
            exercise=one.exercise,
            subject=one.unit,
            truth=one.truth[question.item],
            prediction=said[question.item],
            outcome="unparsed" if said[question.item] is None else "ok",
            repeat=0,
        )
        for one, said in answers
        for question in one.questions
    ]
    resampler = Resampler(0, RESAMPLES)
    if questions[0].options is None:
        found = scores(rows, questions, {ALL: (0.0, 1.0)})
        estimate = found.estimate("spearman", "answered", "item", ALL, resampler)
    else:
        estimate = choices(rows, questions).estimate("balanced_accuracy", "strict", "item", ALL, resampler)
    dataset, task, representation, strategy = cell
    return Score(
        dataset=dataset,
        task=task,
        representation=representation,
        strategy=strategy,
        asked=len(answers),
        parsed=sum(row.outcome == "ok" for row in rows) / len(rows),
        metric="Spearman" if questions[0].options is None else "balanced accuracy",
        value=estimate.score.value,
        low=estimate.interval.low,
        high=estimate.interval.high,
    )


def table(scores: Sequence[Score]) -> str:
    """Return the scores as lines of text, a cell each."""
    lines = [
        f"{s.dataset:14} {s.task:7} {s.representation:16} {s.strategy:21} {s.asked:5} parsed {s.parsed:.3f} "
        f"{s.metric} {s.value:.3f} [{s.low:.3f}, {s.high:.3f}]"
        for s in sorted(scores, key=lambda s: (s.task, s.representation, s.strategy, s.dataset))
    ]
    return "\n".join(lines)
