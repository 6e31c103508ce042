"""Reading and writing files: atomic, deterministic, line by line."""

from __future__ import annotations

import errno
import gc
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from aqa.errors import UserError

RecordT = TypeVar("RecordT", bound=BaseModel)


@contextmanager
def atomic(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; it takes the name of `path` only if the block succeeds.

    The content is flushed to disk before the rename, so a reader sees the old file or the whole
    new one, also after a power loss.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    try:
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
        with os.fdopen(handle, mode, **text) as stream:  # type: ignore[call-overload]
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error
        raise


@contextmanager
def uncollected() -> Iterator[None]:
    """Hold off the search for reference cycles while very many records are made.

    Records hold no cycles, and searching them again and again costs as much as reading them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def dumps(value: Any) -> bytes:
    """Serialise to canonical JSON: sorted keys, UTF-8, no spaces, pydantic records allowed."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, indented and sorted, atomically."""
    with atomic(path) as stream:
        stream.write(
            orjson.dumps(
                value,
                default=_plain,
                option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
            )
        )


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, atomically."""
    with atomic(path) as stream:
        stream.write(text.encode())


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """Write one canonical JSON line a record, atomically."""
    with atomic(path) as stream:
        for record in records:
            stream.write(dumps(record))
            stream.write(b"\n")


def read_jsonl(path: Path, record: type[RecordT]) -> list[RecordT]:
    """Read and validate a JSONL file.

    Raises:
        UserError: the file is missing, or a line does not fit; names the file and the line.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    records = []
    with uncollected():
        for number, line in enumerate(lines, start=1):
            try:
                records.append(record.model_validate_json(line))
            except ValidationError as error:
                raise UserError(f"{path}, line {number}: {first_problem(error)}") from error
    return records


def read_ids(path: Path) -> list[str]:
    """Return the ids that a text file lists, one a line.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({cause})") from error


def sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove what an interrupted `atomic` left half-written of files with these stems."""
    stems = set(names)
    for path in folder.glob(".*"):
        if path.name[1:].rpartition(".")[0].rpartition(".")[0] in stems:
            path.unlink(missing_ok=True)


def first_problem(error: ValidationError) -> str:
    """Return the first problem of a validation error as one line: place, then cause."""
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    cause = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {cause}" if place else cause


def digest(value: Any) -> str:
    """Return the sha256 (hexadecimal) of a value's canonical JSON."""
    return hashlib.sha256(dumps(value)).hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 (hexadecimal) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
