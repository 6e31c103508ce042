"""The rows of `scores.csv`, in memory and in files."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import orjson
from pydantic import BeforeValidator, Field, ValidationError

from aqa.errors import UserError
from aqa.files import atomic, first_problem
from aqa.records import Record
from aqa.scoring.intervals import Method

Policy: TypeAlias = Literal["strict", "answered"]
Unit: TypeAlias = Literal["item", "exercise"]

MaybeNaN: TypeAlias = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A float that JSON holds as null where it is NaN."""

ALL = "all"
"""The scope of a whole cell."""


class ScoreRow(Record):
    """One number: a line of `scores.csv` (columns in this order).

    `unit` item: each question of an exercise is scored alone, then averaged (the one question of a
    score is asked of the whole dataset). exercise: pooled within an exercise. For the task compare: item
    pools all pairs, exercise averages over exercises. `scope` is `all` or an exercise. `n` counts
    predictions in scope, repeats included; `n_clusters` the clusters that the interval rests on. `drafts`
    counts the texts in the cell's prompts that nobody has approved. `n_left_out` counts the evaluated
    samples, or the pairs, of the whole cell that were not asked about (no clip, or no example) and are not
    in `n`. `repeats`: how often each request was asked; a value is the mean over repeats.
    """

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    metric: str
    policy: Policy
    unit: Unit
    scope: str
    value: MaybeNaN
    ci_low: MaybeNaN
    ci_high: MaybeNaN
    interval: Method
    n_clusters: int
    chance: MaybeNaN
    n: int
    n_ok: int
    n_unparsed: int
    n_truncated: int
    n_refused: int
    n_rejected: int
    n_failed: int
    n_left_out: int = Field(0, ge=0)
    drafts: int = Field(0, ge=0)
    repeats: int = Field(1, ge=1)

    @property
    def cell(self) -> tuple[str, str, str, str, str]:
        """The cell that the row belongs to."""
        return self.dataset, self.task, self.representation, self.strategy, self.model


COLUMNS = tuple(ScoreRow.model_fields)


def collect(metrics: Sequence[Path]) -> list[ScoreRow]:
    """Gather the rows of `metrics.json` files, sorted by cell, each cell's rows in their own order.

    Raises:
        UserError: a file is missing or does not fit, or two files are of one cell.
    """
    cells: dict[tuple[str, ...], tuple[Path, list[ScoreRow]]] = {}
    for path in metrics:
        rows = read_rows(path)
        cell = rows[0].cell
        if cell in cells:
            raise UserError(
                f"{path} and {cells[cell][0]} are of the same cell {'/'.join(cell)}; give one of them"
            )
        cells[cell] = (path, rows)
    return [row for cell in sorted(cells) for row in cells[cell][1]]


def read_rows(path: Path) -> list[ScoreRow]:
    """Read the rows of one `metrics.json`.

    Raises:
        UserError: the file is missing or does not fit; names the file.
    """
    try:
        rows = [ScoreRow.model_validate(row) for row in orjson.loads(path.read_bytes())["rows"]]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); score this cell") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; score this cell again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: is no metrics.json; score this cell again") from error
    if not rows:
        raise UserError(f"{path}: has no rows; score this cell again")
    return rows


def write_rows(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write `scores.csv` atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            fields = row.model_dump()
            writer.writerow([repr(value) if isinstance(value, float) else value for value in fields.values()])
