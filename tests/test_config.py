"""A configuration is whole, typed, and wrong in one clear line."""

from pathlib import Path

import pytest
import yaml

from aqa.config import Config, ModelFile, load_model, load_yaml, parse
from aqa.errors import UserError
from aqa.schema import DEFAULT, default_yaml, generated
from aqa.training.rounds import FIRST_SEED

ROOT = Path(__file__).parents[1]
SMALLEST = {"datasets": {"fitness-aqa": {}}, "models": ["random"]}


def message(values: object, schema: type = Config) -> str:
    with pytest.raises(UserError) as caught:
        parse(schema, values, "my.yaml")
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("my.yaml: ")
    return text


def test_datasets_and_models_are_enough():
    config = parse(Config, SMALLEST, "my.yaml")
    assert config.datasets["fitness-aqa"].data == "embedded"
    assert config.cells.include[0].representations == ("original",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sed": 1}, "unknown key 'sed'; did you mean 'seed'?"),
        ({"scoring": {"polcy": "strict"}}, "unknown key 'polcy' in 'scoring'; did you mean 'policy'?"),
        ({"scoring": {"policy": "strikt"}}, "'scoring.policy' is 'strikt'; did you mean 'strict'?"),
        (
            {"datasets": {"fitness-aqa": {"limt": 3}}},
            "unknown key 'limt' in 'datasets.fitness-aqa'; did you mean 'limit'?",
        ),
        (
            {"cells": {"include": [{"modles": ["random"]}]}},
            "unknown key 'modles' in 'cells.include.0'; did you mean 'models'?",
        ),
        (
            {"profiles": {"two": {"fpss": 2}}},
            "unknown key 'fpss' in 'profiles.two'; did you mean 'fps'?",
        ),
        ({"results": "re{sul}ts"}, "'results' is 're{sul}ts'"),
        ({"datasets": {"fitness-aqa": {"limit": 0}}}, "'datasets.fitness-aqa.limit' is 0"),
        ({"datasets": {"fitness-aqa": None}}, "'datasets.fitness-aqa' is None"),
        ({"datasets": []}, "'datasets' is []"),
        ({"models": ["random", "random"]}, "a model is named twice"),
        ({"models": ["../random"]}, "'models.0' is '../random'"),
        ({"cells": {"include": [{"tasks": ["juge"]}]}}, "is 'juge'; did you mean 'judge'?"),
        ({"cells": {"include": [{"task": ["judge"]}]}}, "unknown key 'task' in 'cells.include.0'"),
        (
            {"cells": {"not_applicable": [{"models": ["random"]}]}},
            "'cells.not_applicable.0.reason' is missing",
        ),
        ({"profiles": {"fps-2": {"fps": -1}}}, "'profiles.fps-2.fps' is -1"),
        ({"datasets": {"fitness-aqa": {"unit": "itm"}}}, "is 'itm'; did you mean 'item'?"),
        ({"scoring": {"gap_bins": 1}}, "'scoring.gap_bins' is 1: give a whole number from 2"),
        ({"scoring": {"gap_bins": [0.4, 0.2]}}, "'scoring.gap_bins' is [0.4, 0.2]: give a whole number"),
    ],
)
def test_a_mistake_is_told_by_cause_place_and_nearest_name(change, expected):
    assert expected in message({**SMALLEST, **change})


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_configuration_that_is_no_mapping_is_refused(values):
    message(values)


def test_seeds_of_a_run_end_where_those_of_training_data_begin():
    assert parse(Config, SMALLEST | {"seed": FIRST_SEED - 1}, "my.yaml").seed == FIRST_SEED - 1
    assert "seed" in message(SMALLEST | {"seed": FIRST_SEED})


def test_a_missing_key_is_named():
    assert "'models'" in message({"datasets": {"fitness-aqa": {}}})


def test_a_misspelt_model_gets_the_nearest_file(tmp_path):
    (tmp_path / "gemini-3.1-pro.yaml").write_text("title: Gemini 3.1 Pro\nbackend: vertex\n")
    with pytest.raises(UserError, match=r"did you mean 'gemini-3\.1-pro'"):
        load_model("gemini-3-pro", (tmp_path,))


def test_a_models_file_with_an_unknown_key_names_the_file(tmp_path):
    (tmp_path / "x.yaml").write_text("title: X\nbackend: openai\ntemperature: 1\n")
    with pytest.raises(UserError, match=r"x\.yaml: unknown key 'temperature'"):
        load_model("x", (tmp_path,))


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- x", "!!python/object:os.system {}"])
def test_what_is_not_yaml_names_the_file(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"bad\.yaml"):
        load_yaml(path)


def test_the_default_says_just_the_default():
    assert parse(Config, yaml.safe_load(default_yaml()), "default") == Config.model_validate(DEFAULT)


@pytest.mark.parametrize("name", sorted(generated()))
def test_generated_files_are_up_to_date(name):
    made = generated()[name]
    assert (ROOT / name).read_text() == made, f"{name} has drifted from its definition: run `make config`"


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "models").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_model_is_valid(path):
    parse(ModelFile, load_yaml(path), str(path))
