"""How the odds of a right answer rise with the gap of a pair: logistic regression over pairs."""

from __future__ import annotations

import numpy as np

from aqa.scoring.metrics import FloatArray, IntArray
from aqa.scoring.statistics import Resampled, busyness, couple_variance

STEPS = 100
"""Most Newton steps."""

STEP = 1.0
"""Longest Newton step, in log-odds a standard deviation of the gap: it keeps the search from overshooting."""

FLAT = 1e-9
"""The search has ended where the gradient, a right answer, is no longer than this."""

STEEPEST = 15.0
"""Log-odds beyond this, of the level or a standard deviation of the gap, grow without end."""


class LogisticSlope:
    """The slope b of P(right) = 1 / (1 + exp(-(a + b gap))), by maximum likelihood.

    A `statistics.PairStatistic`: a pair weighs as much as the product of the weights of its two clusters.
    Undefined where it is not identified or not finite: one gap, all right or all wrong, or a gap that
    parts right from wrong.
    """

    chunk = 100

    def __init__(
        self, hits: FloatArray, counts: FloatArray, gaps: FloatArray, clusters: IntArray, n_clusters: int
    ) -> None:
        """Keep the pairs.

        Args:
            hits: right answers of each pair, shape (pairs,).
            counts: all answers of each pair, shape (pairs,); at least 1.
            gaps: the gap of each pair, shape (pairs,).
            clusters: codes of each pair's two clusters, shape (pairs, 2).
            n_clusters: how many clusters there are.
        """
        self.n_clusters = n_clusters
        self.first, self.second = clusters.T
        self.hits, self.counts = hits, counts
        self.middle, self.spread = float(gaps.mean()), float(gaps.std())
        self.x = (gaps - self.middle) / (self.spread or 1.0)

    def __call__(self, weights: FloatArray) -> Resampled:
        """See `statistics.Statistic`."""
        pairs = weights[:, self.first] * weights[:, self.second]
        fitted = np.array([self._fit(row)[1] for row in pairs]) / (self.spread or 1.0)
        return Resampled(fitted, np.isnan(fitted))

    def line(self) -> tuple[float, float]:
        """Return a and b for the pairs as they are; NaN where undefined."""
        level, slope = self._fit(np.ones(len(self.x)))
        slope /= self.spread or 1.0
        return level - slope * self.middle, slope

    def pair_variance(self) -> float:
        """See `statistics.PairStatistic`."""
        level, slope = self._fit(np.ones(len(self.x)))
        right = _right(level + slope * self.x)
        information = self._information(self.counts * right * (1 - right))
        errors = self.hits - self.counts * right
        moved = np.linalg.solve(information, np.stack([errors, errors * self.x]))[1]
        return couple_variance(moved / self.spread, self.first, self.second, self.n_clusters)

    def busyness(self) -> FloatArray:
        """See `statistics.PairStatistic`."""
        return busyness(self.counts, self.first, self.second, self.n_clusters)

    def _fit(self, weights: FloatArray) -> tuple[float, float]:
        """Return level and slope over the standardised gap."""
        hits, counts = weights * self.hits, weights * self.counts
        inside = counts > 0
        mixed = 0 < hits.sum() < counts.sum()
        if self.spread == 0 or not mixed or np.ptp(self.x[inside]) == 0:
            return np.nan, np.nan
        at = np.zeros(2)
        for _ in range(STEPS):
            right = _right(at[0] + at[1] * self.x)
            errors = hits - counts * right
            gradient = np.array([errors.sum(), errors @ self.x])
            if np.abs(gradient).max() <= FLAT * counts.sum():
                return float(at[0]), float(at[1])
            information = self._information(counts * right * (1 - right))
            if np.linalg.det(information) <= 0 or np.abs(at).max() > STEEPEST:
                break
            step = np.linalg.solve(information, gradient)
            at = at + step * min(1.0, STEP / float(np.abs(step).max()))
        return np.nan, np.nan

    def _information(self, weights: FloatArray) -> FloatArray:
        mixed = weights @ self.x
        return np.array([[weights.sum(), mixed], [mixed, weights @ self.x**2]])


def _right(log_odds: FloatArray) -> FloatArray:
    shown: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return shown
