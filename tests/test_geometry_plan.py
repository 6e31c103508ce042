"""What the plan makes of a model that judges by poses or reads the truth, and of people who rate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from aqa import plan
from aqa.datasets.geometry import decides_geometry
from aqa.errors import UserError
from aqa.obstacles import obstacle
from aqa.plan import Plan
from aqa.stages import code

ROOT = Path(__file__).parents[1]
ORIGINAL = {"tasks": ["judge"], "strategies": ["base"], "representations": ["original"]}


def load(tmp_path: Path, *models: str, include: Any = (ORIGINAL,), **more: Any) -> Plan:
    values: dict[str, Any] = {
        "datasets": {"llm-fms": {}, "mtl-aqa": {}},
        "models": list(models),
        "cells": {"include": list(include)},
        "results": str(tmp_path / "results"),
    }
    return plan.load(values | more, ROOT)


def test_it_needs_poses_although_every_clip_is_shown_as_it_is(tmp_path: Path) -> None:
    chosen = load(tmp_path, "random", "geometry")
    assert chosen.posed("mtl-aqa") == [f"{tmp_path}/results/datasets/mtl-aqa/evaluated.txt"]
    assert load(tmp_path, "random").posed("mtl-aqa") == []
    cells = {cell.model: cell for cell in chosen.grid if cell.dataset == "mtl-aqa"}
    assert chosen.poses([cells["geometry"]]) == [f"{tmp_path}/results/pose/mtl-aqa/manifest.jsonl"]
    assert chosen.poses([cells["random"]]) == []


def test_where_only_it_needs_poses_it_may_be_left_out_instead(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    datasets = {"mtl-aqa": {"data": str(tmp_path / "data")}}
    problem = obstacle(load(tmp_path, "random", "geometry", datasets=datasets))
    assert problem is not None and "poses.jsonl is missing" in problem
    assert problem.endswith("(or leave out geometry, judging by joints)")
    assert obstacle(load(tmp_path, "random", datasets=datasets)) is None


def test_of_pairs_it_needs_the_partners_too(tmp_path: Path) -> None:
    pairs = {"tasks": ["compare"], "strategies": ["base"], "representations": ["original"]}
    listed = load(tmp_path, "geometry", include=(pairs,)).posed("mtl-aqa")
    assert [Path(file).name for file in listed] == ["paired.txt"]


def test_a_simulated_judge_reads_the_pairs_that_its_cells_compare_and_no_other_model_reads_any(
    tmp_path: Path,
) -> None:
    pairs = {**ORIGINAL, "tasks": ["compare"], "datasets": ["mtl-aqa"]}
    chosen = load(
        tmp_path,
        "random",
        "simulated-skilled",
        include=(ORIGINAL, pairs),
        model_files=[str(ROOT / folder) for folder in ("config/models", "tests/workflow/simulated")],
    )
    cells = {name: [cell for cell in chosen.grid if cell.model == name] for name in chosen.models}
    assert {cell.dataset for cell in cells["simulated-skilled"]} == {"llm-fms", "mtl-aqa"}
    assert chosen.pairs(cells["simulated-skilled"]) == [f"{tmp_path}/results/datasets/mtl-aqa/pairs.jsonl"]
    assert chosen.pairs(cells["random"]) == []


def test_data_of_ones_own_have_no_cells_of_it_and_need_no_poses(tmp_path: Path) -> None:
    data = tmp_path / "gym"
    data.mkdir()
    described = {
        "title": "Gym",
        "kind": "classification",
        "licence": "mine",
        "exercises": {"lunge": "Lunge"},
        "questions": {"depth": {"text": "How deep?", "options": ["low", "high"]}},
    }
    (data / "dataset.yaml").write_text(yaml.safe_dump(described))
    chosen = load(tmp_path, "random", "geometry", datasets={"gym": {"data": str(data)}, "mtl-aqa": {}})
    assert {cell.model for cell in chosen.grid if cell.dataset == "gym"} == {"random"}
    reasons = {cell.model: reason for cell, reason in chosen.grid.not_applicable.items()}
    assert reasons == {"geometry": "no geometry rules are written for this dataset"}
    assert chosen.posed("gym") == []


def test_changed_rules_render_again_and_build_nothing_else_again() -> None:
    folder = ROOT / "scripts" / "aqa"
    rules = [*folder.glob("datasets/*/geometry*.py"), folder / "datasets" / "kinematics.py"]
    assert len(rules) >= 6 and all(map(decides_geometry, rules))
    assert not decides_geometry(folder / "synthetic" / "geometry.py"), "which draws the embedded data"
    assert not decides_geometry(folder / "datasets" / "mtl_aqa" / "adapter.py")
    assert len({code("geometry", name) for name in ("mtl-aqa", "finefs")}) == 2


def test_people_stand_beside_the_base_prompt_of_the_datasets_that_have_several_ratings(
    tmp_path: Path,
) -> None:
    datasets: dict[str, Any] = {name: {} for name in ("egoexo-fitness", "finefs", "mtl-aqa", "fitness-aqa")}
    found = load(tmp_path, "random", datasets=datasets).people()
    assert [cell.path for cell in found] == [
        "egoexo-fitness/judge/original/base/human",
        "finefs/judge/original/base/human",
    ]
    pairs = {"tasks": ["compare"], "strategies": ["base"], "representations": ["original"]}
    assert load(tmp_path, "random", datasets=datasets, include=(pairs,)).people() == []


def test_no_model_may_take_their_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'human' is what people's agreement is called"):
        load(tmp_path, "random", "human")
