"""Servers that nobody owns any more: found by what their supervisor wrote down, ended if it is proven.

A supervisor ends its server itself. Only where it was killed too, together with the session, is something
left: the next session on the machine ends exactly the processes of the record, told by number and start.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from aqa.errors import UserError
from aqa.models._supervisor import Process, alive, boot, family, kill

log = logging.getLogger("aqa.server")


class Recorded(NamedTuple):
    """What a supervisor wrote down: who owns a server, and its processes."""

    owners: list[Process]
    processes: list[Process]


def end_orphans(folder: Path) -> None:
    """End servers of sessions that are gone, where process and start prove that they are those."""
    for record in sorted(folder.glob("*.json")):
        found = _read_record(record)
        if found is not None and all(alive(owner.pid) != owner for owner in found.owners):
            end_recorded(record)


def end_recorded(record: Path) -> None:
    """End what is left of the processes of a record, and forget the record."""
    found = _read_record(record)
    if found is not None:
        left = [process for process in found.processes if alive(process.pid) == process]
        children = [child for process in left for child in family(process.pid)]
        if left:
            log.warning("ending %d processes of a model server that nobody owns", len({*left, *children}))
        kill({*left, *children})
    record.unlink(missing_ok=True)


def _read_record(record: Path) -> Recorded | None:
    """Return a record, None where it is damaged or of another boot or container: its numbers say nothing."""
    try:
        about = json.loads(record.read_text())
        if about["boot"] != boot():
            return None
        owners = [Process(*about[name]) for name in ("session", "supervisor") if about[name]]
        return Recorded(owners, [Process(*process) for process in about["processes"]])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def private_folder() -> Path:
    """Return this user's folder for records of servers on this machine, which nobody else can write."""
    folder = Path(tempfile.gettempdir(), f"vlm-aqa-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if status.st_uid != os.getuid() or folder.is_symlink() or status.st_mode & 0o022:
        raise UserError(f"{folder}: belongs to somebody else or can be written by others; remove it")
    return folder
