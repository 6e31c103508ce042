"""Simulated judges through the whole workflow: what is published is what was planted (decision 12)."""

from __future__ import annotations

import csv
import json
import math
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from planted import FOLDER, Expected, Planted, balanced_accuracy, comparing, level, planted, regression
from workflow_runs import Study

from aqa.datasets.fitness_aqa import embedded as fitness_aqa
from aqa.datasets.llm_fms import embedded as llm_fms
from aqa.datasets.mtl_aqa import embedded as mtl_aqa
from aqa.files import read_jsonl
from aqa.records import Pair, Sample
from aqa.reporting.predictions import level_of, read_answers, read_questions

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("known-answers")]

JUDGES = ("simulated-skilled", "simulated-lenient", "simulated-evasive")
STRATEGIES = ("base", "two_step", "positive_guidelines", "negative_guidelines")
SIZES = {
    "llm-fms": (llm_fms, llm_fms.Size(subjects=40)),
    "fitness-aqa": (fitness_aqa, fitness_aqa.Size(train=2, val=2, test=40, unlabeled=1)),
    "mtl-aqa": (mtl_aqa, mtl_aqa.Size(train=1, train_dives=5, test=12, test_dives=5)),
}
REGRESSION = "mtl-aqa"

SIGMAS = 4.5
"""How many standard deviations a number may be off; some 250 numbers are held to it."""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """Run the workflow with simulated judges alone; the embedded data have sizes of their own."""
    study = Study(tmp_path_factory.mktemp("known"))
    for dataset, (embedded, size) in SIZES.items():
        folder = study.results / "embedded" / dataset
        folder.mkdir(parents=True)
        embedded.write(folder, 0, 2, size)
        (folder / "embedded.json").write_text("{}")
    study.configure(
        datasets={dataset: {} for dataset in SIZES},
        models=list(JUDGES),
        model_files=[str(FOLDER)],
        cells={
            "include": [
                {"tasks": ["judge"], "representations": ["original"], "strategies": list(STRATEGIES)},
                {"tasks": ["compare"], "representations": ["original"], "strategies": ["base"]},
            ]
        },
        scoring={"resamples": 1000},
    )
    # The run did not make the embedded data itself, so it must not make them again.
    study.make("--rerun-triggers", "mtime")
    return study


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def asked(study: Study, dataset: str) -> list[Sample]:
    folder = study.results / "datasets" / dataset
    evaluated = set((folder / "evaluated.txt").read_text().split())
    return [s for s in read_jsonl(folder / "samples.jsonl", Sample) if s.sample_id in evaluated]


def pairs(study: Study, dataset: str) -> list[Pair]:
    return read_jsonl(study.results / "datasets" / dataset / "pairs.jsonl", Pair)


def draws(*names: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def expectations(study: Study, dataset: str, judge: str, strategy: str) -> dict[tuple[str, str], Expected]:
    """Return what a judge cell should score, by metric and policy."""
    plan, samples = planted(judge), asked(study, dataset)
    rng = draws(dataset, judge, strategy)
    if dataset == REGRESSION:
        return regression(plan, strategy, samples, rng)
    return {
        ("balanced_accuracy", policy): balanced_accuracy(plan, strategy, samples, policy, rng)
        for policy in ("strict", "answered")
    }


def headline(study: Study) -> dict[tuple[str, ...], dict[str, str]]:
    """Return the rows of scores.csv over all of a cell, each question alone, by cell, metric and policy."""
    return {
        (*(row[name] for name in ("dataset", "task", "strategy", "model")), row["metric"], row["policy"]): row
        for row in read(study.results / "scores.csv")
        if (row["scope"], row["unit"]) == ("all", "item")
    }


def off(value: float, expected: Expected) -> float:
    """Return by how many standard deviations a value misses what was planted."""
    return (value - expected.mean) / max(expected.spread, 1e-9)


@pytest.mark.parametrize("dataset", SIZES)
@pytest.mark.parametrize("judge", JUDGES)
def test_scores_are_those_of_the_planted_judge(study: Study, dataset: str, judge: str) -> None:
    rows = headline(study)
    covered = []
    for strategy in STRATEGIES:
        for (metric, policy), expected in expectations(study, dataset, judge, strategy).items():
            row = rows[dataset, "judge", strategy, judge, metric, policy]
            assert abs(off(float(row["value"]), expected)) < SIGMAS, (strategy, metric, policy, row, expected)
            covered.append(float(row["ci_low"]) <= expected.mean <= float(row["ci_high"]))
    for (metric, policy), expected in comparing(planted(judge), pairs(study, dataset)).items():
        row = rows[dataset, "compare", "base", judge, metric, policy]
        assert abs(off(float(row["value"]), expected)) < SIGMAS, (metric, policy, row, expected)
        covered.append(float(row["ci_low"]) <= expected.mean <= float(row["ci_high"]))
    # 14 to 30 intervals of 95 %, many over the same answers: far fewer are independent.
    assert np.mean(covered) >= 0.75, covered


@pytest.mark.parametrize("judge", JUDGES)
def test_unusable_answers_are_counted_by_kind_and_left_out_of_no_count(study: Study, judge: str) -> None:
    plan = planted(judge)
    counts: dict[str, int] = defaultdict(int)
    requests = 0
    for (dataset, task, *_), row in {k: r for k, r in headline(study).items() if k[3] == judge}.items():
        if row["policy"] == "strict" and row["metric"] in ("balanced_accuracy", "spearman", "accuracy"):
            shown = int(row["n"])
            assert shown == sum(int(row[f"n_{name}"]) for name in ("ok", *UNUSABLE, "failed"))
            assert int(row["n_failed"]) == 0
            if dataset == "llm-fms" and task == "judge":
                continue  # Several questions a request share its outcome: counted below.
            requests += shown
            for name in UNUSABLE:
                counts[name] += int(row[f"n_{name}"])
    for name in UNUSABLE:
        rate = plan.unusable.get(name, 0.0)
        # Two questions of a request of Fitness-AQA are lost together, so at most twice the variance.
        spread = math.sqrt(2 * rate * (1 - rate) / requests)
        assert abs(counts[name] / requests - rate) <= SIGMAS * spread, (name, counts, requests)


UNUSABLE = ("unparsed", "truncated", "refused", "rejected")


def test_no_unusable_answer_becomes_a_prediction(study: Study) -> None:
    files = list(study.results.glob("cells/*/*/*/*/simulated-evasive/predictions.csv"))
    assert len(files) == len(SIZES) * (len(STRATEGIES) + 1)
    for file in files:
        for row in read(file):
            assert (row["outcome"] == "ok") == (row["prediction"] != ""), row


@pytest.mark.parametrize("dataset", SIZES)
def test_the_levels_of_figure_1_show_the_planted_bias_and_its_polarity(study: Study, dataset: str) -> None:
    files = [study.results / "datasets" / dataset / "samples.jsonl"]
    questions = read_questions(files)[dataset]
    kind = "regression" if dataset == REGRESSION else "classification"
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for judge in JUDGES:
        for strategy in STRATEGIES:
            folder = study.results / "cells" / dataset / "judge/original" / strategy / judge
            shown = level_of(read_answers(folder), kind, questions)
            rng = draws(dataset, judge, strategy, "level")
            expected, truth = level(planted(judge), strategy, asked(study, dataset), rng)
            assert abs(off(shown.level, expected)) < SIGMAS, (judge, strategy, shown.level, expected)
            assert np.mean(list(shown.truth.values())) == pytest.approx(truth)
            lost, requests = planted(judge).lost, len(asked(study, dataset))
            spread = math.sqrt(lost * (1 - lost) / requests)
            assert abs(shown.coverage - (1 - lost)) <= SIGMAS * spread
            found[judge][strategy] = shown.level
    lenient = found["simulated-lenient"]
    assert lenient["positive_guidelines"] > lenient["base"] > lenient["negative_guidelines"]
    svg = (study.results / "figures" / "figure1.svg").read_text()
    assert "Simulated lenient judge" in svg


def changed(rows: list[dict[str, str]], family: str, **where: str) -> list[dict[str, str]]:
    return [row for row in rows if row["family"] == family and all(row[k] == v for k, v in where.items())]


@pytest.mark.parametrize("dataset", SIZES)
def test_effects_find_what_was_planted_and_nothing_else(study: Study, dataset: str) -> None:
    rows = [row for row in read(study.results / "effects.csv") if row["dataset"] == dataset]
    expected: dict[tuple[str, str], dict[tuple[str, str], Expected]] = {
        (judge, strategy): expectations(study, dataset, judge, strategy)
        for judge in JUDGES
        for strategy in STRATEGIES
    }
    assert {row["family"] for row in rows} == {"strategy", "model", "thinking"}
    covered = []
    for row in rows:
        key = (row["metric"], "strict")
        other = (row["model"], row["against"]) if row["family"] == "strategy" else (row["against"], "base")
        one, against = expected[row["model"], row["strategy"]][key], expected[other][key]
        spread = math.hypot(one.spread, against.spread)
        planted_difference = Expected(one.mean - against.mean, spread)
        assert abs(off(float(row["difference"]), planted_difference)) < SIGMAS, (row, planted_difference)
        covered.append(float(row["ci_low"]) <= planted_difference.mean <= float(row["ci_high"]))
        if planted_difference.mean == pytest.approx(0, abs=1e-3) or _same(row):
            assert float(row["p_holm"]) > 0.01, row
        if abs(planted_difference.mean) > 1.5 * float(row["detectable"]):
            assert float(row["p"]) < 0.05, row
    assert np.mean(covered) >= 0.75, covered


def _same(row: dict[str, str]) -> bool:
    """Say whether both cells of a row are the same judge: nothing but the lenient one reads the prompt."""
    return row["family"] == "strategy" and (
        row["model"] != "simulated-lenient" or row["strategy"] == "two_step"
    )


def test_a_simulated_judge_is_named_so_wherever_it_is_printed(study: Study) -> None:
    labels = json.loads((study.results / "labels.json").read_text())
    assert all(model["title"].startswith("Simulated") for model in labels["models"])
    for table in study.results.glob("tables/table*.md"):
        assert "Simulated" in table.read_text(), table


def test_the_skilled_and_the_evasive_judge_differ_only_in_what_cannot_be_used(study: Study) -> None:
    rows = headline(study)
    skilled, evasive = planted("simulated-skilled"), planted("simulated-evasive")
    assert isinstance(skilled, Planted)
    assert (skilled.accuracy, skilled.noise) == (evasive.accuracy, evasive.noise)
    for dataset in ("llm-fms", "fitness-aqa"):
        place = (dataset, "judge", "base", "simulated-evasive", "balanced_accuracy")
        strict, answered = (float(rows[(*place, policy)]["value"]) for policy in ("strict", "answered"))
        assert strict == pytest.approx(answered * (1 - evasive.lost), abs=0.08)
