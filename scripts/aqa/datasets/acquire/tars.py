"""Tar archives, compressed or not, whole or split: scanned first, then extracted by `tarfile`."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aqa.datasets.acquire.members import Limits, Listing, Member
from aqa.datasets.acquire.streams import CHUNK, Damaged, Forward, Joined, TooMuch, decompress
from aqa.errors import UserError

BLOCK = 512

_TYPES = {
    tarfile.SYMTYPE: "is a symbolic link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device",
    tarfile.BLKTYPE: "is a device",
    tarfile.FIFOTYPE: "is a named pipe",
}


def parts_of(archive: Path) -> list[Path]:
    """Return the parts `<archive>.aa`, `.ab`, ... of a split archive, in order.

    Raises:
        UserError: there are none, one is missing in between, or one is shorter than the others.
    """
    pattern = re.compile(re.escape(archive.name) + r"\.([a-z]{2})")
    found = {}
    for path in archive.parent.iterdir() if archive.parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match:
            found[match[1]] = path
    if not found:
        raise UserError(f"{archive}: no part is there, neither {archive.name}.aa nor any other")
    last = _number(max(found))
    for number in range(last + 1):
        if _suffix(number) not in found:
            raise UserError(
                f"{archive}: part {archive.name}.{_suffix(number)} is missing, but .{max(found)} is there; "
                "download it too"
            )
    parts = [found[_suffix(number)] for number in range(last + 1)]
    size = parts[0].stat().st_size
    for part in parts:
        held = part.stat().st_size
        if held > size or not held or (held < size and part != parts[-1]):
            raise UserError(
                f"{archive}: part {part.name} has {held} bytes, the first one {size}: its download is not "
                "complete, or it belongs to another archive"
            )
    return parts


def scan(archive: Path, parts: Sequence[Path], limits: Limits) -> list[Member]:
    """Read the archive through, and return its members.

    Raises:
        UserError: it is damaged, truncated, too much, or a member is refused; names it.
    """
    listing = Listing(archive, sum(part.stat().st_size for part in parts), limits)
    with _errors(listing), _opened(parts, _most_stream(listing)) as (tar, reader):
        for entry in _entries(tar):
            _check_type(listing, entry)
            listing.add(entry.name, entry.size if entry.isfile() else 0, folder=entry.isdir())
        _check_end(reader)
    return listing.members


def unpack(archive: Path, parts: Sequence[Path], members: Sequence[Member], folder: Path) -> None:
    """Extract the scanned members into a new folder; the archive must still be what was scanned."""
    listing = Listing(archive, sum(part.stat().st_size for part in parts), Limits())
    expected = iter(members)
    most = sum(member.size for member in members) + (len(members) + 64) * 64 * BLOCK
    with _errors(listing), _opened(parts, most) as (tar, _):
        for entry in _entries(tar):
            path = "/".join(part for part in entry.name.split("/") if part not in ("", "."))
            if not path:
                continue
            if next(expected, None) != Member(path, entry.size if entry.isfile() else 0, entry.isdir()):
                raise listing.refusal(entry.name, "was not there when the archive was checked")
            tar.extract(entry, folder, filter="data")
        if next(expected, None) is not None:
            raise listing.refusal(None, "it changed while it was extracted")


def _entries(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (entry := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every header in memory
        yield entry


def _check_type(listing: Listing, entry: tarfile.TarInfo) -> None:
    if entry.issparse():
        raise listing.refusal(entry.name, "is a sparse file")
    if not (entry.isfile() or entry.isdir()):
        raise listing.refusal(entry.name, _TYPES.get(entry.type, "is neither a file nor a folder"))


def _check_end(reader: Forward) -> None:
    """Refuse an archive whose last header is not the end mark: `tarfile` takes any fault for the end."""
    if len(reader.last) < BLOCK:
        raise Damaged("it ends too early: truncated")
    if reader.last.strip(b"\0"):
        raise Damaged("a header that is no header")
    while rest := reader.read(CHUNK):
        if rest.strip(b"\0"):
            raise Damaged("bytes after its end")


def _most_stream(listing: Listing) -> int:
    """Return how long the decompressed stream may be: the content that is allowed, and headers."""
    headers = listing.limits.max_members * 4 * BLOCK
    return min(listing.limits.max_bytes + headers, listing.most_by_ratio() + CHUNK)


@contextmanager
def _opened(parts: Sequence[Path], most: int) -> Iterator[tuple[tarfile.TarFile, Forward]]:
    with Joined(parts) as joined, decompress(joined) as stream:  # type: ignore[arg-type]
        reader = Forward(stream, most)
        with tarfile.TarFile(
            fileobj=reader,  # type: ignore[arg-type]
            mode="r",
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            yield tar, reader


@contextmanager
def _errors(listing: Listing) -> Iterator[None]:
    """Turn what reading a damaged archive raises into one line."""
    try:
        yield
    except Damaged as error:
        raise listing.refusal(None, f"it is damaged: {error}") from None
    except TooMuch:
        raise listing.refusal(
            None, f"it holds far more than its {listing.size} bytes allow, and may be a bomb"
        ) from None
    except RecursionError:
        raise listing.refusal(None, "it is damaged: headers within headers") from None
    except EOFError:
        raise listing.refusal(None, "it is damaged: it ends too early: truncated") from None
    except (tarfile.TarError, zlib.error, ValueError, OverflowError) as error:
        raise listing.refusal(None, f"it is damaged: {error}") from None
    except OSError as error:
        if error.errno is None:  # gzip's own errors
            raise listing.refusal(None, f"it is damaged: {error}") from None
        raise UserError(f"{listing.archive}: {error.strerror} ({error.filename or 'reading it'})") from None


def _number(suffix: str) -> int:
    return (ord(suffix[0]) - ord("a")) * 26 + ord(suffix[1]) - ord("a")


def _suffix(number: int) -> str:
    return chr(ord("a") + number // 26) + chr(ord("a") + number % 26)
