"""Zip archives: the directory is compared with what lies in the file, then `zipfile` extracts."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aqa.datasets.acquire.members import Limits, Listing, Member
from aqa.datasets.acquire.streams import CHUNK, Damaged
from aqa.errors import UserError

LOCAL = struct.Struct("<4s5H3L2H")
"""Local header: signature, version, flags, method, time, date, CRC, sizes (2), lengths of name and extra."""

END = struct.Struct("<4s4H2LH")
"""End of the directory: signature, disks (2), entries (2), size, offset, length of the comment."""

ENCRYPTED = 0x1 | 0x40
UTF8 = 0x800
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)

_LINK_OR_DEVICE = {
    stat.S_IFLNK: "is a symbolic link",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
    stat.S_IFIFO: "is a named pipe",
    stat.S_IFSOCK: "is a socket",
}


def scan(archive: Path, limits: Limits) -> list[Member]:
    """Check the directory of the archive and every local header, and return its members.

    Raises:
        UserError: it is damaged, truncated, too much, or a member is refused; names it.
    """
    size = archive.stat().st_size
    listing = Listing(archive, size, limits)
    with _errors(listing), archive.open("rb") as stream, zipfile.ZipFile(stream) as opened:
        entries = opened.infolist()
        _check_end(stream, size, len(entries))
        for entry in entries:
            _check_kind(listing, entry)
            listing.add(
                entry.orig_filename,
                0 if _is_folder(entry) else entry.file_size,
                folder=_is_folder(entry),
            )
        _check_local_headers(listing, stream, entries, opened.start_dir)
    return listing.members


def unpack(archive: Path, members: Sequence[Member], folder: Path) -> None:
    """Extract the scanned members into a new folder; the archive must still be what was scanned."""
    listing = Listing(archive, archive.stat().st_size, Limits())
    expected = iter(members)
    with _errors(listing), zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            path = "/".join(part for part in entry.orig_filename.split("/") if part not in ("", "."))
            if not path:
                continue
            is_folder = _is_folder(entry)
            member = Member(path, 0 if is_folder else entry.file_size, is_folder)
            if next(expected, None) != member:
                raise listing.refusal(path, "was not there when the archive was checked")
            place = folder / path
            (place if is_folder else place.parent).mkdir(parents=True, exist_ok=True)
            if not is_folder:
                _copy(listing, opened, entry, place)
        if next(expected, None) is not None:
            raise listing.refusal(None, "it changed while it was extracted")


def _copy(listing: Listing, opened: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> None:
    try:
        with opened.open(entry) as source, place.open("xb") as target:
            shutil.copyfileobj(source, target, CHUNK)
            written = target.tell()
    except (zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError) as error:
        raise listing.refusal(entry.orig_filename, f"is damaged: {error or 'it ends too early'}") from None
    if written != entry.file_size:
        raise listing.refusal(
            entry.orig_filename, f"has {written} bytes instead of the {entry.file_size} it announces"
        )


def _check_end(stream: IO[bytes], size: int, found: int) -> None:
    """Refuse an archive that goes on after its end, or whose end counts other members than there are."""
    tail = max(0, size - END.size - 0xFFFF)
    stream.seek(tail)
    data = stream.read()
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or at + END.size > len(data):
        raise Damaged("its end is missing: truncated")
    record = END.unpack_from(data, at)
    if tail + at + END.size + record[7] != size:
        raise Damaged("bytes after its end")
    if record[4] not in (found, 0xFFFF):
        raise Damaged(f"its end counts {record[4]} members, its directory {found}")


def _check_kind(listing: Listing, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    if entry.flag_bits & ENCRYPTED:
        raise listing.refusal(name, "is encrypted")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind in _LINK_OR_DEVICE:
        raise listing.refusal(name, _LINK_OR_DEVICE[kind])
    if entry.compress_type not in METHODS:
        raise listing.refusal(
            name, f"is compressed by method {entry.compress_type}, which Python cannot read"
        )
    if _is_folder(entry) and entry.file_size:
        raise listing.refusal(name, "is a folder with content")
    if kind == stat.S_IFDIR and not _is_folder(entry):
        raise listing.refusal(name, "is a folder by its attributes and a file by its name")


def _check_local_headers(
    listing: Listing, stream: IO[bytes], entries: Sequence[zipfile.ZipInfo], directory: int
) -> None:
    """Refuse members whose own header says otherwise than the directory, or that share bytes."""
    end, previous = 0, ""
    for entry in sorted(entries, key=lambda each: each.header_offset):
        name = entry.orig_filename
        if not previous and entry.header_offset:
            raise Damaged(f"{entry.header_offset} bytes before its first member")
        if entry.header_offset < end:
            raise listing.refusal(name, f"overlaps with '{previous}'")
        stream.seek(entry.header_offset)
        data = stream.read(LOCAL.size)
        if len(data) < LOCAL.size or not data.startswith(b"PK\x03\x04"):
            raise listing.refusal(name, "is not where the directory says")
        header = LOCAL.unpack(data)
        flags, method, name_length, extra_length = header[2], header[3], header[9], header[10]
        own = stream.read(name_length).decode("utf-8" if flags & UTF8 else "cp437", "surrogateescape")
        if own != name:
            raise listing.refusal(name, "has another name in its own header than in the directory")
        if method != entry.compress_type or flags & ENCRYPTED:
            raise listing.refusal(name, "is stored otherwise than the directory says")
        end = entry.header_offset + LOCAL.size + name_length + extra_length + entry.compress_size
        if end > directory:
            raise listing.refusal(name, "overlaps with the directory of the archive")
        previous = name


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")


@contextmanager
def _errors(listing: Listing) -> Iterator[None]:
    """Turn what reading a damaged archive raises into one line."""
    try:
        yield
    except Damaged as error:
        raise listing.refusal(None, f"it is damaged: {error}") from None
    except zipfile.BadZipFile as error:
        raise listing.refusal(None, f"it is damaged or truncated: {error}") from None
    except (NotImplementedError, UnicodeDecodeError, ValueError, EOFError, struct.error) as error:
        raise listing.refusal(None, f"it is damaged: {error}") from None
    except OSError as error:
        raise UserError(
            f"{listing.archive}: {error.strerror or error} ({error.filename or 'reading it'})"
        ) from None
