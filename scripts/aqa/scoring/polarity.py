"""How favourably cells judge, against the truth and under guidelines of either polarity (paper, section 3.4).

A judgement's level is 1 if the answer means correct execution and 0 if it does not, or, for a score, the
score itself. All levels are of usable answers: an unusable one is neither favourable nor unfavourable. A
cell's bias is the mean of level less true level over these answers. The polarity shift of a model is its
level under positive guidelines less that under negative ones, over the judgements usable in both; the two
say the same, so that any shift is due to their phrasing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aqa.grid import Cell
from aqa.records import Prediction, Record, Sample, Value
from aqa.scoring import paired
from aqa.scoring.effects import Loaded
from aqa.scoring.intervals import Method, Resampler, interval, missing
from aqa.scoring.metrics import NOTHING, FloatArray
from aqa.scoring.paired import Difference, Paired
from aqa.scoring.statistics import MeanOf, Ratio, Statistic

POSITIVE, NEGATIVE = "positive_guidelines", "negative_guidelines"
VARIANTS = ("base", POSITIVE, NEGATIVE)

MEAN = "(mean)"
"""The model of a shift that is the mean over the models under test; no model can be called so."""

_NUMBERS = ("truth", "level", "level_low", "level_high", "bias", "bias_low", "bias_high")


class Scale(NamedTuple):
    """The least and the greatest level of a dataset: 0 and 1, or the ends of the scale of its scores."""

    low: float
    high: float

    @property
    def width(self) -> float:
        """High less low."""
        return self.high - self.low


class LevelRow(Record):
    """How favourably a cell judges: a line of polarity_levels.csv.

    `n` counts judgements, `n_ok` usable ones, on which every number rests; `truth` is their mean true level.
    """

    dataset: str
    strategy: str
    model: str
    n: int
    n_ok: int
    n_clusters: int
    interval: Method
    truth: float
    level: float
    level_low: float
    level_high: float
    bias: float
    bias_low: float
    bias_high: float


class ShiftRow(Record):
    """A polarity shift: a line of polarity_shifts.csv.

    `scale` is the width of the scale (1 for a rate), so that `shift / scale` compares datasets. `p` is
    from swapping the two cells' answers by whole cluster, `p_holm` corrected over the models under test of
    the dataset (NaN for baselines and for the mean of the models, which is a question of its own).
    """

    dataset: str
    model: str
    n: int
    n_clusters: int
    interval: Method
    scale: float
    positive: float
    negative: float
    shift: float
    ci_low: float
    ci_high: float
    p: float
    swaps: int
    p_holm: float
    detectable: float


class Judged(NamedTuple):
    """Usable judgements as arrays of equal length: level, true level, and who moves."""

    level: FloatArray
    truth: FloatArray
    subject: Sequence[str]


def judged(predictions: Iterable[Prediction], samples: Mapping[str, Sample]) -> tuple[int, Judged]:
    """Return how many judgements have a level, and those with a usable answer.

    In classification only questions with an option that means correct execution have one.
    """
    correct = _correct(samples)
    total = 0
    rows: list[tuple[float, float, str]] = []
    for row in predictions:
        known = correct.get((row.sample_id, row.item))
        if known is None and isinstance(row.truth, str):
            continue
        total += 1
        if row.outcome == "ok" and row.prediction is not None:
            rows.append((_level(row.prediction, known), _level(row.truth, known), row.subject))
    levels = np.array([row[:2] for row in rows], dtype=np.float64).reshape(-1, 2)
    return total, Judged(levels[:, 0], levels[:, 1], [row[2] for row in rows])


def scale_of(kind: str, samples: Mapping[str, Sample]) -> Scale:
    """Return the ends of the dataset's levels."""
    if kind == "classification":
        return Scale(0.0, 1.0)
    questions = [question for sample in samples.values() for question in sample.questions]
    lows = [question.minimum for question in questions if question.minimum is not None]
    highs = [question.maximum for question in questions if question.maximum is not None]
    return Scale(min(lows), max(highs)) if lows and highs else Scale(math.nan, math.nan)


def level_row(
    cell: Cell,
    predictions: Iterable[Prediction],
    samples: Mapping[str, Sample],
    scale: Scale,
    resampler: Resampler,
) -> LevelRow | None:
    """Return how favourably a cell judges; None if no question of it has a level."""
    total, found = judged(predictions, samples)
    if not total:
        return None
    names = {"dataset": cell.dataset, "strategy": cell.strategy, "model": cell.model, "n": total}
    if not len(found.level):
        return LevelRow(**names, n_ok=0, n_clusters=0, interval="none", **dict.fromkeys(_NUMBERS, math.nan))
    subjects, clusters = np.unique(np.array(found.subject), return_inverse=True)
    bias = found.level - found.truth
    level_interval, bias_interval = (
        interval(Ratio(values, np.ones_like(values), clusters, len(subjects)), resampler, bounds)
        for values, bounds in ((found.level, (scale.low, scale.high)), (bias, (-scale.width, scale.width)))
    )
    return LevelRow(
        **names,
        n_ok=len(found.level),
        n_clusters=len(subjects),
        interval=bias_interval.method,
        truth=float(found.truth.mean()),
        level=float(found.level.mean()),
        level_low=level_interval.low,
        level_high=level_interval.high,
        bias=float(bias.mean()),
        bias_low=bias_interval.low,
        bias_high=bias_interval.high,
    )


def shift_rows(
    dataset: str,
    variants: Mapping[str, tuple[Sequence[Prediction], Sequence[Prediction]]],
    samples: Mapping[str, Sample],
    *,
    scale: Scale,
    tested: Iterable[str],
    resampler: Resampler,
) -> list[ShiftRow]:
    """Return the polarity shift of each model of a dataset, and their mean if several are under test.

    Args:
        dataset: its id.
        variants: by model, the predictions under positive and under negative guidelines.
        samples: the dataset's samples by id.
        scale: the ends of its levels.
        tested: the models under test, over which p-values are corrected (Holm).
        resampler: the seed, and the number of resamples and random swaps.
    """
    both = {model: _both(*cells, samples) for model, cells in variants.items()}
    results = {model: _shift([levels], scale, resampler) for model, levels in both.items()}
    family = [model for model in tested if model in both]
    adjusted = dict(zip(family, paired.holm([results[model].p for model in family]), strict=True))
    rows = [
        _row(
            dataset,
            model,
            len(both[model].subject),
            scale,
            result,
            p_holm=adjusted.get(model, math.nan),
        )
        for model, result in results.items()
    ]
    if len(family) > 1:
        together = [both[model] for model in family]
        result = _shift(together, scale, resampler)
        rows.append(_row(dataset, MEAN, sum(len(one.subject) for one in together), scale, result))
    return rows


class _Both(NamedTuple):
    """The levels of the judgements that are usable under both polarities."""

    positive: FloatArray
    negative: FloatArray
    subject: Sequence[str]


def _both(
    positive: Sequence[Prediction], negative: Sequence[Prediction], samples: Mapping[str, Sample]
) -> _Both:
    pairs = [
        (one, other)
        for one, other in zip(*paired.common(positive, negative), strict=True)
        if one.outcome == other.outcome == "ok"
    ]
    first, second = (
        (judged(rows, samples)[1] for rows in zip(*pairs, strict=True)) if pairs else (_NONE, _NONE)
    )
    return _Both(first.level, second.level, first.subject)


_NONE = Judged(np.zeros(0), np.zeros(0), ())


def _shift(models: Sequence[_Both], scale: Scale, resampler: Resampler) -> Paired:
    """Return the mean over models of their shift, tested over the clusters of all of them."""
    models = [levels for levels in models if len(levels.subject)]
    if not models:
        return Paired(math.nan, math.nan, missing(0, NOTHING), math.nan, 0, math.nan)
    names = sorted({subject for levels in models for subject in levels.subject})
    code = {name: place for place, name in enumerate(names)}
    parts = []
    for levels in models:
        clusters = np.array([code[subject] for subject in levels.subject], dtype=np.int64)
        values = np.concatenate([levels.positive, levels.negative])
        both = np.concatenate([clusters, clusters + len(names)])
        parts.append(Ratio(values, np.ones_like(values), both, 2 * len(names)))
    statistic: Statistic = parts[0] if len(parts) == 1 else MeanOf(parts)
    positive, negative = (float(np.mean([side.mean() for side in sides])) for sides in _sides(models))
    bounds = (-scale.width, scale.width)
    return paired.tested(Difference(statistic), positive, negative, resampler, bounds)


def _sides(models: Sequence[_Both]) -> tuple[list[FloatArray], list[FloatArray]]:
    return [levels.positive for levels in models], [levels.negative for levels in models]


def _row(
    dataset: str, model: str, n: int, scale: Scale, result: Paired, *, p_holm: float = math.nan
) -> ShiftRow:
    return ShiftRow(
        dataset=dataset,
        model=model,
        n=n,
        n_clusters=result.interval.n_clusters,
        interval=result.interval.method,
        scale=scale.width,
        positive=result.first,
        negative=result.second,
        shift=result.difference,
        ci_low=result.interval.low,
        ci_high=result.interval.high,
        p=result.p,
        swaps=result.swaps,
        p_holm=p_holm,
        detectable=result.detectable,
    )


def _correct(samples: Mapping[str, Sample]) -> dict[tuple[str, str], str]:
    return {
        (sample.sample_id, question.item): question.correct
        for sample in samples.values()
        for question in sample.questions
        if question.correct is not None
    }


def _level(value: Value, correct: str | None) -> float:
    return value if isinstance(value, float) else float(value == correct)


def analyse(
    cells: Mapping[Cell, Loaded],
    samples: Mapping[str, Mapping[str, Sample]],
    tested: Sequence[str],
    resampler: Resampler,
) -> tuple[list[LevelRow], list[ShiftRow]]:
    """Return the levels and the polarity shifts of judge cells on original media, in the order given.

    Args:
        cells: scored cells; those that no variant of `VARIANTS` asks are passed over.
        samples: samples by id, by dataset.
        tested: the models under test.
        resampler: the seed, and the number of resamples and random swaps.
    """
    chosen = {
        cell: loaded
        for cell, loaded in cells.items()
        if cell.task == "judge" and cell.representation == "original" and cell.strategy in VARIANTS
    }
    levels: list[LevelRow] = []
    shifts: list[ShiftRow] = []
    for dataset in dict.fromkeys(cell.dataset for cell in chosen):
        mine = {cell: loaded for cell, loaded in chosen.items() if cell.dataset == dataset}
        about = samples[dataset]
        scale = scale_of(next(iter(mine.values())).kind, about)
        found = [
            level_row(cell, loaded.predictions, about, scale, resampler) for cell, loaded in mine.items()
        ]
        levels += [row for row in found if row is not None]
        by_name = {(cell.model, cell.strategy): loaded.predictions for cell, loaded in mine.items()}
        variants = {
            model: (by_name[model, POSITIVE], by_name[model, NEGATIVE])
            for model in dict.fromkeys(cell.model for cell in mine)
            if (model, POSITIVE) in by_name and (model, NEGATIVE) in by_name
        }
        shifts += shift_rows(dataset, variants, about, scale=scale, tested=tested, resampler=resampler)
    return levels, shifts
