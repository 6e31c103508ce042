"""Differences between two cells: equal to loops over swaps, and right about null studies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, spearmanr
from sklearn.metrics import balanced_accuracy_score

from aqa.errors import UserError
from aqa.records import Prediction, Question
from aqa.scoring.intervals import Resampler
from aqa.scoring.paired import common, compare, holm
from aqa.scoring.table import choices, scores

YES_NO = Question(item="knees", text="?", options=("yes", "no"))
SCORE = Question(item="", text="?", minimum=0, maximum=10)


def prediction(number: int, truth: object, said: object, subject: int, item: str) -> Prediction:
    return Prediction.model_validate(
        {
            "sample_id": f"s{number:03d}",
            "item": item,
            "exercise": "squat",
            "subject": f"p{subject:02d}",
            "truth": truth,
            "prediction": said,
            "outcome": "ok" if said is not None else "refused",
            "repeat": 0,
        }
    )


def judged(seed: int, n: int, n_subjects: int) -> tuple[list[Prediction], list[Prediction]]:
    rng = np.random.default_rng(seed)
    subjects = np.concatenate([np.arange(n_subjects), rng.integers(0, n_subjects, n - n_subjects)])
    truth = ["yes", "no", *rng.choice(["yes", "no"], n - 2)]
    cells = []
    for _ in range(2):
        said = rng.choice(["yes", "no", None], n, p=[0.45, 0.45, 0.1])
        cells.append([prediction(k, truth[k], said[k], subjects[k], "knees") for k in range(n)])
    return cells[0], cells[1]


def scored(seed: int, n: int, n_subjects: int) -> tuple[list[Prediction], list[Prediction]]:
    rng = np.random.default_rng(seed)
    subjects = np.concatenate([np.arange(n_subjects), rng.integers(0, n_subjects, n - n_subjects)])
    truth = rng.integers(0, 20, n) / 2
    cells = [
        [prediction(k, truth[k], float(said), subjects[k], "") for k, said in enumerate(guess)]
        for guess in (np.clip(np.round(truth / 2 + rng.normal(4, 2, n)), 0, 10), rng.integers(0, 11, n))
    ]
    return cells[0], cells[1]


def by_swaps(first: list[Prediction], second: list[Prediction], value, names: list[str]) -> list[float]:
    """Return the difference of a metric for every swap of whole subjects, by a plain loop."""
    found = []
    for chosen in itertools.product((False, True), repeat=len(names)):
        swap = dict(zip(names, chosen, strict=True))
        one = [b if swap[a.subject] else a for a, b in zip(first, second, strict=True)]
        other = [a if swap[a.subject] else b for a, b in zip(first, second, strict=True)]
        found.append(value(one) - value(other))
    return found


def balanced(rows: list[Prediction]) -> float:
    wrong = {"yes": "no", "no": "yes"}
    said = [row.prediction if row.prediction is not None else wrong[str(row.truth)] for row in rows]
    return float(balanced_accuracy_score([row.truth for row in rows], said))


def rho(rows: list[Prediction]) -> float:
    return float(spearmanr([row.truth for row in rows], [row.prediction for row in rows]).statistic)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 40), st.integers(2, 6))
def test_every_swap_of_whole_subjects_is_tried_where_they_are_few(seed: int, n: int, subjects: int) -> None:
    first, second = judged(seed, n, subjects)
    names = sorted({row.subject for row in first})
    differences = by_swaps(first, second, balanced, names)
    tables = [choices(rows, [YES_NO] * n) for rows in (first, second)]
    found = compare(tables[0], tables[1], "balanced_accuracy", "item", Resampler(seed, 100))
    assert found.difference == pytest.approx(balanced(first) - balanced(second))
    extreme = np.mean([abs(d) >= abs(found.difference) - 1e-9 for d in differences])
    assert (found.p, found.swaps) == (pytest.approx(extreme), 2 ** len(names))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 40), st.integers(3, 6))
def test_ranks_are_taken_anew_after_every_swap(seed: int, n: int, subjects: int) -> None:
    first, second = scored(seed, n, subjects)
    names = sorted({row.subject for row in first})
    differences = by_swaps(first, second, rho, names)
    limits = {"all": (0.0, 9.5), "squat": (0.0, 9.5)}
    tables = [scores(rows, [SCORE] * n, limits) for rows in (first, second)]
    found = compare(tables[0], tables[1], "spearman", "item", Resampler(seed, 100))
    assert (found.first, found.second) == (pytest.approx(rho(first)), pytest.approx(rho(second)))
    extreme = np.mean([not abs(d) < abs(found.difference) - 1e-9 for d in differences])
    assert found.p == pytest.approx(extreme)


def test_a_cell_compared_with_itself_differs_by_nothing() -> None:
    first, _ = judged(3, 80, 40)
    cell = choices(first, [YES_NO] * 80)
    found = compare(cell, cell, "balanced_accuracy", "item", Resampler(0, 200))
    assert (found.difference, found.p) == (0.0, 1.0)
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_many_subjects_get_random_swaps_and_never_a_p_of_0() -> None:
    rng = np.random.default_rng(1)
    truth = rng.choice(["yes", "no"], 200)
    right = [prediction(k, truth[k], truth[k], k % 50, "knees") for k in range(200)]
    wrong = [prediction(k, truth[k], None, k % 50, "knees") for k in range(200)]
    tables = [choices(rows, [YES_NO] * 200) for rows in (right, wrong)]
    found = compare(tables[0], tables[1], "balanced_accuracy", "item", Resampler(0, 500))
    assert (found.first, found.second, found.difference) == (1.0, 0.0, 1.0)
    assert (found.p, found.swaps) == (1 / 501, 500)


def test_the_detectable_effect_is_found_about_as_often_as_it_says() -> None:
    found = []
    for study in range(150):
        rng = np.random.default_rng([study, 3])
        truth = np.repeat(["yes", "no"], 100)
        cells = []
        for skill in (0.60, 0.74):
            right = rng.random(200) < skill
            said = np.where(right, truth, np.where(truth == "yes", "no", "yes"))
            cells.append(
                choices(
                    [prediction(k, truth[k], said[k], k % 50, "knees") for k in range(200)], [YES_NO] * 200
                )
            )
        found.append(compare(cells[1], cells[0], "balanced_accuracy", "item", Resampler(study, 400)))
    detectable = np.mean([one.detectable for one in found])
    assert 0.11 < detectable < 0.16  # analytic: 2.8 * sqrt(0.24 / 200 + 0.19 / 200) = 0.13
    assert 0.72 < np.mean([one.p < 0.05 for one in found]) < 0.96


def test_null_studies_are_called_significant_as_often_as_said() -> None:
    hits = 0
    for study in range(300):
        first, second = judged(study, 120, 15)
        tables = [choices(rows, [YES_NO] * 120) for rows in (first, second)]
        hits += compare(tables[0], tables[1], "balanced_accuracy", "item", Resampler(study, 200)).p <= 0.05
    assert hits <= 27  # 5 % of 300 are 15, with a standard error of 3.8


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_step_down_of_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for value, own in zip(adjusted, p_values, strict=True):
        smaller = [p for p in p_values if p <= own]
        ranks = sorted(range(len(p_values)), key=lambda k: p_values[k])
        steps = [(len(p_values) - rank) * p_values[k] for rank, k in enumerate(ranks)]
        upto = max(steps[rank] for rank, k in enumerate(ranks) if p_values[k] <= own)
        assert value >= own - 1e-12
        assert value <= min(1.0, upto) + 1e-12 or len(smaller) > 1
    bonferroni = [min(1.0, len(p_values) * p) for p in p_values]
    assert all(h <= b + 1e-12 for h, b in zip(adjusted, bonferroni, strict=True))
    assert all(
        h >= b - 1e-12 for h, b in zip(adjusted, false_discovery_control(p_values, method="bh"), strict=True)
    )


def test_an_undefined_p_is_not_counted_in_its_family() -> None:
    adjusted = holm([0.01, math.nan, 0.04])
    assert (adjusted[0], adjusted[2]) == (pytest.approx(0.02), pytest.approx(0.04))
    assert math.isnan(adjusted[1])


def test_only_rows_of_both_cells_are_compared_and_they_must_agree() -> None:
    first, second = judged(0, 20, 5)
    one, other = common(first[3:], second[:18][::-1])
    assert [row.sample_id for row in one] == [row.sample_id for row in other]
    assert len(one) == 15
    changed = [second[4].model_copy(update={"subject": "p99"})]
    with pytest.raises(UserError, match="another truth, subject or exercise"):
        common(first, changed)
