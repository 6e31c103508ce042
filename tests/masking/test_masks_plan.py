"""Which datasets need masks, where they come from, and what stops a run that lacks them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from masking_clips import DATASET, write_masks

from aqa import obstacles, plan
from aqa.errors import UserError
from aqa.masking.verdicts import Verdict, Verification
from aqa.reporting.describe import labels

ROOT = Path(__file__).parents[2]
MODEL = {
    "title": "A model",
    "backend": "openai",
    "options": {"base_url": "http://127.0.0.1:9/v1", "model": "m"},
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Return a function that loads a plan with the dataset's configuration, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "asked.yaml").write_text(yaml.safe_dump(MODEL))
    (tmp_path / "data").mkdir()

    def make(models=("asked",), representations=("original",), **dataset):
        block = {"tasks": ["judge"], "representations": list(representations), "strategies": ["base"]}
        values = {
            "datasets": {DATASET: dataset},
            "models": list(models),
            "model_files": ["models", "config/models"],
            "cells": {"include": [block]},
        }
        return plan.load(values, ROOT)

    return make


def test_the_embedded_data_bring_their_masks_and_are_verified(load):
    made = load()
    assert made.masks(DATASET) == f"results/embedded/{DATASET}/masks.yaml"
    assert made.own_masks(DATASET) == [], "no rule makes it alone"
    assert made.verified(DATASET) == [f"results/masks/{DATASET}/verified.txt"]
    assert made.verifications() == [f"results/masks/{DATASET}/verification.json"]
    assert made.seen(DATASET) == [f"results/media/{DATASET}/original/native/manifest.jsonl"]
    assert obstacles.obstacle(made) is None


def test_skeletons_alone_show_no_board_and_need_no_verification(load):
    made = load(representations=("skeleton_only",))
    assert made.seen(DATASET) == []
    assert made.verified(DATASET) == []


def test_real_data_without_masks_stop_a_model_and_not_a_baseline(load):
    stopped = obstacles.obstacle(load(data="data", i_may_upload=True))
    assert "\n" not in stopped
    assert f"snakemake propose_masks_{DATASET}" in stopped
    assert f"results/masks/{DATASET}/proposed.html" in stopped
    assert "approve its boxes in data/masks.yaml" in stopped
    assert obstacles.obstacle(load(models=("random",), data="data")) is None
    accepted = load(data="data", i_may_upload=True, accept_visible_truth=True)
    assert obstacles.obstacle(accepted) is None
    assert accepted.verified(DATASET) == []


def test_only_a_reviewed_file_lets_a_model_run(load):
    write_masks(Path("data/masks.yaml"), {"video/1.mp4": []}, status="proposed")
    made = load(data="data", i_may_upload=True)
    assert made.masks(DATASET) == "data/masks.yaml"
    assert "data/masks.yaml: nobody has approved these boxes" in obstacles.obstacle(made)
    write_masks(Path("data/masks.yaml"), {"video/1.mp4": []})
    assert obstacles.obstacle(load(data="data", i_may_upload=True)) is None


def test_the_configured_file_comes_before_the_one_beside_the_data(load):
    write_masks(Path("data/masks.yaml"), {})
    write_masks(Path("mine.yaml"), {})
    for data in ("data", "embedded"):
        made = load(data=data, masks="mine.yaml")
        assert made.masks(DATASET) == "mine.yaml"
        assert made.own_masks(DATASET) == ["mine.yaml"]
    with pytest.raises(UserError, match=f"datasets.{DATASET}.masks: no file 'none.yaml'"):
        load(masks="none.yaml")


def test_tables_say_whether_masks_hide_the_truth(load):
    def note(made, *verifications) -> str:
        (dataset,) = labels(made, verifications).datasets
        return dataset.visible_truth

    verdict = Verdict(sample_id="0001-e01", verdict="inconclusive", why="no OCR reader was installed")
    verification = Verification(
        dataset=DATASET, masks_sha256="0" * 64, by="x", reader=None, clips=("a/b",), verdicts=(verdict,)
    )
    shows = "a scoreboard in the picture shows the grade of execution"
    assert note(load(data="data")) == f"{shows}, and nothing masks it"
    assert note(load()) == f"{shows}, and whether the masks hide it is not verified"
    said = note(load(), verification)
    assert said.startswith(f"{shows}; it is masked; in 1 of 1 clips the masks are filled but not proven")
    assert "(no OCR reader was installed)" in said
