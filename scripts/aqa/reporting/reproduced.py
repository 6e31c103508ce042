"""The report's section on values that the study printed, beside those of this run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from aqa.grid import Cell
from aqa.reporting import views
from aqa.reporting.labels import Labels
from aqa.reporting.layout import METRICS
from aqa.reporting.notes import listed
from aqa.reporting.printed import count
from aqa.reporting.section import Grid, Head, Part, Section, Text
from aqa.scoring.reproduced import ReproducedRow

PAPER = Path(__file__).parents[3] / "resources" / "paper"
REPORTED = PAPER / "reported_results.csv"
INCONSISTENCIES = PAPER / "inconsistencies.yaml"

INTRODUCTION = (
    "Every value of the study's Tables 1 to 5 whose cell this run holds, beside ours. Which difference can "
    "be expected depends on the samples. Same items: both studies asked about the same samples, so only "
    "decoding differs; our repeats say by how much, and without repeats nothing can be said. Other items: "
    "two draws of samples of one kind, whose difference has √2 times our standard error. “Inside” says "
    "whether our own 95 % interval over clusters holds the reported value: it is no test, but shows the "
    "size of the difference."
)
HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Task", left=True),
    Head(text="Media", left=True),
    Head(text="Prompt", left=True),
    Head(text="Model", left=True),
    Head(text="Metric", left=True),
    Head(text="Reported"),
    Head(text="Ours"),
    Head(text="Difference"),
    Head(text="Our 95 % interval"),
    Head(text="Inside"),
    Head(text="Comparison", left=True, wide=True),
    Head(text="May differ by"),
    Head(text="Verdict", left=True),
    Head(text="Remark", left=True, wide=True),
)


def reproduced_section(rows: Sequence[ReproducedRow], labels: Labels) -> Section:
    """Return the section; on synthetic data it says that nothing is comparable."""
    parts: list[Part] = [Text(text=text) for text in _said(rows, labels)]
    if rows:
        parts.append(Grid(heads=HEADS, rows=tuple(_printed(rows, labels)), notes=tuple(_notes(rows, labels))))
    return Section(
        id="reproduced",
        title="Reproduced against reported",
        short="Reported",
        parts=tuple(parts),
        files=("reproduced.csv",),
    )


def _said(rows: Sequence[ReproducedRow], labels: Labels) -> list[str]:
    made_up = [item.title for item in labels.datasets if labels.is_synthetic(item.id)]
    said = []
    if made_up:
        verb = "is" if len(made_up) == 1 else "are"
        said.append(
            f"{listed(made_up)} {verb} synthetic in this run, so nothing of "
            f"{'it' if len(made_up) == 1 else 'them'} is comparable with what the study reported, and "
            "nothing is compared."
        )
    if rows:
        verdicts = [row.verdict for row in rows]
        said += [
            INTRODUCTION,
            f"{count(len(rows), 'value')}: {verdicts.count('within')} differ by no more than can be "
            f"expected, {verdicts.count('outside')} by more, and of {verdicts.count('unknown')} nothing can "
            "be said.",
        ]
    elif not made_up:
        said.append("No cell of this run is one that the study reported.")
    return said


def _printed(rows: Sequence[ReproducedRow], labels: Labels) -> Iterator[tuple[str, ...]]:
    places = {
        cell: place for place, cell in enumerate(views.in_print_order({_cell(r) for r in rows}, labels))
    }
    for row in sorted(rows, key=lambda row: places[_cell(row)]):
        metric = METRICS[row.metric]
        ours = metric.text(row.ours)
        if math.isfinite(row.expected):
            ours += f" (expected {metric.text(row.expected)})"
        difference = metric.text(row.difference)
        known = math.isfinite(row.ci_low) and math.isfinite(row.ci_high)
        yield (
            *views.cell_names(_cell(row), labels),
            metric.heading,
            f"{metric.text(row.reported)} (Table {row.tables})",
            ours,
            difference if difference.startswith("-") else f"+{difference}",
            f"[{metric.text(row.ci_low)}, {metric.text(row.ci_high)}]" if known else "–",
            ("yes" if row.inside else "no") if known else "–",
            f"{row.comparison}: {row.why}",
            metric.text(row.reach) if math.isfinite(row.reach) else "–",
            _verdict(row),
            row.remarks,
        )


def _cell(row: ReproducedRow) -> Cell:
    return Cell(row.dataset, row.task, row.representation, row.strategy, row.model)


def _verdict(row: ReproducedRow) -> str:
    if row.verdict != "unknown":
        return {"within": "as expected", "outside": "differs"}[row.verdict]
    return "needs repeats" if row.comparison == "same items" else "no interval"


def _notes(rows: Sequence[ReproducedRow], labels: Labels) -> list[str]:
    del labels
    said = []
    if any(row.metric != row.reported_metric for row in rows):
        said.append(
            "Relative distance: the study prints one number; rows of models are compared with √R-ℓ₂, the "
            "row of random guessing with R-ℓ₂ (see the section on the distance)."
        )
    if any(row.repeats > 1 for row in rows):
        said.append(
            "Same items: Student's prediction interval of one more run, from the repeats of our cell."
        )
    if any(math.isfinite(row.expected) for row in rows):
        said.append("Expected: what uniform guessing reaches on average, exactly computed.")
    return said
