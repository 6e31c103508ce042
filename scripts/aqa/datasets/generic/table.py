"""`samples.csv` or `samples.jsonl` as rows of text, whatever a spreadsheet made of it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aqa.datasets.readers import found
from aqa.errors import UserError, nearest

NAMES = ("samples.csv", "samples.jsonl")

DELIMITERS = (",", ";", "\t")

MAX_BYTES = 256 * 1024 * 1024
"""Larger than any table of samples."""


class Row(NamedTuple):
    """A row as a spreadsheet numbers it (the header is row 1) or a line of JSONL (the first is 1)."""

    number: int
    cells: dict[str, str]


def locate(folder: Path) -> Path:
    """Return the table of a user's folder.

    Raises:
        UserError: there is none, or both.
    """
    there = [folder / name for name in NAMES if (folder / name).is_file()]
    if len(there) == 1:
        return there[0]
    if there:
        raise UserError(f"{folder}: holds samples.csv and samples.jsonl; keep the one that is right")
    raise UserError(
        f"{folder}: samples.csv or samples.jsonl not found (found there: {found(folder)}); docs/own-data.md "
        "says what the table holds"
    )


def read(path: Path, required: Iterable[str], optional: Iterable[str], ignored: Iterable[str]) -> list[Row]:
    """Return the rows that are not empty, cells stripped of outer white space.

    Every row has every required and optional column; a cell that is not there is "".

    Raises:
        UserError: the file is no such table, a column is missing, unknown (with the nearest name) or
            there twice, or a row does not fit the columns.
    """
    text = _decode(path)
    required, optional, ignored = set(required), set(optional), set(ignored)
    if path.suffix == ".csv":
        header, rows = _csv(path, text, required)
    else:
        header, rows = _jsonl(path, text)
    known = required | optional
    for column in header:
        if column not in known | ignored:
            raise UserError(
                f"{path}: unknown column '{column}'{nearest(column, known)} (a column that is not to be "
                "read is named in `ignore` of dataset.yaml)"
            )
    for column in sorted(required - set(header)):
        raise UserError(f"{path}: the column '{column}' is missing{nearest(column, set(header) - known)}")
    if not rows:
        raise UserError(f"{path}: holds no sample")
    wanted = sorted(known)
    return [Row(row.number, {name: row.cells.get(name, "") for name in wanted}) for row in rows]


def _decode(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{path}: {size} bytes are too many for a table of samples")
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    hint = "save it as UTF-8 (in Excel: Save as, CSV UTF-8)"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{path}: is UTF-16; {hint}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: not UTF-8; {hint}") from None
    if "\0" in text:
        raise UserError(f"{path}: holds NUL characters, so it is no text file; {hint}")
    return text


def _csv(path: Path, text: str, required: set[str]) -> tuple[list[str], list[Row]]:
    delimiter = _delimiter(path, text, required)
    lines = _records(path, text, delimiter)
    header: list[str] | None = None
    rows: list[Row] = []
    for number, cells in enumerate(lines, start=1):
        if not any(cells):
            continue
        while cells and not cells[-1]:
            cells.pop()
        if header is None:
            header = _header(path, cells)
            continue
        if len(cells) > len(header):
            raise UserError(
                f"{path}, row {number}: {len(cells)} cells for {len(header)} columns; a text that holds "
                f"{'a tab' if delimiter == chr(9) else repr(delimiter)} must stand in double quotes"
            )
        rows.append(Row(number, dict(zip(header, cells, strict=False))))
    if header is None:
        raise UserError(f"{path}: is empty; docs/own-data.md says what the table holds")
    return header, rows


def _records(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for cells in reader:
            number += 1
            yield [cell.strip() for cell in cells]
    except csv.Error as error:
        raise UserError(
            f"{path}, row {number + 1}: not valid CSV ({error}); a double quote that is not closed?"
        ) from None


def _delimiter(path: Path, text: str, required: set[str]) -> str:
    """Return the delimiter: the one that makes the first line with text hold most required columns.

    Names of columns hold none of them, so no two can tie but at one column or none.
    """
    first = next((line for line in text.splitlines() if line.strip(" \t,;\"'")), "")
    counts = {
        delimiter: len(required & {cell.strip(" \t\"'") for cell in first.split(delimiter)})
        for delimiter in DELIMITERS
    }
    best = max(counts, key=counts.__getitem__)
    if counts[best] < min(2, len(required)):
        raise UserError(
            f"{path}: the first row must name the columns ({', '.join(sorted(required))}), separated by "
            f"commas, semicolons or tabs; it is {first[:80]!r}"
        )
    return best


def _header(path: Path, cells: list[str]) -> list[str]:
    for position, name in enumerate(cells, start=1):
        if not name:
            raise UserError(f"{path}, row 1: column {position} has no name")
        if cells.index(name) < position - 1:
            raise UserError(f"{path}, row 1: the column '{name}' is there twice")
    return cells


def _jsonl(path: Path, text: str) -> tuple[list[str], list[Row]]:
    header: dict[str, None] = {}
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            value = json.loads(line, object_pairs_hook=partial(_unique, place))
        except RecursionError:
            raise UserError(f"{place}: nested too deep") from None
        except ValueError as error:
            raise UserError(f"{place}: not valid JSON ({error})") from None
        if not isinstance(value, dict):
            raise UserError(f"{place}: must be one JSON object with a key for each column")
        cells = {key: _cell(f"{place}, {key}", cell) for key, cell in value.items()}
        header.update(dict.fromkeys(cells))
        if any(cells.values()):
            rows.append(Row(number, cells))
    return list(header), rows


def _unique(place: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UserError(f"{place}: key '{twice}' is there twice")
    return result


def _cell(place: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and math.isfinite(value):
        return repr(value)
    raise UserError(f"{place}: must be a text or a number")
