"""The report's section and figure on repeated sampling (reliability.csv)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pydantic import BaseModel, ConfigDict

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.reporting import style, views
from aqa.reporting.escape import plain
from aqa.reporting.labels import Labels
from aqa.reporting.layout import METRICS, Metric
from aqa.reporting.section import Drawing, Grid, Head, Section, Text
from aqa.scoring.reliability import COLUMNS
from aqa.scoring.tidy import read_tidy

MOST = 40
"""Most rows of the figure; the table has all."""

LONGEST = 60

NAMES = tuple(
    Head(text=text, left=True) for text in ("Dataset", "Task", "Media", "Prompt", "Model", "Metric")
)
HEADS = (
    *NAMES,
    Head(text="Repeats"),
    Head(text="Mean", above="Value"),
    Head(text="Consensus", above="Value"),
    Head(text="Samples", above="Standard error from"),
    Head(text="Repeats", above="Standard error from"),
    Head(text="Both", above="Standard error from"),
    Head(text="One asking", above="SD between repeats"),
    Head(text="95 % interval", above="SD between repeats"),
    Head(text="Agreement", above="Answers to the same question"),
    Head(text="α", above="Answers to the same question"),
    Head(text="ICC(1)", above="Answers to the same question"),
    Head(text="SD", above="Answers to the same question"),
)
NOTES = (
    "Mean: the metric of each repeat, averaged; unusable answers always count as wrong here (policy strict). "
    "Consensus: an extra, the metric of the majority vote (or the mean score) of all repeats.",
    "Standard error: “both” is that of the mean, from leaving out clusters with all their repeats; “repeats”"
    " is the SD between repeats over √repeats; “samples” is what endless repeats would leave, the root of "
    "the difference of squares (0 where that is negative).",
    "Agreement: share of pairs of usable answers to the same question that are equal. α: Krippendorff's, "
    "which takes the agreement by chance off (1 perfect, 0 chance). ICC(1) and SD: for scores, share of "
    "variance between things asked about, and standard deviation of answers to the same one.",
)
CAPTION = (
    "How much answers change when they are asked again. Left: agreement of answers to the same question "
    "beyond chance (Krippendorff's α; ICC(1) of scores), 1 is perfect. Right: standard error of the headline"
    " metric from the samples, and standard deviation of a single asking around it, of the same samples."
)


class Row(BaseModel):
    """A row of reliability.csv."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    metric: str
    repeats: int
    value: float
    se: float
    se_samples: float
    se_repeats: float
    sd_repeats: float
    sd_low: float
    sd_high: float
    agreement: float
    alpha: float
    icc: float
    sd_answers: float
    consensus: float

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.dataset, self.task, self.representation, self.strategy, self.model)


def read_reliability(path: Path) -> list[Row]:
    """Read reliability.csv.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    return read_tidy(path, Row, COLUMNS)


def reliability_section(rows: Sequence[Row], labels: Labels, figure: str, file: str) -> Section:
    """Return the section; `figure` is the name of the drawing, `file` that of the numbers."""
    ordered = _ordered(rows, labels)
    moved = {row.model for row in ordered if row.sd_repeats != 0}
    same = [row for row in ordered if row.model not in moved]
    said = (
        "Some cells were asked several times. The spread between repeats (decoding) stands apart from that "
        "between samples: more samples shrink the one, more repeats the other."
    )
    if same:
        models = {model.id: model.name for model in labels.models}
        names = ", ".join(dict.fromkeys(models.get(row.model, row.model) for row in same))
        said += f" No metric changed at all between repeats of {names}: repeats of it tell nothing."
    return Section(
        id="reliability",
        title="Reliability of repeated sampling",
        short="Reliability",
        parts=(
            Text(text=said),
            Drawing(name=figure, caption=CAPTION + _shortened(ordered)),
            Grid(
                title="Spread between samples and between repeats",
                heads=HEADS,
                rows=tuple(_printed(row, labels) for row in ordered),
                notes=NOTES,
                folded=True,
            ),
        ),
        files=(file,),
    )


def _shortened(rows: Sequence[Row]) -> str:
    cells = len({row.cell for row in rows})
    return f" The first {MOST} of {cells} cells; the table has all." if cells > MOST else ""


def _ordered(rows: Sequence[Row], labels: Labels) -> list[Row]:
    order = {
        cell: place for place, cell in enumerate(views.in_print_order({row.cell for row in rows}, labels))
    }
    return sorted(rows, key=lambda row: order[row.cell])


def _printed(row: Row, labels: Labels) -> tuple[str, ...]:
    metric = METRICS[row.metric]
    return (
        *views.cell_names(row.cell, labels),
        metric.name,
        str(row.repeats),
        *(
            _text(value, metric)
            for value in (
                *(row.value, row.consensus, row.se_samples, row.se_repeats, row.se, row.sd_repeats),
            )
        ),
        f"[{_text(row.sd_low, metric)}, {_text(row.sd_high, metric)}]",
        *("–" if math.isnan(value) else f"{value:.3f}" for value in (row.agreement, row.alpha, row.icc)),
        "–" if math.isnan(row.sd_answers) else f"{row.sd_answers:.3g}",
    )


def _text(value: float, metric: Metric) -> str:
    return "NaN" if math.isnan(value) else metric.text(value)


def draw_reliability(rows: Sequence[Row], labels: Labels, stem: Path) -> list[Path]:
    """Draw the figure of the first metric of each cell; writes `<stem>.pdf`, `.svg` and `.png`.

    Raises:
        UserError: there is no cell with repeats.
    """
    first: dict[Cell, Row] = {}
    for row in _ordered(rows, labels):
        first.setdefault(row.cell, row)
    shown = list(first.values())
    if not shown:
        raise UserError("reliability: no cell was asked more than once; set cells.repeats")
    with style.publishable():
        return style.save(_figure(shown[:MOST], labels), stem)


def _figure(rows: Sequence[Row], labels: Labels) -> Figure:
    figure = Figure(figsize=(7.6, 1.3 + 0.24 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    agreed = [row.alpha if math.isnan(row.icc) else row.icc for row in rows]
    left.plot(
        agreed, places, linestyle="", marker="o", markersize=5.5, color=style.BLUE, zorder=3, clip_on=False
    )
    left.plot(
        [row.agreement for row in rows],
        places,
        linestyle="",
        marker="|",
        markersize=7,
        color=style.GREEN,
        zorder=2,
    )
    known = [value for value in agreed if not math.isnan(value)]
    left.set_xlim(min(-0.05, *known, 0.0) - 0.02, 1.04)
    left.axvline(0, color=style.INK, linewidth=0.7, linestyle=(0, (4, 2.5)))
    left.set_xlabel("α, or ICC(1) of scores")
    for values, colour, marker in (
        ([row.se_samples for row in rows], style.BLUE, "s"),
        ([row.sd_repeats for row in rows], style.VERMILION, "D"),
    ):
        right.plot(
            values, places, linestyle="", marker=marker, markersize=5, color=colour, zorder=3, clip_on=False
        )
    right.set_xlim(left=0)
    right.set_xlabel("Spread of the metric (in its own unit)")
    left.set_yticks(list(places), [_name(row, labels) for row in rows])
    for axis in (left, right):
        _tidy(axis, len(rows))
    figure.legend(handles=_legend(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def _tidy(axis: Axes, rows: int) -> None:
    axis.set_ylim(rows - 0.4, -0.6)
    axis.grid(axis="x", zorder=0)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _legend() -> list[Line2D]:
    def mark(marker: str, colour: str, label: str) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, color=colour, markersize=5.5, label=label)

    return [
        mark("o", style.BLUE, "Beyond chance"),
        mark("|", style.GREEN, "Agreement"),
        mark("s", style.BLUE, "SE from samples"),
        mark("D", style.VERMILION, "SD between repeats"),
    ]


def _name(row: Row, labels: Labels) -> str:
    dataset, task, media, prompt, model = views.cell_names(row.cell, labels)
    parts = [dataset, "compare" if task == "compare" else "", media, prompt, model]
    plain_setting = (row.representation, row.strategy) == ("original", "base")
    shown = [dataset, *parts[1:2], *(() if plain_setting else parts[2:4]), f"{model} (×{row.repeats})"]
    text = plain(" · ".join(part for part in shown if part))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
