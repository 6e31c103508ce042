"""What a table is made of, in no format yet: blocks, columns, rows and entries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from aqa.grid import Cell
from aqa.reporting.labels import DatasetLabel, ModelLabel
from aqa.reporting.layout import Metric
from aqa.scoring.rows import ScoreRow

Mark: TypeAlias = Literal["", "best", "second"]
State: TypeAlias = Literal["value", "undefined", "not_applicable", "absent"]

CHANCE = "Chance (expected)"


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table.

    `value` is the raw number, NaN unless `state` is `value`. `cell` is None in the row of chance,
    which belongs to no model.
    """

    metric: Metric
    state: State
    cell: Cell | None = None
    score: ScoreRow | None = None
    value: float = math.nan
    mark: Mark = ""
    reason: str = ""


@dataclass(frozen=True)
class Column:
    """A column: `above` are the headings over the metric's, outermost first; `key` names it in CSV."""

    key: str
    above: tuple[str, ...]
    metric: Metric


@dataclass(frozen=True)
class Row:
    """A row. `group` changes where a rule is drawn; `dataset` is None where columns are datasets."""

    model: ModelLabel | None
    dataset: DatasetLabel | None
    entries: tuple[Entry, ...]
    group: str
    dataset_name: str = ""

    @property
    def name(self) -> str:
        """What the row is called."""
        return self.model.name if self.model else CHANCE


@dataclass(frozen=True)
class Block:
    """Rows that share their columns. `title` is empty where a table has one block."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Table:
    """A table, ready to be written in any format. `compared` says among what best and second are marked."""

    number: int
    caption: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    compared: str

    @property
    def rows(self) -> list[Row]:
        """All rows, block by block."""
        return [row for block in self.blocks for row in block.rows]

    @property
    def entries(self) -> list[Entry]:
        """All entries, row by row."""
        return [entry for row in self.rows for entry in row.entries]
