"""Extracting an archive: checked first, into a folder of its own, checked again, then moved in place."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqa.datasets.acquire import extractors, rars, tars, zips
from aqa.datasets.acquire.members import Limits, Listing, Member, shown
from aqa.datasets.acquire.sources import ArchiveKind
from aqa.errors import UserError
from aqa.files import digest_file

log = logging.getLogger("aqa")

SPARE = 64 << 20
"""Bytes that stay free on the disk."""


@dataclass(frozen=True)
class _Reader:
    """How a kind of archive is read."""

    scan: Callable[[Limits], list[Member]]
    unpack: Callable[[Sequence[Member], Path], None]


def extract(
    archive: Path,
    kind: ArchiveKind,
    target: Path,
    scratch: Path,
    *,
    limits: Limits | None = None,
    mark: Path | None = None,
) -> int:
    """Extract an archive into `target`, and return the number of files.

    Every member is checked before anything is written; everything is extracted to a folder in
    `scratch` (on the file system of `target`), compared with what was announced, and moved only then. A file
    that is already there with the same content stays; with other content the archive is refused, before
    anything is moved. Files get mode 644, folders 755. A run that was killed is repeated as a whole.

    Args:
        archive: the file; of `split-tar` the name without `.aa`.
        kind: `tar` may be compressed with gzip, bzip2, xz or (Python 3.14) zstandard.
        target: made if it is not there.
        scratch: folder for the temporary one; nobody else works there.
        limits: refuse an archive of more; default `Limits()`.
        mark: file that exists while members are moved to `target`: if it is left, not all were.

    Raises:
        UserError: missing, damaged, truncated or refused (one line with archive and member), would
            replace a file, or does not fit on the disk. `target` is then as it was.
    """
    reader = _reader(archive, kind)
    members = reader.scan(limits or Limits())
    files = [member for member in members if not member.folder]
    if not files:
        raise UserError(f"{archive}: holds no file; download it again")
    scratch.mkdir(parents=True, exist_ok=True)
    check_space(scratch, sum(member.size for member in files), str(archive))
    folder = scratch / f"extracting-{archive.name}"
    try:
        extractors.clear(folder)
        folder.mkdir()
        reader.unpack(members, folder)
        verify(archive, members, folder)
        _publish(archive, folder, target, mark or scratch / "moving")
    except OSError as error:
        raise _disk_error(archive, error) from None
    finally:
        extractors.clear(folder)
    log.info("%s: extracted %d files to %s", archive, len(files), target)
    return len(files)


def present(archive: Path, kind: ArchiveKind) -> bool:
    """Say whether the archive (of a split one: any part) is there."""
    if kind == "split-tar":
        return archive.parent.is_dir() and any(archive.parent.glob(f"{archive.name}.[a-z][a-z]"))
    return archive.is_file()


def check_space(folder: Path, needed: int, what: str) -> None:
    """Stop where the disk of a folder has not `needed` bytes and some to spare.

    Raises:
        UserError: it has not; names both amounts.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise UserError(
            f"{what}: needs {readable(needed)}, and the disk of {folder} has {readable(free)} free; make "
            "room, or keep the data elsewhere"
        )


def readable(size: float) -> str:
    """Return a number of bytes as a person reads it."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def verify(archive: Path, members: Sequence[Member], folder: Path) -> None:
    """Check that a folder holds the announced members and nothing else, and set their modes.

    Raises:
        UserError: a link, device or unannounced file, another size, or something is missing.
    """
    listing = Listing(archive, 0, Limits())
    announced = {_normal(member.path): member.size for member in members if not member.folder}
    for path in _walk(folder):
        place = path.relative_to(folder).as_posix()
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            path.chmod(0o755)
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise listing.refusal(place, "came out as a link or a device")
        size = announced.pop(_normal(place), None)
        if size is None:
            raise listing.refusal(place, "came out, but was not announced")
        if size != status.st_size:
            raise listing.refusal(place, f"came out with {status.st_size} bytes instead of {size}")
        path.chmod(0o644)
    if announced:
        raise listing.refusal(min(announced), f"did not come out (with {len(announced) - 1} others)")


def _reader(archive: Path, kind: ArchiveKind) -> _Reader:
    if kind == "split-tar":
        parts = tars.parts_of(archive)
    elif archive.is_file():
        parts = [archive]
    else:
        raise UserError(f"{archive}: no such file; download it first")
    if kind == "zip":
        return _Reader(
            lambda limits: zips.scan(archive, limits),
            lambda members, folder: zips.unpack(archive, members, folder),
        )
    if kind == "rar":
        extractors.require(archive)
        return _Reader(
            lambda limits: rars.scan(archive, limits),
            lambda members, folder: extractors.run(archive, folder, lambda: verify(archive, members, folder)),
        )
    return _Reader(
        lambda limits: tars.scan(archive, parts, limits),
        lambda members, folder: tars.unpack(archive, parts, members, folder),
    )


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder, a folder before its content; links are not followed."""
    folder.chmod(0o755)
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        path = Path(entry.path)
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)


def _normal(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def _publish(archive: Path, folder: Path, target: Path, mark: Path) -> None:
    """Move a folder's content into `target`; check all of it before anything is moved."""
    if target.is_file():
        raise UserError(f"{archive}: {target} is a file, and a folder is needed there; move it away")
    target.mkdir(parents=True, exist_ok=True)
    moves = list(_moves(archive, folder, target))
    mark.touch()
    for source, place in moves:
        source.rename(place)
    mark.unlink()


def _moves(archive: Path, source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    for path in sorted(source.iterdir()):
        place = target / path.name
        if not os.path.lexists(place):
            yield path, place
        elif path.is_dir() and place.is_dir() and not place.is_symlink():
            yield from _moves(archive, path, place)
        elif not _same(path, place):
            raise UserError(
                f"{archive}: refused: member '{shown(path.name)}' would replace {place}, which has other "
                "content; nothing was extracted, move that file away if it is not yours to keep"
            )


def _same(path: Path, place: Path) -> bool:
    return (
        path.is_file()
        and place.is_file()
        and not place.is_symlink()
        and path.stat().st_size == place.stat().st_size
        and digest_file(path) == digest_file(place)
    )


def _disk_error(archive: Path, error: OSError) -> UserError:
    if error.errno == errno.EXDEV:
        return UserError(
            f"{archive}: its folder lies on another disk than the data folder; extract it by hand"
        )
    if error.errno == errno.ENOSPC:
        return UserError(f"{archive}: the disk is full; make room and start again")
    return UserError(
        f"{archive}: cannot be extracted ({error.strerror}: {error.filename}); is the folder writable?"
    )
