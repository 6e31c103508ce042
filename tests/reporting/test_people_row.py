"""The row of people in Table 1: among the baselines, with a truth and so a chance of its own."""

from __future__ import annotations

import math
from pathlib import Path

from reporting_study import DIVES, FITNESS, MODELS, labels, rows, score

from aqa import plan
from aqa.reporting import describe
from aqa.reporting.layout import layout_of
from aqa.reporting.scores import Scores
from aqa.reporting.tables import build
from aqa.scoring.rows import ScoreRow

ROOT = Path(__file__).parents[2]
HUMAN = {"id": "human", "title": "Human", "baseline": True, "people": True, "note": "raters."}


def test_it_prints_below_the_baselines_and_leaves_the_chance_of_the_models_alone() -> None:
    people = score(DIVES, "human", "spearman", 0.9, chance=0.0)
    people_l2 = score(DIVES, "human", "relative_l2", 0.01, chance=0.21)
    scored = [row | {"chance": 0.16} if row["metric"] == "relative_l2" else row for row in rows()]
    found = Scores(ScoreRow.model_validate(row) for row in [*scored, people, people_l2])
    table = build(layout_of(1), found, labels(models=[*MODELS, HUMAN]))
    names = [row.name for row in table.rows]
    assert names[:4] == ["Chance (expected)", "Random guess", "Constant", "Human"]
    by_name = {row.name: row for row in table.rows}
    columns = [column.key for column in table.blocks[0].columns]
    entries = dict(zip(columns, by_name["Human"].entries, strict=True))
    assert entries[f"{FITNESS}/balanced_accuracy"].state == "absent"
    assert entries[f"{DIVES}/spearman"].value == 0.9
    assert entries[f"{DIVES}/spearman"].mark == "", "people are no rivals of models"
    chance = dict(zip(columns, by_name["Chance (expected)"].entries, strict=True))
    assert math.isclose(chance[f"{DIVES}/relative_l2"].value, 0.16)
    assert "Human: raters." in table.notes


def test_the_labels_say_what_people_are_compared_with_and_where_nothing_is_known(tmp_path: Path) -> None:
    include = [{"tasks": ["judge"], "strategies": ["base"], "representations": ["original"]}]

    def described(*datasets: str) -> list[str | None]:
        values = {
            "datasets": {dataset: {} for dataset in datasets},
            "models": ["random"],
            "cells": {"include": include},
            "results": str(tmp_path),
        }
        return [model.note for model in describe.labels(plan.load(values, ROOT)).models if model.people]

    (note,) = described("egoexo-fitness", "finefs", "mtl-aqa")
    assert note is not None
    assert "EgoExo-Fitness, one annotator's True or False against the majority of the others" in note
    assert "FineFS, one judge's grade against the trimmed mean of the rest of the panel" in note
    assert "No single ratings are published for the other datasets." in note
    assert described("mtl-aqa", "llm-fms") == []
