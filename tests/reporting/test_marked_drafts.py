"""Cells that were asked with unapproved texts are marked in every format, and named below."""

import csv
import io
import json

import pytest
import reporting_study as study

from aqa.reporting import render
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.metrics import CellMetrics
from aqa.reporting.report import _drafts
from aqa.reporting.scores import read_scores
from aqa.reporting.tables import build
from aqa.scoring.rows import ScoreRow


def table_1(tmp_path, rows):
    scores = read_scores(study.write_scores(tmp_path / "scores.csv", rows))
    return build(LAYOUTS[1], scores, study.labels())


@pytest.fixture
def table(tmp_path):
    """Table 1 of which one model on one dataset rests on drafts."""
    rows = study.rows()
    for row in rows:
        if (row["model"], row["dataset"]) == ("qwen", study.DIVES):
            row["drafts"] = 2
    return table_1(tmp_path, rows)


def test_numbers_carry_the_mark_and_the_note_names_the_cells(table):
    labels = study.labels()
    title = next(label.title for label in labels.datasets if label.id == study.DIVES)
    model = next(label.name for label in labels.models if label.id == "qwen")
    note = f"‡ Draft, asked with texts that nobody has approved: {model} on {title} ("
    (said,) = [note_ for note_ in table.notes if note_.startswith("‡")]
    assert said.startswith(note)
    assert ";" not in said
    marked = {
        (entry.cell.dataset, entry.cell.model)
        for entry in table.entries
        if entry.cell and "‡" in render.shown(entry)
    }
    assert marked == {(study.DIVES, "qwen")}
    assert render.as_markdown(table, labels).count("‡") == 1 + sum(
        "‡" in render.shown(entry) for entry in table.entries
    )
    assert r"$^\ddagger$" in render.as_latex(table, labels)
    assert "‡" not in render.as_latex(table, labels)


def test_raw_numbers_stay_numbers_and_the_companion_counts_the_texts(table):
    assert "‡" not in render.as_csv(table)
    lines = list(csv.DictReader(io.StringIO(render.companion_csv(table))))
    assert {line["drafts"] for line in lines if line["state"] == "value"} == {"0", "2"}
    for line in lines:
        assert (line["drafts"] == "2") == ((line["model"], line["dataset"]) == ("qwen", study.DIVES))


def test_nothing_is_said_where_there_are_no_drafts(tmp_path):
    assert "‡" not in render.as_markdown(table_1(tmp_path, study.rows()), study.labels())


def test_the_report_lists_the_cells_with_the_number_of_their_texts():
    names = {"task": "judge", "representation": "original", "strategy": "base", "model": "qwen"}
    cells = [
        CellMetrics.model_validate({"dataset": dataset, **names, "drafts": drafts})
        for dataset, drafts in ((study.FITNESS, 0), (study.DIVES, 1))
    ]
    (row,) = _drafts(cells, study.labels())
    assert row.text == "1 text"
    assert json.dumps(row.names).count(study.FITNESS) == 0


def test_a_row_of_scores_counts_drafts_from_zero():
    row = study.score(study.DIVES, "qwen", "spearman", 0.5)
    del row["drafts"]
    assert ScoreRow.model_validate(row).drafts == 0
