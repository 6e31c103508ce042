"""The figure of cost against quality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from aqa.reporting import style
from aqa.reporting.costs import cell_of_cost, of_panel, settings_of
from aqa.reporting.labels import Labels, ModelLabel
from aqa.reporting.layout import METRICS
from aqa.reporting.panels import FAINT, clean, colours, datasets_of, models_of, nothing, say
from aqa.reporting.style import MARKERS, short
from aqa.scoring.costs import Cost
from aqa.scoring.rows import ALL

Axis = Literal["tokens", "usd_per_1000"]
XLABEL: dict[Axis, str] = {
    "tokens": "Tokens a judgement",
    "usd_per_1000": "USD for 1,000 (known prices)",
}


def costs_figure(costs: Sequence[Cost], labels: Labels, stem: Path) -> list[Path]:
    """Draw quality against tokens and, where a price is known, against money: a panel a dataset."""
    shown = settings_of(costs)
    if not any(cost.n_reported for cost in shown):
        return nothing("No answer reports tokens.", stem)
    datasets = [
        (dataset.id, short(labels.dataset_name(dataset), 26))
        for dataset in datasets_of([cell_of_cost(cost) for cost in shown], labels)
    ]
    if any(cost.dataset == ALL for cost in shown):
        datasets.append((ALL, "Mean skill"))
    models = models_of([cell_of_cost(cost) for cost in shown], labels)
    kinds: list[Axis] = ["tokens"]
    if any(not math.isnan(cost.usd_per_1000) for cost in shown):
        kinds.append("usd_per_1000")
    columns = min(3, len(datasets))
    lines = math.ceil(len(datasets) / columns)
    with style.publishable():
        size = (0.6 + 2.15 * columns, 1.75 * lines * len(kinds) + 0.5 + 0.17 * math.ceil(len(models) / 2))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(lines * len(kinds), columns, squeeze=False)
        for row, kind in enumerate(kinds):
            for place in range(lines * columns):
                axis = axes[row * lines + place // columns, place % columns]
                if place >= len(datasets):
                    axis.set_axis_off()
                    continue
                _panel(
                    axis, datasets[place], [c for c in shown if c.dataset == datasets[place][0]], models, kind
                )
        _legend(figure, shown, models, labels)
        return style.save(figure, stem)


def _panel(
    axis: Axes, dataset: tuple[str, str], costs: Sequence[Cost], models: Sequence[ModelLabel], kind: Axis
) -> None:
    name, title = dataset
    palette = colours(models)
    strategies = list(dict.fromkeys(cost.strategy for cost in costs))
    drawn = 0
    for model in models:
        mine = of_panel(costs, name, model.id)
        if model.baseline:
            for cost in [cost for cost in mine if cost.strategy == "base"]:
                if not math.isnan(cost.value):
                    axis.axhline(cost.value, color=FAINT, linestyle="--", linewidth=0.8, zorder=1)
            continue
        points = [cost for cost in mine if not (math.isnan(getattr(cost, kind)) or math.isnan(cost.value))]
        for cost in points:
            _point(
                axis, cost, kind, palette[model.id], MARKERS[strategies.index(cost.strategy) % len(MARKERS)]
            )
        drawn += len(points)
    axis.set_title(title, loc="left", fontweight="bold", fontsize=8)
    metric = next((cost.metric for cost in costs), "skill")
    axis.set_ylabel(METRICS[metric].name if metric in METRICS else "Mean skill", fontsize=7.5)
    axis.set_xlabel(XLABEL[kind], fontsize=7.5)
    clean(axis)
    if not drawn:
        reported = any(not math.isnan(getattr(cost, kind)) for cost in costs)
        missing = "no price is known" if kind == "usd_per_1000" else "no tokens are reported"
        say(axis, "the number is undefined" if reported else missing)
        axis.set_xticks([])
        return
    if all(value > 0 for value in (getattr(c, kind) for c in costs) if not math.isnan(value)):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_locator(NullLocator())
        _room(axis)


def _room(axis: Axes) -> None:
    """Show at least a factor of five, so that a logarithmic axis has two labels."""
    low, high = axis.get_xlim()
    if high / low < 5:
        middle, reach = math.sqrt(low * high), math.sqrt(5)
        axis.set_xlim(middle / reach, middle * reach)


def _point(axis: Axes, cost: Cost, kind: Axis, colour: str, marker: str) -> None:
    x = getattr(cost, kind)
    if not (math.isnan(cost.ci_low) or math.isnan(cost.ci_high)):
        axis.plot([x, x], [cost.ci_low, cost.ci_high], color=colour, linewidth=0.6, alpha=0.45, zorder=2)
    base = cost.strategy == "base"
    axis.plot(
        *([x], [cost.value]),
        marker=marker,
        markersize=5.5 if base else 4,
        color=colour,
        markerfacecolor=colour if base else "white",
        markeredgewidth=0.9,
        zorder=4,
    )


def _legend(figure: Figure, costs: Sequence[Cost], models: Sequence[ModelLabel], labels: Labels) -> None:
    palette = colours(models)
    names = {item.id: item.title for item in labels.strategies}
    tested = [model for model in models if not model.baseline]
    handles = [
        Line2D([], [], color=palette[model.id], linewidth=2.5, label=short(model.name, 26))
        for model in tested
    ]
    if len(tested) < len(models):
        handles.append(Line2D([], [], color=FAINT, linestyle="--", linewidth=0.8, label="Baseline"))
    for place, name in enumerate(dict.fromkeys(cost.strategy for cost in costs)):
        face = "#404040" if name == "base" else "white"
        handles.append(
            Line2D(
                *([], []),
                linestyle="",
                marker=MARKERS[place % len(MARKERS)],
                markersize=5,
                color="#404040",
                markerfacecolor=face,
                label=short(names.get(name, name), 26),
            )
        )
    columns = max(1, int(figure.get_size_inches()[0] / 1.9))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(columns, len(handles)), frameon=False
    )
