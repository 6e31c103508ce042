"""Numbers as sections of the report print them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from aqa.reporting.labels import Labels
from aqa.reporting.notes import synthetic

NONE = "–"

ALPHA = 0.05
"""Family-wise error of the tests that the page calls clear."""


def number(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number with fixed digits, never a negative zero; a dash where it is undefined."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.replace("-", "+" if signed else "")
    return text


def between(low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return an interval in brackets; nothing where it has no ends."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{number(low, digits, signed=signed)}, {number(high, digits, signed=signed)}]"


def with_interval(value: float, low: float, high: float, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number followed by its interval."""
    return f"{number(value, digits, signed=signed)} {between(low, high, digits, signed=signed)}".rstrip()


def probability(value: float) -> str:
    """Return a p-value."""
    if math.isnan(value):
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(number_of: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{number_of:,} {one if number_of == 1 else many or one + 's'}"


class Names:
    """How datasets and models print, by id; an unknown one prints as it is."""

    def __init__(self, labels: Labels) -> None:
        """Take the titles from the labels; synthetic datasets are marked."""
        self.labels = labels
        self.datasets = {item.id: labels.dataset_name(item) for item in labels.datasets}
        self.models = {item.id: item.name for item in labels.models}

    def dataset(self, name: str) -> str:
        """Return a dataset's title."""
        return self.datasets.get(name, name)

    def model(self, name: str) -> str:
        """Return a model's title."""
        return self.models.get(name, name)

    def order(self, dataset: str, model: str = "") -> tuple[int, int]:
        """Return a key that sorts as the labels do, baselines first, unknown names last."""
        baselines = {item.id for item in self.labels.models if item.baseline}
        places = list(self.datasets), sorted(self.models, key=lambda name: name not in baselines)
        return _place(dataset, places[0]), _place(model, places[1])

    def synthetic(self, seen: Iterable[str]) -> list[str]:
        """Return the sentence on the synthetic datasets among these, if there is one."""
        shown = set(seen)
        return synthetic([item for item in self.labels.datasets if item.id in shown], self.labels)


def _place(name: str, names: list[str]) -> int:
    return names.index(name) if name in names else len(names)
