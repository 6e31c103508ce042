"""Archives for the tests: well-formed ones, and the bytes of hostile ones."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

PLAIN = {"a/one.txt": b"one", "a/two.txt": b"two" * 100, "b.txt": b""}


def zipped(
    members: Iterable[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip file of these members, whatever their names."""
    stream = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(stream, "w", method) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return stream.getvalue()


def zip_entry(name: str, mode: int) -> zipfile.ZipInfo:
    """A member with a Unix mode (type and permissions)."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry


def tarred(
    members: Iterable[tuple[str | tarfile.TarInfo, bytes]], mode: str = "w", form: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar file of these members, whatever their names and types."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for member, content in members:
            entry = tarfile.TarInfo(member) if isinstance(member, str) else member
            if entry.isreg() and not entry.size:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """A tar member of a type."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, mode
    return entry


def vint(number: int) -> bytes:
    """A variable-length integer of RAR 5."""
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def rar_block(
    kind: int, fields: bytes, extra: bytes = b"", data: bytes | None = None, flags: int = 0
) -> bytes:
    """A block of RAR 5 with its header's checksum."""
    flags |= (1 if extra else 0) | (2 if data is not None else 0)
    body = vint(kind) + vint(flags)
    body += vint(len(extra)) if extra else b""
    body += vint(len(data)) if data is not None else b""
    body += fields + extra
    sized = vint(len(body)) + body
    return struct.pack("<L", zlib.crc32(sized)) + sized + (data or b"")


def rar_file(
    name: str,
    content: bytes = b"",
    *,
    folder: bool = False,
    mode: int | None = None,
    extra: bytes = b"",
    size: int | None = None,
) -> bytes:
    """A stored member of RAR 5, as a Unix system packs it; `extra` are its extra records."""
    attributes = mode if mode is not None else (0o40755 if folder else 0o100644)
    fields = vint(1 if folder else 4) + vint(len(content) if size is None else size) + vint(attributes)
    fields += b"" if folder else struct.pack("<L", zlib.crc32(content))
    encoded = name.encode("utf-8", "surrogateescape")
    fields += vint(0) + vint(1) + vint(len(encoded)) + encoded
    return rar_block(2, fields, extra, None if folder else content)


def rar_record(kind: int, *numbers: int, text: str = "") -> bytes:
    """An extra record of a member of RAR 5."""
    body = vint(kind) + b"".join(map(vint, numbers)) + text.encode()
    return vint(len(body)) + body


RAR_START = b"Rar!\x1a\x07\x01\x00" + rar_block(1, vint(0))
RAR_END = rar_block(5, vint(0))


def rar(*blocks: bytes) -> bytes:
    """A RAR 5 archive of these blocks."""
    return RAR_START + b"".join(blocks) + RAR_END


def rar_of(files: Mapping[str, bytes]) -> bytes:
    """A RAR 5 archive of these files."""
    return rar(*(rar_file(name, content) for name, content in files.items()))


def snapshot(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Everything below a folder: path -> (mode, content of a file or target of a link)."""
    found: dict[str, tuple[int, bytes | None]] = {}
    for path in sorted(folder.rglob("*")):
        content = None
        if path.is_symlink():
            content = str(path.readlink()).encode()
        elif path.is_file():
            content = path.read_bytes()
        found[path.relative_to(folder).as_posix()] = (path.lstat().st_mode, content)
    return found


Maker = Callable[[], bytes]
