"""What each table shows, as data: Tables 1 to 5 of the paper, drawn by the same code."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from aqa.config import Task
from aqa.errors import UserError
from aqa.grid import Cell
from aqa.reporting.labels import Kind

Axis: TypeAlias = Literal["dataset", "representation", "strategy"]


@dataclass(frozen=True)
class Metric:
    """A metric in print. `optional`: its column prints only where some cell has it.

    `factor` scales the printed number (100 for per cent), never the raw number in CSV files.
    """

    id: str
    name: str
    definition: str
    higher_is_better: bool
    digits: int = 4
    factor: float = 1.0
    optional: bool = False

    @property
    def heading(self) -> str:
        """The name with an arrow that points to better values."""
        return f"{self.name} {'↑' if self.higher_is_better else '↓'}"

    def text(self, value: float, digits: int | None = None) -> str:
        """Return `value` as printed: fixed digits, and never a negative zero."""
        shown = f"{value * self.factor:.{self.digits if digits is None else digits}f}"
        return shown.removeprefix("-") if float(shown) == 0 else shown


METRICS: Mapping[str, Metric] = {
    metric.id: metric
    for metric in (
        Metric(
            "balanced_accuracy",
            "Bal. Acc.",
            "recall averaged over the classes, per exercise, then averaged over exercises",
            higher_is_better=True,
        ),
        Metric(
            "spearman", "ρ", "Spearman rank correlation of predicted and true scores", higher_is_better=True
        ),
        Metric(
            "relative_l2",
            "R-ℓ₂",
            "mean of the squared error over the squared range of the true scores",
            higher_is_better=False,
        ),
        Metric(
            "relative_l2_root",
            "√R-ℓ₂",
            "square root of R-ℓ₂: root mean squared error over the range of the true scores",
            higher_is_better=False,
            optional=True,
        ),
        Metric(
            "accuracy",
            "Acc. (%)",
            "share of pairs in which the better execution is named",
            higher_is_better=True,
            digits=2,
            factor=100.0,
        ),
    )
}

JUDGE_METRICS: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("balanced_accuracy",),
    "regression": ("spearman", "relative_l2", "relative_l2_root"),
}


@dataclass(frozen=True)
class Layout:
    """One table of the paper.

    Columns run over `columns` (only what the labels declare) and, inside, over the metrics of the
    dataset's kind. With columns over datasets a row is a model; otherwise a row is a model on a
    dataset, grouped by dataset. `representations` and `strategies` None mean all that are declared.
    Marks compare the models of a column (`models`) or the columns of a row (`variants`).
    """

    number: int
    caption: str
    columns: Axis
    kinds: tuple[Kind, ...] = ("classification", "regression")
    metrics: Mapping[Kind, tuple[str, ...]] = field(default_factory=lambda: JUDGE_METRICS)
    task: Task = "judge"
    representations: tuple[str, ...] | None = ("original",)
    strategies: tuple[str, ...] | None = ("base",)
    baselines: bool = False
    compare: Literal["models", "variants"] = "variants"


LAYOUTS: Mapping[int, Layout] = {
    layout.number: layout
    for layout in (
        Layout(
            1,
            "Baseline results: original media, base prompt.",
            columns="dataset",
            baselines=True,
            compare="models",
        ),
        Layout(
            2,
            "Balanced accuracy by visual representation.",
            columns="representation",
            kinds=("classification",),
            representations=None,
        ),
        Layout(
            3,
            "Score regression by visual representation.",
            columns="representation",
            kinds=("regression",),
            representations=("original", "skeleton_overlay", "skeleton_only"),
        ),
        Layout(
            4,
            "Prompt strategies, original media.",
            columns="strategy",
            metrics={"classification": ("balanced_accuracy",), "regression": ("spearman", "relative_l2")},
            strategies=None,
        ),
        Layout(
            5,
            "Contrastive tasks: which of two executions is better.",
            columns="dataset",
            task="compare",
            metrics={"classification": ("accuracy",), "regression": ("accuracy",)},
            baselines=True,
            compare="models",
        ),
    )
}


def layout_of(number: int) -> Layout:
    """Return the layout of a table of the paper.

    Raises:
        UserError: there is no such table.
    """
    if number not in LAYOUTS:
        raise UserError(f"there is no Table {number}; valid: {', '.join(map(str, LAYOUTS))}")
    return LAYOUTS[number]


def printable(cells: Iterable[Cell], baselines: Collection[str]) -> tuple[int, ...]:
    """Return the numbers of the tables that have something to show.

    Those with a row whose cells differ from Table 1's: a table over representations or strategies needs
    a model that is no baseline and a cell that is not the base prompt on original media.
    """
    seen = tuple(cells)
    return tuple(number for number, layout in LAYOUTS.items() if _shows(layout, seen, baselines))


def _shows(layout: Layout, cells: Iterable[Cell], baselines: Collection[str]) -> bool:
    rows = [cell for cell in cells if cell.task == layout.task]
    if layout.columns == "dataset":
        return any(cell[2:4] == ("original", "base") for cell in rows)
    varied = [cell for cell in rows if cell.model not in baselines]
    if layout.columns == "representation":
        return any(cell.representation != "original" and cell.strategy == "base" for cell in varied)
    return any(cell.strategy != "base" and cell.representation == "original" for cell in varied)
