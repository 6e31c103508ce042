"""The figures of the paper, as vector graphics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from aqa.errors import UserError
from aqa.reporting import style
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel
from aqa.reporting.predictions import Level, Questions, levels, read_questions

BIAS_STRATEGIES: Mapping[str, tuple[str, str]] = {
    "base": (style.BLUE, "o"),
    "positive_guidelines": (style.GREEN, ">"),
    "negative_guidelines": (style.VERMILION, "<"),
}
"""Colour and marker of the prompts that Figure 1 compares."""

COLUMNS = 3
BINS = 20
"""Steps of a score's scale: half points of a scale from 0 to 10. Bins are centred on the steps."""


def correctness_bias(
    folders: Sequence[Path], samples: Sequence[Path], labels: Labels, stem: Path
) -> list[Path]:
    """Draw Figure 1: how favourably models judge, against the ground truth (paper, section 3.4).

    Classification: the share of usable answers that mean correct execution. Regression: the mean
    predicted score, above the distribution of the predictions under the first prompt there is.
    The dashed line is the ground truth of the same samples. `folders` are cells' folders with
    `predictions.csv`; those that the figure does not show are passed over. Writes `<stem>.pdf`,
    `.svg` and `.png`; returns the paths.

    Raises:
        UserError: there is nothing to show, or a file is missing or does not fit.
    """
    questions = read_questions(samples)
    shown = levels(
        folders,
        questions,
        labels,
        task="judge",
        representation="original",
        strategies=tuple(BIAS_STRATEGIES),
    )
    shown = [level for level in shown if level.truth]
    if not shown:
        raise UserError(
            "figure 1: no cell to show; it needs task judge, representation original, and a question with "
            "an option that means correct execution, or a score"
        )
    with style.publishable():
        return style.save(_bias_figure(shown, questions, labels), stem)


def _bias_figure(shown: Sequence[Level], questions: Mapping[str, Questions], labels: Labels) -> Figure:
    datasets = [item for item in labels.datasets if any(level.cell.dataset == item.id for level in shown)]
    models = [item for item in labels.models if any(level.cell.model == item.id for level in shown)]
    models.sort(key=lambda model: not model.baseline)
    columns = min(COLUMNS, len(datasets))
    lines = math.ceil(len(datasets) / columns)
    height = lines * (0.95 + 0.36 * (len(models) + 1)) + 0.45
    figure = Figure(figsize=(1.5 + 2.45 * columns, height), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for place, axis in enumerate(axes.flat):
        if place >= len(datasets):
            axis.set_axis_off()
            continue
        dataset = datasets[place]
        mine = [level for level in shown if level.cell.dataset == dataset.id]
        _bias_panel(axis, dataset, mine, models, questions[dataset.id])
        axis.set_title(style.short(labels.dataset_name(dataset)), loc="left", fontweight="bold")
        axis.set_yticks(
            range(len(models) + 1),
            ["Ground truth", *(style.short(model.name) for model in models)] if place % columns == 0 else [],
        )
    _bias_legend(figure, shown, labels)
    return figure


def _bias_panel(
    axis: Axes,
    dataset: DatasetLabel,
    shown: Sequence[Level],
    models: Sequence[ModelLabel],
    questions: Questions,
) -> None:
    rate = dataset.kind == "classification"
    everything = {key: value for level in shown for key, value in level.truth.items()}
    truth = np.asarray([everything[key] for key in sorted(everything)], dtype=np.float64)
    low, high = (0.0, 1.0) if rate else questions.scale or _span(shown, truth)
    step = (high - low) / BINS
    edges = np.linspace(low - step / 2, high + step / 2, BINS + 2)
    rows = {model.id: place for place, model in enumerate(models, start=1)}
    baselines = {model.id for model in models if model.baseline}
    strategies = [name for name in BIAS_STRATEGIES if any(level.cell.strategy == name for level in shown)]
    if not rate:
        _distribution(axis, truth, edges, 0.0, "#b8b8b8")
        for level in shown:
            if level.cell.strategy == strategies[0]:
                _distribution(axis, level.values, edges, rows[level.cell.model], "#c6dbea")
    axis.axvline(float(truth.mean()), color=style.INK, linestyle=(0, (4, 2.5)), linewidth=1.0, zorder=2)
    axis.plot([float(truth.mean())], [0.0], marker="D", markersize=5.5, color=style.INK, zorder=4)
    for level in shown:
        offset = 0.24 * (strategies.index(level.cell.strategy) - (len(strategies) - 1) / 2)
        _point(axis, level, rows[level.cell.model] + offset, baseline=level.cell.model in baselines)
    _coverage(axis, shown, rows)
    axis.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axis.set_ylim(len(models) + 0.55, -0.55)
    axis.grid(axis="x", zorder=0)
    axis.set_axisbelow(True)
    axis.tick_params(axis="y", length=0)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.set_xlabel("Judged correct (share of answers)" if rate else "Mean predicted score")


def _point(axis: Axes, level: Level, row: float, *, baseline: bool) -> None:
    colour, marker = BIAS_STRATEGIES[level.cell.strategy]
    if math.isnan(level.level):
        return
    truth = float(np.mean([level.truth[key] for key in sorted(level.truth)]))
    axis.plot([truth, level.level], [row, row], color=colour, linewidth=1.1, alpha=0.55, zorder=3)
    axis.plot(
        [level.level],
        [row],
        marker=marker,
        markersize=6.0,
        color=colour,
        markerfacecolor="white" if baseline else colour,
        markeredgewidth=1.2,
        zorder=5,
    )


def _coverage(axis: Axes, shown: Sequence[Level], rows: Mapping[str, int]) -> None:
    """Write the share of usable answers at the right edge, if any cell of the panel lacks some."""
    if all(len(level.values) == level.total for level in shown):
        return
    place = axis.get_yaxis_transform()
    small: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": 6, "color": "#595959"}
    axis.text(1.17, 0, "usable", transform=place, **small)
    for model, row in rows.items():
        shares = [level.coverage for level in shown if level.cell.model == model]
        if shares:
            # Floor: 99.96 % must not print as 100 %.
            axis.text(1.17, row, f"{math.floor(1000 * min(shares)) / 10:g} %", transform=place, **small)


def _distribution(
    axis: Axes, values: npt.NDArray[np.float64], edges: npt.NDArray[np.float64], row: float, colour: str
) -> None:
    """Draw a histogram around the line of a row; its highest bin fills the row."""
    if not len(values):
        return
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    heights = 0.72 * counts / counts.max()
    axis.bar(
        edges[:-1],
        heights,
        width=np.diff(edges),
        bottom=row - heights / 2,
        align="edge",
        color=colour,
        linewidth=0,
        zorder=1,
    )


def _span(shown: Sequence[Level], truth: npt.NDArray[np.float64]) -> tuple[float, float]:
    values = np.concatenate([truth, *(level.values for level in shown)])
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _bias_legend(figure: Figure, shown: Sequence[Level], labels: Labels) -> None:
    titles = {strategy.id: strategy.title for strategy in labels.strategies}
    present = [name for name in BIAS_STRATEGIES if any(level.cell.strategy == name for level in shown)]
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=style.INK, linestyle="--", marker="D", markersize=5, label="Ground truth")
    ]
    for name in present:
        colour, marker = BIAS_STRATEGIES[name]
        handles.append(
            Line2D(
                [], [], color=colour, marker=marker, markersize=6, label=style.short(titles.get(name, name))
            )
        )
    kinds = {dataset.id: dataset.kind for dataset in labels.datasets}
    if any(kinds[level.cell.dataset] == "regression" for level in shown):
        title = style.short(titles.get(present[0], present[0]))
        handles.append(Patch(color="#c6dbea", label=f"Distribution ({title})"))
    baselines = {model.id for model in labels.models if model.baseline}
    if any(level.cell.model in baselines for level in shown):
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                markersize=6,
                markerfacecolor="white",
                color="#595959",
                label="Baseline",
            )
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), frameon=False)
