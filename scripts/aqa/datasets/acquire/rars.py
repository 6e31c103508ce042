"""Reading the headers of RAR archives (formats 4 and 5), which decides what an extractor may be given.

The layouts are those of RARLAB's technical notes. The content is left to a real extractor
(`extractors.py`); whatever it writes is compared with what was read here.
"""

from __future__ import annotations

import stat
import struct
import zlib
from pathlib import Path
from typing import IO

from aqa.datasets.acquire.members import BY_HAND, Limits, Listing, Member
from aqa.datasets.acquire.streams import Damaged

RAR4 = b"Rar!\x1a\x07\x00"
RAR5 = b"Rar!\x1a\x07\x01\x00"
MAX_HEADER = 2 << 20

_MAIN5, _FILE5, _SERVICE5, _CRYPT5, _END5 = 1, 2, 3, 4, 5
_LINKS = {
    1: "is a symbolic link",
    2: "is a symbolic link",
    3: "is a junction",
    4: "is a hard link",
}
_COPY = 5

_MAIN4, _FILE4, _NEW_SUB4, _END4 = 0x73, 0x74, 0x7A, 0x7B
_UNIX4 = 3
_FIRST_WITH_END4 = 29
_REPARSE_POINT = 0x400
"""Windows' attribute of a link or junction."""


def scan(archive: Path, limits: Limits) -> list[Member]:
    """Read all headers of the archive, and return its members.

    Raises:
        UserError: it is damaged, truncated, encrypted, one of several volumes, too much, or a member is
            refused; names it.
    """
    size = archive.stat().st_size
    listing = Listing(archive, size, limits)
    try:
        with archive.open("rb") as stream:
            start = stream.read(len(RAR5))
            if start == RAR5:
                _scan5(listing, stream, size)
            elif start.startswith(RAR4):
                stream.seek(len(RAR4))
                _scan4(listing, stream, size)
            else:
                raise Damaged("not a RAR archive")
    except Damaged as error:
        raise listing.refusal(None, f"it is damaged: {error}") from None
    except (struct.error, IndexError):
        raise listing.refusal(None, "it is damaged: a header that is too short") from None
    return listing.members


class _Fields:
    """A header of format 5: variable-length integers and bytes, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7
            if shift > 63:
                raise Damaged("a number that is too long")

    def bytes(self, length: int) -> bytes:
        if not 0 <= length <= len(self.data) - self.at:
            raise Damaged("a header that is too short")
        self.at += length
        return self.data[self.at - length : self.at]


def _scan5(listing: Listing, stream: IO[bytes], size: int) -> None:
    while True:
        kind, flags, fields, extra, content = _block5(stream)
        end = stream.tell() + content
        if end > size:
            raise Damaged("it ends too early: truncated")
        if kind == _CRYPT5:
            raise listing.refusal(None, "it is encrypted", BY_HAND)
        if kind == _MAIN5 and fields.number() & 1:
            raise listing.refusal(None, "it is one of several volumes", BY_HAND)
        if kind == _FILE5:
            _file5(listing, flags, fields, extra)
        if kind == _END5:
            if end != size:
                raise Damaged("bytes after its end")
            return
        stream.seek(end)


def _block5(stream: IO[bytes]) -> tuple[int, int, _Fields, bytes, int]:
    """Return type, flags, specific fields, extra area and length of the data of the next block."""
    start = stream.read(7)
    if len(start) < 7:
        raise Damaged("it ends too early: truncated")
    length = _Fields(start[4:])
    header = length.number()
    if header > MAX_HEADER:
        raise Damaged(f"a header of {header} bytes")
    data = start[4 + length.at :]
    data += stream.read(max(0, header - len(data)))
    if len(data) > header:
        stream.seek(header - len(data), 1)
        data = data[:header]
    if len(data) < header:
        raise Damaged("it ends too early: truncated")
    if zlib.crc32(start[4 : 4 + length.at] + data) != struct.unpack("<L", start[:4])[0]:
        raise Damaged("a header whose checksum is wrong")
    fields = _Fields(data)
    kind, flags = fields.number(), fields.number()
    extra_size = fields.number() if flags & 1 else 0
    content = fields.number() if flags & 2 else 0
    if extra_size > len(data) - fields.at:
        raise Damaged("a header that is too short")
    extra = data[len(data) - extra_size :]
    fields.data = data[: len(data) - extra_size]
    return kind, flags, fields, extra, content


def _file5(listing: Listing, flags: int, fields: _Fields, extra: bytes) -> None:
    file_flags, size, attributes = fields.number(), fields.number(), fields.number()
    fields.bytes(4 if file_flags & 2 else 0)
    fields.bytes(4 if file_flags & 4 else 0)
    fields.number()
    unix = fields.number() == 1
    name = fields.bytes(fields.number()).decode("utf-8", "surrogateescape")
    folder = bool(file_flags & 1)
    problem = _extra_problem(extra) or _attribute_problem(attributes, unix, folder)
    if flags & (8 | 16):
        problem = "continues in another volume"
    if file_flags & 8:
        problem = "does not say how large it is"
    if problem:
        raise listing.refusal(name, problem)
    listing.add(name, 0 if folder else size, folder=folder)


def _extra_problem(extra: bytes) -> str | None:
    records = _Fields(extra)
    while records.at < len(extra):
        record = _Fields(records.bytes(records.number()))
        kind = record.number()
        if kind == 1:
            return "is encrypted"
        if kind == 4:
            return "is an old version of a file"
        if kind == 5:
            target = record.number()
            if target != _COPY:
                return _LINKS.get(target, "is a link")
    return None


def _attribute_problem(attributes: int, unix: bool, folder: bool) -> str | None:
    if not unix:
        return "is a link" if attributes & _REPARSE_POINT else None
    kind = stat.S_IFMT(attributes)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFDIR if folder else stat.S_IFREG):
        return "is a device or a named pipe"
    return None


def _scan4(listing: Listing, stream: IO[bytes], size: int) -> None:
    needs_end = False
    while base := stream.read(7):
        kind, flags, header, content = _block4(stream, base)
        end = stream.tell() + content
        if end > size:
            raise Damaged("it ends too early: truncated")
        if kind == _MAIN4 and flags & 0x80:
            raise listing.refusal(None, "it is encrypted", BY_HAND)
        if kind == _MAIN4 and flags & 1:
            raise listing.refusal(None, "it is one of several volumes", BY_HAND)
        if kind == _FILE4:
            needs_end |= header[24] >= _FIRST_WITH_END4
            _file4(listing, flags, header)
        if kind == _END4:
            if end != size:
                raise Damaged("bytes after its end")
            return
        stream.seek(end)
    if needs_end:
        raise Damaged("it ends too early: truncated")


def _block4(stream: IO[bytes], base: bytes) -> tuple[int, int, bytes, int]:
    """Return type, flags, whole header and length of the data of the block that starts with `base`."""
    crc, kind, flags, length = struct.unpack("<HBHH", base)
    if not 0x72 <= kind <= _END4 or length < 7:
        raise Damaged("a header that is no header")
    header = base + stream.read(length - 7)
    if len(header) < length:
        raise Damaged("it ends too early: truncated")
    if kind == _FILE4 and not flags & 8 and zlib.crc32(header[2:]) & 0xFFFF != crc:
        raise Damaged("a header whose checksum is wrong")
    content: int = struct.unpack_from("<L", header, 7)[0] if flags & 0x8000 or kind == _FILE4 else 0
    if kind in (_FILE4, _NEW_SUB4) and flags & 0x100:
        content |= struct.unpack_from("<L", header, 32)[0] << 32
    return kind, flags, header, content


def _file4(listing: Listing, flags: int, header: bytes) -> None:
    size, host = struct.unpack_from("<LB", header, 11)
    name_size, attributes = struct.unpack_from("<HL", header, 26)
    at = 32
    if flags & 0x100:
        size |= struct.unpack_from("<L", header, 36)[0] << 32
        at = 40
    name = _name4(header[at : at + name_size], bool(flags & 0x200))
    name = name.replace("\\", "/")  # the separator of this format, whatever the system
    folder = flags & 0xE0 == 0xE0
    problem = _attribute_problem(attributes, host == _UNIX4, folder)
    if flags & 3:
        problem = "continues in another volume"
    if flags & 4:
        problem = "is encrypted"
    if flags & 0x800:
        problem = "is an old version of a file"
    if size == 0xFFFFFFFF:
        problem = "does not say how large it is"
    if problem:
        raise listing.refusal(name, problem)
    listing.add(name, 0 if folder else size, folder=folder)


def _name4(data: bytes, is_unicode: bool) -> str:
    """Decode a name of format 4: plain bytes, UTF-8, or the plain name, NUL and a packed UTF-16 one."""
    plain, separator, packed = data.partition(b"\0")
    if not is_unicode or not separator or not packed:
        return plain.decode("utf-8", "surrogateescape")
    high, at, flags, bits = packed[0], 1, 0, 0
    units: list[int] = []
    while at < len(packed):
        if not bits:
            flags, bits, at = packed[at], 8, at + 1
            continue
        bits -= 2
        kind = flags >> bits & 3
        if kind == 3:
            count = packed[at]
            copied = plain[len(units) : len(units) + (count & 0x7F) + 2]
            if count & 0x80:
                shift, at = packed[at + 1], at + 1
                units += [(byte + shift & 0xFF) | high << 8 for byte in copied]
            else:
                units += copied
            at += 1
        elif kind == 2:
            units.append(packed[at] | packed[at + 1] << 8)
            at += 2
        else:
            units.append(packed[at] | (high << 8 if kind else 0))
            at += 1
    return b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "surrogatepass")
