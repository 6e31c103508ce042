"""The figures of distributions: options of choices, and scores, against the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from aqa.grid import Cell
from aqa.records import Prediction
from aqa.reporting import style
from aqa.reporting.distributions import OptionKey, Shown, mean_distance
from aqa.reporting.labels import Labels, ModelLabel
from aqa.reporting.panels import FAINT, clean, datasets_of, models_of, nothing, say
from aqa.reporting.style import short
from aqa.scoring.distributions import OptionShare, ScoreShape, usable_scores
from aqa.scoring.metrics import FloatArray

COLUMNS = 5
BINS = 20
SMALL: Mapping[str, Any] = {"fontsize": 6.5, "color": "#595959"}


def options_figure(shown: Shown, labels: Labels, stem: Path) -> list[Path]:
    """Draw how often options are predicted against how often they are true: a panel a dataset and model."""
    if not shown.options:
        return nothing("No choices with original media and the base prompt.", stem)
    datasets = datasets_of(shown.options, labels)
    models = models_of(shown.options, labels)
    columns = min(COLUMNS, len(models))
    lines = math.ceil(len(models) / columns)
    with style.publishable():
        figure = Figure(
            figsize=(0.9 + 1.4 * columns, 0.4 + 1.62 * lines * len(datasets)), layout="constrained"
        )
        axes = figure.subplots(lines * len(datasets), columns, squeeze=False, sharex=True, sharey=True)
        for row, dataset in enumerate(datasets):
            for place in range(lines * columns):
                axis = axes[row * lines + place // columns, place % columns]
                if place >= len(models):
                    axis.set_axis_off()
                    continue
                model = models[place]
                cell = Cell(dataset.id, "judge", "original", "base", model.id)
                _options_panel(axis, shown.options.get(cell), shown.correct.get(dataset.id, frozenset()))
                axis.set_title(_titled(model, shown.options.get(cell)), fontsize=7)
                if place % columns == 0:
                    axis.set_ylabel(f"{short(labels.dataset_name(dataset), 28)}\npredicted share", fontsize=7)
                if row == len(datasets) - 1 and place + columns >= len(models):
                    axis.set_xlabel("true share", fontsize=7)
        _options_legend(figure)
        return style.save(figure, stem)


def _options_panel(axis: Axes, shares: Sequence[OptionShare] | None, correct: frozenset[OptionKey]) -> None:
    axis.plot([0, 1], [0, 1], color="#b8b8b8", linewidth=0.8, linestyle="--", zorder=1)
    axis.set_xlim(-0.05, 1.05)
    axis.set_ylim(-0.05, 1.05)
    axis.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axis.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axis.set_aspect("equal")
    clean(axis)
    usable = [share for share in shares or () if not math.isnan(share.share_predicted)]
    if not usable:
        say(axis, "not run" if shares is None else "no usable answer")
        return
    for good, marker, colour in ((False, "x", style.VERMILION), (True, "o", style.BLUE)):
        mine = [s for s in usable if ((s.exercise, s.item, s.option) in correct) is good]
        axis.scatter(
            [share.share_true for share in mine],
            [share.share_predicted for share in mine],
            s=14,
            marker=marker,
            facecolors=colour if marker == "x" else "none",
            **({} if marker == "x" else {"edgecolors": colour}),
            linewidths=0.9,
            zorder=3,
            clip_on=False,
        )


def _titled(model: ModelLabel, shares: Sequence[OptionShare] | None) -> str:
    distance = mean_distance(shares or ())
    return short(model.name, 20) if math.isnan(distance) else f"{short(model.name, 20)}\nd = {distance:.2f}"


def _options_legend(figure: Figure) -> None:
    ring: dict[str, Any] = {"linestyle": "", "marker": "o", "color": style.BLUE, "markerfacecolor": "none"}
    cross: dict[str, Any] = {"linestyle": "", "marker": "x", "color": style.VERMILION}
    handles = [
        Line2D([], [], **ring, markersize=4.5, label="Option that means correct execution"),
        Line2D([], [], **cross, markersize=4.5, label="Other option"),
        Line2D([], [], color="#b8b8b8", linestyle="--", label="Same share"),
    ]
    width = figure.get_size_inches()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if width > 5 else 1, frameon=False)


def scores_figure(shown: Shown, labels: Labels, stem: Path) -> list[Path]:
    """Draw the distributions of scores beside the truth, and predicted against true scores."""
    if not shown.scores:
        return nothing("No scores with original media and the base prompt.", stem)
    datasets = datasets_of(shown.scores, labels)
    by_dataset = {
        dataset.id: models_of([cell for cell in shown.scores if cell.dataset == dataset.id], labels)
        for dataset in datasets
    }
    columns = min(3, max(len(models) for models in by_dataset.values()))
    lines = {name: math.ceil(len(models) / columns) for name, models in by_dataset.items()}
    heights = [max(1.55 * lines[d.id], 0.55 + 0.3 * (1 + len(by_dataset[d.id]))) + 0.35 for d in datasets]
    with style.publishable():
        figure = Figure(figsize=(3.7 + 1.45 * columns, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(datasets), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, dataset in zip(parts, datasets, strict=True):
            part.suptitle(
                short(labels.dataset_name(dataset)), x=0.01, ha="left", fontweight="bold", fontsize=9
            )
            _dataset(part, dataset.id, by_dataset[dataset.id], shown, (lines[dataset.id], columns))
        return style.save(figure, stem)


def _dataset(
    part: SubFigure, dataset: str, models: Sequence[ModelLabel], shown: Shown, shape: tuple[int, int]
) -> None:
    lines, columns = shape
    grid = part.add_gridspec(lines, 1 + columns, width_ratios=[1.55, *([1] * columns)])
    cells = [Cell(dataset, "judge", "original", "base", model.id) for model in models]
    low, high = shown.scales.get(dataset, (0.0, 1.0))
    _ridges(part.add_subplot(grid[:, 0]), cells, models, shown, (low, high))
    for place, (cell, model) in enumerate(zip(cells, models, strict=True)):
        axis = part.add_subplot(grid[place // columns, 1 + place % columns])
        _against(axis, shown.scores[cell], (low, high), baseline=model.baseline)
        axis.set_title(short(model.name, 20), fontsize=7.5)
        if place % columns == 0:
            axis.set_ylabel("Predicted", fontsize=7.5)
        if place + columns >= len(models):
            axis.set_xlabel("True", fontsize=7.5)


def _ridges(
    axis: Axes,
    cells: Sequence[Cell],
    models: Sequence[ModelLabel],
    shown: Shown,
    scale: tuple[float, float],
) -> None:
    """Draw a histogram a row: the truth of all judgements, then each model's predictions."""
    low, high = scale
    step = (high - low) / BINS
    edges = np.linspace(low - step / 2, high + step / 2, BINS + 2)
    truth = np.asarray([row.truth for row in shown.scores[cells[0]]], dtype=np.float64)
    first = shown.shapes[cells[0]]
    _ridge(axis, truth, edges, 0.0, "#9a9a9a")
    _range(axis, 0.0, (first.truth_low, first.truth_median, first.truth_high), style.INK)
    names = [_named(model, shown.shapes[cell]) for cell, model in zip(cells, models, strict=True)]
    for row, (cell, model) in enumerate(zip(cells, models, strict=True), start=1):
        _, said = usable_scores(shown.scores[cell])
        shape: ScoreShape = shown.shapes[cell]
        _ridge(axis, said, edges, float(row), "#d9d9d9" if model.baseline else "#a9cbe6")
        _range(axis, row, (shape.low, shape.median, shape.high), FAINT if model.baseline else style.BLUE)
        if not len(said):
            axis.text((low + high) / 2, row, "no usable answer", ha="center", va="center", **SMALL)
    axis.axvline(first.truth_median, color=style.INK, linestyle=(0, (4, 2.5)), linewidth=0.8, zorder=2)
    axis.set_yticks(range(len(models) + 1), ["Truth", *names])
    axis.set_ylim(len(models) + 0.6, -0.6)
    axis.set_xlim(low - 1.2 * step, high + 1.2 * step)
    axis.set_xlabel("Score", fontsize=7.5)
    axis.tick_params(axis="y", length=0)
    clean(axis, left=False)


def _named(model: ModelLabel, shape: ScoreShape) -> str:
    """Return the model's name, with the share of usable answers if some are not; floor: 99.96 is not 100."""
    share = math.floor(1000 * shape.n_usable / shape.n) / 10
    return short(model.name, 20) + ("" if shape.n_usable == shape.n else f"\n{share:g} % usable")


def _ridge(axis: Axes, values: FloatArray, edges: FloatArray, row: float, colour: str) -> None:
    if not len(values):
        return
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    heights = 0.8 * counts / counts.max()
    axis.bar(
        *(edges[:-1], heights, np.diff(edges), row - heights / 2),
        align="edge",
        color=colour,
        linewidth=0,
        zorder=1,
    )


def _range(axis: Axes, row: float, ends: tuple[float, float, float], colour: str) -> None:
    low, median, high = ends
    if math.isnan(median):
        return
    axis.plot([low, high], [row, row], color=colour, linewidth=1.2, zorder=3)
    axis.plot([median], [row], marker="D", markersize=4, color=colour, zorder=4)


def _against(
    axis: Axes, predictions: Sequence[Prediction], scale: tuple[float, float], *, baseline: bool
) -> None:
    low, high = scale
    margin = 0.05 * (high - low)
    axis.plot([low, high], [low, high], color="#b8b8b8", linewidth=0.8, linestyle="--", zorder=1)
    axis.set_xlim(low - margin, high + margin)
    axis.set_ylim(low - margin, high + margin)
    axis.set_aspect("equal")
    ticks = [low, (low + high) / 2, high]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    clean(axis)
    true, said = usable_scores(predictions)
    if not len(true):
        say(axis, "no usable answer")
        return
    points, counts = np.unique(np.stack([true, said]), axis=1, return_counts=True)
    colour = FAINT if baseline else style.BLUE
    axis.scatter(
        points[0],
        points[1],
        s=6.0 * counts,
        color=colour,
        alpha=0.35,
        linewidths=0,
        zorder=2,
        rasterized=len(counts) > 2000,
    )
    line = _fifths(true, said)
    axis.plot(*line, color=style.VERMILION, linewidth=1.2, marker=".", markersize=4, zorder=3)


def _fifths(true: FloatArray, said: FloatArray) -> tuple[list[float], list[float]]:
    """Return the mean truth and the mean prediction in fifths of the truth."""
    parts = [part for part in np.array_split(np.argsort(true, kind="stable"), 5) if len(part)]
    return [float(true[part].mean()) for part in parts], [float(said[part].mean()) for part in parts]
