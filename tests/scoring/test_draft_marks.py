"""A number that rests on texts that nobody has approved says so, from the cell to the printed table."""

from __future__ import annotations

import csv
import json

import pytest
from scoring_cells import SCORE, answer, request, sample, write_cell

from aqa.errors import UserError
from aqa.inference.drafts import write_drafts
from aqa.scoring.rows import collect, write_rows
from aqa.scoring.score import Settings, score_cells

SETTINGS = Settings("regression", seed=1, resamples=100)
TEXT = {"exercise": "dive", "question": "How well?", "polarity": "negative"}


@pytest.fixture
def cell(tmp_path):
    """A cell with answers, and the samples."""
    samples = [sample(f"d{i}", {"": float(i)}, [SCORE], exercise="dive", subject=f"v{i}") for i in range(6)]
    requests = [request(of) for of in samples]
    answers = [answer(to, f'{{"score": {i}}}') for i, to in enumerate(requests)]
    folder = tmp_path / "cells/diving/judge/original/negative_guidelines/model-a"
    return write_cell(folder, requests, answers), {of.sample_id: of for of in samples}


@pytest.mark.parametrize("texts", [[], [TEXT], [TEXT, TEXT | {"question": "How high?"}]])
def test_the_number_of_unapproved_texts_goes_from_the_cell_into_every_row(cell, tmp_path, texts):
    folder, samples = cell
    write_drafts(folder, texts)
    score_cells([folder], samples, SETTINGS)
    assert json.loads((folder / "metrics.json").read_text())["drafts"] == len(texts)
    write_rows(tmp_path / "scores.csv", collect([folder / "metrics.json"]))
    with (tmp_path / "scores.csv").open() as stream:
        assert {row["drafts"] for row in csv.DictReader(stream)} == {str(len(texts))}


def test_a_cell_without_the_file_has_no_drafts(cell):
    folder, samples = cell
    score_cells([folder], samples, SETTINGS)
    assert json.loads((folder / "metrics.json").read_text())["drafts"] == 0


def test_a_file_about_other_requests_neither_marks_nor_unmarks(cell):
    folder, samples = cell
    write_drafts(folder, [TEXT])
    lines = (folder / "requests.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "requests.jsonl").write_bytes(b"".join(reversed(lines)))
    with pytest.raises(UserError, match="render the requests again"):
        score_cells([folder], samples, SETTINGS)
    assert not (folder / "metrics.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"drafts": []}', '{"requests": "x", "drafts": []}'])
def test_a_damaged_file_stops_the_cell_in_one_line(cell, text):
    folder, samples = cell
    (folder / "drafts.json").write_text(text)
    with pytest.raises(UserError, match=r"drafts\.json") as caught:
        score_cells([folder], samples, SETTINGS)
    assert "\n" not in str(caught.value)
