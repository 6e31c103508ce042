"""Scoring compare cells from files."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from compare_answers import (
    CELL,
    METRICS,
    SCRIPTS,
    Said,
    asked,
    exchange,
    pair,
    random_pairs,
    truth,
)
from scoring_cells import answer, write_cell

from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.records import Pair
from aqa.scoring.compare import ORDERS, predict_pairs
from aqa.scoring.predict import Asked
from aqa.scoring.score import Settings, score_cells


def write_files(folder: Path, pairs: list[Pair], said: Said) -> Path:
    write_jsonl(folder / "pairs.jsonl", pairs)
    write_jsonl(folder / "samples.jsonl", [])
    return write_cell(folder / CELL, *exchange(pairs, said))


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "score.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_scores_a_compare_cell_into_the_same_files(tmp_path: Path) -> None:
    pairs = random_pairs(3, 90, 40, exercises=2)
    said = {(one.pair_id, order, 0): truth(one, order) for one in pairs for order in ORDERS}
    said["pair0", "anchor_first", 0] = None
    folder = write_files(tmp_path, pairs, said)
    files = ["--samples", tmp_path / "samples.jsonl", "--pairs", tmp_path / "pairs.jsonl"]
    done = run(*files, "--kind", "classification", "--seed", 1, "--resamples", 200, "--cells", folder)
    assert done.returncode == 0, done.stderr
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [rows[0][name] for name in ("sample_id", "item", "subject", "prediction", "outcome")] == [
        "pair0",
        "anchor_first",
        "p0",
        "",
        "refused",
    ]
    assert all(row["prediction"] == row["truth"] for row in rows[1:])
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = {(r["metric"], r["policy"], r["unit"], r["scope"]): r for r in metrics["rows"]}
    assert metrics["settings"]["unit"] == "item"
    assert metrics["rows"][0]["metric"] == "accuracy"
    headline = scores["accuracy", "strict", "item", "all"]
    assert headline["value"] == pytest.approx(179 / 180)
    assert (headline["n"], headline["n_refused"], headline["n_clusters"]) == (180, 1, 40)
    assert headline["interval"] == "dyadic-jackknife-t"
    assert {scope for *_, scope in scores} == {"all", "e0", "e1"}
    assert {metric for metric, *_ in scores} == set(METRICS)
    assert {unit for _, _, unit, _ in scores} == {"item", "exercise"}


def test_the_headline_unit_of_the_task_is_a_setting(tmp_path: Path) -> None:
    pairs = random_pairs(3, 90, 40, exercises=2)
    said = {(one.pair_id, order, 0): truth(one, order) for one in pairs for order in ORDERS}
    folder = write_files(tmp_path, pairs, said)
    named = {one.pair_id: one for one in pairs}
    score_cells([folder], {}, Settings("classification", 1, 100, pairs=named, compare_unit="exercise"))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["unit"] == metrics["rows"][0]["unit"] == "exercise"


def test_a_cell_without_a_usable_answer_is_wrong_under_strict_and_undefined_else(tmp_path: Path) -> None:
    pairs = random_pairs(3, 40, 35)
    folder = write_files(tmp_path, pairs, {(one.pair_id, o, 0): None for one in pairs for o in ORDERS})
    named = {one.pair_id: one for one in pairs}
    score_cells([folder], {}, Settings("regression", 1, 100, pairs=named))
    metrics = json.loads((folder / "metrics.json").read_text())
    values = {(r["metric"], r["policy"]): r["value"] for r in metrics["rows"] if r["scope"] == "all"}
    assert values["accuracy", "strict"] == values["consistency", "strict"] == 0
    assert values["accuracy", "answered"] is values["position_bias", "strict"] is None


def test_answers_in_any_accepted_form_count_and_others_are_unparsed() -> None:
    one = pair(0, 1, 2)
    requests = [asked(one, order) for order in ORDERS]
    plain = [Asked.model_validate(request.model_dump(mode="json")) for request in requests]
    texts = ['<think>{"better": "second"}</think> {"better": "First"}', '{"better": "the second one"}']
    answers = [answer(request, text) for request, text in zip(requests, texts, strict=True)]
    rows = predict_pairs(plain, answers, {one.pair_id: one})
    assert [(row.prediction, row.outcome) for row in rows] == [("first", "ok"), (None, "unparsed")]


def test_files_that_do_not_fit_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    pairs = random_pairs(3, 40, 35)
    said = {(one.pair_id, order, 0): "first" for one in pairs for order in ORDERS}
    folder = write_files(tmp_path, pairs, said)
    named = {one.pair_id: one for one in pairs}
    with pytest.raises(UserError, match="give the file of pairs as --pairs"):
        score_cells([folder], {}, Settings("classification", 1, 100))
    del named["pair7"]
    with pytest.raises(UserError, match="pair 'pair7' is not in the file of pairs"):
        score_cells([folder], {}, Settings("classification", 1, 100, pairs=named))
    named = {one.pair_id: one for one in pairs}
    del said["pair3", "partner_first", 0]
    write_cell(folder, *exchange(pairs, said))
    with pytest.raises(UserError, match="pair 'pair3' is not asked once in each order"):
        score_cells([folder], {}, Settings("classification", 1, 100, pairs=named))
