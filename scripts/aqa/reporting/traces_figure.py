"""The figures of reasoning: prior knowledge against observation, and by what became of the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aqa.grid import Cell
from aqa.reporting import style
from aqa.reporting.labels import Labels, ModelLabel
from aqa.reporting.panels import clean, datasets_of, models_of, nothing
from aqa.reporting.style import short
from aqa.scoring.rows import ALL
from aqa.scoring.traces.rates import Rate

Mark = tuple[str, str, str, str]
"""Result, measure, colour and marker."""

STATEMENTS: Mapping[str, Mark] = {
    "Prior knowledge": (ALL, "prior", style.VERMILION, "D"),
    "Observation": (ALL, "observation", style.BLUE, "o"),
}
RESULTS: Mapping[str, Mark] = {
    "Correct answer": ("correct", "prior_share", style.GREEN, "o"),
    "Wrong answer": ("wrong", "prior_share", style.VERMILION, "s"),
    "Unusable answer": ("unusable", "prior_share", "#595959", "X"),
}
COLUMNS = 3
EMPTY = "No model of this grid writes any reasoning."


def statements_figure(rates: Sequence[Rate], labels: Labels, stem: Path) -> list[Path]:
    """Draw the shares of sentences that state prior knowledge and observation: a panel a dataset."""
    return _draw(rates, labels, stem, STATEMENTS, "Share of sentences")


def results_figure(rates: Sequence[Rate], labels: Labels, stem: Path) -> list[Path]:
    """Draw prior knowledge as a share of both, by what became of the answer: a panel a dataset."""
    return _draw(rates, labels, stem, RESULTS, "Prior knowledge among statements")


def _draw(
    rates: Sequence[Rate], labels: Labels, stem: Path, marks: Mapping[str, Mark], axis_label: str
) -> list[Path]:
    shown = [rate for rate in rates if rate.strategy == ALL and rate.task == "judge" and rate.n_traces]
    if not shown:
        return nothing(EMPTY, stem)
    cells = [Cell(r.dataset, r.task, r.representation, r.strategy, r.model) for r in shown]
    datasets, models = datasets_of(cells, labels), models_of(cells, labels)
    columns = min(COLUMNS, len(datasets))
    lines = math.ceil(len(datasets) / columns)
    step = 0.16 + 0.11 * len(marks)
    with style.publishable():
        size = (1.9 + 2.0 * columns, lines * (0.85 + step * max(2, len(models))) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(lines, columns, squeeze=False)
        for place, axis in enumerate(axes.flat):
            if place >= len(datasets):
                axis.set_axis_off()
                continue
            dataset = datasets[place]
            _panel(axis, [rate for rate in shown if rate.dataset == dataset.id], models, marks)
            axis.set_title(short(labels.dataset_name(dataset), 28), loc="left", fontweight="bold", fontsize=8)
            names = [short(model.name, 26) for model in models]
            axis.set_yticks(range(len(models)), names if place % columns == 0 else [""] * len(models))
            if place + columns >= len(datasets):
                axis.set_xlabel(axis_label, fontsize=7.5)
        handles = [
            Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.1, label=name)
            for name, (_, _, colour, marker) in marks.items()
        ]
        fits = max(1, int(size[0] / 1.6))
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(fits, len(handles)), frameon=False
        )
        return style.save(figure, stem)


def _panel(
    axis: Axes, rates: Sequence[Rate], models: Sequence[ModelLabel], marks: Mapping[str, Mark]
) -> None:
    rows = {model.id: place for place, model in enumerate(models)}
    for number, (result, measure, colour, marker) in enumerate(marks.values()):
        offset = 0.6 * ((number + 0.5) / len(marks) - 0.5)
        for rate in rates:
            value = getattr(rate, measure)
            if rate.result != result or math.isnan(value):
                continue
            row = rows[rate.model] + offset
            ends = [getattr(rate, f"{measure}_{end}") for end in ("low", "high")]
            if not any(map(math.isnan, ends)):
                axis.plot(ends, [row, row], color=colour, linewidth=1.1, zorder=2, clip_on=False)
            axis.plot([value], [row], marker=marker, markersize=4.5, color=colour, zorder=3, clip_on=False)
    for model in models:
        if all(rate.model != model.id for rate in rates):
            axis.text(
                0.5, rows[model.id], "no reasoning", ha="center", va="center", fontsize=6, color="#8c8c8c"
            )
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
    axis.set_ylim(len(models) - 0.45, -0.55)
    axis.grid(axis="x", zorder=0)
    axis.tick_params(axis="y", length=0)
    clean(axis, left=False)
