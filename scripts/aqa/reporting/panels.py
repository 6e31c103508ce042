"""What the figures of analyses share: names that fit, colours of models, what to draw for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aqa.grid import Cell
from aqa.reporting import style
from aqa.reporting.escape import plain
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel

FAINT = "#8c8c8c"


def datasets_of(cells: Iterable[Cell], labels: Labels) -> list[DatasetLabel]:
    """Return the datasets that some cell is of, in print order."""
    names = {cell.dataset for cell in cells}
    return [dataset for dataset in labels.datasets if dataset.id in names]


def models_of(cells: Iterable[Cell], labels: Labels) -> list[ModelLabel]:
    """Return the models that some cell is of: baselines first, else in print order."""
    names = {cell.model for cell in cells}
    chosen = [model for model in labels.models if model.id in names]
    return sorted(chosen, key=lambda model: not model.baseline)


def titles(labels: Labels) -> Mapping[str, str]:
    """Return what strategies and representations are called."""
    return {item.id: item.title for item in (*labels.strategies, *labels.representations)}


def colours(models: Sequence[ModelLabel]) -> dict[str, str]:
    """Return the colour of each model, the same in all figures."""
    return {model: str(mark["color"]) for model, mark in style.model_marks(models).items()}


def clean(axis: Axes, *, left: bool = True) -> None:
    """Take away what a panel does not need."""
    for side in ("top", "right", *(() if left else ("left",))):
        axis.spines[side].set_visible(False)
    axis.set_axisbelow(True)


def say(axis: Axes, text: str) -> None:
    """Write a remark in the middle of an empty panel."""
    look: Mapping[str, Any] = {"ha": "center", "va": "center", "fontsize": 7, "color": "#595959"}
    axis.text(0.5, 0.5, plain(text), transform=axis.transAxes, wrap=True, **look)


def nothing(text: str, stem: Path) -> list[Path]:
    """Save a figure that says why there is nothing to draw."""
    with style.publishable():
        figure = Figure(figsize=(5.0, 1.0), layout="constrained")
        axis = figure.subplots()
        axis.set_axis_off()
        say(axis, text)
        return style.save(figure, stem)
