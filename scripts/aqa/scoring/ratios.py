"""A ratio of two sums over rows, as a function of cluster weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aqa.scoring.intervals import Bounds, Interval, Resampler, interval, missing
from aqa.scoring.metrics import FloatArray
from aqa.scoring.statistics import Resampled

SHARE: Bounds = (0.0, 1.0)


class Ratio:
    """The sum of `hits` over the sum of `counts`, each row in one cluster."""

    def __init__(self, hits: FloatArray, counts: FloatArray, clusters: Sequence[str]) -> None:
        """Sum per cluster; `hits`, `counts` and the names of `clusters` are parallel, shape (rows,)."""
        names, codes = np.unique(np.asarray(clusters, dtype=np.str_), return_inverse=True)
        self.n_clusters = len(names)
        self.hits = np.bincount(codes, weights=hits, minlength=len(names))
        self.counts = np.bincount(codes, weights=counts, minlength=len(names))

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `aqa.scoring.statistics.Statistic`; NaN, and lost, where nothing is counted."""
        counts = weights @ self.counts
        lost = counts <= 0
        values = weights @ self.hits / np.where(lost, 1.0, counts)
        return Resampled(np.where(lost, np.nan, values), lost)


def ratio(
    hits: Sequence[float],
    counts: Sequence[float],
    clusters: Sequence[str],
    resampler: Resampler,
    bounds: Bounds = SHARE,
) -> tuple[float, Interval]:
    """Return a ratio with its interval over clusters; NaN without anything counted.

    Clusters in which nothing is counted have no part in it, and are left out.
    """
    rows = [place for place, count in enumerate(counts) if count > 0]
    if not rows:
        return float("nan"), missing(0, "nothing is counted")
    kept = np.asarray([[hits[place], counts[place]] for place in rows], dtype=np.float64)
    statistic = Ratio(kept[:, 0], kept[:, 1], [clusters[place] for place in rows])
    value = float(kept[:, 0].sum() / kept[:, 1].sum())
    return value, interval(statistic, resampler, bounds)
