"""How figures look, and how they are saved: the same bytes from the same data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.figure import Figure

from aqa.files import atomic
from aqa.reporting.escape import plain
from aqa.reporting.labels import ModelLabel

BLUE, GREEN, VERMILION = (sns.color_palette("colorblind").as_hex()[place] for place in (0, 2, 3))
"""Told apart with every common kind of colour blindness, and in print by markers."""
INK = "#1a1a1a"
GREY = "#595959"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LONGEST = 32
"""Longest title in a figure."""
SETTINGS = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 7.5,
    "axes.edgecolor": "#4d4d4d",
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "text.parse_math": False,
    "svg.hashsalt": "vlm-aqa",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
}
METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "png": {"Software": None},
}


@contextmanager
def publishable() -> Iterator[None]:
    """Draw with the project's style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        sns.set_theme(style="ticks", rc=SETTINGS)
        yield


def short(title: str, longest: int = LONGEST) -> str:
    """Return a title that leaves room for the panels; tables and the report print it in full."""
    shown = plain(title)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def model_marks(models: Sequence[ModelLabel]) -> dict[str, dict[str, Any]]:
    """Return how each model is drawn, by id: a colour and a marker of its own; baselines grey and open."""
    palette = [colour for place, colour in enumerate(sns.color_palette("colorblind").as_hex()) if place != 7]
    marks = {}
    tested = [model.id for model in models if not model.baseline]
    plain_ones = [model.id for model in models if model.baseline]
    for place, model in enumerate(tested):
        colour = palette[place % len(palette)]
        marks[model] = {"color": colour, "marker": MARKERS[place % len(MARKERS)], "markerfacecolor": colour}
    for place, model in enumerate(plain_ones):
        marks[model] = {"color": GREY, "marker": MARKERS[place % len(MARKERS)], "markerfacecolor": "white"}
    return marks


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `<stem>.pdf`, `.svg` and `.png` (300 dots an inch), atomically; returns the paths.

    No file holds a date or anything of the machine. Call inside `publishable`.
    """
    paths = []
    for form, metadata in METADATA.items():
        path = stem.with_name(f"{stem.name}.{form}")
        with atomic(path) as stream:
            figure.savefig(stream, format=form, metadata=metadata, dpi=300)
        paths.append(path)
    return paths
