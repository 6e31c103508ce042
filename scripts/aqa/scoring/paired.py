"""Two cells over the same samples: their difference, its interval and its test (design decision 7).

Both cells' rows lie in one table in which every cluster stands twice, once for each cell; any statistic
with weights over such clusters gives both cells' values, and the values after swapping the two cells'
predictions in whole clusters. All repeats of a cluster are swapped together, and each cell's value is its
mean over repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from aqa.errors import UserError
from aqa.records import Prediction
from aqa.scoring.intervals import (
    ANY,
    FEW_CLUSTERS,
    LEVEL,
    Bounds,
    Interval,
    Resampler,
    freedom,
    interval,
    missing,
)
from aqa.scoring.metrics import FloatArray
from aqa.scoring.rows import Unit
from aqa.scoring.statistics import Resampled, Statistic
from aqa.scoring.table import Choices, Rows, Scores

EXACT = 13
"""Up to so many clusters all swaps are tried (2^13 = 8,192); beyond, random ones."""

POWER = 0.8
"""Power at which the minimum detectable effect is stated."""

TableT = TypeVar("TableT", Choices, Scores)


class Paired(NamedTuple):
    """The difference of a metric between two cells, first less second.

    `p` is two-sided, from sign-flip permutation; `swaps` counts the permutations behind it. `detectable`
    is the least true difference that a test at 5 % would find in 80 % of such studies; NaN where there is no
    interval. Everything is NaN where the metric is undefined for a cell.
    """

    first: float
    second: float
    interval: Interval
    p: float
    swaps: int
    detectable: float

    @property
    def difference(self) -> float:
        """First less second."""
        return self.first - self.second


class Difference:
    """A statistic over twice the clusters as the difference between their halves."""

    def __init__(self, both: Statistic) -> None:
        """Keep the statistic; clusters c and n_clusters + c are the same cluster in the two cells."""
        self.both = both
        self.n_clusters = both.n_clusters // 2
        self.chunk = both.chunk

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `statistics.Statistic`."""
        nothing = np.zeros_like(weights)
        first = self.both(np.concatenate([weights, nothing], axis=1))
        second = self.both(np.concatenate([nothing, weights], axis=1))
        return Resampled(first.values - second.values, first.lost | second.lost)

    def busyness(self) -> FloatArray:
        """See `statistics.Statistic`."""
        return self.both.busyness()[: self.n_clusters]

    def swapped(self, swaps: FloatArray) -> FloatArray:
        """Return the difference after swapping the cells' predictions in the clusters marked 1.

        Args:
            swaps: 0 or 1, shape (permutations, n_clusters).
        """
        kept = 1.0 - swaps
        first = self.both(np.concatenate([kept, swaps], axis=1)).values
        second = self.both(np.concatenate([swaps, kept], axis=1)).values
        return first - second


def common(
    first: Sequence[Prediction], second: Sequence[Prediction]
) -> tuple[list[Prediction], list[Prediction]]:
    """Return the rows that both cells have, in one order; repeats are matched by number.

    Repeats that one of the cells lacks are left out: only with as many answers to each sample are the two
    cells exchangeable.

    Raises:
        UserError: the same row has another truth or subject in the two cells.
    """
    places = [{(row.sample_id, row.item, row.repeat): row for row in rows} for rows in (first, second)]
    keys = sorted(places[0].keys() & places[1].keys())
    pairs = [(places[0][key], places[1][key]) for key in keys]
    for one, other in pairs:
        if (one.truth, one.subject, one.exercise) != (other.truth, other.subject, other.exercise):
            raise UserError(
                f"sample '{one.sample_id}' has another truth, subject or exercise in the two cells; score "
                "both again"
            )
    return [one for one, _ in pairs], [other for _, other in pairs]


def stack(first: TableT, second: TableT) -> TableT:
    """Return one table of both cells' rows; cluster c of the second becomes n_clusters + c."""
    if isinstance(first, Choices) and isinstance(second, Choices):
        return replace(
            first,
            rows=_stacked(first.rows, second.rows),
            truth=np.tile(first.truth, 2),
            correct=np.concatenate([first.correct, second.correct]),
            chance=np.tile(first.chance, 2),
        )
    assert isinstance(first, Scores)
    assert isinstance(second, Scores)
    return replace(
        first,
        rows=_stacked(first.rows, second.rows),
        truth=np.tile(first.truth, 2),
        prediction=np.concatenate([first.prediction, second.prediction]),
    )


def _stacked(first: Rows, second: Rows) -> Rows:
    n_clusters = int(first.subject.max()) + 1
    return replace(
        first,
        exercise=np.tile(first.exercise, 2),
        question=np.tile(first.question, 2),
        subject=np.concatenate([first.subject, first.subject + n_clusters]),
        repeat=np.tile(first.repeat, 2),
        usable=np.concatenate([first.usable, second.usable]),
    )


def compare(first: TableT, second: TableT, metric: str, unit: Unit, resampler: Resampler) -> Paired:
    """Return the difference of a metric between two cells over the same rows, under the strict policy."""
    one, other = (_value(table.statistic(metric, unit)) for table in (first, second))
    both = stack(first, second).statistic(metric, unit)
    if both is None or not math.isfinite(one - other):
        return Paired(one, other, missing(0, "undefined for a cell"), math.nan, 0, math.nan)
    return tested(Difference(both), one, other, resampler)


def tested(
    difference: Difference, first: float, second: float, resampler: Resampler, bounds: Bounds = ANY
) -> Paired:
    """Return a difference, of these two values, with its interval and its test."""
    found = interval(difference, resampler, bounds)
    p, swaps = permutation(difference, first - second, resampler)
    return Paired(first, second, found, p, swaps, _detectable(found, difference))


def permutation(difference: Difference, observed: float, resampler: Resampler) -> tuple[float, int]:
    """Return the two-sided p-value of a difference by sign-flip permutation, and the number of swaps.

    Under the null hypothesis the two cells' predictions are exchangeable within a cluster. Few clusters:
    all swaps, the observed one among them. Otherwise random swaps, the observed one added, so that p is
    never 0. Swaps in which the metric is undefined count as extreme.
    """
    n_clusters = difference.n_clusters
    if n_clusters <= EXACT:
        numbers = np.arange(2**n_clusters)[:, None]
        swaps = (numbers >> np.arange(n_clusters) & 1).astype(np.float64)
    else:
        generator = np.random.default_rng([resampler.seed, n_clusters, 1])
        swaps = generator.integers(0, 2, (resampler.resamples, n_clusters)).astype(np.float64)
    step = difference.chunk
    parts = [difference.swapped(swaps[at : at + step]) for at in range(0, len(swaps), step)]
    values = np.concatenate(parts)
    extreme = ~(np.abs(values) < abs(observed) - 1e-12)
    if n_clusters <= EXACT:
        return float(extreme.mean()), len(swaps)
    return float((extreme.sum() + 1) / (len(swaps) + 1)), len(swaps)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given; NaN stays NaN and is not counted."""
    values = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    adjusted = np.full(len(values), math.nan)
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def _value(statistic: Statistic | None) -> float:
    if statistic is None:
        return math.nan
    return float(statistic(np.ones((1, statistic.n_clusters))).values[0])


def _detectable(found: Interval, difference: Difference) -> float:
    """Return the minimum detectable effect of a difference with such an interval."""
    from scipy.special import stdtrit

    if not math.isfinite(found.low) or found.n_clusters < 2:
        return math.nan
    degrees = freedom(difference) if found.n_clusters < FEW_CLUSTERS else found.n_clusters - 1
    critical = float(stdtrit(degrees, (1 + LEVEL) / 2))
    error = (found.high - found.low) / 2 / critical
    return (critical + float(stdtrit(degrees, POWER))) * error
