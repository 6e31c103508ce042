"""The geometry baseline through the workflow: poses first, and only its own cells when its rules change."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from workflow_runs import CONFIG, Study, repository

pytestmark = [pytest.mark.xdist_group("workflow"), pytest.mark.thorough]

CELL = "results/cells/fitness-aqa/judge/original/base/geometry"


def test_it_waits_for_poses_and_changed_rules_ask_only_it_again(made: Study, tmp_path: Path) -> None:
    study = made.copy(tmp_path / "study")
    study.snakefile = repository(tmp_path / "repository")
    values: dict[str, Any] = {**CONFIG, "models": ["random", "constant", "geometry"]}
    original = {"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}
    study.configure(**values, cells={"include": [original]})
    first = study.make("results/scores.csv")
    assert {"pose_fitness-aqa", "pose_mtl-aqa", "infer_geometry_fitness-aqa"} <= set(first.jobs)
    with (study.results / "scores.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["model"] == "geometry" and row["scope"] == "all"]
    values_by_metric = {row["metric"]: float(row["value"]) for row in rows if row["policy"] == "strict"}
    assert values_by_metric["balanced_accuracy"] > 0.8
    assert values_by_metric["spearman"] > 0.5

    rules = tmp_path / "repository" / "scripts" / "aqa" / "datasets" / "fitness_aqa" / "geometry.py"
    rules.write_text(rules.read_text().replace("(0.8,)", "(9.9,)"))
    again = study.make("results/scores.csv")
    assert set(again.jobs) == {
        "render_geometry_fitness-aqa_original",
        "infer_geometry_fitness-aqa",
        "score_geometry_fitness-aqa",
        "collect",
    }
    with (study.folder / CELL / "predictions.csv").open(newline="") as stream:
        squats = [row for row in csv.DictReader(stream) if row["item"] == "knees_inward"]
    assert {row["prediction"] for row in squats} == {"true"}, (
        "knees are never ten times as far apart as ankles"
    )
