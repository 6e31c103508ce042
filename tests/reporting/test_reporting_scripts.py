"""The command lines of reporting: real processes on real files."""

import subprocess
import sys
from pathlib import Path

import pytest
import reporting_study as study

from aqa.errors import UserError
from aqa.reporting.labels import load_labels

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(script, *arguments):
    command = [sys.executable, SCRIPTS / f"{script}.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_table_figure_and_report_are_made_from_files(tmp_path):
    scores = study.write_scores(tmp_path / "scores.csv", study.rows())
    labels = study.write_labels(tmp_path / "labels.json", study.labels())
    cells = [
        study.write_cell(tmp_path, dataset, model)
        for dataset in (study.FITNESS, study.DIVES)
        for model in study.VALUES
    ]
    samples = [study.write_samples(tmp_path, dataset) for dataset in (study.FITNESS, study.DIVES)]
    names = ("dataset", "task", "representation", "strategy", "model")
    for folder in cells:
        study.write_json(folder / "metrics.json", dict(zip(names, folder.parts[-5:], strict=True)))
    (tmp_path / "cells.txt").write_text("\n".join(map(str, cells)))
    (tmp_path / "metrics.txt").write_text("\n".join(str(folder / "metrics.json") for folder in cells))
    log = tmp_path / "log.txt"

    stem = tmp_path / "tables" / "table1"
    done = run("table", "--number", 1, "--scores", scores, "--labels", labels, "--output", stem, "--log", log)
    assert done.returncode == 0, done.stderr
    assert "table1_intervals.tex" in log.read_text()
    stem = tmp_path / "figures" / "figure1"
    done = run(
        *("figure", "--number", 1, "--labels", labels, "--samples", *samples),
        *("--cells", f"@{tmp_path / 'cells.txt'}", "--output", stem),
    )
    assert done.returncode == 0, done.stderr
    done = run(
        *("report", "--scores", scores, "--labels", labels, "--tables", tmp_path / "tables"),
        *("--figures", tmp_path / "figures", "--metrics", f"@{tmp_path / 'metrics.txt'}"),
        *("--output", tmp_path / "report.html"),
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in tmp_path.glob("*/figure1.*")) == [
        "figure1.pdf",
        "figure1.png",
        "figure1.svg",
    ]


def test_a_missing_file_is_one_line_and_exit_status_1(tmp_path):
    labels = study.write_labels(tmp_path / "labels.json", study.labels())
    missing = tmp_path / "gone.csv"
    done = run(
        "table", "--number", 1, "--scores", missing, "--labels", labels, "--output", tmp_path / "table1"
    )
    assert done.returncode == 1
    assert done.stderr == f"ERROR: {missing}: cannot be read (No such file or directory)\n"
    done = run("table", "--number", 9, "--scores", missing, "--labels", labels, "--output", tmp_path / "x")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["table", "figure", "report"])
def test_help_explains_every_option(script):
    done = run(script, "--help")
    assert done.returncode == 0
    assert "--log" in done.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"synthetic": ["gone"]}, "synthetic names 'gone', which is not among the datasets"),
        ({"models": [*study.MODELS, study.MODELS[0]]}, "models names 'random' twice"),
        ({"policy": "lenient"}, "policy: Input should be 'strict' or 'answered'"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_labels_that_do_not_fit_name_the_file_and_the_place(tmp_path, change, message):
    values = study.labels().model_dump(mode="json") | change
    study.write_json(tmp_path / "labels.json", values)
    with pytest.raises(UserError, match=f"labels.json: .*{message}"):
        load_labels(tmp_path / "labels.json")
