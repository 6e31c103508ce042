"""Confidence intervals of a statistic by resampling whole clusters (design decision 7)."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqa.scoring.metrics import FloatArray
from aqa.scoring.statistics import PairStatistic, Statistic

LEVEL = 0.95
"""Confidence level of every interval."""

FEW_CLUSTERS = 30
"""With fewer clusters the bootstrap is too narrow; the jackknife-t serves instead.

The kinds of intervals were chosen by what they cover in simulated studies of the sizes of the real
datasets: tests/bench/bench_coverage.py prints it.
"""

MAX_BLOCKS = 10
"""At most this many times the wanted resamples are drawn in search of ones that lose no class."""

MIN_KEPT = 0.2
"""If a smaller share of resamples keeps every class, redrawing would distort: see `interval`."""

DRAWN = 500
"""Resamples drawn at once; the draws depend on it."""

FREED = 24 << 20
"""Bytes of a block that is freed first: `Resampler` says why."""

Method: TypeAlias = Literal[
    "cluster-expanded-percentile",
    "cluster-jackknife-t",
    "dyadic-jackknife-t",
    "pigeonhole-jackknife-t",
    "none",
]

Bounds: TypeAlias = tuple[float, float]
"""The least and the greatest value that a metric can take."""

ANY: Bounds = (-math.inf, math.inf)

DISTANCE: Bounds = (0.0, math.inf)
"""The bounds of a distance, whose error grows with it."""


class Interval(NamedTuple):
    """An interval, how it was made, over how many clusters, and what a reader must know.

    `redrawn` counts resamples that lost a class and were drawn again. `note` is None, or why there is
    no interval, or why it is weak.
    """

    low: float
    high: float
    method: Method
    n_clusters: int
    redrawn: int = 0
    note: str | None = None


class Resampler:
    """Draws cluster weights; the same for every statistic over the same number of clusters.

    So two cells over the same samples see the same resamples. Draws are kept, one array of bytes a
    number of clusters and block.
    """

    def __init__(self, seed: int, resamples: int) -> None:
        """Set the seed and the number of resamples of a block."""
        self.seed = seed
        self.resamples = resamples
        self._drawn: dict[tuple[int, int], NDArray[np.uint8]] = {}
        # Once a block of this size was freed, glibc keeps smaller ones for the next array. Without it each
        # chunk's arrays go back to the system, and getting them anew costs more than computing them.
        np.empty(FREED, dtype=np.uint8)

    def weights(self, n_clusters: int, block: int = 0) -> NDArray[np.uint8]:
        """Return how often each cluster is drawn, shape (resamples, n_clusters); rows sum to n_clusters."""
        place = (n_clusters, block)
        if place not in self._drawn:
            self._drawn[place] = self._draw(n_clusters, block)
        return self._drawn[place]

    def _draw(self, n_clusters: int, block: int) -> NDArray[np.uint8]:
        generator = np.random.default_rng([self.seed, n_clusters, block])
        # The draws of a cluster lie together: the statistics read them in this order.
        weights = np.empty((self.resamples, n_clusters), dtype=np.uint8, order="F")
        for start in range(0, self.resamples, DRAWN):
            part = weights[start : start + DRAWN]
            drawn = generator.integers(0, n_clusters, size=part.shape)
            drawn += np.arange(len(part))[:, None] * n_clusters
            part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
        return weights


def interval(statistic: Statistic, resampler: Resampler, bounds: Bounds = ANY) -> Interval:
    """Return the 95 % interval of a statistic over rows that each belong to one cluster.

    From 30 clusters: the percentile bootstrap, its tails widened as Student's t is wider than a normal
    distribution, and by the bias of a variance over n clusters (T. C. Hesterberg, What teachers should
    know about the bootstrap, The American Statistician 69(4), 2015, section 5.2). A resample that loses a
    class (or all spread) is drawn again and counted; where fewer than a fifth of the resamples keep every
    class (many questions with rare answers), none is drawn again, each is averaged over the units that it
    keeps, and `note` says so. Fewer clusters: the jackknife with Student's t on the degrees of freedom of
    equally busy clusters (`freedom`; on clusters - 1, those of very different size cover too rarely), of
    the logarithm where the metric is a distance, cut at `bounds`.
    """
    if statistic.n_clusters < 2:
        return missing(statistic.n_clusters, "one cluster")
    if statistic.n_clusters < FEW_CLUSTERS:
        return _jackknife(statistic, bounds)
    return _percentile(statistic, resampler)


def pair_interval(statistic: PairStatistic, bounds: Bounds = ANY) -> Interval:
    """Return the 95 % interval of a statistic over pairs, each of two subjects (no randomness).

    A resample over subjects counts a pair's own noise twice, once for each subject. So from 30 subjects
    the variance is that of the jackknife over subjects less that of the jackknife over pairs, never below
    the latter (the dyadic-robust variance of P. M. Aronow, C. Samii and V. A. Assenova, Political Analysis
    23(4), 2015, in its jackknife form). With fewer subjects that is too narrow and nothing is subtracted.
    Student's t has the degrees of freedom of equally busy subjects (`freedom`); cut at `bounds`.
    """
    n_clusters = statistic.n_clusters
    if n_clusters < 2:
        return missing(n_clusters, "one cluster")
    return _jackknife(statistic, bounds, statistic)


def freedom(statistic: Statistic) -> float:
    """Return the degrees of freedom of as many clusters as would be as informative if all were equally busy.

    That is Kish's effective number, (sum of sizes)^2 / sum of squared sizes, less one; clusters - 1 where all
    have the same size, and never below 1.
    """
    busy = statistic.busyness()
    return max(1.0, float(busy.sum() ** 2 / (busy @ busy)) - 1)


def missing(n_clusters: int, reason: str) -> Interval:
    """Return no interval, with the reason."""
    return Interval(math.nan, math.nan, "none", n_clusters, 0, reason)


def _percentile(statistic: Statistic, resampler: Resampler) -> Interval:
    n_clusters, wanted = statistic.n_clusters, resampler.resamples
    blocks: list[FloatArray] = []
    losses: list[NDArray[np.bool_]] = []
    for block in range(MAX_BLOCKS):
        values, lost = _block(statistic, resampler.weights(n_clusters, block))
        blocks.append(values)
        losses.append(lost)
        kept = int(sum((~lost).sum() for lost in losses))
        if kept >= wanted or (block == 0 and kept < MIN_KEPT * wanted):
            break
    values, lost = np.concatenate(blocks), np.concatenate(losses)
    note = None
    if kept >= wanted:
        chosen = np.flatnonzero(~lost)[:wanted]
        redrawn = int(chosen[-1]) + 1 - wanted
        values = values[chosen]
    else:
        redrawn = 0
        values, lost = values[:wanted], lost[:wanted]
        note = f"{int(lost.sum())} of {wanted} resamples lost a class and leave its unit out"
        values = values[np.isfinite(values)]
        if len(values) < wanted / 2:
            return missing(n_clusters, "undefined in most resamples")
    tail = tail_of(n_clusters)
    low, high = (float(value) for value in np.quantile(values, [tail, 1 - tail]))
    return Interval(low, high, "cluster-expanded-percentile", n_clusters, redrawn, note or _width(low, high))


def tail_of(n_clusters: int) -> float:
    """Return the share of resamples beyond each end of a percentile interval over so many clusters."""
    from scipy.special import ndtr, stdtrit

    reach = math.sqrt(n_clusters / (n_clusters - 1)) * float(stdtrit(n_clusters - 1, (1 + LEVEL) / 2))
    return float(ndtr(-reach))


def _block(statistic: Statistic, weights: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.bool_]]:
    step = statistic.chunk
    parts = [
        statistic(weights[start : start + step].astype(np.float64)) for start in range(0, len(weights), step)
    ]
    return np.concatenate([part.values for part in parts]), np.concatenate([part.lost for part in parts])


def _jackknife(statistic: Statistic, bounds: Bounds, pairs: PairStatistic | None = None) -> Interval:
    from scipy.special import stdtrit

    n_clusters = statistic.n_clusters
    estimate = float(statistic(np.ones((1, n_clusters))).values[0])
    values, lost = _left_out(statistic)
    if not np.isfinite(values).all():
        return missing(n_clusters, "undefined without one of the clusters")
    log = bounds == DISTANCE and estimate > 0 and bool((values > 0).all())
    if log:
        estimate, values = math.log(estimate), np.log(values)
    variance, method = _variance(values, pairs)
    reach = float(stdtrit(freedom(statistic), (1 + LEVEL) / 2)) * math.sqrt(variance)
    low, high = estimate - reach, estimate + reach
    if log:
        low, high = math.exp(low), math.exp(high)
    low, high = max(low, bounds[0]), min(high, bounds[1])
    note = f"{int(lost.sum())} of {n_clusters} clusters hold the whole of a class" if lost.any() else None
    return Interval(low, high, method, n_clusters, 0, note or _width(low, high))


def standard_error(statistic: Statistic, pairs: PairStatistic | None = None) -> tuple[float, float]:
    """Return the jackknife standard error over clusters, and its degrees of freedom.

    The standard error behind the jackknife intervals, whatever the number of clusters; `pairs` is the same
    statistic where it is one over pairs. NaN where it is undefined without one of the clusters, or where
    there is one cluster.
    """
    if statistic.n_clusters < 2:
        return math.nan, 0.0
    variance, _ = _variance(_left_out(statistic)[0], pairs)
    return math.sqrt(variance), freedom(statistic)


def _left_out(statistic: Statistic) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the statistic without each of the clusters in turn."""
    n_clusters = statistic.n_clusters
    parts = []
    for start in range(0, n_clusters, statistic.chunk):
        size = min(statistic.chunk, n_clusters - start)
        weights = np.ones((size, n_clusters))
        weights[np.arange(size), start + np.arange(size)] = 0.0
        parts.append(statistic(weights))
    return np.concatenate([part.values for part in parts]), np.concatenate([part.lost for part in parts])


def _variance(values: FloatArray, pairs: PairStatistic | None) -> tuple[float, Method]:
    """Return the variance of a statistic from its values without each cluster."""
    n_clusters = len(values)
    variance = (n_clusters - 1) * float(np.mean((values - values.mean()) ** 2))
    if pairs is None:
        return variance, "cluster-jackknife-t"
    if n_clusters < FEW_CLUSTERS:
        return variance, "pigeonhole-jackknife-t"
    own = pairs.pair_variance()
    return max(variance - own, own), "dyadic-jackknife-t"


def _width(low: float, high: float) -> str | None:
    return None if high > low else "zero width: the clusters do not differ"
