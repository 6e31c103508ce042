"""Cells that ask about a part of what is evaluated: only their own clips, and nested answers."""

import csv
import json

import pytest
from workflow_runs import CONFIG

pytestmark = pytest.mark.xdist_group("workflow")

PARTLY = [
    {"models": ["random"], "tasks": ["judge"], "representations": ["original"], "strategies": ["base"]},
    {
        "models": ["constant"],
        "datasets": ["fitness-aqa"],
        "representations": ["cropped"],
        "strategies": ["base"],
        "tasks": ["judge"],
        "limit": 3,
    },
    {
        "models": ["constant"],
        "datasets": ["fitness-aqa"],
        "representations": ["original"],
        "strategies": ["base"],
        "tasks": ["judge", "compare"],
        "limit": 5,
    },
]
JUDGED = "fitness-aqa/judge/original/base/constant"
CROPPED = "fitness-aqa/judge/cropped/base/constant"
COMPARED = "fitness-aqa/compare/original/base/constant"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def asked(study, cell):
    return {row["sample_id"] for row in lines(study.results / "cells" / cell / "requests.jsonl")}


def answered(study):
    return [
        json.loads(line)["response"]["key"]
        for file in sorted((study.results / "journals" / "fitness-aqa").rglob("*.jsonl"))
        for line in file.read_text().splitlines()
        if "response" in json.loads(line)
    ]


def test_limited_cells_need_only_their_own_clips_and_a_larger_limit_keeps_every_answer(study):
    study.configure(**CONFIG, cells={"include": PARTLY})
    study.make()
    few, five = asked(study, CROPPED), asked(study, JUDGED)
    assert (len(few), len(five)) == (3, 5)
    assert few < five < asked(study, "fitness-aqa/judge/original/base/random")
    media = study.results / "media" / "fitness-aqa"
    assert {row["sample_id"] for row in lines(media / "cropped/native/manifest.jsonl")} == few
    pairs = {row["pair_id"]: row for row in lines(study.results / "datasets/fitness-aqa/pairs.jsonl")}
    shown = asked(study, COMPARED)
    assert shown == {name for name, pair in pairs.items() if pair["anchor"] in five}
    assert 0 < len(shown) < len(pairs)
    before = answered(study)

    more = [dict(block, limit=7) if "limit" in block else block for block in PARTLY]
    study.configure(**CONFIG, cells={"include": more})
    study.make()
    assert five < asked(study, JUDGED)
    assert len(asked(study, JUDGED)) == 7
    after = answered(study)
    assert len(after) == len(set(after)), "a request was asked twice"
    assert set(before) < set(after)


def test_a_part_is_not_something_left_out_and_is_said_below_the_table(study):
    study.configure(**CONFIG, cells={"include": PARTLY})
    study.make("results/scores.csv", "results/tables/table1.md", "results/tables/table5.md")
    for cell in (JUDGED, COMPARED):
        assert json.loads((study.results / "cells" / cell / "metrics.json").read_text())["left_out"] == []
    with (study.results / "scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] == "constant"]
    assert {row["n_left_out"] for row in rows} == {"0"}
    said = (study.results / "tables/table1.md").read_text()
    assert "Asked about a part only: Constant on Fitness" in said
    assert "10 of 24 judgements" in said


def test_a_wrong_number_of_lists_is_said(study):
    study.configure(**CONFIG, cells={"include": [{"limit": 0}]})
    run = study.snakemake("-n")
    assert run.status == 1
    assert "cells.include.0.limit" in run.output
