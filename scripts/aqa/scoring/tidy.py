"""Tidy tables of an analysis: a record a line, in CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from aqa.errors import UserError
from aqa.files import atomic, first_problem

RecordT = TypeVar("RecordT", bound=BaseModel)


def write_tidy(path: Path, kind: type[RecordT], rows: Iterable[RecordT]) -> None:
    """Write records as CSV, atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        plain = csv.writer(stream, lineterminator="\n")
        quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(kind.model_fields)
        for row in rows:
            values = [getattr(row, name) for name in kind.model_fields]
            fields = [repr(value) if isinstance(value, float) else str(value) for value in values]
            # The plain writer leaves a lone carriage return unquoted, and readers end the line there.
            writer = quoted if any("\r" in field for field in fields) else plain
            writer.writerow(fields)


def read_tidy(path: Path, kind: type[RecordT], columns: Sequence[str] | None = None) -> list[RecordT]:
    """Read a table whose columns are the record's fields, or `columns`, of which the record takes some.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    wanted = tuple(kind.model_fields if columns is None else columns)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            if tuple(reader.fieldnames or ()) != wanted:
                raise UserError(f"{path}: the columns are not {', '.join(wanted)}; make it again")
            floats = [name for name, field in kind.model_fields.items() if field.annotation is float]
            return [
                kind.model_validate(line | {name: math.nan for name in floats if line[name] == ""})
                for line in reader
            ]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error}); make it again") from error
    except ValidationError as error:
        raise UserError(f"{path}, line {reader.line_num}: {first_problem(error)}; make it again") from error
