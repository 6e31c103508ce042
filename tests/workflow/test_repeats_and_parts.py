"""Repeated sampling, one model alone, and what is answered so far: whole runs."""

import csv
import json

import pytest
from workflow_runs import CONFIG

pytestmark = pytest.mark.xdist_group("workflow")

DIVES = "mtl-aqa/judge/original/base/random"
SQUATS = "fitness-aqa/judge/original/base/random"


def journaled(study, cell):
    folder = study.results / "journals" / cell
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("segment-*.jsonl"))


def table(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def repeated(repeats):
    block = {"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}
    return {**CONFIG, "cells": {"include": [block, {**block, "models": ["random"], "repeats": repeats}]}}


def test_more_repeats_ask_only_the_new_ones_and_the_report_tells_their_spread(study):
    assert journaled(study, DIVES) == 10
    study.configure(**repeated(3))
    study.make()
    assert journaled(study, DIVES) == 30
    assert journaled(study, SQUATS) == 36
    assert journaled(study, DIVES.replace("random", "constant")) == 10
    rows = table(study.results / "cells" / DIVES / "predictions.csv")
    assert [row["repeat"] for row in rows] == ["0"] * 10 + ["1"] * 10 + ["2"] * 10
    by_repeat = [[row["prediction"] for row in rows if row["repeat"] == number] for number in "012"]
    assert len({tuple(values) for values in by_repeat}) == 3
    assert {row["repeats"] for row in table(study.results / "scores.csv") if row["model"] == "random"} == {
        "3"
    }
    found = table(study.results / "analyses/reliability.csv")
    assert {(row["dataset"], row["model"], row["repeats"]) for row in found} == {
        ("fitness-aqa", "random", "3"),
        ("mtl-aqa", "random", "3"),
    }
    page = (study.results / "report.html").read_text()
    assert 'id="reliability"' in page
    assert page.index('id="skill"') < page.index('id="result"') < page.index('id="reliability"')
    assert "Nothing to be done" in study.make("-n").output
    study.configure(**repeated(4))
    study.make(f"results/cells/{DIVES}/responses.jsonl")
    assert journaled(study, DIVES) == 40


def test_a_model_is_evaluated_alone_and_nothing_is_asked_twice(study):
    before = {cell: journaled(study, cell) for cell in (DIVES, SQUATS)}
    run = study.make("evaluate", "--config", "model=random")
    assert {cell: journaled(study, cell) for cell in before} == before
    assert "over 2 of 2 datasets" in run.output
    assert run.output.count("(synthetic)") == 2
    found = json.loads((study.results / "evaluate/random.json").read_text())
    assert found["skill"]["complete"]
    row = next(
        row
        for row in table(study.results / "scores.csv")
        if (row["dataset"], row["model"], row["scope"], row["policy"])
        == ("mtl-aqa", "random", "all", "strict")
        and (row["metric"], row["unit"]) == ("spearman", "item")
    )
    assert found["datasets"]["mtl-aqa"]["value"] == pytest.approx(float(row["value"]))
    skill = table(study.results / "skill.csv")
    whole = next(one for one in skill if one["model"] == "random" and one["scope"] == "all")
    assert found["skill"]["value"] == pytest.approx(float(whole["value"]))
    assert "# Random guess" in study.make("evaluate", "--config", "model=random").output


def test_a_model_outside_the_grid_can_be_a_file_anywhere(study):
    study.configure(**{**CONFIG, "models": ["random"]})
    (study.folder / "mine").mkdir()
    (study.folder / "mine/guess.yaml").write_text(
        "title: My <b>guess</b>\nbackend: baseline\noptions: {kind: random}\n"
    )
    run = study.make("evaluate", "--config", "model=mine/guess.yaml")
    assert "# My &lt;b&gt;guess&lt;/b&gt;" in run.output
    assert journaled(study, DIVES.replace("random", "guess")) == 10
    assert not (
        study.results / "cells" / DIVES.replace("random", "guess").replace("judge", "compare")
    ).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate"], "`evaluate` needs a model: snakemake evaluate --config model=<id>"),
        (["evaluate", "--config", "model=randm"], "did you mean 'random'?"),
        (["evaluate", "--config", "model=x/y.yaml"], "model: no file 'x/y.yaml'"),
        (["--config", "model=random"], "model=random is for one target"),
    ],
)
def test_a_model_that_is_missing_or_misplaced_is_said_in_one_line(study, arguments, said):
    run = study.snakemake(*arguments)
    assert run.status != 0
    assert said in run.output
    assert "Traceback" not in run.output


def test_what_is_answered_so_far_is_scored_apart_and_nothing_is_asked(study):
    journal = study.results / "journals" / DIVES
    segment = next(journal.glob("segment-*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:6]) + lines[6][:20])
    for name in ("responses.jsonl", "predictions.csv", "metrics.json"):
        (study.results / "cells" / DIVES / name).unlink()
    cells = {path: path.read_bytes() for path in (study.results / "cells").rglob("*") if path.is_file()}
    run = study.make("partial")
    assert f"{DIVES}: 6 of 10 answered (60 %), 0 failed so far, 4 not asked" in run.output
    assert journaled(study, DIVES) == 6
    assert {p: p.read_bytes() for p in (study.results / "cells").rglob("*") if p.is_file()} == cells
    partial = study.results / "partial"
    row = next(
        row
        for row in table(partial / "scores.csv")
        if (row["dataset"], row["model"], row["metric"]) == ("mtl-aqa", "random", "relative_l2")
    )
    assert (row["n"], row["n_ok"], row["n_failed"], row["n_left_out"]) == ("6", "6", "0", "4")
    said = (partial / "tables/table1.md").read_text()
    assert "PARTIAL: only what is answered so far" in said
    assert "4 samples of MTL-AQA" in said
    coverage = {tuple(row.values())[:5]: row for row in table(partial / "coverage.csv")}
    assert coverage[tuple(DIVES.split("/"))]["n_not_asked"] == "4"


def test_of_a_limited_cell_nothing_is_left_out_that_was_never_to_be_asked(study):
    block = {"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}
    study.configure(**{**CONFIG, "cells": {"include": [{**block, "models": ["random"], "limit": 4}]}})
    study.make(f"results/cells/{DIVES}/responses.jsonl")
    study.make("partial")
    rows = table(study.results / "partial/scores.csv")
    assert {(row["n"], row["n_left_out"]) for row in rows if row["dataset"] == "mtl-aqa"} == {("4", "0")}


def test_a_model_without_a_plain_cell_is_not_waited_for(study):
    without = [{"models": ["random"], "reason": "tried elsewhere"}]
    study.configure(**{**CONFIG, "cells": {"not_applicable": without}})
    run = study.snakemake("evaluate", "--config", "model=random")
    assert run.status != 0
    assert "`evaluate` finds nothing of random: its cells" in run.output
    assert "Traceback" not in run.output


def test_without_an_answer_there_is_nothing_to_score_and_that_is_said(study):
    for path in (study.results / "journals").rglob("segment-*.jsonl"):
        path.unlink()
    run = study.snakemake("partial")
    assert run.status != 0
    assert "no journal of this configuration holds an answer yet" in run.output
