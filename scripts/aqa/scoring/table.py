"""The predictions of a cell as arrays, and every number that follows from them.

Policies for unusable answers (any outcome but ok): `strict` counts them as wrong for their true class;
for a score as the end of the scale farther from the truth (relative l2) or its middle (Spearman).
`answered` leaves them out. Chance is what uniform guessing over all options of a question (recall 1 /
options for every class, so balanced accuracy 1 / options), or over the scale, is expected to reach on
the same rows in the same unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from aqa.errors import UserError
from aqa.records import Prediction, Question
from aqa.scoring import metrics
from aqa.scoring.estimates import Dropped, Estimate, Ready, estimated, joined, undefined
from aqa.scoring.intervals import Resampler
from aqa.scoring.metrics import BoolArray, FloatArray, IntArray, Score
from aqa.scoring.rows import ALL, Policy, Unit
from aqa.scoring.statistics import (
    BalancedAccuracy,
    Layout,
    MeanOf,
    RelativeL2,
    Spearman,
    Statistic,
    Unranked,
)

Limits: TypeAlias = tuple[float, float]
"""The least and the greatest evaluated truth."""

BOUNDS = {
    "balanced_accuracy": (0.0, 1.0),
    "spearman": (-1.0, 1.0),
    "relative_l2": (0.0, math.inf),
    "relative_l2_root": (0.0, math.inf),
}


@dataclass(frozen=True)
class Rows:
    """What the rows of every cell have; columns of equal length, names as codes.

    `exercise` counts in `exercises`, `question` in `questions` (exercise, item). `repeat` counts from 0.
    """

    exercises: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]
    exercise: IntArray
    question: IntArray
    subject: IntArray
    repeat: IntArray
    usable: BoolArray

    @property
    def of_repeats(self) -> list[BoolArray]:
        """Which rows are of each repeat."""
        return [self.repeat == repeat for repeat in np.unique(self.repeat)]

    def where(self, rows: BoolArray) -> Rows:
        """Return some of the rows; all codes stay."""
        columns = ("exercise", "question", "subject", "repeat", "usable")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def subjects(self, chosen: BoolArray) -> IntArray:
        """Return the subjects of the chosen rows, sorted: cluster i of `clusters` is the i-th."""
        return np.unique(self.subject[chosen])

    def chosen(self, scope: str, policy: Policy) -> BoolArray:
        """Return which rows count: those of an exercise or all, under the policy."""
        inside = np.ones(len(self.usable), dtype=np.bool_)
        if scope != ALL:
            inside = self.exercise == self.exercises.index(scope)
        return inside & self.usable if policy == "answered" else inside

    def clusters(self, chosen: BoolArray) -> IntArray:
        """Return the cluster codes, from 0 without gaps, of the chosen rows."""
        return _codes(self.subject[chosen])[1]


@dataclass(frozen=True)
class Choices:
    """A classification cell; `truth` as codes, `chance` is 1 / options of each row's question."""

    rows: Rows
    truth: IntArray
    classes: tuple[str, ...]
    correct: BoolArray
    chance: FloatArray

    metrics = ("balanced_accuracy",)

    def units(self) -> tuple[Unit, ...]:
        """Return the units that give different numbers: two where an exercise has several items."""
        several = len(self.rows.questions) > len(self.rows.exercises)
        return ("item", "exercise") if several else ("item",)

    def same_as(self, _metric: str, unit: Unit, _scope: str) -> Unit:
        """Return the unit that gives the same number in the scope; here it always matters."""
        return unit

    def estimate(self, metric: str, policy: Policy, unit: Unit, scope: str, resampler: Resampler) -> Estimate:
        """Return balanced accuracy over the rows in scope, in the unit, under the policy."""
        return estimated(self.ready(metric, policy, unit, scope), BOUNDS[metric], resampler)

    def statistic(self, metric: str, unit: Unit, policy: Policy = "strict") -> Statistic | None:
        """Return a metric over all rows under a policy, None where it is undefined."""
        return joined(self.ready(metric, policy, unit, ALL))

    def ready(self, metric: str, policy: Policy, unit: Unit, scope: str) -> list[Ready]:
        """Return a metric of each repeat; undefined for another metric than balanced accuracy."""
        if metric not in self.metrics:
            return []
        return [self._where(rows)._ready(policy, unit, scope) for rows in self.rows.of_repeats]

    def _where(self, rows: BoolArray) -> Choices:
        columns = {name: getattr(self, name)[rows] for name in ("truth", "correct", "chance")}
        return replace(self, rows=self.rows.where(rows), **columns)

    def _ready(self, policy: Policy, unit: Unit, scope: str) -> Ready:
        chosen = self.rows.chosen(scope, policy)
        unit_codes = self.rows.question if unit == "item" else self.rows.exercise
        kept, dropped = self._balanced(chosen, unit_codes, unit)
        if not kept.any():
            reason = metrics.NOTHING
            if chosen.any():
                reason = dropped[0].reason if len(dropped) == 1 else "one class in the truth of every unit"
            return undefined(reason, int(chosen.sum()), dropped)
        pair, layout = self._layout(unit_codes[kept], kept)
        statistic = BalancedAccuracy(self.correct[kept], pair, self.rows.clusters(kept), layout)
        value = statistic(np.ones((1, statistic.n_clusters))).values[0]
        guessed = np.bincount(pair, weights=self.chance[kept]) / np.bincount(pair)
        chance = layout.average(guessed[None], np.ones((1, len(guessed)), dtype=np.bool_))[0]
        subjects = self.rows.subjects(kept)
        return Ready(Score(float(value)), float(chance), statistic, subjects, int(chosen.sum()), dropped)

    def _balanced(
        self, chosen: BoolArray, unit_codes: IntArray, unit: Unit
    ) -> tuple[BoolArray, tuple[Dropped, ...]]:
        """Leave out the units whose truth holds one class."""
        n_units = int(unit_codes.max()) + 1
        table = np.zeros((n_units, len(self.classes)), dtype=np.int64)
        np.add.at(table, (unit_codes[chosen], self.truth[chosen]), 1)
        poor = (table > 0).sum(axis=1) < 2
        dropped = []
        for code in np.flatnonzero(poor & (table.sum(axis=1) > 0)):
            exercise, item = self.rows.questions[code] if unit == "item" else (self.rows.exercises[code], "")
            reason = f"one class in the truth ('{self.classes[int(table[code].argmax())]}')"
            dropped.append(Dropped(exercise, item, int(table[code].sum()), reason))
        return chosen & ~poor[unit_codes], tuple(dropped)

    def _layout(self, unit_codes: IntArray, kept: BoolArray) -> tuple[IntArray, Layout]:
        unit_first, units = _codes(unit_codes)
        pair_first, pairs = _codes(units * len(self.classes) + self.truth[kept])
        _, exercises = _codes(self.rows.exercise[kept])
        return pairs, Layout(pair_unit=units[pair_first], unit_exercise=exercises[unit_first])


@dataclass(frozen=True)
class Scores:
    """A regression cell; `prediction` is NaN where there is none, the scale is [minimum, maximum].

    `limits` holds the limits of the evaluated truth for each exercise, and under `all` for the dataset.
    """

    rows: Rows
    truth: FloatArray
    prediction: FloatArray
    minimum: float
    maximum: float
    limits: dict[str, Limits]

    metrics = ("spearman", "relative_l2", "relative_l2_root")

    def units(self) -> tuple[Unit, ...]:
        """Return the units that give different numbers: two where there are several exercises."""
        return ("item", "exercise") if len(self.rows.exercises) > 1 else ("item",)

    def same_as(self, metric: str, unit: Unit, scope: str) -> Unit:
        """Return the unit that gives the same number in the scope: ranks in one exercise know no unit."""
        return "item" if metric == "spearman" and scope != ALL else unit

    def estimate(self, metric: str, policy: Policy, unit: Unit, scope: str, resampler: Resampler) -> Estimate:
        """Return a metric over the rows in scope: pooled (unit item), or the mean over exercises.

        The range is that of the dataset's truth in unit item, each exercise's own in unit exercise.
        """
        return estimated(self.ready(metric, policy, unit, scope), BOUNDS[metric], resampler)

    def statistic(self, metric: str, unit: Unit, policy: Policy = "strict") -> Statistic | None:
        """Return a metric over all rows under a policy, None where it is undefined.

        Unit exercise: the mean over the exercises where it is defined.
        """
        return joined(self.ready(metric, policy, unit, ALL))

    def ready(self, metric: str, policy: Policy, unit: Unit, scope: str) -> list[Ready]:
        """Return a metric of each repeat.

        Answers that are all the same rank nothing. Alone they have no rank correlation; in a mean over
        exercises or repeats of which others have one they count as 0, so that no refusal of a whole exercise
        makes the mean better.
        """
        parts = [self._where(rows) for rows in self.rows.of_repeats]
        repeats = [part._ready(metric, policy, unit, scope) for part in parts]
        if all(one.statistic is None for one in repeats):
            return repeats
        return [
            part._ready(metric, policy, unit, scope, among=True) if one.statistic is None else one
            for part, one in zip(parts, repeats, strict=True)
        ]

    def _where(self, rows: BoolArray) -> Scores:
        columns = {name: getattr(self, name)[rows] for name in ("truth", "prediction")}
        return replace(self, rows=self.rows.where(rows), **columns)

    def _ready(self, metric: str, policy: Policy, unit: Unit, scope: str, *, among: bool = False) -> Ready:
        """Return a metric; `among`: in a mean with others that are defined."""
        chosen = self.rows.chosen(scope, policy)
        n = int(chosen.sum())
        if not n:
            return undefined(metrics.NOTHING)
        parts = {ALL: chosen}
        if unit == "exercise":
            names = self.rows.exercises if scope == ALL else (scope,)
            parts = {name: chosen & self.rows.chosen(name, policy) for name in names}
        found = {name: self._score(metric, part, self.limits[name]) for name, part in parts.items()}
        if among or any(score.reason is None for score in found.values()):
            found = {name: _in_a_mean(score) for name, score in found.items()}
        dropped = tuple(
            Dropped("" if name == ALL else name, "", int(parts[name].sum()), score.reason)
            for name, score in found.items()
            if score.reason is not None
        )
        parts = {name: part for name, part in parts.items() if math.isfinite(found[name].value)}
        if not parts:
            return undefined(dropped[0].reason, n)
        return Ready(
            Score(_mean(found[name].value for name in parts)),
            _mean(self._chance(metric, part, self.limits[name]) for name, part in parts.items()),
            self._statistic(metric, parts),
            self.rows.subjects(np.any(list(parts.values()), axis=0)),
            n,
            dropped,
        )

    def _filled(self, metric: str, part: BoolArray) -> FloatArray:
        """Return the predictions, and for unusable answers what the strict policy puts in their place."""
        middle = (self.minimum + self.maximum) / 2
        farther = np.where(self.truth[part] < middle, self.maximum, self.minimum)
        instead = middle if metric == "spearman" else farther
        return np.where(self.rows.usable[part], self.prediction[part], instead)

    def _score(self, metric: str, part: BoolArray, limits: Limits) -> Score:
        truth, prediction = self.truth[part], self._filled(metric, part)
        if metric == "spearman":
            return metrics.spearman(truth, prediction)
        if metric == "relative_l2":
            return metrics.relative_l2(truth, prediction, *limits)
        return metrics.relative_l2_root(truth, prediction, *limits)

    def _chance(self, metric: str, part: BoolArray, limits: Limits) -> float:
        if metric == "spearman":
            return 0.0
        squared = metrics.chance_relative_l2(self.truth[part], *limits, self.minimum, self.maximum)
        return squared if metric == "relative_l2" else math.sqrt(squared)

    def _statistic(self, metric: str, parts: dict[str, BoolArray]) -> Statistic:
        inside = np.any(list(parts.values()), axis=0)
        cluster = np.zeros(len(inside), dtype=np.int64)
        cluster[inside] = self.rows.clusters(inside)
        statistics: list[Statistic] = []
        for name, part in parts.items():
            truth, prediction = self.truth[part], self._filled(metric, part)
            low, high = self.limits[name]
            if metric != "spearman":
                width, root = high - low, metric != "relative_l2"
                statistics.append(RelativeL2(truth, prediction, cluster[part], width, root=root))
            elif prediction.min() == prediction.max():
                statistics.append(Unranked(cluster[part]))
            else:
                statistics.append(Spearman(truth, prediction, cluster[part]))
        return statistics[0] if len(statistics) == 1 else MeanOf(statistics)


def choices(predictions: Sequence[Prediction], questions: Sequence[Question]) -> Choices:
    """Return the rows of a classification cell; `questions` are parallel to `predictions`.

    Raises:
        UserError: a question is no choice.
    """
    for question in questions:
        if not question.options:
            raise UserError(f"item '{question.item}' is no choice; score this dataset with --kind regression")
    classes, truth = np.unique([str(row.truth) for row in predictions], return_inverse=True)
    return Choices(
        rows=_rows(predictions),
        truth=truth,
        classes=tuple(classes.tolist()),
        correct=np.array([row.prediction == row.truth for row in predictions], dtype=np.bool_),
        chance=np.array([1 / len(question.options or ()) for question in questions], dtype=np.float64),
    )


def scores(
    predictions: Sequence[Prediction], questions: Sequence[Question], limits: dict[str, Limits]
) -> Scores:
    """Return the rows of a regression cell; `questions` are parallel to `predictions`.

    Raises:
        UserError: as `scale`.
    """
    _, minimum, maximum = scale(questions)
    values = [math.nan if row.prediction is None else row.prediction for row in predictions]
    return Scores(
        rows=_rows(predictions),
        truth=np.array([row.truth for row in predictions], dtype=np.float64),
        prediction=np.array(values, dtype=np.float64),
        minimum=minimum,
        maximum=maximum,
        limits=limits,
    )


def scale(questions: Sequence[Question]) -> tuple[str, float, float]:
    """Return the item, the minimum and the maximum of the one score that a cell asks for.

    Raises:
        UserError: a question is no score on a scale, or there are several scales.
    """
    scales = set()
    for question in questions:
        if question.options is not None or question.minimum is None or question.maximum is None:
            raise UserError(
                f"item '{question.item}' is no score with a minimum and a maximum; score this dataset with "
                "--kind classification, or give the question its scale"
            )
        scales.add((question.item, question.minimum, question.maximum))
    if len(scales) > 1:
        raise UserError(f"the cell asks for {len(scales)} different scores; a dataset has one")
    return scales.pop()


def _rows(predictions: Sequence[Prediction]) -> Rows:
    exercises = sorted({row.exercise for row in predictions})
    if ALL in exercises:
        raise UserError(
            f"an exercise is named '{ALL}', the name of the scope of all; rename it in the dataset"
        )
    questions = sorted({(row.exercise, row.item) for row in predictions})
    exercise_codes = {name: code for code, name in enumerate(exercises)}
    question_codes = {name: code for code, name in enumerate(questions)}
    return Rows(
        exercises=tuple(exercises),
        questions=tuple(questions),
        exercise=np.array([exercise_codes[row.exercise] for row in predictions], dtype=np.int64),
        question=np.array([question_codes[row.exercise, row.item] for row in predictions], dtype=np.int64),
        subject=np.unique([row.subject for row in predictions], return_inverse=True)[1],
        repeat=np.array([row.repeat for row in predictions], dtype=np.int64),
        usable=np.array([row.outcome == "ok" for row in predictions], dtype=np.bool_),
    )


def _in_a_mean(score: Score) -> Score:
    """Return what a score counts as beside others that are defined; its reason stays, for the notes."""
    if score.reason == metrics.CONSTANT_PREDICTIONS:
        return Score(0.0, metrics.COUNTED_AS_0)
    return score


def _codes(values: IntArray) -> tuple[IntArray, IntArray]:
    """Return where each distinct value first occurs, and every value's code (from 0, no gaps)."""
    _, first, codes = np.unique(values, return_index=True, return_inverse=True)
    return first, codes


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
