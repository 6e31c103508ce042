"""The sections on skill and on repeated sampling: order, marks, and nothing hidden."""

import csv
import math

import pytest
import reporting_study as study

from aqa.errors import UserError
from aqa.reporting.reliability import draw_reliability, read_reliability, reliability_section
from aqa.reporting.skill import read_skills, skill_section
from aqa.scoring.reliability import COLUMNS as RELIABILITY
from aqa.scoring.skill import COLUMNS as SKILL

WHOLE = {"policy": "strict", "scope": "all", "metric": "skill", "se": 0.02, "freedom": 20, "interval": "x"}


def line(model, value, n_datasets=2, missing="", **changes):
    return {
        **WHOLE,
        "model": model,
        "value": value,
        "ci_low": value - 0.04,
        "ci_high": value + 0.04,
        "n_clusters": 30,
        "chance": math.nan,
        "n_datasets": n_datasets,
        "of": 2,
        "missing": missing,
        **changes,
    }


def write(path, columns, rows):
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def skills(tmp_path, *rows):
    return read_skills(write(tmp_path / "skill.csv", SKILL, rows))


def test_models_with_the_full_set_are_ranked_and_partial_ones_stand_last_and_say_why(tmp_path):
    rows = skills(
        tmp_path,
        line("random", -0.01),
        line("constant", 0.9, 1, f"{study.DIVES}: constant predictions"),
        line("qwen", 0.05),
        line("qwen-thinking", 0.11),
        line("gemini", 0.8, 1, f"{study.FITNESS}: not run"),
        line("qwen", 0.07, scope=study.DIVES, ci_low=math.nan, ci_high=math.nan),
        line("qwen", 0.99, policy="answered"),
    )
    section = skill_section(rows, study.labels(), "skill.csv")
    assert section.top
    grid = section.parts[1]
    assert [(row[0], row[1], row[2]) for row in grid.rows] == [
        ("Qwen3-VL†", "1", "0.110"),
        ("Qwen3-VL", "2", "0.050"),
        ("Random guess", "–", "-0.010"),
        ("Constant (partial)", "–", "0.900"),
        ("Gemini 3.1 Pro† (partial)", "–", "0.800"),
    ]
    assert grid.rows[1][3] == "[0.010, 0.090]"
    assert grid.rows[1][4:6] == ("–", "0.070")
    assert grid.notes[1].startswith(
        "Gemini 3.1 Pro†: partial, the mean over 1 of 2 datasets (Fitness-AQA: not run); not ranked"
    )
    assert "MTL-AQA (synthetic): constant predictions" in grid.notes[0]


def test_a_skill_says_how_its_cells_are_limited(tmp_path):
    rows = skills(tmp_path, line("qwen", 0.25))
    limits = {f"{name}/judge/original/base/qwen": 12 for name in (study.FITNESS, study.DIVES)}
    section = skill_section(rows, study.labels(limits=limits), "skill.csv")
    notes = " ".join(section.parts[1].notes)
    assert "Qwen3-VL: asked about at most 12 samples of Fitness-AQA and MTL-AQA." in notes
    assert "limited to 48 samples" in notes, "the dataset's own limit"


def test_a_skill_without_a_number_or_interval_prints_as_such(tmp_path):
    rows = skills(tmp_path, line("qwen", math.nan, 0, ci_low=math.nan, ci_high=math.nan))
    (row,) = skill_section(rows, study.labels(), "skill.csv").parts[1].rows
    assert row[2:4] == ("NaN", "–")


@pytest.mark.parametrize("read", [read_skills, read_reliability])
def test_files_of_another_shape_are_named(tmp_path, read):
    with pytest.raises(UserError, match=r"x\.csv: cannot be read"):
        read(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"x\.csv: the columns"):
        read(tmp_path / "x.csv")


def test_a_field_that_is_no_number_is_named_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"skill\.csv, line 2: value"):
        skills(tmp_path, line("qwen", 0.1) | {"value": "much"})


def reliable(dataset, model, metric, **changes):
    numbers = dict.fromkeys(RELIABILITY[5:], 0.5)
    fixed = {"metric": metric, "unit": "item", "repeats": 3, "n_items": 96, "n_clusters": 12}
    place = {"dataset": dataset, "task": "judge", "representation": "original", "strategy": "base"}
    return {**numbers, **place, "model": model, **fixed, **changes}


def test_reliability_prints_every_metric_and_names_models_that_never_change(tmp_path):
    rows = read_reliability(
        write(
            tmp_path / "reliability.csv",
            RELIABILITY,
            [
                reliable(
                    study.DIVES, "qwen", "spearman", alpha=math.nan, agreement=math.nan, sd_answers=1.25
                ),
                # One metric of two that did not change does not make repeats useless.
                reliable(
                    study.FITNESS,
                    "qwen",
                    "balanced_accuracy",
                    icc=math.nan,
                    sd_answers=math.nan,
                    sd_repeats=0.0,
                ),
                reliable(study.FITNESS, "constant", "balanced_accuracy", sd_repeats=0.0),
            ],
        )
    )
    section = reliability_section(rows, study.labels(), "reliability", "reliability.csv")
    said, drawing, grid = section.parts
    assert said.text.endswith(
        "No metric changed at all between repeats of Constant: repeats of it tell nothing."
    )
    assert [(row[0], row[4]) for row in grid.rows] == [
        ("Fitness-AQA", "Constant"),
        ("Fitness-AQA", "Qwen3-VL"),
        ("MTL-AQA", "Qwen3-VL"),
    ]
    assert grid.rows[2][-4:] == ("–", "–", "0.500", "1.25")
    assert grid.rows[1][-4:] == ("0.500", "0.500", "–", "–")
    paths = draw_reliability(rows, study.labels(), tmp_path / drawing.name)
    assert {path.suffix for path in paths} == {".pdf", ".svg", ".png"}
    first = [path.read_bytes() for path in paths]
    draw_reliability(rows, study.labels(), tmp_path / drawing.name)
    assert [path.read_bytes() for path in paths] == first


def test_without_repeats_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(UserError, match=r"no cell was asked more than once; set cells\.repeats"):
        draw_reliability([], study.labels(), tmp_path / "reliability")
