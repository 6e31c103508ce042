"""A data folder while files are put into it: its hidden work folder, and one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aqa.errors import UserError

WORK = ".acquire"


@dataclass(frozen=True)
class Workspace:
    """The data folder and where unfinished files are kept meanwhile."""

    data: Path

    @property
    def folder(self) -> Path:
        """Return the hidden work folder; it may be removed when nothing is running."""
        return self.data / WORK

    def unfinished(self, path: str) -> Path:
        """Return the place of an unfinished file, by the path where it belongs."""
        key = hashlib.sha256(path.encode()).hexdigest()[:12]
        return self.folder / f"{key}-{Path(path).name}"

    def mark(self, path: str) -> Path:
        """Return the file that exists while an archive's members are moved in place."""
        return self.unfinished(path).with_suffix(".moving")


@contextmanager
def workspace(data: Path) -> Iterator[Workspace]:
    """Make the folders and hold them for this process; a work folder that is empty is removed again.

    Raises:
        UserError: the folder cannot be made, or another process is at work there.
    """
    place = Workspace(data)
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        lock = (place.folder / "lock").open("ab")
    except OSError as error:
        raise UserError(f"--data {data}: cannot be written ({error.strerror})") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"--data {data}: another acquire is at work there; wait for it or stop it"
            ) from None
        yield place
        if [entry.name for entry in place.folder.iterdir()] == ["lock"]:
            shutil.rmtree(place.folder)


def put(source: Path, place: Path) -> None:
    """Move a finished file to where it belongs, never over another.

    Raises:
        UserError: something is there already, or the folder cannot be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() or place.is_symlink():
            raise UserError(f"{place}: is there already and stays as it is; move it away and start again")
        source.rename(place)
    except OSError as error:
        raise UserError(f"{place}: cannot be written ({error.strerror})") from None
