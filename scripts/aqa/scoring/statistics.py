"""The metrics as functions of cluster weights, vectorised over resamples.

A resample of clusters is a vector of weights: how often each cluster was drawn (1 everywhere: the data
as they are; one 0: the cluster left out). Each statistic keeps what it needs of the rows per cluster
and computes thousands of resamples at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from aqa.scoring.metrics import BoolArray, FloatArray, IntArray
from aqa.scoring.ranks import centred_ranks, squared

if TYPE_CHECKING:
    from scipy.sparse import csr_array


CACHED = 100_000
"""How many numbers of an array are worked on at once: about what a core's cache holds."""


class Resampled(NamedTuple):
    """A statistic of resamples.

    `values`, shape (resamples,): NaN where undefined. `lost`, shape (resamples,): the resample lacks a
    class, or a spread, that the data have; its value, if any, is that of what is left.
    """

    values: FloatArray
    lost: BoolArray


class Statistic(Protocol):
    """A metric as a function of cluster weights.

    `chunk` resamples are best computed at once, for the cache's sake; no number depends on it.
    """

    @property
    def chunk(self) -> int:
        """How many resamples to compute at once."""

    @property
    def n_clusters(self) -> int:
        """How many clusters the rows come from."""

    def __call__(self, weights: FloatArray) -> Resampled:
        """Compute the metric for weights of shape (resamples, n_clusters)."""

    def busyness(self) -> FloatArray:
        """Return how much each cluster counts (rows, or answers), shape (n_clusters,)."""


class PairStatistic(Statistic, Protocol):
    """A metric over pairs of clusters."""

    def pair_variance(self) -> float:
        """Return the jackknife variance of leaving out one couple of clusters (all its pairs) at a time."""


class Layout(NamedTuple):
    """How recalls are averaged: the classes of a unit, the units of an exercise, the exercises.

    `pair_unit`, shape (pairs,): the unit of each pair (unit, class present in its truth).
    `unit_exercise`, shape (units,): the exercise of each unit. Codes count from 0 without gaps.
    """

    pair_unit: IntArray
    unit_exercise: IntArray

    def average(self, recalls: FloatArray, present: BoolArray) -> FloatArray:
        """Average recalls of shape (rows, pairs) to shape (rows,).

        Pairs that are not `present` are left out; so is a unit with fewer than two classes present
        and an exercise without a unit; NaN where nothing is left.
        """
        in_unit = _one_hot(self.pair_unit)
        in_exercise = _one_hot(self.unit_exercise)
        classes = present @ in_unit
        units = np.where(present, recalls, 0.0) @ in_unit / np.maximum(classes, 1)
        usable = classes >= 2
        members = usable @ in_exercise
        exercises = np.where(usable, units, 0.0) @ in_exercise / np.maximum(members, 1)
        filled = members > 0
        count = filled.sum(axis=1)
        total = np.where(filled, exercises, 0.0).sum(axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def shares(self) -> FloatArray:
        """Return the weight of each pair where all are present, shape (pairs,); NaN if none is left."""
        classes = np.bincount(self.pair_unit)
        usable = classes >= 2
        members = np.bincount(self.unit_exercise, weights=usable)
        exercises = int((members > 0).sum())
        if not exercises:
            return np.full(len(self.pair_unit), np.nan)
        units = usable / np.maximum(members, 1)[self.unit_exercise] / exercises
        return (units / np.maximum(classes, 1))[self.pair_unit]


class BalancedAccuracy:
    """Balanced accuracy per unit, averaged in the exercise, then over exercises."""

    def __init__(self, correct: BoolArray, pair: IntArray, cluster: IntArray, layout: Layout) -> None:
        """Count per cluster.

        Args:
            correct: whether the prediction is the truth, shape (rows,).
            pair: the pair (unit, class of the truth) of each row, shape (rows,).
            cluster: cluster codes, from 0 without gaps, shape (rows,).
            layout: how the pairs are averaged.
        """
        self.n_clusters = int(cluster.max()) + 1
        self.layout = layout
        n_pairs = len(layout.pair_unit)
        cells = cluster * n_pairs + pair
        shape = (self.n_clusters, n_pairs)
        size = self.n_clusters * n_pairs
        totals = np.bincount(cells, minlength=size).reshape(shape).astype(np.float64)
        hits = np.bincount(cells, weights=correct, minlength=size).reshape(shape)
        self.sums = np.concatenate([totals.T, hits.T])
        self.n_pairs = n_pairs
        self.shares = layout.shares()
        self.chunk = _chunk(max(2 * n_pairs, self.n_clusters))

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        # Resamples run along the last axis, so that whole lines are compared and divided.
        sums = self.sums @ weights.T
        totals, hits = sums[: self.n_pairs], sums[self.n_pairs :]
        lost: BoolArray = np.equal(totals.min(axis=0), 0.0)
        lacking = np.flatnonzero(lost)
        present = totals[:, lacking] > 0
        if len(lacking):
            totals[:, lacking] = np.where(present, totals[:, lacking], 1.0)
        hits /= totals
        # Where nothing is left out the average is one weighted sum; that is nearly every resample.
        values: FloatArray = self.shares @ hits
        if len(lacking):
            values[lacking] = self.layout.average(hits[:, lacking].T, present.T)
        return Resampled(values, lost)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        rows: FloatArray = self.sums[: self.n_pairs].sum(axis=0)
        return rows


class RelativeL2:
    """The relative l2 distance, or its root; the range is fixed."""

    def __init__(
        self, truth: FloatArray, prediction: FloatArray, cluster: IntArray, width: float, *, root: bool
    ) -> None:
        """Sum squared errors per cluster; `width` is the range of the evaluated truth."""
        self.n_clusters = int(cluster.max()) + 1
        errors = ((prediction - truth) / width) ** 2
        self.sums = np.bincount(cluster, weights=errors, minlength=self.n_clusters)
        self.counts = np.bincount(cluster, minlength=self.n_clusters).astype(np.float64)
        self.root = root
        self.chunk = _chunk(self.n_clusters)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        counts = weights @ self.counts
        values = np.where(counts > 0, weights @ self.sums / np.maximum(counts, 1.0), np.nan)
        return Resampled(np.sqrt(values) if self.root else values, counts == 0)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        return self.counts


class Ratio:
    """The sum of the rows' `hits` over the sum of their `counts`: a mean, where each counts as one."""

    chunk = 1000

    def __init__(self, hits: FloatArray, counts: FloatArray, cluster: IntArray, n_clusters: int) -> None:
        """Sum per cluster; a cluster may have no row."""
        self.n_clusters = n_clusters
        self.hits = np.bincount(cluster, weights=hits, minlength=n_clusters).astype(np.float64)
        self.counts = np.bincount(cluster, weights=counts, minlength=n_clusters).astype(np.float64)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`; NaN, and lost, where nothing is counted."""
        counts = weights @ self.counts
        lost = counts <= 0
        return Resampled(np.where(lost, np.nan, weights @ self.hits / np.where(lost, 1.0, counts)), lost)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        return self.counts


class Spearman:
    """Spearman's rank correlation; ranks are taken anew in every resample."""

    def __init__(self, truth: FloatArray, prediction: FloatArray, cluster: IntArray) -> None:
        """Count rows per cluster and value; most clusters have few of the values."""
        from scipy.sparse import csr_array

        self.n_clusters = int(cluster.max()) + 1
        _, x = np.unique(truth, return_inverse=True)
        _, y = np.unique(prediction, return_inverse=True)
        self.x_counts = self._counts(cluster, x)
        self.y_counts = self._counts(cluster, y)
        (home, self.x, self.y), times = np.unique(np.stack([cluster, x, y]), axis=1, return_counts=True)
        self.homes = csr_array(
            (times.astype(np.float64), (home, np.arange(len(home)))), shape=(self.n_clusters, len(home))
        )
        self.chunk = _chunk(max(len(home), self.n_clusters))

    def _counts(self, cluster: IntArray, codes: IntArray) -> csr_array:
        from scipy.sparse import csr_array

        shape = (squared(int(codes.max()) + 1), self.n_clusters)
        return csr_array((np.ones(len(codes)), (codes, cluster)), shape=shape)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        # Resamples run along the last axis, so that picking rows copies whole lines.
        lines = np.ascontiguousarray(weights.T)
        x_ranks, x_spread = centred_ranks(self.x_counts @ lines)
        y_ranks, y_spread = centred_ranks(self.y_counts @ lines)
        products = np.take(x_ranks, self.x, axis=0)
        products *= np.take(y_ranks, self.y, axis=0)
        covariance = np.einsum("ij,ij->j", lines, self.homes @ products)
        spread = np.sqrt(x_spread * y_spread)
        lost = spread == 0
        values = np.clip(covariance / np.where(lost, 1.0, spread), -1.0, 1.0)
        return Resampled(np.where(lost, np.nan, values), lost)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        return np.asarray(self.x_counts.sum(axis=0), dtype=np.float64)


class Unranked:
    """Spearman's rank correlation of predictions that are all the same, where a mean counts it: 0."""

    chunk = 1000

    def __init__(self, cluster: IntArray) -> None:
        """Count rows per cluster."""
        self.counts = np.bincount(cluster).astype(np.float64)
        self.n_clusters = len(self.counts)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        return Resampled(np.zeros(len(weights)), np.zeros(len(weights), dtype=np.bool_))

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        return self.counts


class PairRatio:
    """A sum over pairs of clusters over another such sum, less a constant.

    A pair weighs as much as the product of the weights of its two clusters.
    """

    chunk = 100

    def __init__(
        self, hits: FloatArray, counts: FloatArray, clusters: IntArray, n_clusters: int, less: float = 0.0
    ) -> None:
        """Keep the pairs.

        Args:
            hits: what the numerator counts of each pair, shape (pairs,).
            counts: what the denominator counts, shape (pairs,).
            clusters: codes of each pair's two clusters, shape (pairs, 2).
            n_clusters: how many clusters there are.
            less: what is subtracted.
        """
        self.n_clusters = n_clusters
        self.first, self.second = clusters.T
        self.hits, self.counts, self.less = hits, counts, less

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        pairs = weights[:, self.first] * weights[:, self.second]
        counts = pairs @ self.counts
        lost = counts == 0
        values = pairs @ self.hits / np.where(lost, 1.0, counts) - self.less
        return Resampled(np.where(lost, np.nan, values), lost)

    def pair_variance(self) -> float:
        """See `PairStatistic`."""
        total = self.counts.sum()
        influence = (self.hits - self.hits.sum() / total * self.counts) / total
        return couple_variance(influence, self.first, self.second, self.n_clusters)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        return busyness(self.counts, self.first, self.second, self.n_clusters)


def couple_variance(influence: FloatArray, first: IntArray, second: IntArray, n_clusters: int) -> float:
    """Return the jackknife variance of leaving out one couple of clusters at a time.

    Args:
        influence: what leaving a pair out changes, to first order, shape (pairs,).
        first: code of each pair's one cluster, shape (pairs,).
        second: code of its other cluster.
        n_clusters: how many clusters there are.
    """
    low, high = np.minimum(first, second), np.maximum(first, second)
    _, couple = np.unique(low * n_clusters + high, return_inverse=True)
    sums = np.bincount(couple, weights=influence)
    return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)


def busyness(counts: FloatArray, first: IntArray, second: IntArray, n_clusters: int) -> FloatArray:
    """Return how much pairs that count so much make each cluster count, shape (n_clusters,)."""
    both = np.concatenate([first, second])
    return np.bincount(both, weights=np.tile(counts, 2), minlength=n_clusters).astype(np.float64)


class Within:
    """A statistic over some of the clusters of a whole."""

    def __init__(self, part: Statistic, clusters: IntArray, n_clusters: int) -> None:
        """Keep the part; its cluster i is cluster `clusters[i]` of the `n_clusters` of the whole."""
        self.part = part
        self.clusters = clusters
        self.n_clusters = n_clusters
        self.chunk = part.chunk

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`."""
        return self.part(weights[:, self.clusters])

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        total = np.zeros(self.n_clusters)
        total[self.clusters] = self.part.busyness()
        return total


class MeanOf:
    """The mean of one statistic per exercise, all over the same clusters."""

    def __init__(self, parts: Sequence[Statistic]) -> None:
        """Keep the parts; all use the cluster codes of the whole."""
        self.parts = tuple(parts)
        self.n_clusters = max(part.n_clusters for part in parts)
        self.chunk = min(part.chunk for part in parts)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `Statistic`; parts that are undefined in a resample are left out of its mean."""
        results = [part(weights[:, : part.n_clusters]) for part in self.parts]
        values = np.stack([result.values for result in results])
        defined = np.isfinite(values)
        count = defined.sum(axis=0)
        mean = np.where(defined, values, 0.0).sum(axis=0) / np.maximum(count, 1)
        lost = np.any([result.lost for result in results], axis=0)
        return Resampled(np.where(count > 0, mean, np.nan), lost)

    def busyness(self) -> FloatArray:
        """See `Statistic`."""
        total = np.zeros(self.n_clusters)
        for part in self.parts:
            busy = part.busyness()
            total[: len(busy)] += busy
        return total


class MeanOfPairs(MeanOf):
    """The mean of one statistic over pairs per exercise."""

    def __init__(self, parts: Sequence[PairStatistic]) -> None:
        """Keep the parts; all use the cluster codes of the whole."""
        super().__init__(parts)
        self.pairs = tuple(parts)

    def pair_variance(self) -> float:
        """See `PairStatistic`; a couple in several exercises counts once in each."""
        return sum(part.pair_variance() for part in self.pairs) / len(self.pairs) ** 2


def _chunk(numbers: int) -> int:
    """Return how many resamples to compute at once, each of so many numbers."""
    return min(max(CACHED // numbers, 50), 1000)


def _one_hot(codes: IntArray) -> FloatArray:
    matrix = np.zeros((len(codes), int(codes.max()) + 1))
    matrix[np.arange(len(codes)), codes] = 1.0
    return matrix
