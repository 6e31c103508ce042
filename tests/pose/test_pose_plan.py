"""The plan knows whose poses are needed, how they are found, and what is missing before any job starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aqa import obstacles, plan
from aqa.errors import UserError
from aqa.plan import Plan

ROOT = Path(__file__).parents[2]
ALL = [{"tasks": ["judge"], "strategies": ["base"]}]
ORIGINAL = [{"tasks": ["judge"], "strategies": ["base"], "representations": ["original"]}]


def load(tmp_path: Path, include: list[dict[str, Any]] = ALL, **more: Any) -> Plan:
    values = {"datasets": {"llm-fms": {}, "mtl-aqa": {}}, "models": ["random"], "cells": {"include": include}}
    return plan.load(values | {"results": str(tmp_path / "results")} | more, ROOT)


def own(tmp_path: Path, **chosen: Any) -> dict[str, Any]:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    return {"datasets": {"llm-fms": {"data": str(data), **chosen}}}


def test_poses_are_needed_where_some_cell_shows_them(tmp_path: Path) -> None:
    listed = [f"{tmp_path}/results/datasets/mtl-aqa/evaluated.txt"]
    assert load(tmp_path).posed("mtl-aqa") == listed
    assert load(tmp_path, ORIGINAL).posed("mtl-aqa") == []


def test_a_dataset_may_have_its_own_way(tmp_path: Path) -> None:
    datasets = {"llm-fms": {"pose": {"backend": "ultralytics", "weights": "a.onnx"}}, "mtl-aqa": {}}
    chosen = load(tmp_path, datasets=datasets, pose={"low_margin": 2.0})
    assert (chosen.pose("llm-fms").backend, chosen.pose("mtl-aqa").backend) == ("ultralytics", "precomputed")
    assert (chosen.pose("llm-fms").low_margin, chosen.pose("mtl-aqa").low_margin) == (1.5, 2.0)


def test_a_persons_word_is_found_beside_the_data_or_where_the_configuration_says(tmp_path: Path) -> None:
    assert load(tmp_path).subjects("mtl-aqa") is None
    values = own(tmp_path)
    assert load(tmp_path, **values).subjects("llm-fms") is None
    (tmp_path / "data" / "subjects.yaml").write_text("{}")
    assert load(tmp_path, **values).subjects("llm-fms") == f"{tmp_path}/data/subjects.yaml"
    (tmp_path / "mine.yaml").write_text("{}")
    mine = own(tmp_path, subjects=str(tmp_path / "mine.yaml"))
    assert load(tmp_path, **mine).subjects("llm-fms") == f"{tmp_path}/mine.yaml"
    with pytest.raises(UserError, match=r"datasets\.llm-fms\.subjects: no file 'gone\.yaml'"):
        load(tmp_path, **own(tmp_path, subjects="gone.yaml"))


def test_what_a_backend_lacks_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    assert obstacles.obstacle(load(tmp_path)) is None, "the embedded data bring their own poses"
    chosen = own(tmp_path)
    lacking = obstacles.obstacle(load(tmp_path, **chosen))
    assert lacking is not None and lacking.startswith(f"llm-fms: pose.file: {tmp_path}/data/poses.jsonl is")
    assert obstacles.obstacle(load(tmp_path, ORIGINAL, **chosen)) is None, "originals need no poses"
    network = {"pose": {"backend": "ultralytics", "weights": str(tmp_path / "net.onnx")}}
    assert "net.onnx is missing" in str(obstacles.obstacle(load(tmp_path, **chosen, **network)))
    (tmp_path / "net.onnx").write_bytes(b"numbers")
    found = load(tmp_path, **chosen, **network)
    assert obstacles.obstacle(found) is None
    assert found.pose_files("llm-fms") == [str(tmp_path / "net.onnx")]
    (tmp_path / "data" / "poses.jsonl").write_text("{}\n")
    assert obstacles.obstacle(load(tmp_path, **chosen)) is None


@pytest.mark.parametrize(
    ("pose", "cause"),
    [
        ({"backend": "ultralytic"}, "'pose.backend' is 'ultralytic'; did you mean 'ultralytics'?"),
        ({"wieghts": "a"}, "unknown key 'wieghts' in 'pose'; did you mean 'weights'?"),
        ({"confidence": 1.5}, "'pose.confidence' is 1.5"),
        ({"sha256": ["abc"]}, "'pose.sha256.0' is 'abc'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(tmp_path: Path, pose: dict[str, Any], cause: str) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, pose=pose)
    assert cause in str(error.value)
