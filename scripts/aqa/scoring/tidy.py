"""Tidy CSV files of records: one column a field, in the record's order."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from aqa.errors import UserError
from aqa.files import atomic, first_problem

RecordT = TypeVar("RecordT", bound=BaseModel)


def write_tidy(path: Path, kind: type[RecordT], rows: Iterable[RecordT]) -> None:
    """Write records atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(kind.model_fields)
        for row in rows:
            fields = row.model_dump().values()
            writer.writerow([repr(field) if isinstance(field, float) else field for field in fields])


def read_tidy(path: Path, kind: type[RecordT]) -> list[RecordT]:
    """Read records.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if list(reader.fieldnames or ()) != list(kind.model_fields):
                raise UserError(f"{path}: the columns are not {', '.join(kind.model_fields)}; make it again")
            return [kind.model_validate(line) for line in reader]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    except ValidationError as error:
        raise UserError(f"{path}, line {reader.line_num}: {first_problem(error)}") from error
