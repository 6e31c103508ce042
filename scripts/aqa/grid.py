"""The cells of an experiment: which exist, which are declared impossible, and how jobs share them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple, TypeVar

from aqa.config import TASKS, Block, Cells, Session
from aqa.errors import UserError, nearest

KeyT = TypeVar("KeyT")


class Cell(NamedTuple):
    """One (dataset, task, representation, strategy, model)."""

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str

    @property
    def path(self) -> str:
        """The cell's folder below `cells` and `journals`."""
        return "/".join(self)


PLAIN = ("judge", "original", "base")
"""Task, representation and strategy of the cells that a model's one number rests on."""


@dataclass(frozen=True)
class Axes:
    """What cells may be made of: the declared names, and what each dataset allows."""

    tasks: Mapping[str, tuple[str, ...]]
    """Dataset id -> its tasks."""
    representations: Mapping[str, tuple[str, ...]]
    """Dataset id -> its representations."""
    strategies: tuple[str, ...]
    models: tuple[str, ...]
    comparing: tuple[str, ...] | None = None
    """Strategies that the compare task can be asked with; None: all."""

    def strategies_for(self, task: str) -> tuple[str, ...]:
        """Return the strategies that a task can be asked with."""
        return self.comparing if task == "compare" and self.comparing is not None else self.strategies


@dataclass(frozen=True)
class Grid:
    """All cells of an experiment, in a fixed order."""

    cells: tuple[Cell, ...]
    not_applicable: Mapping[Cell, str]
    repeats: Mapping[Cell, int] = field(default_factory=dict)
    """How often the requests of a cell are asked, where it is more than once."""
    limits: Mapping[Cell, int] = field(default_factory=dict)
    """How many samples a cell asks about, where it is not all that are evaluated."""

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    def __len__(self) -> int:
        return len(self.cells)

    def plain(self, model: str) -> Grid:
        """Return the grid with only the plain judge cells of a model, and all cells of the others."""
        kept = tuple(cell for cell in self.cells if cell.model != model or cell[1:4] == PLAIN)
        return replace(self, cells=kept, repeats={c: n for c, n in self.repeats.items() if c in kept})


def build(wanted: Cells, axes: Axes) -> Grid:
    """Expand the configured blocks to cells.

    A name that a block leaves out stands for everything that its datasets allow. Order: datasets,
    tasks, representations, strategies and models as declared.

    Raises:
        UserError: a block names something that is not declared, or selects no possible cell.
    """
    included: dict[Cell, int] = {}
    limits: dict[Cell, float] = {}
    for number, block in enumerate(wanted.include):
        place = f"cells.include[{number}]"
        _check_names(block, axes, place)
        cells = list(_expand(block, axes))
        if not cells:
            raise UserError(f"{place}: selects no possible cell{_why(block, axes)}")
        often = wanted.repeats if block.repeats is None else block.repeats
        most = math.inf if block.limit is None else block.limit
        included.update({cell: max(often, included.get(cell, 1)) for cell in cells})
        limits.update({cell: max(most, limits.get(cell, 0)) for cell in cells})
    for number, excluded in enumerate(wanted.exclude):
        _check_names(excluded, axes, f"cells.exclude[{number}]")
        for cell in _expand(excluded, axes):
            included.pop(cell, None)
    impossible: dict[Cell, str] = {}
    for number, declared in enumerate(wanted.not_applicable):
        _check_names(declared, axes, f"cells.not_applicable[{number}]")
        impossible.update({cell: declared.reason for cell in _expand(declared, axes) if cell in included})
    if not included:
        raise UserError("cells: nothing is left to run; look at cells.exclude")
    order = {cell: position for position, cell in enumerate(_expand(Block.model_validate({}), axes))}
    cells = sorted(included, key=order.__getitem__)
    return Grid(
        cells=tuple(cell for cell in cells if cell not in impossible),
        not_applicable={cell: impossible[cell] for cell in cells if cell in impossible},
        repeats={cell: included[cell] for cell in cells if included[cell] > 1 and cell not in impossible},
        limits={cell: int(limits[cell]) for cell in cells if math.isfinite(limits[cell])},
    )


def render_key(cell: Cell, session: Session) -> tuple[str, ...]:
    """Return what cells of one rendering job have in common: none waits for joints that it does not draw."""
    key = score_key(cell, session)
    return key if session == "cell" else (*key, "original" if cell.representation == "original" else "drawn")


def session_key(cell: Cell, session: Session) -> tuple[str, ...]:
    """Return what cells of one inference job have in common."""
    if session == "cell":
        return (cell.model, *cell[:4])
    return (cell.model, cell.dataset) if session == "dataset" else (cell.model,)


def score_key(cell: Cell, session: Session) -> tuple[str, ...]:
    """Return what cells of one scoring job have in common: never more than one session's cells."""
    return (cell.model, *cell[:4]) if session == "cell" else (cell.model, cell.dataset)


def group(cells: Iterable[Cell], key: Callable[[Cell], KeyT]) -> dict[KeyT, list[Cell]]:
    """Group cells by `key`, in order of first appearance."""
    groups: dict[KeyT, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups


def _expand(block: Block, axes: Axes) -> Iterator[Cell]:
    for dataset in axes.tasks if block.datasets is None else block.datasets:
        tasks = _within(axes.tasks[dataset], block.tasks)
        representations = _within(axes.representations[dataset], block.representations)
        models = _within(axes.models, block.models)
        for task in tasks:
            strategies = _within(axes.strategies_for(task), block.strategies)
            for names in product(representations, strategies, models):
                yield Cell(dataset, task, *names)


def _within(allowed: Iterable[str], chosen: tuple[str, ...] | None) -> list[str]:
    return [name for name in allowed if chosen is None or name in chosen]


def _check_names(block: Block, axes: Axes, place: str) -> None:
    declared = {
        "datasets": set(axes.tasks),
        "tasks": set(TASKS),
        "representations": {name for names in axes.representations.values() for name in names},
        "strategies": set(axes.strategies),
        "models": set(axes.models),
    }
    for axis, known in declared.items():
        for name in getattr(block, axis) or ():
            if name not in known:
                raise UserError(f"{place}.{axis}: '{name}' is not declared{nearest(name, known)}")


def _why(block: Block, axes: Axes) -> str:
    if block.tasks == ("compare",) and not _within(axes.strategies_for("compare"), block.strategies):
        return f": the compare task allows only the strategies {', '.join(axes.strategies_for('compare'))}"
    for dataset in block.datasets or tuple(axes.tasks):
        for axis, allowed in (("tasks", axes.tasks), ("representations", axes.representations)):
            if not _within(allowed[dataset], getattr(block, axis)):
                return f": {dataset} allows only the {axis} {', '.join(allowed[dataset])}"
    return ""
