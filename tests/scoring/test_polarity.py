"""Levels, biases and polarity shifts equal means by hand; planted biases are recovered."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scoring_cells import SCORE, sample

from aqa.grid import Cell
from aqa.records import Prediction, Question
from aqa.scoring.effects import Loaded
from aqa.scoring.intervals import Resampler
from aqa.scoring.paired import holm
from aqa.scoring.polarity import MEAN, NEGATIVE, POSITIVE, VARIANTS, Scale, analyse, level_row, shift_rows

KNEES = Question(item="knees", text="?", options=("bent", "straight"), correct="straight")
HEIGHT = Question(item="height", text="?", options=("low", "high"))
RESAMPLER = Resampler(0, 2000)
RATE = Scale(0.0, 1.0)


def gym(n, subjects, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"s{k}": sample(
            f"s{k}",
            {"knees": ("bent", "straight")[int(rng.random() < 0.6)], "height": "low"},
            [KNEES, HEIGHT],
            exercise="squat",
            subject=f"p{k % subjects}",
        )
        for k in range(n)
    }


def dives(n, subjects, seed=0):
    rng = np.random.default_rng(seed)
    return {
        f"s{k}": sample(
            f"s{k}",
            {"": float(rng.integers(0, 20)) / 2},
            [SCORE],
            exercise="dive",
            subject=f"p{k % subjects}",
        )
        for k in range(n)
    }


def said(samples, item, choose):
    """What `choose(sample)` says of each sample, None: refused."""
    return [
        Prediction(
            sample_id=one.sample_id,
            item=item,
            exercise=one.exercise,
            subject=one.subject,
            truth=one.truth[item],
            prediction=value,
            outcome="refused" if value is None else "ok",
            repeat=0,
        )
        for one in samples.values()
        for value in [choose(one)]
    ]


def judge(samples, rate, seed):
    rng = np.random.default_rng(seed)
    return said(samples, "knees", lambda _: rng.choice(["straight", "bent"], p=[rate, 1 - rate]))


def test_a_level_and_its_bias_equal_means_by_hand_over_usable_answers():
    samples = gym(40, 8)
    rng = np.random.default_rng(1)
    answers = said(samples, "knees", lambda _: rng.choice(["straight", "bent", None], p=[0.7, 0.2, 0.1]))
    answers += said(samples, "height", lambda _: "high")
    row = level_row(Cell("gym", "judge", "original", "base", "m"), answers, samples, RATE, RESAMPLER)
    usable = [one for one in answers[:40] if one.prediction is not None]
    assert (row.n, row.n_ok) == (40, len(usable)), "a question without a correct option has no level"
    assert row.level == pytest.approx(np.mean([one.prediction == "straight" for one in usable]))
    assert row.truth == pytest.approx(np.mean([one.truth == "straight" for one in usable]))
    assert row.bias == pytest.approx(row.level - row.truth)
    assert row.bias_low < row.bias < row.bias_high


def test_the_interval_of_a_bias_is_the_jackknife_over_clusters_by_a_loop():
    samples = gym(60, 12, seed=3)
    answers = judge(samples, 0.8, 3)
    row = level_row(Cell("gym", "judge", "original", "base", "m"), answers, samples, RATE, RESAMPLER)
    errors = {}
    for one in answers:
        errors.setdefault(one.subject, []).append((one.prediction == "straight") - (one.truth == "straight"))
    without = [
        np.mean([value for name, values in errors.items() if name != left for value in values])
        for left in errors
    ]
    error = math.sqrt(11 / 12 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert (row.bias_high - row.bias_low) / 2 == pytest.approx(2.200985 * error, rel=1e-5)  # t, 11 degrees


def test_scores_are_their_own_level():
    samples = dives(30, 6)
    answers = said(samples, "", lambda one: min(one.truth[""] + 1, 10.0))
    row = level_row(Cell("pool", "judge", "original", "base", "m"), answers, samples, Scale(0, 10), RESAMPLER)
    assert row.level == pytest.approx(np.mean([one.prediction for one in answers]))
    assert row.bias == pytest.approx(np.mean([one.prediction - one.truth for one in answers]))


def test_a_cell_without_usable_answers_has_no_level():
    samples = gym(10, 5)
    row = level_row(
        Cell("gym", "judge", "original", "base", "m"),
        said(samples, "knees", lambda _: None),
        samples,
        RATE,
        RESAMPLER,
    )
    assert (row.n, row.n_ok, row.interval) == (10, 0, "none")
    assert math.isnan(row.level)
    assert math.isnan(row.bias)


def test_a_shift_is_taken_over_what_is_usable_under_both_polarities():
    samples = gym(8, 4)
    names = list(samples)
    positive = said(samples, "knees", lambda one: None if one.sample_id == names[0] else "straight")
    negative = said(samples, "knees", lambda one: None if one.sample_id == names[1] else "bent")
    (row,) = shift_rows(
        "gym", {"m": (positive, negative)}, samples, scale=RATE, tested=["m"], resampler=RESAMPLER
    )
    assert (row.n, row.positive, row.negative, row.shift) == (6, 1.0, 0.0, 1.0)


def test_the_p_value_is_that_of_all_swaps_by_a_loop():
    samples = gym(36, 6, seed=5)
    positive, negative = judge(samples, 0.75, 1), judge(samples, 0.55, 2)
    (row,) = shift_rows(
        "gym", {"m": (positive, negative)}, samples, scale=RATE, tested=["m"], resampler=RESAMPLER
    )
    differences = {}
    for one, other in zip(positive, negative, strict=True):
        differences.setdefault(one.subject, []).append(
            (one.prediction == "straight") - (other.prediction == "straight")
        )
    sums = [sum(values) for values in differences.values()]
    observed = abs(sum(sums))
    swaps = [
        abs(sum(sign * value for sign, value in zip(signs, sums, strict=True)))
        for signs in itertools.product((1, -1), repeat=6)
    ]
    assert row.shift == pytest.approx(sum(sums) / 36)
    assert row.swaps == 64
    assert row.p == pytest.approx(np.mean([swap >= observed - 1e-9 for swap in swaps]))


def test_holm_corrects_over_the_models_under_test_and_the_mean_is_a_question_of_its_own():
    samples = gym(60, 20, seed=7)
    variants = {
        model: (judge(samples, 0.5 + shift, 10 + k), judge(samples, 0.5, 20 + k))
        for k, (model, shift) in enumerate([("random", 0.0), ("a", 0.3), ("b", 0.1)])
    }
    rows = {
        row.model: row
        for row in shift_rows("gym", variants, samples, scale=RATE, tested=["a", "b"], resampler=RESAMPLER)
    }
    assert list(rows) == ["random", "a", "b", MEAN]
    assert [rows["a"].p_holm, rows["b"].p_holm] == holm([rows["a"].p, rows["b"].p])
    assert math.isnan(rows["random"].p_holm)
    assert math.isnan(rows[MEAN].p_holm)
    assert rows[MEAN].shift == pytest.approx((rows["a"].shift + rows["b"].shift) / 2)


def test_models_that_miss_some_subjects_are_averaged_over_all():
    samples = gym(40, 10, seed=9)
    part = {name: one for name, one in samples.items() if one.subject not in ("p0", "p1")}
    variants = {
        "a": (judge(samples, 0.8, 1), judge(samples, 0.5, 2)),
        "b": (judge(part, 0.7, 3), judge(part, 0.5, 4)),
    }
    rows = shift_rows("gym", variants, samples, scale=RATE, tested=["a", "b"], resampler=RESAMPLER)
    assert [row.n_clusters for row in rows] == [10, 8, 10]
    assert rows[2].shift == pytest.approx((rows[0].shift + rows[1].shift) / 2)
    assert rows[2].ci_low < rows[2].shift < rows[2].ci_high


def test_a_model_that_never_answers_usably_has_no_shift():
    samples = gym(12, 4)
    silent = said(samples, "knees", lambda _: None)
    rows = shift_rows(
        "gym",
        {"silent": (silent, silent), "a": (judge(samples, 0.9, 1), judge(samples, 0.2, 2))},
        samples,
        scale=RATE,
        tested=["silent", "a"],
        resampler=RESAMPLER,
    )
    assert (rows[0].n, rows[0].interval) == (0, "none")
    assert math.isnan(rows[0].shift)
    assert rows[1].p_holm == rows[1].p, "what cannot be tested is not counted"


def test_the_analysis_takes_the_variants_on_original_media_and_recovers_what_was_planted():
    samples = gym(900, 30, seed=11)
    planted = {"base": 0.8, POSITIVE: 0.85, NEGATIVE: 0.7}
    cells = {
        Cell("gym", "judge", "original", strategy, "m"): Loaded(
            judge(samples, planted[strategy], k), "classification", "item", None
        )
        for k, strategy in enumerate(VARIANTS)
    }
    cells[Cell("gym", "judge", "cropped", "base", "m")] = Loaded([], "classification", "item", None)
    cells[Cell("gym", "judge", "original", "two_step", "m")] = Loaded([], "classification", "item", None)
    levels, shifts = analyse(cells, {"gym": samples}, ["m"], RESAMPLER)
    assert [row.strategy for row in levels] == list(VARIANTS)
    for row in levels:
        assert row.level_low <= planted[row.strategy] <= row.level_high
        assert row.bias_low > 0
    (shift,) = shifts
    assert shift.ci_low <= 0.15 <= shift.ci_high
    assert shift.p_holm < 0.01


def test_null_shifts_are_rarely_called_clear():
    samples = gym(60, 12, seed=13)
    found = []
    for seed in range(150):
        variants = {"m": (judge(samples, 0.7, 2 * seed), judge(samples, 0.7, 2 * seed + 1))}
        (row,) = shift_rows("gym", variants, samples, scale=RATE, tested=["m"], resampler=RESAMPLER)
        found.append(row.p < 0.05)
    assert np.mean(found) <= 0.10
