"""Which differences are tested, and what effects.csv says about planted ones."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from scoring_cells import answer, write_cell

from aqa.files import write_jsonl
from aqa.grid import Cell
from aqa.records import Media, Message, Question, Request, Response, Sample, TextPart
from aqa.scoring.effects import COLUMNS, contrasts
from aqa.scoring.score import Settings, score_cells

SCRIPT = Path(__file__).parents[2] / "scripts" / "effects.py"
KNEES = Question(item="knees", text="Do the knees cave in?", options=("yes", "no"))


def cell(strategy: str = "base", representation: str = "original", model: str = "a", task: str = "judge"):
    return Cell("gym", task, representation, strategy, model)


def test_each_family_changes_one_place_and_holds_the_others_at_their_plain_form() -> None:
    grid = [
        *(cell("base"), cell("two_step"), cell(representation="cropped")),
        *(cell("two_step", "cropped"), cell(model="b"), cell(model="random"), cell("base", task="compare")),
        cell("two_step", task="compare"),
    ]
    models = {"a": None, "b": "a"}
    found = contrasts(grid, ("strategy", "representation", "model", "thinking"), models)
    assert [(one.family, one.cell, one.against) for one in found] == [
        ("strategy", cell("two_step"), cell("base")),
        ("representation", cell(representation="cropped"), cell()),
        ("model", cell(), cell(model="b")),
        ("thinking", cell(model="b"), cell()),
    ]
    assert [one.place for one in found] == ["strategy", "representation", "model", "model"]
    assert not contrasts(grid, ("strategy",), {"random": None})


def sample(number: int, truth: str) -> Sample:
    return Sample(
        sample_id=f"s{number:03d}",
        exercise="squat",
        subject=f"p{number % 40:02d}",
        split="test",
        media=Media(path="x.mp4", kind="video"),
        questions=(KNEES,),
        truth={"knees": truth},
    )


def exchange(samples: list[Sample], skill: float, seed: int) -> tuple[list[Request], list[Response]]:
    rng = np.random.default_rng(seed)
    requests, responses = [], []
    for number, one in enumerate(samples):
        key = f"{seed:032x}{number:032x}"
        requests.append(
            Request(
                key=key,
                settings="0" * 64,
                sample_id=one.sample_id,
                subject=one.subject,
                exercise=one.exercise,
                messages=(Message(role="user", content=(TextPart(text="?"),)),),
                questions=one.questions,
            )
        )
        right = rng.random() < skill
        truth = str(one.truth["knees"])
        said = truth if right else ("no" if truth == "yes" else "yes")
        responses.append(answer(requests[-1], orjson.dumps({"knees": said}).decode()))
    return requests, responses


@pytest.fixture
def study(tmp_path: Path) -> dict[Cell, Path]:
    samples = [sample(n, ("yes", "no")[n % 2]) for n in range(200)]
    write_jsonl(tmp_path / "gym" / "samples.jsonl", samples)
    skills = {cell("base"): 0.6, cell("two_step"): 0.9, cell("in_context"): 0.6}
    folders = {
        one: write_cell(tmp_path / "cells" / one.path, *exchange(samples, skill, seed))
        for seed, (one, skill) in enumerate(skills.items(), start=1)
    }
    about = {one.sample_id: one for one in samples}
    score_cells(folders.values(), about, Settings("classification", 0, 200))
    return folders


def run(study: dict[Cell, Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, SCRIPT, "--cells", *study.values()),
            *("--samples", folder / "gym" / "samples.jsonl", "--families", "strategy"),
            *("--models", '{"a": null}', "--seed", "0", "--resamples", "1000"),
            *("--output", folder / "effects.csv"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_planted_difference_is_found_and_no_other(study: dict[Cell, Path], tmp_path: Path) -> None:
    done = run(study, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 differences tested, 1 clear after Holm" in done.stderr
    with (tmp_path / "effects.csv").open(newline="") as stream:
        rows = {row["strategy"]: row for row in csv.DictReader(stream)}
    assert tuple(rows["two_step"]) == COLUMNS
    planted, null = rows["two_step"], rows["in_context"]
    assert float(planted["p_holm"]) < 0.01
    assert float(planted["ci_low"]) < 0.3 < float(planted["ci_high"])
    assert float(planted["difference"]) == pytest.approx(
        float(planted["value"]) - float(planted["value_against"])
    )
    assert (planted["against"], planted["n"], planted["n_clusters"]) == ("base", "200", "40")
    assert float(null["p_holm"]) > 0.05
    assert float(null["ci_low"]) < 0 < float(null["ci_high"])


def test_a_cell_that_is_not_scored_is_one_line(study: dict[Cell, Path], tmp_path: Path) -> None:
    (study[cell("base")] / "metrics.json").unlink()
    done = run(study, tmp_path)
    assert done.returncode == 1
    assert "metrics.json: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
