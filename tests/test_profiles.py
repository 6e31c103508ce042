"""A model's media profile: one name, or a choice by dataset and exercise."""

import pytest
from pydantic import ValidationError

from aqa.config import Section, parse
from aqa.errors import UserError
from aqa.profiles import ProfileChoice, check, names, resolve

PAPER = ProfileChoice.model_validate(
    {"default": "native", "gym": "half-120", "rink": {"sequence": "half-120", "else": "native"}}
)
EXERCISES = {"gym": ("squat", "press"), "rink": ("jump", "spin", "sequence"), "pool": ("diving",)}


class File(Section):
    profile: ProfileChoice = ProfileChoice("native")


def test_one_name_holds_for_everything():
    choice = ProfileChoice("fps-2")
    assert resolve(choice, "gym", "squat") == "fps-2"
    assert names(choice, "rink", EXERCISES["rink"]) == {"fps-2": ("jump", "spin", "sequence")}


@pytest.mark.parametrize(
    ("dataset", "exercise", "profile"),
    [
        ("gym", "squat", "half-120"),
        ("rink", "sequence", "half-120"),
        ("rink", "jump", "native"),
        ("pool", "diving", "native"),
        ("never-heard-of", "x", "native"),
    ],
)
def test_the_choice_follows_dataset_and_exercise(dataset, exercise, profile):
    assert resolve(PAPER, dataset, exercise) == profile


def test_every_exercise_belongs_to_exactly_one_profile():
    assert names(PAPER, "rink", EXERCISES["rink"]) == {"native": ("jump", "spin"), "half-120": ("sequence",)}
    for dataset, exercises in EXERCISES.items():
        shared = [name for group in names(PAPER, dataset, exercises).values() for name in group]
        assert sorted(shared) == sorted(exercises)


def test_a_dataset_without_else_falls_back_to_the_default():
    choice = ProfileChoice.model_validate({"default": "fps-2", "rink": {"sequence": "half-120"}})
    assert resolve(choice, "rink", "spin") == "fps-2"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"gym": "half-120"}, "the key 'default' is missing"),
        ({"default": {"squat": "native"}}, "the rule of 'default' is neither"),
        ({"default": "native", "gym": 2}, "the rule of 'gym' is neither"),
        ({"default": "native", "gym": {}}, "the rule of 'gym' is neither"),
        ({"default": "native", "gym": {"squat": {"deep": "native"}}}, "the rule of 'gym' is neither"),
        (["native"], "write one name, or a mapping"),
        (None, "write one name, or a mapping"),
    ],
)
def test_a_wrong_shape_is_one_line_at_the_key(value, message):
    with pytest.raises(UserError) as caught:
        parse(File, {"profile": value}, "big.yaml")
    assert str(caught.value).startswith("big.yaml: 'profile' is ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_no_file_name_is_refused():
    with pytest.raises(ValidationError):
        ProfileChoice("../../etc")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("fsp-2", "model big: media profile 'fsp-2' is not declared in 'profiles'; did you mean 'fps-2'?"),
        ({"default": "native", "gym": "half"}, "'half' is not declared"),
        ({"default": "native", "rink": {"else": "x"}}, "'x' is not declared"),
        ({"default": "native", "rink": {"sequense": "native"}}, "no exercise 'sequense'; did you mean 'seq"),
    ],
)
def test_names_are_checked_against_the_configuration(value, message):
    with pytest.raises(UserError) as caught:
        check(ProfileChoice.model_validate(value), ["native", "fps-2", "half-120"], EXERCISES, "model big")
    assert message in str(caught.value)


def test_a_file_may_name_datasets_that_this_configuration_lacks():
    check(PAPER, ["native", "half-120"], {"pool": ("diving",)}, "model big")


def test_the_schema_for_editors_offers_both_forms():
    schema = File.model_json_schema()["$defs"]["ProfileChoice"]
    assert {option["type"] for option in schema["anyOf"]} == {"string", "object"}
