"""config/paper.yaml is the study's grid: its cells are exactly those that the paper reports."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from aqa import datasets, models, profiles
from aqa.config import Config, ModelFile, parse
from aqa.grid import Axes, Cell, Grid, build
from aqa.models import Context
from aqa.profiles import ProfileChoice

ROOT = Path(__file__).parents[1]
VALUES = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
CONFIG = parse(Config, VALUES, "paper.yaml")
BASELINES = ("random", "geometry")
TESTED = [model for model in CONFIG.models if model not in BASELINES]
BASE, *OTHERS = CONFIG.cells.include[0].strategies or ()
CLASSIFICATION = {"llm-fms", "egoexo-fitness", "fitness-aqa"}


def axes() -> Axes:
    """Return what the paper's datasets allow: compare for all five, cropped for the fitness datasets."""
    everywhere = ("original", "skeleton_overlay", "skeleton_only")
    return Axes(
        tasks=dict.fromkeys(CONFIG.datasets, ("judge", "compare")),
        representations={
            name: (*everywhere, "cropped") if name in CLASSIFICATION else everywhere
            for name in CONFIG.datasets
        },
        strategies=(BASE, *OTHERS),
        models=CONFIG.models,
    )


def grid() -> Grid:
    return build(CONFIG.cells, axes())


def reported() -> dict[Cell, list[str]]:
    """Return the values that the paper prints, by cell."""
    cells: dict[Cell, list[str]] = {}
    with (ROOT / "resources" / "paper" / "reported_results.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            cell = Cell(*(row[name] for name in Cell._fields))
            cells.setdefault(cell, []).append(row["value"])
    return cells


def model_file(model: str) -> tuple[ModelFile, ProfileChoice]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "config" / "models" / f"{model}.yaml").read_text())
    choice = ProfileChoice.model_validate(values.pop("profile", "native"))
    return parse(ModelFile, values, model), choice


def test_every_reported_cell_is_run_or_declared_impossible_and_no_other_is():
    planned = {cell for cell in (*grid().cells, *grid().not_applicable) if cell.model not in BASELINES}
    assert planned == {cell for cell in reported() if cell.model != "random"}


def test_what_the_paper_could_not_run_is_declared_with_the_reason():
    unavailable = {cell for cell, values in reported().items() if not any(values)}
    assert set(grid().not_applicable) == unavailable
    assert all("context window" in reason for reason in grid().not_applicable.values())


def test_the_grid_has_the_size_of_the_paper():
    assert len([cell for cell in grid() if cell.model in TESTED]) == 255
    assert len(grid().not_applicable) == 10
    assert len(TESTED) == len(CONFIG.datasets) == 5
    assert len({cell.strategy for cell in grid()}) == 7


def test_baselines_cover_the_two_tables_that_print_them():
    guessed = {cell for cell in grid() if cell.model == "random"}
    assert guessed >= {cell for cell in reported() if cell.model == "random"}
    assert len(guessed) == 10
    assert {cell[:4] for cell in grid() if cell.model == "geometry"} == {cell[:4] for cell in guessed}


def test_all_datasets_and_their_settings_exist():
    assert set(CONFIG.datasets) <= set(datasets.dataset_ids())
    for dataset, chosen in CONFIG.datasets.items():
        datasets.resolve_settings(datasets.load_metadata(dataset), chosen.settings)
        assert chosen.data != "embedded", "the paper's grid never runs on synthetic data unnoticed"
        assert not chosen.i_may_upload, "only the user can say so"
    assert CONFIG.datasets["finefs"].limit == 500


@pytest.mark.parametrize("dataset", CONFIG.datasets)
def test_representations_are_those_that_the_datasets_declare(dataset):
    metadata = datasets.load_metadata(dataset)
    assert set(axes().representations[dataset]) == set(metadata.representations)
    assert metadata.kind == ("classification" if dataset in CLASSIFICATION else "regression")


@pytest.mark.parametrize("model", CONFIG.models)
def test_every_model_file_is_accepted_by_its_backend_without_network(model, monkeypatch):
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    file, choice = model_file(model)
    backend = models.create(file, Context(media=Path(), seed=0), model)
    assert backend.remote is (model == "gemini-3.1-pro")
    exercises = {name: datasets.load_metadata(name).exercises for name in CONFIG.datasets}
    profiles.check(choice, CONFIG.profiles, exercises, model)


@pytest.mark.parametrize(
    ("model", "sampling"),
    [
        ("qwen3-vl-235b-instruct", (0.7, 0.8, 20, 1.0)),
        ("qwen3-vl-235b-thinking", (0.7, 0.95, 20, 1.0)),
        ("internvl3.5-241b", (0.7, 0.8, 20, 1.0)),
        ("internvl3.5-241b-thinking", (0.6, 0.8, 20, 1.0)),
    ],
)
def test_open_models_sample_as_section_2_4_says(model, sampling):
    names = ("temperature", "top_p", "top_k", "repetition_penalty")
    assert model_file(model)[0].sampling == dict(zip(names, sampling, strict=True))


def test_gemini_samples_as_section_2_4_says():
    assert model_file("gemini-3.1-pro")[0].sampling == {
        "temperature": 1.0,
        "top_p": 0.95,
        "top_k": 64,
        "candidate_count": 1,
        "thinking_level": "high",
    }


@pytest.mark.parametrize("model", ["internvl3.5-241b", "internvl3.5-241b-thinking"])
def test_internvl_sees_long_clips_at_half_resolution_and_at_most_120_frames(model):
    choice = model_file(model)[1]
    small = {
        (dataset, exercise)
        for dataset in CONFIG.datasets
        for exercise in datasets.load_metadata(dataset).exercises
        if profiles.resolve(choice, dataset, exercise) == "half-120"
    }
    assert {dataset for dataset, _ in small} == {"egoexo-fitness", "fitness-aqa", "finefs"}
    assert {exercise for dataset, exercise in small if dataset == "finefs"} == {"sequence"}
    assert CONFIG.profiles["half-120"].scale == 0.5
    assert CONFIG.profiles["half-120"].max_frames == 120


def test_only_the_thinking_mode_of_internvl_has_a_system_prompt():
    prompts = {model: model_file(model)[0].system for model in CONFIG.models}
    assert [model for model, text in prompts.items() if text] == ["internvl3.5-241b-thinking"]
    assert "<think>" in str(prompts["internvl3.5-241b-thinking"])
