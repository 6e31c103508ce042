"""Reading what scoring says about a cell besides its numbers: `metrics.json`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from aqa.errors import UserError
from aqa.files import first_problem
from aqa.grid import Cell


class _Part(BaseModel):
    """A part of `metrics.json`; keys that the report does not print are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Dropped(_Part):
    """A unit that a mean leaves out, with the judgements in it and the reason."""

    exercise: str
    item: str
    n: int
    reason: str


class Note(_Part):
    """What a reader must know about one number: why it is undefined, or what it leaves out."""

    metric: str
    policy: str
    unit: str
    scope: str
    reason: str | None = None
    dropped: tuple[Dropped, ...] = ()
    redrawn: int = 0
    interval: str | None = None


class CellMetrics(_Part):
    """The `metrics.json` of one cell."""

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    notes: tuple[Note, ...] = ()
    versions: dict[str, str] = {}
    drafts: int = 0
    left_out: tuple[str, ...] = ()
    model_versions: tuple[str, ...] = ()
    mixed_model_versions: bool = False

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.dataset, self.task, self.representation, self.strategy, self.model)


def read_metrics(files: Iterable[Path]) -> list[CellMetrics]:
    """Read `metrics.json` files, sorted by cell.

    Raises:
        UserError: a file is missing or does not fit; names the file and the place.
    """
    found = []
    for path in files:
        try:
            found.append(CellMetrics.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); score this cell") from error
        except ValidationError as error:
            raise UserError(f"{path}: {first_problem(error)}; score this cell again") from error
    return sorted(found, key=lambda metrics: metrics.cell)
