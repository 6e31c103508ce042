"""From requests and answers on disk to scores.csv, through the command lines."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from scoring_cells import ERRORS, SCORE, answer, failure, request, sample, write_cell
from sklearn.metrics import balanced_accuracy_score

from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.records import Question, Request, Response, Sample
from aqa.scoring.rows import collect, write_rows
from aqa.scoring.score import Settings, score_cells

SCRIPTS = Path(__file__).parents[2] / "scripts"
CELL = "cells/diving/judge/original/base/model-a"
REGRESSION = Settings("regression", seed=1, resamples=200)
CLASSIFICATION = Settings("classification", seed=1, resamples=200)


def dives(n: int, subjects: int = 40, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [
        sample(
            f"d{i}",
            {"": float(rng.integers(4, 19)) / 2},
            [SCORE],
            exercise=f"e{i % 2}",
            subject=f"v{i % subjects}",
        )
        for i in range(n)
    ]


def squats(n: int, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [
        sample(
            f"s{i}",
            {question.item: "true" if rng.random() < 0.4 else "false" for question in ERRORS},
            ERRORS,
            exercise=("squat", "press")[i % 2],
            subject=f"p{i % 35}",
        )
        for i in range(n)
    ]


def scored(
    tmp_path: Path, samples: list[Sample], answers: dict[str, str | None], settings: Settings
) -> tuple[dict[tuple[str, str, str, str], dict], dict]:
    """Score one cell; an answer None is a refusal. Return rows by (metric, policy, unit, scope), metrics."""
    requests = [request(one) for one in samples]
    responses = [
        failure(asked, "refused") if (text := answers[asked.sample_id]) is None else answer(asked, text)
        for asked in requests
    ]
    folder = write_cell(tmp_path / CELL, requests, responses)
    score_cells([folder], {one.sample_id: one for one in samples}, settings)
    metrics = json.loads((folder / "metrics.json").read_text())
    return {
        (row["metric"], row["policy"], row["unit"], row["scope"]): row for row in metrics["rows"]
    }, metrics


def test_scores_are_those_of_scipy_and_hand_under_both_policies(tmp_path: Path) -> None:
    samples = dives(120)
    rng = np.random.default_rng(1)
    guesses = {one.sample_id: round(float(rng.uniform(0, 10)), 1) for one in samples}
    silent = {"d3", "d50", "d77"}
    rows, _ = scored(
        tmp_path,
        samples,
        {
            name: "I cannot say" if name in silent else f'{{"score": {value}}}'
            for name, value in guesses.items()
        },
        REGRESSION,
    )
    truth = np.array([one.truth[""] for one in samples], dtype=float)
    width = truth.max() - truth.min()
    spoken = np.array([one.sample_id not in silent for one in samples])
    guess = np.array(list(guesses.values()))
    farther = np.where(spoken, guess, np.where(truth < 5, 10, 0))
    squared = np.mean(((farther - truth) / width) ** 2)
    expected = {
        ("spearman", "strict"): spearmanr(truth, np.where(spoken, guess, 5)).statistic,
        ("spearman", "answered"): spearmanr(truth[spoken], guess[spoken]).statistic,
        ("relative_l2", "strict"): squared,
        ("relative_l2", "answered"): np.mean(((guess - truth)[spoken] / width) ** 2),
        ("relative_l2_root", "strict"): math.sqrt(squared),
    }
    for (metric, policy), value in expected.items():
        row = rows[metric, policy, "item", "all"]
        assert row["value"] == pytest.approx(value)
        assert row["ci_low"] < value < row["ci_high"]
        assert (row["n"], row["n_ok"], row["n_unparsed"]) == (120, 117, 3)
        assert (row["interval"], row["n_clusters"]) == ("cluster-expanded-percentile", 40)
    assert rows["spearman", "strict", "item", "all"]["chance"] == 0
    chance = (100 / 12 + np.mean((5 - truth) ** 2)) / width**2
    assert rows["relative_l2", "strict", "item", "all"]["chance"] == pytest.approx(chance)


def test_in_unit_exercise_scores_are_averaged_over_exercises_each_with_its_range(tmp_path: Path) -> None:
    samples = dives(100)
    rows, _ = scored(tmp_path, samples, {one.sample_id: '{"score": 6}' for one in samples}, REGRESSION)
    values = []
    for exercise in ("e0", "e1"):
        truth = np.array([float(one.truth[""]) for one in samples if one.exercise == exercise])
        values.append(np.mean((6 - truth) ** 2) / (truth.max() - truth.min()) ** 2)
        assert rows["relative_l2", "strict", "exercise", exercise]["value"] == pytest.approx(values[-1])
    assert rows["relative_l2", "strict", "exercise", "all"]["value"] == pytest.approx(np.mean(values))


def test_constant_predictions_have_no_rank_correlation_and_the_reason_is_there(tmp_path: Path) -> None:
    samples = dives(60)
    rows, metrics = scored(tmp_path, samples, {one.sample_id: '{"score": 7}' for one in samples}, REGRESSION)
    assert rows["spearman", "strict", "item", "all"]["value"] is None
    assert rows["relative_l2", "strict", "item", "all"]["value"] > 0
    reasons = {(note["metric"], note["scope"]): note.get("reason") for note in metrics["notes"]}
    assert reasons["spearman", "all"] == "constant predictions"


@pytest.mark.parametrize("said", [None, '{"score": 0}'], ids=["refused", "the same answer"])
def test_an_exercise_whose_answers_rank_nothing_makes_the_mean_over_exercises_no_better(
    tmp_path: Path, said: str | None
) -> None:
    samples = dives(200)
    good = {one.sample_id: json.dumps({"score": float(one.truth[""])}) for one in samples}
    every, _ = scored(tmp_path / "every", samples, good, REGRESSION)
    half = {one.sample_id: said if one.exercise == "e1" else good[one.sample_id] for one in samples}
    rows, metrics = scored(tmp_path / "half", samples, half, REGRESSION)
    place = ("spearman", "strict", "exercise", "all")
    assert every[place]["value"] == pytest.approx(1.0)
    assert rows[place]["value"] == pytest.approx(0.5)
    assert rows[place]["ci_low"] <= 0.5 <= rows[place]["ci_high"]
    assert rows[place]["n_clusters"] == every[place]["n_clusters"]
    assert rows["spearman", "strict", "exercise", "e1"]["value"] is None, "alone it is undefined"
    notes = {
        (note["unit"], note["scope"], note["policy"]): note["dropped"]
        for note in metrics["notes"]
        if note["metric"] == "spearman" and "reason" not in note and "dropped" in note
    }
    assert [part["exercise"] for part in notes["exercise", "all", "strict"]] == ["e1"]


def test_without_a_usable_answer_strict_is_the_worst_case_and_answered_undefined(tmp_path: Path) -> None:
    samples = dives(60)
    rows, metrics = scored(tmp_path, samples, {one.sample_id: None for one in samples}, REGRESSION)
    truth = np.array([float(one.truth[""]) for one in samples])
    worst = np.mean(np.maximum(truth, 10 - truth) ** 2) / (truth.max() - truth.min()) ** 2
    assert rows["relative_l2", "strict", "item", "all"]["value"] == pytest.approx(worst)
    assert rows["relative_l2", "answered", "item", "all"]["value"] is None
    assert rows["relative_l2", "answered", "item", "all"]["n_refused"] == 60
    assert {note["reason"] for note in metrics["notes"] if note["policy"] == "answered"} == {
        "no usable answer"
    }


def test_constant_truth_and_a_single_sample_are_undefined(tmp_path: Path) -> None:
    one = dives(1)
    rows, metrics = scored(tmp_path, one, {"d0": '{"score": 7}'}, REGRESSION)
    assert all(row["value"] is None for row in rows.values())
    assert {note["reason"] for note in metrics["notes"]} == {"one usable answer", "constant truth"}


def test_the_range_is_that_of_the_evaluated_samples_not_of_those_asked(tmp_path: Path) -> None:
    samples = dives(80)
    extreme = sample("extreme", {"": 0.0}, [SCORE], exercise="e0", subject="v1")
    settings = Settings(
        "regression", 1, 200, evaluated=frozenset(one.sample_id for one in [*samples, extreme])
    )
    asked = [request(one) for one in samples]
    folder = write_cell(tmp_path / CELL, asked, [answer(one, "7") for one in asked])
    score_cells([folder], {one.sample_id: one for one in [*samples, extreme]}, settings)
    limits = json.loads((folder / "metrics.json").read_text())["settings"]["limits"]
    assert limits["all"] == [0.0, 9.0]
    assert limits["e0"][0] == 0.0


def test_errors_are_scored_one_by_one_or_pooled_in_the_exercise(tmp_path: Path) -> None:
    samples = squats(150)
    rng = np.random.default_rng(2)
    said = {one.sample_id: {q.item: bool(rng.random() < 0.5) for q in ERRORS} for one in samples}
    said["s7"] = {"inward": True}
    rows, metrics = scored(
        tmp_path, samples, {name: json.dumps(value) for name, value in said.items()}, CLASSIFICATION
    )
    by_item, pooled = [], []
    for exercise in ("press", "squat"):
        inside = [one for one in samples if one.exercise == exercise]
        truth = {q.item: [one.truth[q.item] for one in inside] for q in ERRORS}
        guess = {
            q.item: [str(said[one.sample_id].get(q.item, "?")).lower() for one in inside] for q in ERRORS
        }
        by_item.append(np.mean([_recall(truth[q.item], guess[q.item]) for q in ERRORS]))
        pooled.append(_recall([*chain(*truth.values())], [*chain(*guess.values())]))
        assert rows["balanced_accuracy", "strict", "item", exercise]["value"] == pytest.approx(by_item[-1])
        assert rows["balanced_accuracy", "strict", "exercise", exercise]["value"] == pytest.approx(pooled[-1])
    assert rows["balanced_accuracy", "strict", "item", "all"]["value"] == pytest.approx(np.mean(by_item))
    assert rows["balanced_accuracy", "strict", "exercise", "all"]["value"] == pytest.approx(np.mean(pooled))
    assert rows["balanced_accuracy", "strict", "item", "all"]["n_unparsed"] == 1
    assert metrics["settings"]["unit"] == "item"


def _recall(truth: list, guess: list) -> float:
    classes = set(truth)
    recalls = [np.mean([g == t for t, g in zip(truth, guess, strict=True) if t == c]) for c in classes]
    if "?" not in guess:
        assert np.mean(recalls) == pytest.approx(balanced_accuracy_score(truth, guess))
    return float(np.mean(recalls))


def test_a_unit_with_one_class_is_dropped_and_counted(tmp_path: Path) -> None:
    samples = [
        one.model_copy(update={"truth": {**one.truth, "forward": "false"}})
        if one.exercise == "squat"
        else one
        for one in squats(120)
    ]
    answers = {one.sample_id: json.dumps({"inward": True, "forward": False}) for one in samples}
    rows, metrics = scored(tmp_path, samples, answers, CLASSIFICATION)
    assert rows["balanced_accuracy", "strict", "item", "all"]["value"] == 0.5
    (note,) = [
        n for n in metrics["notes"] if n["scope"] == "all" and n["policy"] == "strict" and n["unit"] == "item"
    ]
    assert note["dropped"] == [
        {"exercise": "squat", "item": "forward", "n": 60, "reason": "one class in the truth ('false')"}
    ]


def test_chance_is_what_uniform_guessing_over_all_options_reaches(tmp_path: Path) -> None:
    near = Question(item="r1", text="", options=("near", "far", "level"))
    yes = Question(item="r2", text="", options=("yes", "no"))
    samples = [
        sample(
            f"k{i}", {"r1": ("near", "far")[i % 2], "r2": ("yes", "no")[i % 3 > 0]}, (near, yes),
            exercise="lunge", subject=f"p{i % 31}",
        )
        for i in range(93)
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    values = []
    for _ in range(40):
        answers = {
            one.sample_id: json.dumps({q.item: str(rng.choice(q.options)) for q in (near, yes)})
            for one in samples
        }
        rows, _ = scored(tmp_path, samples, answers, Settings("classification", 1, 100))
        values.append(rows["balanced_accuracy", "strict", "item", "all"]["value"])
    assert rows["balanced_accuracy", "strict", "item", "all"]["chance"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert np.mean(values) == pytest.approx((1 / 3 + 1 / 2) / 2, abs=5 * np.std(values) / math.sqrt(40))


def test_the_default_unit_pools_where_each_request_asks_one_question(tmp_path: Path) -> None:
    samples = squats(80)
    asked = [request(one, [question], question.item) for one in samples for question in ERRORS]
    folder = write_cell(tmp_path / CELL, asked, [answer(one, f'{{"{one.item}": true}}') for one in asked])
    score_cells([folder], {one.sample_id: one for one in samples}, CLASSIFICATION)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["unit"] == "exercise"
    assert metrics["rows"][0]["unit"] == "exercise"
    assert {row["unit"] for row in metrics["rows"]} == {"item", "exercise"}


def test_repeats_are_counted_as_predictions_of_the_same_cluster(tmp_path: Path) -> None:
    samples = dives(60)
    asked = [request(one, repeat=repeat) for one in samples for repeat in range(3)]
    folder = write_cell(
        tmp_path / CELL, asked, [answer(one, str(i * 7 % (8 + one.repeat))) for i, one in enumerate(asked)]
    )
    score_cells([folder], {one.sample_id: one for one in samples}, REGRESSION)
    row = json.loads((folder / "metrics.json").read_text())["rows"][0]
    assert (row["n"], row["n_clusters"], row["repeats"]) == (180, 40, 3)


def test_several_model_versions_in_a_cell_are_flagged(tmp_path: Path) -> None:
    samples = dives(60)
    asked = [request(one) for one in samples]
    answers = [answer(one, "7", version="v1" if i else "v2") for i, one in enumerate(asked)]
    folder = write_cell(tmp_path / CELL, asked, answers)
    score_cells([folder], {one.sample_id: one for one in samples}, REGRESSION)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["model_versions"], metrics["mixed_model_versions"]) == (["v1", "v2"], True)


def test_a_dataset_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    for samples, settings, message in (
        (dives(4), CLASSIFICATION, "--kind regression"),
        (squats(4), REGRESSION, "--kind classification"),
    ):
        with pytest.raises(UserError, match=message):
            scored(tmp_path, samples, {one.sample_id: "7" for one in samples}, settings)


def test_a_cell_that_cannot_be_scored_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    samples = dives(10)
    asked = [request(one) for one in samples]
    good = write_cell(tmp_path / CELL, asked, [answer(one, "7") for one in asked])
    bad = write_cell(tmp_path / CELL.replace("model-a", "model-b"), asked, [])
    with pytest.raises(UserError, match=r"model-b: 10 of 10 requests have no answer"):
        score_cells([bad, good], {one.sample_id: one for one in samples}, REGRESSION)
    assert (good / "metrics.json").exists()
    assert not (bad / "metrics.json").exists()


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPTS / script, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def two_cells(tmp_path: Path) -> tuple[Path, list[Path], list[Request], list[Response]]:
    samples = dives(50)
    write_jsonl(tmp_path / "samples.jsonl", samples)
    asked = [request(one) for one in samples]
    answers = [answer(one, f'{{"score": {i % 7}}}') for i, one in enumerate(asked)]
    folders = [write_cell(tmp_path / CELL.replace("-a", name), asked, answers) for name in ("-b", "-a")]
    return tmp_path / "samples.jsonl", folders, asked, answers


def test_the_command_lines_make_a_tidy_table_and_the_same_bytes_again(tmp_path: Path) -> None:
    samples, folders, _, _ = two_cells(tmp_path)
    tables = []
    for _ in range(2):
        done = run(
            "score.py", "--samples", samples, "--kind", "regression", "--seed", 1, "--resamples", 100,
            "--cells", *folders, "--log", tmp_path / "score.log",
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "INFO: 2 cells scored\n")
        files = [folder / "metrics.json" for folder in folders]
        (tmp_path / "list.txt").write_text("".join(f"{file}\n" for file in files))
        assert run("collect.py", "--metrics", *files, "--output", tmp_path / "scores.csv").returncode == 0
        assert (
            run("collect.py", "--list", tmp_path / "list.txt", "--output", tmp_path / "list.csv").returncode
            == 0
        )
        assert (tmp_path / "scores.csv").read_bytes() == (tmp_path / "list.csv").read_bytes()
        tables.append([(tmp_path / "scores.csv").read_bytes(), *(file.read_bytes() for file in files)])
    assert tables[0] == tables[1]
    with (tmp_path / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    identity = ["dataset", "task", "representation", "strategy", "model", "metric", "policy", "unit", "scope"]
    number = ["value", "ci_low", "ci_high", "interval", "n_clusters", "chance"]
    counts = ["n", "n_ok", "n_unparsed", "n_truncated", "n_refused", "n_rejected", "n_failed"]
    assert list(rows[0]) == [*identity, *number, *counts, "n_left_out", "drafts", "repeats"]
    assert [rows[0]["model"], rows[-1]["model"]] == ["model-a", "model-b"]
    value = json.loads((folders[1] / "metrics.json").read_text())["rows"][0]["value"]
    assert rows[0]["value"] == repr(value)


def test_answers_that_do_not_belong_end_in_one_line_and_status_1(tmp_path: Path) -> None:
    samples, folders, asked, answers = two_cells(tmp_path)
    write_cell(folders[0], asked[:-1], answers)
    done = run("score.py", "--samples", samples, "--kind", "regression", "--seed", 1, "--cells", *folders)
    assert done.returncode == 1
    assert "model-b: 1 answers belong to no request" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_undefined_value_is_nan_in_the_table(tmp_path: Path) -> None:
    samples = dives(50)
    scored(tmp_path, samples, {one.sample_id: "7" for one in samples}, REGRESSION)
    write_rows(tmp_path / "scores.csv", collect([tmp_path / CELL / "metrics.json"]))
    with (tmp_path / "scores.csv").open() as stream:
        first = next(csv.DictReader(stream))
    assert (first["metric"], first["value"], first["ci_low"], first["interval"]) == (
        "spearman",
        "nan",
        "nan",
        "none",
    )


def test_collecting_a_cell_twice_or_a_file_that_is_no_metrics_is_an_error(tmp_path: Path) -> None:
    samples = dives(50)
    scored(tmp_path, samples, {one.sample_id: "7" for one in samples}, REGRESSION)
    path = tmp_path / CELL / "metrics.json"
    with pytest.raises(UserError, match="of the same cell diving/judge"):
        collect([path, path])
    for text in ("{", "[]", '{"rows": []}', '{"rows": [{"dataset": "x"}]}'):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(UserError, match=r"bad\.json"):
            collect([tmp_path / "bad.json"])
