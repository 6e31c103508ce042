"""Forest plots: estimates with intervals, a panel a dataset, a line a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aqa.reporting import style
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel

COLUMNS = 3


@dataclass(frozen=True)
class Point:
    """An estimate of a model on a dataset, with its interval (NaN where there is none)."""

    dataset: str
    model: str
    value: float
    low: float
    high: float


def forest(
    points: Sequence[Point],
    labels: Labels,
    stem: Path,
    *,
    axis: str,
    limits: tuple[float, float] | None = None,
) -> list[Path]:
    """Draw estimates around zero (dashed); writes `<stem>.pdf`, `.svg` and `.png` and returns the paths.

    Args:
        points: what to draw; without any, the figure says so.
        labels: names and order in print.
        stem: the path without suffix.
        axis: what the estimates are.
        limits: the ends of every panel's axis; None: symmetric, wide enough for all of them.
    """
    with style.publishable():
        return style.save(_figure(points, labels, axis, limits or _limits(points)), stem)


def _limits(points: Sequence[Point]) -> tuple[float, float]:
    ends = [abs(end) for point in points for end in (point.value, point.low, point.high)]
    widest = 1.08 * max([end for end in ends if math.isfinite(end)] + [1e-3])
    return -widest, widest


def _figure(points: Sequence[Point], labels: Labels, title: str, limits: tuple[float, float]) -> Figure:
    if not points:
        empty = Figure(figsize=(3.0, 0.6))
        empty.text(0.5, 0.5, "Nothing to show", ha="center", va="center", color=style.GREY)
        return empty
    datasets = [item for item in labels.datasets if any(point.dataset == item.id for point in points)]
    models = [item for item in labels.models if any(point.model == item.id for point in points)]
    models.sort(key=lambda model: not model.baseline)
    columns = min(COLUMNS, len(datasets))
    lines = math.ceil(len(datasets) / columns)
    figure = Figure(
        figsize=(1.5 + 2.1 * columns, lines * (0.75 + 0.22 * len(models)) + 0.1), layout="constrained"
    )
    axes = figure.subplots(lines, columns, squeeze=False)
    for place, panel in enumerate(axes.flat):
        if place >= len(datasets):
            panel.set_axis_off()
            continue
        _panel(panel, datasets[place], points, models)
        panel.set_title(style.short(labels.dataset_name(datasets[place])), loc="left", fontweight="bold")
        panel.set_yticks(
            range(len(models)),
            [style.short(model.name) for model in models] if place % columns == 0 else [],
        )
        panel.set_xlim(*limits)
        if place + columns >= len(datasets):
            panel.set_xlabel(title)
    return figure


def _panel(axis: Axes, dataset: DatasetLabel, points: Sequence[Point], models: Sequence[ModelLabel]) -> None:
    rows = {model.id: place for place, model in enumerate(models)}
    baselines = {model.id for model in models if model.baseline}
    axis.axvline(0.0, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.0, zorder=2)
    for point in points:
        if point.dataset != dataset.id or not math.isfinite(point.value):
            continue
        row = rows[point.model]
        colour = style.GREY if point.model in baselines else style.BLUE
        if math.isfinite(point.low) and math.isfinite(point.high):
            axis.plot([point.low, point.high], [row, row], color=colour, linewidth=1.4, zorder=3)
        axis.plot(
            [point.value],
            [row],
            marker="o",
            markersize=5.0,
            color=colour,
            markerfacecolor="white" if point.model in baselines else colour,
            markeredgewidth=1.2,
            zorder=4,
        )
    axis.set_ylim(len(models) - 0.4, -0.6)
    axis.grid(axis="x", zorder=0)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
