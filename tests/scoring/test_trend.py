"""The logistic trend equals scikit-learn's, and its interval covers what was planted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from aqa.scoring.intervals import pair_interval
from aqa.scoring.trend import LogisticSlope


def planted(seed: int, n: int, subjects: int, slope: float = 0.6, between: float = 0.0) -> LogisticSlope:
    """Pairs with two answers each; `between`: spread of the subjects' own effect on the log-odds."""
    rng = np.random.default_rng(seed)
    gaps = rng.gamma(1.5, 1.2, n)
    clusters = np.stack(
        [np.arange(n) % subjects, (np.arange(n) + rng.integers(1, subjects, n)) % subjects], 1
    )
    effect = rng.normal(0, between, subjects)[clusters].sum(axis=1)
    right = rng.random((2, n)) < 1 / (1 + np.exp(-(slope * gaps + effect)))
    return LogisticSlope(right.sum(axis=0).astype(float), np.full(n, 2.0), gaps, clusters, subjects)


def by_sklearn(trend: LogisticSlope, weights: np.ndarray) -> tuple[float, float]:
    pairs = weights[trend.first] * weights[trend.second]
    gaps = trend.x * trend.spread + trend.middle
    hits, wrong = pairs * trend.hits, pairs * (trend.counts - trend.hits)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
    model.fit(
        np.tile(gaps, 2)[:, None],
        np.repeat([1, 0], len(gaps)),
        sample_weight=np.concatenate([hits, wrong]),
    )
    return float(model.intercept_[0]), float(model.coef_[0, 0])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(30, 120), st.integers(4, 20))
def test_the_trend_is_that_of_scikit_learn(seed, n, subjects):
    trend = planted(seed, n, subjects)
    assert trend.line() == pytest.approx(by_sklearn(trend, np.ones(subjects)), abs=2e-4)
    weights = np.random.default_rng(seed).integers(0, 4, subjects).astype(float)
    found = trend(weights[None])
    if not found.lost[0]:
        assert found.values[0] == pytest.approx(by_sklearn(trend, weights)[1], abs=2e-4)


def test_the_variance_over_pairs_is_near_that_of_refits_without_each_couple():
    trend = planted(3, 500, 40)
    couples = np.sort(np.stack([trend.first, trend.second], 1), axis=1)
    refits = []
    for couple in np.unique(couples, axis=0):
        kept = (couples != couple).any(axis=1)
        clusters = np.stack([trend.first, trend.second], 1)[kept]
        gaps = (trend.x * trend.spread + trend.middle)[kept]
        refits.append(LogisticSlope(trend.hits[kept], trend.counts[kept], gaps, clusters, 40).line()[1])
    jackknife = (len(refits) - 1) * np.var(refits)
    assert trend.pair_variance() == pytest.approx(jackknife, rel=0.1)


@pytest.mark.parametrize(
    ("hits", "gaps"),
    [
        ([2, 2, 2, 2], [1, 2, 3, 4]),
        ([0, 0, 0, 0], [1, 2, 3, 4]),
        ([0, 0, 2, 2], [1, 2, 3, 4]),
        ([0, 1, 2, 1], [2, 2, 2, 2]),
        ([1], [2]),
    ],
    ids=["all right", "all wrong", "parted by the gap", "one gap", "one pair"],
)
def test_a_trend_that_is_not_identified_is_undefined(hits, gaps):
    n = len(hits)
    clusters = np.stack([np.arange(n), np.arange(n) + n], 1)
    trend = LogisticSlope(np.array(hits, float), np.full(n, 2.0), np.array(gaps, float), clusters, 2 * n)
    assert all(map(math.isnan, trend.line()))
    assert trend(np.ones((1, 2 * n))).lost[0]


@pytest.mark.thorough
@pytest.mark.parametrize(("n", "subjects", "least"), [(353, 15, 0.92), (500, 60, 0.93)])
def test_the_interval_of_the_slope_covers_the_planted_one(n, subjects, least):
    """Without subject effects the slope of the pooled trend is the planted one."""
    covered = []
    for seed in range(200):
        found = pair_interval(planted(seed, n, subjects))
        covered.append(found.low <= 0.6 <= found.high)
    assert np.mean(covered) >= least
