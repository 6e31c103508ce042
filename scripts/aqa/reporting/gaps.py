"""Figure 2: accuracy of the compare task against the gap of the pair's scores (paper, section 3.5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aqa.errors import UserError
from aqa.reporting import style
from aqa.reporting.labels import Labels, ModelLabel
from aqa.scoring.gaps import GapRow, TrendRow
from aqa.scoring.metrics import FloatArray

DODGE = 0.013
"""Distance between the points of two models in a bin, as a share of the axis."""

SMALL, LARGE = 3.2, 4.6
"""Sizes of the markers of baselines and of models, points."""

TICKS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0, 80.0, 100.0)
TOP = 1.02

LEAST = 5
"""A bin of fewer pairs is drawn without its interval, which would fill the panel."""


def accuracy_by_gap(
    rows: Sequence[GapRow], trends: Sequence[TrendRow], labels: Labels, stem: Path
) -> list[Path]:
    """Draw Figure 2; writes `<stem>.pdf`, `.svg` and `.png` and returns the paths.

    A panel a regression dataset; points with 95 % intervals over both subjects of the pairs, one a bin and
    model, at the bin's mean gap; the logistic trend of each model as a line. Headline policy, base prompt on
    original media.

    Raises:
        UserError: there is nothing to show.
    """
    shown = [row for row in rows if _headline(row, labels) and math.isfinite(row.accuracy)]
    if not shown:
        raise UserError(
            "figure 2: no cell to show; it needs task compare, representation original, prompt base, and a "
            "dataset with scores"
        )
    lines = [row for row in trends if _headline(row, labels)]
    with style.publishable():
        return style.save(_figure(shown, lines, labels), stem)


def _headline(row: GapRow | TrendRow, labels: Labels) -> bool:
    return (row.representation, row.strategy, row.policy) == ("original", "base", labels.policy)


def _figure(rows: Sequence[GapRow], trends: Sequence[TrendRow], labels: Labels) -> Figure:
    datasets = [item for item in labels.datasets if any(row.dataset == item.id for row in rows)]
    models = [item for item in labels.models if any(row.model == item.id for row in rows)]
    models.sort(key=lambda model: not model.baseline)
    figure = Figure(figsize=(0.6 + 3.3 * len(datasets), 3.3), layout="constrained")
    axes = figure.subplots(1, len(datasets), squeeze=False, sharey=True)
    for axis, dataset in zip(axes.flat, datasets, strict=True):
        mine = [row for row in rows if row.dataset == dataset.id]
        _panel(axis, mine, [row for row in trends if row.dataset == dataset.id], models)
        axis.set_title(style.short(labels.dataset_name(dataset)), loc="left", fontweight="bold")
    axes.flat[0].set_ylabel("Accuracy over both orders")
    drawn = [row.ci_low for row in rows if row.n_pairs >= LEAST and math.isfinite(row.ci_low)]
    lowest = min([0.4, *drawn, *(row.accuracy for row in rows)])
    axes.flat[0].set_ylim(math.floor(10 * lowest) / 10 - 0.02, TOP)
    marks = style.model_marks(models)
    handles = [
        Line2D(
            [],
            [],
            label=style.short(model.name),
            linestyle="" if model.baseline else "-",
            markersize=SMALL if model.baseline else LARGE,
            **marks[model.id],
        )
        for model in models
    ]
    handles.append(Line2D([], [], color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.0, label="Chance"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
    return figure


def _panel(
    axis: Axes, rows: Sequence[GapRow], trends: Sequence[TrendRow], models: Sequence[ModelLabel]
) -> None:
    marks = style.model_marks(models)
    present = [model for model in models if any(row.model == model.id for row in rows)]
    low, widest = min(row.gap_low for row in rows), max(row.gap_high for row in rows)
    axis.axhline(0.5, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.0, zorder=2)
    for place, model in enumerate(present):
        mine = sorted((row for row in rows if row.model == model.id), key=lambda row: row.bin)
        shift = DODGE * math.sqrt(widest) * (place - (len(present) - 1) / 2)
        places = [max(math.sqrt(row.gap) + shift, 0.0) ** 2 for row in mine]
        for at, row in zip(places, mine, strict=True):
            if row.n_pairs >= LEAST and math.isfinite(row.ci_low):
                ends = [row.ci_low, row.ci_high]
                axis.plot([at, at], ends, color=marks[model.id]["color"], linewidth=1.0, zorder=3)
        axis.plot(
            places,
            [row.accuracy for row in mine],
            linestyle="",
            markersize=SMALL if model.baseline else LARGE,
            markeredgewidth=1.0,
            zorder=5,
            **marks[model.id],
        )
        for trend in trends:
            if trend.model == model.id and not model.baseline and math.isfinite(trend.slope):
                _trend(axis, trend, (low, widest), marks[model.id]["color"])
    _frame(axis, rows, widest)


def _trend(axis: Axes, trend: TrendRow, span: tuple[float, float], colour: str) -> None:
    gaps = np.linspace(math.sqrt(span[0]), math.sqrt(span[1]), 100) ** 2
    fitted = 1 / (1 + np.exp(-(trend.intercept + trend.slope * gaps)))
    axis.plot(gaps, fitted, color=colour, linewidth=1.2, alpha=0.55, zorder=4)


def _frame(axis: Axes, rows: Sequence[GapRow], widest: float) -> None:
    """Draw the axes; the gap's by its root, so that bins of equally many pairs stand about equally apart."""
    axis.set_xscale("function", functions=(_root, np.square))
    axis.set_xlim(0.0, (1.03 * math.sqrt(widest)) ** 2)
    axis.set_xticks(_ticks(widest))
    axis.xaxis.set_major_formatter("{x:g}")
    for edge in sorted({row.gap_low for row in rows} | {widest}):
        axis.axvline(edge, ymax=0.025, color=style.GREY, linewidth=0.7, zorder=2)
    axis.set_xlabel("Gap of the two true scores (points, root scale)")
    axis.grid(axis="y", zorder=0)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", width=0.7, length=3)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _ticks(widest: float) -> list[float]:
    """Return round gaps that stand far enough apart to be read."""
    chosen = [0.0]
    for at in TICKS:
        if at <= 1.05 * widest and math.sqrt(at) - math.sqrt(chosen[-1]) > 0.09 * math.sqrt(widest):
            chosen.append(at)
    return chosen


def _root(values: FloatArray) -> FloatArray:
    shown: FloatArray = np.sqrt(np.maximum(values, 0.0))
    return shown
