"""What the figures of analyses share: names that fit, colours of models, what to draw for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aqa.grid import Cell
from aqa.reporting import style
from aqa.reporting.escape import plain
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel

LONGEST = 32
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
FAINT = "#8c8c8c"


def short(title: str, longest: int = LONGEST) -> str:
    """Return a title that leaves room for the panels; tables and the page print it in full."""
    shown = plain(title)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


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
    """Return a colour for each model, told apart with every common kind of colour blindness up to eight."""
    palette = sns.color_palette("colorblind").as_hex()
    palette = [colour for place, colour in enumerate(palette) if place != 7]  # Grey is for baselines.
    tested = [model for model in models if not model.baseline]
    found = {model.id: palette[place % len(palette)] for place, model in enumerate(tested)}
    return found | {model.id: FAINT for model in models if model.baseline}


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
