"""Skill: a mean over datasets with an interval that covers, and never a partial one in disguise."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr, t
from scoring_cells import ERRORS, SCORE, answer, request, sample, write_cell
from sklearn.metrics import balanced_accuracy_score

from aqa.grid import Cell
from aqa.records import Sample
from aqa.scoring.estimates import Ready, undefined
from aqa.scoring.metrics import Score
from aqa.scoring.score import Settings, score_cells
from aqa.scoring.skill import COLUMNS, Part, around, combined, normalised, skills, write_skills
from aqa.scoring.statistics import BalancedAccuracy, Layout, Spearman, Statistic

METRIC = "balanced_accuracy"
ONE_UNIT = Layout(pair_unit=np.array([0, 0]), unit_exercise=np.array([0]))


def ready(statistic: Statistic, chance: float) -> list[Ready]:
    value = float(statistic(np.ones((1, statistic.n_clusters))).values[0])
    return [Ready(Score(value), chance, statistic, np.arange(statistic.n_clusters), 1)]


def judge(rng: np.random.Generator, n_clusters: int, skill: float, icc: float) -> Statistic:
    """Six judgements a cluster, right with a probability that clusters share; balanced accuracy."""
    cluster = np.repeat(np.arange(n_clusters), 6)
    size = (1 - icc) / icc if icc else math.inf
    share = rng.beta(skill * size, (1 - skill) * size, n_clusters) if icc else np.full(n_clusters, skill)
    correct = rng.random(len(cluster)) < share[cluster]
    return BalancedAccuracy(correct, np.tile([0, 1], len(cluster) // 2), cluster, ONE_UNIT)


def rate(rng: np.random.Generator, n_clusters: int, noise: float, icc: float) -> Statistic:
    """Six scores a cluster, with an error that clusters partly share; Spearman."""
    cluster = np.repeat(np.arange(n_clusters), 6)
    truth = rng.normal(0, 1, len(cluster))
    shared = rng.normal(0, math.sqrt(icc), n_clusters)[cluster]
    error = shared + rng.normal(0, math.sqrt(1 - icc), len(cluster))
    return Spearman(truth, truth + noise * error, cluster)


def test_chance_is_0_and_perfect_is_1() -> None:
    cluster, pair = np.arange(60) // 3, np.tile([0, 1], 30)
    perfect = normalised(
        METRIC, ready(BalancedAccuracy(np.ones(60, dtype=bool), pair, cluster, ONE_UNIT), 0.4)
    )
    assert (perfect.value, perfect.se) == (1.0, 0.0)
    guess = normalised(METRIC, ready(BalancedAccuracy(pair == 0, pair, cluster, ONE_UNIT), 0.5))
    assert guess.value == 0.0
    third = normalised(METRIC, ready(BalancedAccuracy(pair == 0, pair, cluster, ONE_UNIT), 0.25))
    assert third.value == pytest.approx((0.5 - 0.25) / 0.75)


def test_the_interval_is_that_of_welch_and_satterthwaite() -> None:
    parts = [
        Part("a", 0.2, 0.05, 14, 15, 0.5),
        Part("b", 0.1, 0.02, 44, 45, 0.5),
        Part("c", -0.1, 0.04, 7, 8, 0),
    ]
    value, error, freedom = combined(parts)
    variances = np.array([0.05, 0.02, 0.04]) ** 2 / 9
    assert value == pytest.approx(0.2 / 3)
    assert error == pytest.approx(math.sqrt(variances.sum()))
    assert freedom == pytest.approx(variances.sum() ** 2 / np.sum(variances**2 / [14, 44, 7]))
    low, high = around(value, error, freedom)
    assert (low, high) == (
        pytest.approx(value - t.ppf(0.975, freedom) * error),
        pytest.approx(value + t.ppf(0.975, freedom) * error),
    )


def test_an_interval_ends_at_perfect_and_needs_every_error() -> None:
    assert around(0.99, 0.05, 10)[1] == 1.0
    assert around(1.0, 0.0, math.inf) == (1.0, 1.0)
    value, error, _ = combined([Part("a", 0.2, 0.1, 5, 6, 0.5), Part("b", 0.4, math.nan, 0, 1, 0.5)])
    assert value == pytest.approx(0.3)
    assert math.isnan(error)
    assert all(math.isnan(end) for end in around(value, error, 3))


@pytest.mark.parametrize("icc", [0.0, 0.2])
@pytest.mark.parametrize("sizes", [(15, 45, 12, 16, 20), (8, 12, 10, 9, 8)])
def test_intervals_cover_the_true_skill_about_as_often_as_they_say(sizes: Sequence[int], icc: float) -> None:
    levels = (0.55, 0.7, 0.6)
    rho = 6 / math.pi * math.asin(1 / math.sqrt(5) / 2)  # of normal variables with r = 1/√5
    true = (sum((level - 0.5) / 0.5 for level in levels) + 2 * rho) / 5
    covered, studies = 0, 300
    for study in range(studies):
        rng = np.random.default_rng([study, sum(sizes)])
        parts = [
            normalised(METRIC, ready(judge(rng, n, level, icc), 0.5))
            for n, level in zip(sizes, levels, strict=False)
        ]
        parts += [normalised("spearman", ready(rate(rng, n, 2.0, icc), 0.0)) for n in sizes[3:]]
        low, high = around(*combined(parts))
        covered += low <= true <= high
    # Nominal 95 %, with a standard error of 1.3 % over 300 studies.
    assert 0.92 <= covered / studies <= 0.98


def dives(n: int) -> list[Sample]:
    rng = np.random.default_rng(1)
    return [
        sample(
            f"d{k:02d}", {"": float(rng.integers(0, 20) / 2)}, [SCORE], exercise="dive", subject=f"v{k % 6}"
        )
        for k in range(n)
    ]


def squats(n: int) -> list[Sample]:
    rng = np.random.default_rng(2)
    items = [question.item for question in ERRORS]
    return [
        sample(
            f"s{k:02d}",
            {item: ("true", "false")[int(rng.integers(2))] for item in items},
            ERRORS,
            exercise="squat",
            subject=f"p{k % 8}",
        )
        for k in range(n)
    ]


def study(folder: Path, *, constant: bool = False) -> tuple[dict[Cell, Path], dict[str, dict[str, Sample]]]:
    """A model on two datasets, one refusal in each, and a second model on one of them."""
    rng = np.random.default_rng(3)
    samples = {"gym": squats(40), "pool": dives(36)}
    cells = {}
    for dataset, model in (("gym", "whole"), ("pool", "whole"), ("gym", "half")):
        cell = Cell(dataset, "judge", "original", "base", model)
        asked = [request(one) for one in samples[dataset]]
        texts = [
            f'{{"inward": {rng.choice(["true", "false"])}, "forward": {one.truth["forward"]}}}'
            if dataset == "gym"
            else str(5.0 if constant else round(float(one.truth[""]) / 2 + rng.normal(3, 1), 1))
            for one in samples[dataset]
        ]
        answers = [answer(one, text) for one, text in zip(asked, texts, strict=True)]
        answers[7] = answers[7].model_copy(update={"outcome": "refused", "text": ""})
        cells[cell] = write_cell(folder / "cells" / cell.path, asked, answers)
        kind = "classification" if dataset == "gym" else "regression"
        score_cells(
            [cells[cell]],
            {one.sample_id: one for one in samples[dataset]},
            Settings(kind=kind, seed=0, resamples=100),
        )
    known = {name: {one.sample_id: one for one in found} for name, found in samples.items()}
    return cells, known


def predictions(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open() as stream:
        return list(csv.DictReader(stream))


def test_skill_of_scored_cells_under_both_policies(tmp_path: Path) -> None:
    cells, samples = study(tmp_path)
    found = {(one.model, one.policy, one.scope): one for one in skills(cells, samples, ["gym", "pool"])}
    folders = {(cell.dataset, cell.model): folder for cell, folder in cells.items()}
    for policy in ("strict", "answered"):
        rows = predictions(folders["gym", "whole"])
        rows = [row for row in rows if policy == "strict" or row["outcome"] == "ok"]
        per_item = []
        for item in ("forward", "inward"):
            mine = [row for row in rows if row["item"] == item]
            wrong = {"true": "false", "false": "true"}
            said = [row["prediction"] or wrong[row["truth"]] for row in mine]
            per_item.append(balanced_accuracy_score([row["truth"] for row in mine], said))
        gym = (np.mean(per_item) - 0.5) / 0.5
        rows = predictions(folders["pool", "whole"])
        rows = [row for row in rows if policy == "strict" or row["outcome"] == "ok"]
        pool = spearmanr(
            [float(row["truth"]) for row in rows], [float(row["prediction"] or 5.0) for row in rows]
        ).statistic
        assert found["whole", policy, "gym"].value == pytest.approx(gym)
        assert found["whole", policy, "pool"].value == pytest.approx(pool)
        whole = found["whole", policy, "all"]
        assert whole.value == pytest.approx((gym + pool) / 2)
        assert whole.ci_low < whole.value < whole.ci_high
        assert (whole.n_clusters, whole.n_datasets, whole.of, whole.missing) == (14, 2, 2, "")
        assert whole.complete


def test_a_model_that_misses_a_dataset_is_partial_and_says_why(tmp_path: Path) -> None:
    cells, samples = study(tmp_path, constant=True)
    found = {(one.model, one.scope): one for one in skills(cells, samples, ["gym", "pool"], ["strict"])}
    half = found["half", "all"]
    assert (half.n_datasets, half.of, half.complete, half.missing) == (1, 2, False, "pool: not run")
    assert half.value == pytest.approx(found["half", "gym"].value)
    undefined_one = found["whole", "all"]
    assert undefined_one.missing == "pool: constant predictions"
    assert not undefined_one.complete
    assert math.isnan(found["whole", "pool"].value)


def test_an_undefined_metric_is_no_number() -> None:
    part = normalised("spearman", [undefined("constant truth")])
    assert math.isnan(part.value)
    assert part.reason == "constant truth"


def test_the_file_has_a_line_a_model_policy_and_scope(tmp_path: Path) -> None:
    cells, samples = study(tmp_path)
    write_skills(tmp_path / "skill.csv", skills(cells, samples, ["gym", "pool"]))
    with (tmp_path / "skill.csv").open() as stream:
        reader = csv.DictReader(stream)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        rows = list(reader)
    assert len(rows) == 2 * 2 * 3
    assert {row["interval"] for row in rows if row["scope"] == "all"} == {"satterthwaite-jackknife-t"}
