"""What the study leaves open is listed with the value that runs, the default, and its own reason."""

from pathlib import Path

import pytest

from aqa import datasets, plan
from aqa.reporting.describe import labels
from aqa.reporting.open_settings import setting_rows, settings_section

ROOT = Path(__file__).parents[2]
ALL = {name: {} for name in datasets.dataset_ids()}


def described(**changes):
    return labels(plan.load({"datasets": ALL, "models": ["random"]} | changes, ROOT))


def choices(found, name):
    (dataset,) = (item for item in found.datasets if item.id == name)
    return {choice.name.rpartition(".")[2]: choice for choice in dataset.open}


def test_every_setting_of_every_dataset_is_listed_with_a_reason():
    found = described()
    for dataset in found.datasets:
        metadata = datasets.resolve(dataset.id, None).metadata
        assert set(metadata.settings) <= set(choices(found, dataset.id))
    assert all(len(row.reason) > 40 for row in setting_rows(found))
    listed = {row.name for row in setting_rows(found)}
    assert {
        "scoring.policy",
        "scoring.gap_bins",
        "datasets.fitness-aqa.unit",
        "datasets.finefs.unit",
        "datasets.finefs.settings.ground_truth",
        "datasets.mtl-aqa.settings.drop_failed_dives",
        "datasets.egoexo-fitness.settings.tie",
    } <= listed


def test_a_value_that_was_chosen_is_told_from_the_default():
    chosen = ALL | {"finefs": {"unit": "exercise", "settings": {"ground_truth": "points"}}}
    found = described(datasets=chosen, scoring={"gap_bins": [0.1, 0.2]})
    unit, truth = (choices(found, "finefs")[name] for name in ("unit", "ground_truth"))
    assert (unit.value, unit.default) == ("exercise", "item")
    assert (truth.value, truth.default) == ("points", "grade")
    (_, grid) = settings_section(found).parts
    marked = {row[1]: row[2] for row in grid.rows if row[2].endswith(" *")}
    assert marked == {
        "scoring.gap_bins": "[0.1, 0.2] *",
        "datasets.finefs.unit": "exercise *",
        "datasets.finefs.settings.ground_truth": "points *",
    }


@pytest.mark.parametrize(
    ("own", "general", "expected"),
    [
        (None, None, "exercise"),
        (None, "item", "item"),
        ("item", "exercise", "item"),
        ("exercise", "item", "exercise"),
    ],
)
def test_the_unit_of_a_dataset_comes_before_that_of_all_and_its_default(own, general, expected):
    found = described(datasets={"egoexo-fitness": {"unit": own}}, scoring={"unit": general})
    assert found.unit == {"egoexo-fitness": expected}


def test_a_limit_makes_other_items_of_the_studys():
    found = described(datasets={"llm-fms": {}, "mtl-aqa": {"limit": 10}, "finefs": {}})
    items = {item.id: item.study_items for item in found.datasets}
    assert items["llm-fms"].same
    assert (items["mtl-aqa"].same, items["mtl-aqa"].why) == (False, "limited to 10 samples")
    assert not items["finefs"].same


def test_settings_that_change_the_samples_or_their_truth_make_other_items_of_the_studys():
    changed = {
        "mtl-aqa": {"settings": {"drop_failed_dives": True}},
        "egoexo-fitness": {"settings": {"tie": "drop"}},
    }
    found = {item.id: item.study_items for item in described(datasets=ALL | changed).datasets}
    assert (found["mtl-aqa"].same, found["egoexo-fitness"].same) == (False, False)
    assert found["mtl-aqa"].why == "settings.drop_failed_dives is true instead of false"


def test_the_limit_of_a_block_of_cells_is_known_to_print():
    cells = {"include": [{"tasks": ["judge"], "limit": 12}]}
    found = described(datasets={"llm-fms": {}}, cells=cells)
    assert found.limits["llm-fms/judge/original/base/random"] == 12


def test_the_unit_of_all_is_that_of_choices_and_no_part_of_scores():
    found = described(datasets={"finefs": {}, "fitness-aqa": {}}, scoring={"unit": "exercise"})
    assert found.unit == {"finefs": "item", "fitness-aqa": "exercise"}
