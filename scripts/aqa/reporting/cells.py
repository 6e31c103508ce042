"""Which cells of the whole product run, and why each other one does not."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from aqa.config import REPRESENTATIONS, TASKS, Block, Cells
from aqa.grid import Axes, Cell, Grid

KeyT = TypeVar("KeyT")

Status: TypeAlias = Literal["run", "not_applicable", "undefined", "excluded", "not_included"]

MARKS: Mapping[Status, str] = {"run": "x", "not_applicable": "–∗"}
TITLES = ("datasets", "tasks", "representations", "strategies", "models")

NOT_INCLUDED = "no block of cells.include asks for it"


class Entry(NamedTuple):
    """A cell and what becomes of it; `reason` is "" for a cell that runs."""

    cell: Cell
    status: Status
    reason: str


def explain(wanted: Cells, axes: Axes, grid: Grid) -> list[Entry]:
    """Return every cell of datasets × tasks × representations × strategies × models, in that order."""
    runs = set(grid.cells)
    return [
        Entry(cell, *_why(cell, wanted, axes, grid, runs))
        for cell in (
            Cell(*names)
            for names in product(axes.tasks, TASKS, REPRESENTATIONS, axes.strategies, axes.models)
        )
    ]


def as_csv(entries: Iterable[Entry]) -> str:
    """Return one line a cell: its five names, status and reason."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*Cell._fields, "status", "reason"])
    writer.writerows([*entry.cell, entry.status, entry.reason] for entry in entries)
    return stream.getvalue()


def as_text(entries: Sequence[Entry]) -> str:
    """Return the cells as a table, models as numbered columns, and below it why others are absent."""
    counts = Counter(entry.status for entry in entries)
    absent = len(entries) - counts["run"] - counts["not_applicable"]
    models = list(dict.fromkeys(entry.cell.model for entry in entries))
    lines = [
        f"{counts['run']} cells run, {counts['not_applicable']} are not applicable (–∗), {absent} of the "
        f"whole product of {len(entries)} are absent.",
        "",
        *(f"  {number}  {model} ({_runs(entries, model)})" for number, model in enumerate(models, start=1)),
        "",
        *_table(entries, models),
        "",
        *_reasons(entries),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _why(cell: Cell, wanted: Cells, axes: Axes, grid: Grid, runs: set[Cell]) -> tuple[Status, str]:
    if cell in runs:
        return "run", ""
    if cell in grid.not_applicable:
        return "not_applicable", grid.not_applicable[cell]
    if undefined := _undefined(cell, axes):
        return "undefined", undefined
    if any(_selects(block, cell) for block in wanted.include):
        number = next(i for i, block in enumerate(wanted.exclude) if _selects(block, cell))
        return "excluded", f"cells.exclude[{number}]"
    return "not_included", NOT_INCLUDED


def _undefined(cell: Cell, axes: Axes) -> str | None:
    if cell.task not in axes.tasks[cell.dataset]:
        return f"the dataset has no task {cell.task}"
    if cell.representation not in axes.representations[cell.dataset]:
        return f"the dataset is not shown as {cell.representation}"
    if cell.strategy not in axes.strategies_for(cell.task):
        return f"{cell.strategy} is not put to the task {cell.task}"
    return None


def _selects(block: Block, cell: Cell) -> bool:
    chosen = (block.datasets, block.tasks, block.representations, block.strategies, block.models)
    return all(names is None or name in names for names, name in zip(chosen, cell, strict=True))


def _runs(entries: Iterable[Entry], model: str) -> str:
    count = sum(entry.cell.model == model and entry.status == "run" for entry in entries)
    return f"{count} cell{'' if count == 1 else 's'}"


def _table(entries: Iterable[Entry], models: Sequence[str]) -> list[str]:
    head = ("dataset", "task", "representation", "strategy")
    rows: list[tuple[str, ...]] = [(*head, *(str(number + 1) for number in range(len(models))))]
    for names, members in _group(entries, lambda entry: entry.cell[:4]).items():
        if any(entry.status in MARKS for entry in members):
            marks = {entry.cell.model: MARKS.get(entry.status, "·") for entry in members}
            rows.append((*names, *(marks[model] for model in models)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows]


def _group(entries: Iterable[Entry], key: Callable[[Entry], KeyT]) -> dict[KeyT, list[Entry]]:
    groups: dict[KeyT, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return groups


def _reasons(entries: Sequence[Entry]) -> Iterator[str]:
    wholes = [list(dict.fromkeys(names)) for names in zip(*(entry.cell for entry in entries), strict=True)]
    reasons = _group((entry for entry in entries if entry.status != "run"), lambda entry: entry.reason)
    for reason, members in reasons.items():
        yield f"{len(members)} absent: {reason}"
        for names in blocks(entry.cell for entry in members):
            shown = [
                f"all {title}"
                if len(chosen) == len(whole) > 1
                else ", ".join(n for n in whole if n in chosen)
                for title, chosen, whole in zip(TITLES, names, wholes, strict=True)
            ]
            yield "    " + " | ".join(shown)


def blocks(cells: Iterable[Cell]) -> list[tuple[frozenset[str], ...]]:
    """Return disjoint products of names that make up exactly `cells`, in order of first appearance."""
    found = [tuple(frozenset([name]) for name in cell) for cell in cells]
    for axis in reversed(range(len(Cell._fields))):
        merged: dict[tuple[frozenset[str], ...], frozenset[str]] = {}
        for names in found:
            rest = names[:axis] + names[axis + 1 :]
            merged[rest] = merged.get(rest, frozenset()) | names[axis]
        found = [(*rest[:axis], names, *rest[axis:]) for rest, names in merged.items()]
    return found
