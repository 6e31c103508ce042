"""A ratio of two sums over rows, with its interval over clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aqa.scoring.intervals import Bounds, Interval, Resampler, interval, missing
from aqa.scoring.statistics import Ratio

SHARE: Bounds = (0.0, 1.0)


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
    names, codes = np.unique(np.asarray([clusters[place] for place in rows]), return_inverse=True)
    statistic = Ratio(kept[:, 0], kept[:, 1], codes, len(names))
    value = float(kept[:, 0].sum() / kept[:, 1].sum())
    return value, interval(statistic, resampler, bounds)
