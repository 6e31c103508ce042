"""Batches as a cell's journal knows them: one file each, `batches/<name>.json`, written before its job.

A batch is journaled before anything is asked of the provider, so that whatever happens later its requests
are neither asked twice nor forgotten by the ledger, which counts these files.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import digest, first_problem, write_json
from aqa.inference.cell import PARTS
from aqa.inference.journal import segments
from aqa.records import Record, Sha256


class Intent(Record):
    """One batch of a cell.

    `name` is the job's display name: a digest of cell and keys, and of how many batches the cell had before.
    `reserved` maps the batch's keys to the USD that each can cost at most. `state`: `intended` (nothing was
    asked of the provider), `creating` (a job may exist), `created` (`job` is its id) or `collected` (its
    rows are in the journal). `settled`: what its rows cost is in the journal, so that `reserved` no longer
    counts. `place` is where the job lives, `folder` where its files are staged.
    """

    name: Sha256
    account: str
    place: str
    folder: str
    state: Literal["intended", "creating", "created", "collected"]
    reserved: dict[Sha256, float]
    job: str | None = None
    settled: bool = False


def name_of(journal: Path, keys: list[str]) -> str:
    """Return the name of the next batch of these keys."""
    earlier = sum(intent.state == "collected" for intent in read(journal))
    cell = "/".join(journal.parts[-PARTS:])
    return digest({"cell": cell, "keys": sorted(keys), "earlier": earlier})


def read(journal: Path) -> list[Intent]:
    """Return all batches of a journal.

    Raises:
        UserError: a file cannot be read.
    """
    intents = []
    for path in sorted((journal / "batches").glob("*.json")):
        try:
            intents.append(Intent.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from error
        except ValidationError as error:
            raise UserError(
                f"{path}: damaged ({first_problem(error)}); without it nobody knows what its batch asks: "
                "restore it, or delete it once the batch is cancelled"
            ) from None
    return intents


def live(journal: Path) -> list[Intent]:
    """Return the batches whose rows are not yet in the journal; see `read`."""
    return [intent for intent in read(journal) if intent.state != "collected"]


def write(journal: Path, intent: Intent) -> None:
    """Write a batch's file, durably."""
    path = _path(journal, intent)
    fresh = not path.exists()
    write_json(path, intent)
    if fresh:
        for folder in (path.parent, journal):
            _sync(folder)


def remove(journal: Path, intent: Intent) -> None:
    """Forget a batch that was never created."""
    _path(journal, intent).unlink(missing_ok=True)


def sync(journal: Path) -> None:
    """Make sure that everything in the journal's segments is on the disk."""
    for segment in segments(journal):
        _sync(segment)


def _path(journal: Path, intent: Intent) -> Path:
    return journal / "batches" / f"{intent.name}.json"


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # Not every file system can sync a folder.
            os.fsync(handle)
    finally:
        os.close(handle)
