"""Every metric equals an independent implementation, and says why where it is undefined."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import balanced_accuracy_score, mean_squared_error

from aqa.scoring import metrics

CLASS = st.sampled_from(["near", "far", "level"])
GRADE = st.integers(0, 6).map(float) | st.floats(0, 10)
JUDGED = st.lists(st.tuples(CLASS, st.one_of(st.none(), CLASS)), max_size=60)
SCORED = st.lists(st.tuples(GRADE, GRADE), max_size=60)


@given(JUDGED)
def test_balanced_accuracy_is_that_of_scikit_learn(rows: list[tuple[str, str | None]]) -> None:
    truth, prediction = [row[0] for row in rows], [row[1] for row in rows]
    value, reason = metrics.balanced_accuracy(truth, prediction)
    if len(set(truth)) < 2:
        assert math.isnan(value)
        assert reason is not None
        assert reason == "no usable answer" or "one class in the truth" in reason
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about predicted classes that the truth lacks
            expected = balanced_accuracy_score(truth, ["unusable" if p is None else p for p in prediction])
        assert (value, reason) == (pytest.approx(expected, abs=1e-12), None)


@given(SCORED)
def test_spearman_is_that_of_scipy_with_ties(rows: list[tuple[float, float]]) -> None:
    truth, prediction = [row[0] for row in rows], [row[1] for row in rows]
    value, reason = metrics.spearman(truth, prediction)
    if len(rows) < 2 or len(set(truth)) == 1 or len(set(prediction)) == 1:
        assert math.isnan(value)
        assert reason in {"no usable answer", "one usable answer", "constant truth", "constant predictions"}
    else:
        assert value == pytest.approx(spearmanr(truth, prediction).statistic, abs=1e-9)
        assert reason is None


@given(st.lists(GRADE, min_size=1))
def test_ties_share_their_average_rank(values: list[float]) -> None:
    assert metrics.average_ranks(np.array(values)).tolist() == rankdata(values).tolist()


@given(SCORED)
def test_relative_l2_is_the_squared_error_over_the_squared_range(rows: list[tuple[float, float]]) -> None:
    truth, prediction = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    low, high = (truth.min(), truth.max()) if rows else (0.0, 10.0)
    squared = metrics.relative_l2(truth, prediction, low, high)
    root = metrics.relative_l2_root(truth, prediction, low, high)
    if not rows or low == high:
        assert math.isnan(squared.value)
        assert math.isnan(root.value)
        assert squared.reason == root.reason == ("constant truth" if rows else "no usable answer")
    elif high - low > 1e-3:
        assert squared.value == pytest.approx(mean_squared_error(truth, prediction) / (high - low) ** 2)
        assert root.value == pytest.approx(math.sqrt(squared.value))


def test_hand_computed_values() -> None:
    truth, prediction = ["bad", "bad", "good", "good", "good"], ["bad", "good", "good", None, "good"]
    assert metrics.balanced_accuracy(truth, prediction).value == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert metrics.spearman([1, 2, 2, 4], [1, 3, 2, 2]).value == pytest.approx(2.25 / 4.5)
    assert metrics.relative_l2([0, 5, 10], [1, 5, 7], 0, 10).value == pytest.approx((0.01 + 0 + 0.09) / 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_no_number_makes_the_metric_undefined(bad: float) -> None:
    for score in (
        metrics.spearman([1, 2, 3], [1, bad, 3]),
        metrics.relative_l2([1, 2, 3], [1, bad, 3], 1, 3),
        metrics.relative_l2_root([1, bad, 3], [1, 2, 3], 1, 3),
    ):
        assert math.isnan(score.value)
        assert score.reason == "a value is not a finite number"


@given(st.lists(GRADE, min_size=2, max_size=30), st.integers(0, 5))
def test_the_chance_of_relative_l2_is_the_mean_over_simulated_guesses(truth: list[float], seed: int) -> None:
    low, high = min(truth), max(truth)
    if high - low < 1:
        return
    guesses = np.random.default_rng(seed).uniform(0, 10, size=(4000, len(truth)))
    simulated = np.mean(((guesses - truth) / (high - low)) ** 2, axis=1)
    chance = metrics.chance_relative_l2(truth, low, high, 0, 10)
    assert chance == pytest.approx(simulated.mean(), abs=6 * simulated.std() / math.sqrt(4000))
