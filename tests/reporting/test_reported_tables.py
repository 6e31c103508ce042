"""The paper's reported values, placed in the table code, give the paper's Tables 1 to 5 cell for cell."""

import csv
import math
import re
from pathlib import Path

import pytest
import reporting_study as study

from aqa.reporting import render
from aqa.reporting.labels import Labels
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.scores import read_scores
from aqa.reporting.tables import build

PAPER = Path(__file__).parents[3] / "shared" / "paper"
REPORTED = PAPER / "reported_results.csv"
pytestmark = pytest.mark.skipif(not REPORTED.exists(), reason=f"{REPORTED} is not on this machine")

MODELS = {
    "random": "Random guess",
    "qwen3-vl-235b-instruct": "Qwen3-VL-Instruct",
    "qwen3-vl-235b-thinking": "Qwen3-VL-Thinking",
    "internvl3.5-241b": "InternVL3.5",
    "internvl3.5-241b-thinking": "InternVL3.5",
    "gemini-3.1-pro": "Gemini 3.1 Pro",
}
KINDS = {
    "llm-fms": "classification",
    "egoexo-fitness": "classification",
    "fitness-aqa": "classification",
    "finefs": "regression",
    "mtl-aqa": "regression",
}
STRATEGIES = [
    "base",
    "visual_grounding",
    "two_step",
    "structured_reasoning",
    "positive_guidelines",
    "negative_guidelines",
    "in_context",
]
REPRESENTATIONS = ["original", "cropped", "skeleton_overlay", "skeleton_only"]


def reported(number):
    with REPORTED.open(encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if int(row["table"]) == number]


def paper_labels(rows):
    cell = ("dataset", "task", "representation", "strategy", "model")
    missing = {tuple(row[name] for name in cell) for row in rows if not row["value"]}
    return Labels.model_validate(
        {
            "datasets": [{"id": name, "title": name, "kind": kind} for name, kind in KINDS.items()],
            "models": [
                {
                    "id": name,
                    "title": title,
                    "baseline": name == "random",
                    "thinking": name == "internvl3.5-241b-thinking",
                }
                for name, title in MODELS.items()
            ],
            "strategies": [{"id": name, "title": name} for name in STRATEGIES],
            "representations": [{"id": name, "title": name} for name in REPRESENTATIONS],
            "not_applicable": [
                dict(zip(cell, names, strict=True), reason="context window limitations")
                for names in sorted(missing)
            ],
            "seed": 0,
            "resamples": 100,
        }
    )


def paper_table(number, tmp_path):
    rows = reported(number)
    found = [
        study.score(
            row["dataset"],
            row["model"],
            row["metric"],
            float(row["value"]),
            **{name: row[name] for name in ("task", "representation", "strategy")},
            chance=math.nan,
        )
        for row in rows
        if row["value"]
    ]
    labels = paper_labels(rows)
    scores = read_scores(study.write_scores(tmp_path / "scores.csv", found))
    return build(LAYOUTS[number], scores, labels), labels


def printed_in_the_paper(number):
    """Return the numbers and –∗ of every row of a table, as the paper's text has them."""
    first = {1: "| Random guess | 0.4310", 2: "| LLM-FMS | Qwen3-VL-Instruct | 0.4725 | 0.4808"}
    first |= {3: "| FineFS | Qwen3-VL-Instruct | 0.1998 | 0.2590 | 0.2041"}
    first |= {4: "| LLM-FMS | Qwen3-VL-Instruct | 0.4725 | 0.4631", 5: "| Random guess | 50.00"}
    lines = (PAPER / "paper.txt").read_text(encoding="utf-8").splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(first[number]))
    rows = []
    for line in lines[start:]:
        if line.startswith("| †"):
            return rows
        if places := re.findall(r"(?<=\| )(-?\d+\.\d+|–∗)(?= \|)", line):
            rows.append(places)
    raise AssertionError("the table has no end")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_reported_values_reproduce_the_printed_table(number, tmp_path):
    table, labels = paper_table(number, tmp_path)
    ours = [
        places
        for row in table.rows
        if (places := [render.shown(entry) for entry in row.entries]) and set(places) != {"–"}
    ]
    assert ours == printed_in_the_paper(number)
    markdown = render.as_markdown(table, labels)
    for places in ours:
        for place in places:
            assert place in markdown


def test_table_1_marks_the_best_and_second_best_model_of_each_column(tmp_path):
    table, _ = paper_table(1, tmp_path)
    marked = {
        (column.key, mark): [row.name for row in table.rows if row.entries[place].mark == mark]
        for place, column in enumerate(table.blocks[0].columns)
        for mark in ("best", "second")
    }
    assert marked["llm-fms/balanced_accuracy", "best"] == ["Gemini 3.1 Pro"]
    assert marked["llm-fms/balanced_accuracy", "second"] == ["Qwen3-VL-Instruct"]
    assert marked["finefs/spearman", "best"] == ["Qwen3-VL-Thinking"]
    # Lower is better; the random row's 0.2181 is no rival.
    assert marked["mtl-aqa/relative_l2", "best"] == ["InternVL3.5"]
    assert marked["mtl-aqa/relative_l2", "second"] == ["Qwen3-VL-Instruct"]


def test_table_4_prints_not_applicable_with_its_reason(tmp_path):
    table, labels = paper_table(4, tmp_path)
    assert sum(entry.state == "not_applicable" for entry in table.entries) == 8
    note = next(note for note in table.notes if note.startswith("∗"))
    assert note == (
        "∗ InternVL3.5 and InternVL3.5† on egoexo-fitness; InternVL3.5 and InternVL3.5† on fitness-aqa; "
        "InternVL3.5 and InternVL3.5† on finefs: context window limitations."
    )
    assert r"\multicolumn{2}{c}{\textbf{0.5038}}" in render.as_latex(table, labels)
