"""Every strategy and both tasks, through the whole workflow."""

import csv
import json

import pytest
from workflow_runs import CONFIG

from aqa.prompts import strategies

pytestmark = pytest.mark.xdist_group("workflow")


def test_every_strategy_and_both_tasks_come_through_every_stage(study):
    study.configure(
        **{**CONFIG, "models": ["random"]},
        cells={
            "include": [
                {"tasks": ["judge"], "representations": ["original"]},
                {"tasks": ["compare"], "representations": ["original"], "strategies": ["base"]},
            ]
        },
    )
    study.make()
    with (study.results / "scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["scope"] == "all" and row["policy"] == "strict"]
    judged = {row["strategy"] for row in rows if row["task"] == "judge" and row["metric"] == "spearman"}
    assert judged == set(strategies())
    compared = {(row["dataset"], row["metric"]) for row in rows if row["task"] == "compare"}
    assert compared == {
        (dataset, metric)
        for dataset in ("fitness-aqa", "mtl-aqa")
        for metric in ("accuracy", "position_bias", "consistency")
    }
    assert (study.results / "tables/table5.md").stat().st_size > 100
    for dataset in ("fitness-aqa", "mtl-aqa"):
        path = study.results / "cells" / dataset / "compare/original/base/random/requests.jsonl"
        requests = [json.loads(line) for line in path.read_text().splitlines()]
        orders = [request["item"] for request in requests]
        assert orders.count("anchor_first") == orders.count("partner_first") == len(requests) / 2
    assert "Nothing to be done" in study.make("-n").output
