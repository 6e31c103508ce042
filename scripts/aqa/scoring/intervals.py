"""Confidence intervals of a statistic by resampling whole clusters (design decision 7)."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqa.scoring.metrics import FloatArray
from aqa.scoring.statistics import Statistic

LEVEL = 0.95
"""Confidence level of every interval."""

FEW_CLUSTERS = 30
"""With fewer clusters the percentile bootstrap is too narrow; the jackknife-t serves instead."""

MAX_BLOCKS = 10
"""At most this many times the wanted resamples are drawn in search of ones that lose no class."""

MIN_KEPT = 0.2
"""If a smaller share of resamples keeps every class, redrawing would distort: see `interval`."""

CHUNK = 100
"""Resamples computed at once, for the cache's sake; no number depends on it."""

DRAWN = 500
"""Resamples drawn at once; the draws depend on it."""

Method: TypeAlias = Literal[
    "cluster-percentile",
    "cluster-jackknife-t",
    "pigeonhole-percentile",
    "pigeonhole-jackknife-t",
    "none",
]

Weighting: TypeAlias = Literal["cluster", "pigeonhole"]
"""What a resample weighs: a row by its cluster, or a pair by the product of its two clusters' weights."""

_PERCENTILE: dict[Weighting, Method] = {
    "cluster": "cluster-percentile",
    "pigeonhole": "pigeonhole-percentile",
}
_JACKKNIFE: dict[Weighting, Method] = {
    "cluster": "cluster-jackknife-t",
    "pigeonhole": "pigeonhole-jackknife-t",
}


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

    def weights(self, n_clusters: int, block: int = 0) -> NDArray[np.uint8]:
        """Return how often each cluster is drawn, shape (resamples, n_clusters); rows sum to n_clusters."""
        place = (n_clusters, block)
        if place not in self._drawn:
            self._drawn[place] = self._draw(n_clusters, block)
        return self._drawn[place]

    def _draw(self, n_clusters: int, block: int) -> NDArray[np.uint8]:
        generator = np.random.default_rng([self.seed, n_clusters, block])
        weights = np.empty((self.resamples, n_clusters), dtype=np.uint8)
        for start in range(0, self.resamples, DRAWN):
            part = weights[start : start + DRAWN]
            drawn = generator.integers(0, n_clusters, size=part.shape)
            drawn += np.arange(len(part))[:, None] * n_clusters
            part[:] = np.bincount(drawn.ravel(), minlength=part.size).reshape(part.shape)
        return weights


def interval(
    statistic: Statistic,
    resampler: Resampler,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    weighting: Weighting = "cluster",
) -> Interval:
    """Return the 95 % interval of a statistic.

    From 30 clusters: the percentile bootstrap. A resample that loses a class (or all spread) is drawn
    again and counted; where fewer than a fifth of the resamples keep every class (many questions with
    rare answers), none is drawn again, each is averaged over the units that it keeps, and `note` says
    so. Fewer clusters: the jackknife with Student's t on clusters - 1 degrees of freedom, cut at
    `bounds`, the least and greatest value that the metric can take. `weighting` says what the statistic
    does with weights; the interval is named for it.
    """
    if statistic.n_clusters < 2:
        return missing(statistic.n_clusters, "one cluster")
    if statistic.n_clusters < FEW_CLUSTERS:
        return _jackknife(statistic, bounds, weighting)
    return _percentile(statistic, resampler, weighting)


def missing(n_clusters: int, reason: str) -> Interval:
    """Return no interval, with the reason."""
    return Interval(math.nan, math.nan, "none", n_clusters, 0, reason)


def _percentile(statistic: Statistic, resampler: Resampler, weighting: Weighting) -> Interval:
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
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(
        float(low), float(high), _PERCENTILE[weighting], n_clusters, redrawn, note or _width(low, high)
    )


def _block(statistic: Statistic, weights: NDArray[np.uint8]) -> tuple[FloatArray, NDArray[np.bool_]]:
    parts = [
        statistic(weights[start : start + CHUNK].astype(np.float64))
        for start in range(0, len(weights), CHUNK)
    ]
    return np.concatenate([part.values for part in parts]), np.concatenate([part.lost for part in parts])


def _jackknife(statistic: Statistic, bounds: tuple[float, float], weighting: Weighting) -> Interval:
    from scipy.special import stdtrit

    n_clusters = statistic.n_clusters
    estimate = float(statistic(np.ones((1, n_clusters))).values[0])
    values, lost = statistic(1.0 - np.eye(n_clusters))
    if not np.isfinite(values).all():
        return missing(n_clusters, "undefined without one of the clusters")
    error = math.sqrt((n_clusters - 1) * float(np.mean((values - values.mean()) ** 2)))
    reach = float(stdtrit(n_clusters - 1, (1 + LEVEL) / 2)) * error
    low, high = max(estimate - reach, bounds[0]), min(estimate + reach, bounds[1])
    note = f"{int(lost.sum())} of {n_clusters} clusters hold the whole of a class" if lost.any() else None
    return Interval(low, high, _JACKKNIFE[weighting], n_clusters, 0, note or _width(low, high))


def _width(low: float, high: float) -> str | None:
    return None if high > low else "zero width: the clusters do not differ"
