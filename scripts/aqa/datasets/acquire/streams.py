"""Reading compressed streams forward only: parts joined, garbage and truncation noticed, amounts bounded."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

CHUNK = 1 << 20
MAX_READ = 4 << 20
"""More than any header of an archive needs, and than a file is copied in at a time."""

XZ_MEMORY = 256 << 20
"""Enough for `xz -9` (65 MiB); a dictionary that asks for more is an attack."""


class Damaged(Exception):
    """The archive does not hold what its format says; the message names the fault."""


class TooMuch(Exception):
    """The stream holds more than its reader was ready to accept."""


class Joined(io.RawIOBase):
    """Several files read as one."""

    def __init__(self, parts: Sequence[Path]) -> None:
        self._waiting = list(parts)
        self._current: IO[bytes] | None = None

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer from the current part, opening the next one when it ends."""
        while True:
            if self._current is None:
                if not self._waiting:
                    return 0
                self._current = self._waiting.pop(0).open("rb", buffering=0)
            count: int = self._current.readinto(buffer)  # type: ignore[attr-defined]
            if count or not len(buffer):
                return count
            self._current.close()
            self._current = None

    def close(self) -> None:
        """Close the part that is open."""
        if self._current is not None:
            self._current.close()
        super().close()


class Inflated(io.RawIOBase):
    """A compressed stream, read decompressed; unlike the standard readers, garbage after it is an error.

    `new` makes a decompressor with the interface of `bz2.BZ2Decompressor`. Several compressed streams in
    a row are one, as the tools have it.
    """

    def __init__(self, source: IO[bytes], new: Callable[[], Any]) -> None:
        self._source, self._new = source, new
        self._inner = new()
        self._after_end = False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with decompressed bytes; 0 at the end.

        Raises:
            Damaged: not such a stream, truncated, or followed by something else.
        """
        while True:
            data = self._decompressed(len(buffer))
            if data is None:
                return 0
            if data:
                buffer[: len(data)] = data
                return len(data)

    def _decompressed(self, size: int) -> bytes | None:
        """Return some bytes, b"" if more input is needed, None at the end."""
        fresh = b""
        if self._inner.eof:
            fresh = self._inner.unused_data or self._source.read(CHUNK)
            if not fresh:
                return None
            self._inner = self._new()
            self._after_end = True
        elif self._inner.needs_input:
            fresh = self._source.read(CHUNK)
            if not fresh:
                raise Damaged("bytes after its end" if self._after_end else "it ends too early: truncated")
        try:
            data = bytes(self._inner.decompress(fresh, size))
            self._after_end &= not data
            return data
        except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
            cause = (
                "bytes after its end" if self._after_end else f"not a readable compressed stream ({error})"
            )
            raise Damaged(cause) from None


class Forward:
    """What `tarfile` reads from: it moves forward only, counts, and remembers the last block.

    Args:
        stream: the decompressed bytes.
        most: stop with `TooMuch` after this many.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self._position = 0
        self.last = b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end.

        Raises:
            Damaged: an archive's header asks for more than headers have, or the compression is broken.
            TooMuch: more was read than the limit.
        """
        if not 0 <= size <= MAX_READ:
            raise Damaged(f"a header of {size} bytes")
        parts: list[bytes] = []
        missing = size
        while missing:
            data = self._stream.read(missing)
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        self.last = b"".join(parts)
        self._position += len(self.last)
        if self._position > self._most:
            raise TooMuch
        return self.last

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def seek(self, position: int) -> int:
        """Skip forward to a position, or to the end if that comes first."""
        if position < self._position:
            raise Damaged("a header that points backwards")
        while self._position < position:
            if not self.read(min(CHUNK, position - self._position)):
                break
        return self._position


def decompress(source: IO[bytes]) -> IO[bytes]:
    """Return the decompressed bytes of a stream; by its first bytes gzip, bzip2, xz, zstandard, or none.

    Raises:
        Damaged: zstandard, where this Python cannot read it.
    """
    buffered = io.BufferedReader(source, CHUNK)  # type: ignore[type-var]
    start = buffered.peek(6)[:6]
    if start.startswith(b"\x1f\x8b"):
        return io.BufferedReader(gzip.GzipFile(fileobj=buffered), CHUNK)
    makers: tuple[tuple[bytes, Callable[[], Callable[[], Any]]], ...] = (
        (b"BZh", lambda: bz2.BZ2Decompressor),
        (b"\xfd7zXZ\x00", lambda: lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)),
        (b"\x28\xb5\x2f\xfd", _zstandard),
    )
    for magic, maker in makers:
        if start.startswith(magic):
            return io.BufferedReader(Inflated(buffered, maker()), CHUNK)
    return buffered


def _zstandard() -> Callable[[], Any]:
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        raise Damaged(
            "compressed with zstandard, which Python reads from 3.14 on: decompress it with `zstd -d` first"
        ) from None
    decompressor: Callable[[], Any] = module.ZstdDecompressor
    return decompressor
