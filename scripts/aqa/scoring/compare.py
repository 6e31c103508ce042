"""Scoring the compare task: which of two samples is better, asked in both orders (design decision 8).

An observation is a pair: its answers in both orders (and all repeats) count together, so that under `strict`
a metric is its mean over repeats, and under `answered` each usable answer weighs the same. Intervals rest on
both of its subjects (`intervals.pair_interval`); leaving a subject out leaves out all of its pairs, the
product weights of the pigeonhole bootstrap (A. B. Owen, Annals of Applied Statistics 1(2), 2007).

Metrics. `accuracy`: share of answers that name the better sample; an unusable answer is wrong under
`strict` and left out under `answered`. `position_bias`: share of usable answers that say "first", less
one half; the same under both policies, 0 without bias. `consistency`: share of pairs of answers (one in
each order) that name the same sample; one unusable answer makes it inconsistent under `strict`, and leaves
it out under `answered`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aqa.errors import UserError
from aqa.records import Pair, Prediction, Response, Value
from aqa.scoring import metrics
from aqa.scoring.estimates import Dropped, Estimate
from aqa.scoring.intervals import Resampler, missing, pair_interval
from aqa.scoring.metrics import BoolArray, FloatArray, IntArray, Score
from aqa.scoring.parse import parse
from aqa.scoring.predict import Asked, matched, usable_outcome
from aqa.scoring.rows import ALL, Policy, Unit
from aqa.scoring.statistics import MeanOfPairs, PairRatio, PairStatistic

FIRST, SECOND = "first", "second"
ORDERS = ("anchor_first", "partner_first")

BOUNDS = {"accuracy": (0.0, 1.0), "position_bias": (-0.5, 0.5), "consistency": (0.0, 1.0)}
CHANCE = {"accuracy": 0.5, "position_bias": 0.0, "consistency": 0.5}


def predict_pairs(
    requests: Sequence[Asked], responses: Sequence[Response], pairs: Mapping[str, Pair]
) -> list[Prediction]:
    """Parse the answers of a compare cell.

    Args:
        requests: the cell's requests; the order of the result.
        responses: one for each request, found by key.
        pairs: the dataset's pairs by id, for the truth.

    Returns:
        One prediction a request: `sample_id` is the pair's id, `item` the order in which it was shown,
        `truth` and `prediction` are `first` or `second`.

    Raises:
        UserError: requests and answers do not match, a request is of an unknown pair or order, or a pair
            is not asked once in each order in each repeat.
    """
    answers = matched(requests, responses)
    predictions = []
    for request in requests:
        response = answers[request.key]
        (question,) = request.questions if len(request.questions) == 1 else (None,)
        if question is None or set(question.options or ()) != {FIRST, SECOND}:
            raise UserError(
                f"request of '{request.sample_id}' does not ask for first or second; render again"
            )
        value = parse(response.text, [question])[question.item] if response.outcome == "ok" else None
        predictions.append(
            Prediction(
                sample_id=request.sample_id,
                item=request.item,
                exercise=request.exercise,
                subject=request.subject,
                truth=_truth(request, pairs),
                prediction=value,
                outcome=usable_outcome(response.outcome, value),
                repeat=request.repeat,
            )
        )
    _check_orders(predictions)
    return predictions


def _truth(request: Asked, pairs: Mapping[str, Pair]) -> Value:
    pair = pairs.get(request.sample_id)
    if pair is None:
        raise UserError(f"pair '{request.sample_id}' is not in the file of pairs; render this cell again")
    if request.item not in ORDERS:
        raise UserError(f"pair '{request.sample_id}': '{request.item}' is no order; render this cell again")
    return FIRST if (pair.better == "anchor") == (request.item == ORDERS[0]) else SECOND


def _check_orders(predictions: Sequence[Prediction]) -> None:
    asked = {(row.sample_id, row.repeat, row.item) for row in predictions}
    for row in predictions:
        if len(asked) < len(predictions) or any((*_turn(row), order) not in asked for order in ORDERS):
            raise UserError(f"pair '{row.sample_id}' is not asked once in each order; render this cell again")


def _turn(row: Prediction) -> tuple[str, int]:
    return row.sample_id, row.repeat


class _Counts(NamedTuple):
    """What a metric counts of each pair, shape (pairs,): its value is sum(hits) / sum(counts)."""

    hits: FloatArray
    counts: FloatArray


@dataclass(frozen=True)
class PairRows:
    """What the rows of a compare cell have in common with other cells; see `table.Rows`."""

    exercises: tuple[str, ...]
    usable: BoolArray


@dataclass(frozen=True)
class Comparisons:
    """A compare cell.

    By row (answer): `rows.usable`. By pair: `exercise` (a code of `rows.exercises`), `subjects`, shape
    (pairs, 2), `total`, `usable`, `correct` and `first` (answers in both orders: all, usable, right,
    saying "first") and `couples`, `both`, `same` (answers in the two orders of a repeat: all, both usable,
    both naming the same sample).
    """

    rows: PairRows
    exercise: IntArray
    subjects: IntArray
    total: FloatArray
    usable: FloatArray
    correct: FloatArray
    first: FloatArray
    couples: FloatArray
    both: FloatArray
    same: FloatArray

    metrics = ("accuracy", "position_bias", "consistency")

    def units(self) -> tuple[Unit, ...]:
        """Return the units that give different numbers: two where there are several exercises."""
        return ("item", "exercise") if len(self.rows.exercises) > 1 else ("item",)

    def same_as(self, _metric: str, unit: Unit, scope: str) -> Unit:
        """Return the unit that gives the same number in the scope: in one exercise both pool its pairs."""
        return unit if scope == ALL else "item"

    def estimate(
        self, metric: str, policy: Policy, unit: Unit, scope: str, _resampler: Resampler
    ) -> Estimate:
        """Return a metric over the pairs in scope: pooled (unit item), or the mean over exercises."""
        statistic, dropped = self._ready(metric, policy, unit, scope)
        if statistic is None:
            return Estimate(metrics.undefined(metrics.NOTHING), CHANCE[metric], missing(0, metrics.NOTHING))
        value = statistic(np.ones((1, statistic.n_clusters))).values[0]
        found = pair_interval(statistic, BOUNDS[metric])
        return Estimate(Score(float(value)), CHANCE[metric], found, dropped)

    def statistic(self, metric: str, unit: Unit) -> PairStatistic | None:
        """Return a metric over all pairs under the strict policy, None where it is undefined."""
        return self._ready(metric, "strict", unit, ALL)[0]

    def _ready(
        self, metric: str, policy: Policy, unit: Unit, scope: str
    ) -> tuple[PairStatistic | None, tuple[Dropped, ...]]:
        counted = self._counted(metric, policy)
        names = self.rows.exercises if scope == ALL else (scope,)
        parts = {name: self.exercise == self.rows.exercises.index(name) for name in names}
        if unit == "item":
            parts = {scope: np.any(list(parts.values()), axis=0)}
        empty = {name for name, part in parts.items() if not counted.counts[part].any()}
        dropped = tuple(
            Dropped("" if name == ALL else name, "", int(self.total[parts[name]].sum()), metrics.NOTHING)
            for name in parts
            if name in empty
        )
        parts = {name: part for name, part in parts.items() if name not in empty}
        if not parts:
            return None, dropped
        return self._statistic(counted, parts, 0.5 if metric == "position_bias" else 0.0), dropped

    def _counted(self, metric: str, policy: Policy) -> _Counts:
        if metric == "accuracy":
            return _Counts(self.correct, self.total if policy == "strict" else self.usable)
        if metric == "position_bias":
            return _Counts(self.first, self.usable)
        return _Counts(self.same, self.couples if policy == "strict" else self.both)

    def _statistic(self, counted: _Counts, parts: Mapping[str, BoolArray], less: float) -> PairStatistic:
        inside = np.any(list(parts.values()), axis=0) & (counted.counts > 0)
        codes = np.unique(self.subjects[inside], return_inverse=True)[1].reshape(-1, 2)
        n_subjects = int(codes.max()) + 1
        subjects = np.zeros_like(self.subjects)
        subjects[inside] = codes
        ratios: list[PairStatistic] = [
            PairRatio(counted.hits[kept], counted.counts[kept], subjects[kept], n_subjects, less)
            for kept in (part & inside for part in parts.values())
        ]
        return ratios[0] if len(ratios) == 1 else MeanOfPairs(ratios)


def comparisons(predictions: Sequence[Prediction], pairs: Mapping[str, Pair]) -> Comparisons:
    """Return the rows of a compare cell, from the predictions of `predict_pairs`.

    Raises:
        UserError: an exercise is named `all`.
    """
    exercises = sorted({row.exercise for row in predictions})
    if ALL in exercises:
        raise UserError(f"an exercise is named '{ALL}', the name of the scope of all; rename it")
    place = {
        pair_id: code for code, pair_id in enumerate(dict.fromkeys(row.sample_id for row in predictions))
    }
    asked = [pairs[pair_id] for pair_id in place]
    names = [(pair.anchor_subject, pair.partner_subject) for pair in asked]
    at = np.array([place[row.sample_id] for row in predictions], dtype=np.int64)
    usable = np.array([row.outcome == "ok" for row in predictions], dtype=np.bool_)
    said_first = np.array([row.prediction == FIRST for row in predictions], dtype=np.bool_)
    right = np.array([row.prediction == row.truth for row in predictions], dtype=np.bool_)

    answers: dict[tuple[str, int], list[Value | None]] = {}
    for row in predictions:
        answers.setdefault(_turn(row), []).append(row.prediction if row.outcome == "ok" else None)
    turn = np.array([place[pair_id] for pair_id, _ in answers], dtype=np.int64)
    both = np.array([None not in said for said in answers.values()], dtype=np.bool_)
    # The same sample in both orders is another position.
    same = both & np.array([len(set(said)) == len(ORDERS) for said in answers.values()], dtype=np.bool_)

    def count(where: IntArray, what: BoolArray) -> FloatArray:
        return np.bincount(where, weights=what, minlength=len(place)).astype(np.float64)

    return Comparisons(
        rows=PairRows(tuple(exercises), usable),
        exercise=np.array([exercises.index(pair.exercise) for pair in asked], dtype=np.int64),
        subjects=np.unique(np.array(names), return_inverse=True)[1].reshape(-1, 2),
        total=count(at, np.ones_like(usable)),
        usable=count(at, usable),
        correct=count(at, usable & right),
        first=count(at, usable & said_first),
        couples=count(turn, np.ones_like(both)),
        both=count(turn, both),
        same=count(turn, same),
    )
