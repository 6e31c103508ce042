"""Encoded media in bounded memory: a clip is read and encoded once and shared by its requests."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aqa.errors import UserError
from aqa.files import digest_file
from aqa.media.store import read_frames
from aqa.records import MediaPart

Encode = Callable[[MediaPart, list[bytes]], bytes]
"""Turn a clip's frames (encoded images, in order) into the bytes that a provider wants."""


@dataclass(eq=False)
class _Entry:
    """An encoded clip; `size` in bytes is an upper estimate until the encoding is there."""

    size: int
    encoding: asyncio.Future[bytes] | None = None
    holders: int = 0
    failed: bool = False


class Clips:
    """Clips in a provider's encoding, kept in at most `limit` bytes.

    Reading and encoding run in a few threads, off the event loop. Clips in use count against the
    limit: a request whose clips do not fit waits, in order of arrival, until others have finished;
    one that is larger than the limit runs alone. Clips that nobody uses are kept while there is room,
    the least recently used go first.
    """

    def __init__(self, folder: Path, encode: Encode, *, limit: int = 256 << 20, threads: int = 2) -> None:
        self._folder = folder
        self._encode = encode
        self._limit = limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="clips")
        self._held: dict[MediaPart, _Entry] = {}
        self._idle: OrderedDict[MediaPart, _Entry] = OrderedDict()
        self._held_bytes = 0
        self._idle_bytes = 0
        self._queue: deque[tuple[Mapping[MediaPart, int], asyncio.Future[None]]] = deque()
        self.encodings = 0
        """How many clips have been encoded so far, repeats after eviction included."""

    @asynccontextmanager
    async def hold(self, parts: Sequence[MediaPart]) -> AsyncIterator[list[bytes]]:
        """Provide the encodings of `parts`, in order; their memory is released at the end of the block.

        Raises:
            UserError: a clip's file is missing, unreadable, or not the one that the request names.
        """
        sizes = {part: self._estimate(part) for part in parts}
        await self._admit(sizes)
        try:
            pending = {part: self._start(part) for part in sizes}
            ready = {part: await asyncio.shield(encoding) for part, encoding in pending.items()}
            yield [ready[part] for part in parts]
        finally:
            self._release(sizes)

    @property
    def stored_bytes(self) -> int:
        """Bytes held and kept at the moment."""
        return self._held_bytes + self._idle_bytes

    def close(self) -> None:
        """Let the threads end and forget everything."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._idle.clear()
        self._idle_bytes = 0

    def _estimate(self, part: MediaPart) -> int:
        entry = self._held.get(part) or self._idle.get(part)
        if entry is not None:
            return entry.size
        path = self._folder / part.file
        try:
            return path.stat().st_size * 4 // 3 + 1024 * len(part.timestamps)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); run the media stage again") from None

    async def _admit(self, sizes: Mapping[MediaPart, int]) -> None:
        if not self._queue and self._fits(sizes):
            self._take(sizes)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((sizes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit_next()
            else:
                self._release(sizes)
            raise

    def _fits(self, sizes: Mapping[MediaPart, int]) -> bool:
        more = sum(size for part, size in sizes.items() if part not in self._held)
        return not self._held or self._held_bytes + more <= self._limit

    def _take(self, sizes: Mapping[MediaPart, int]) -> None:
        for part, size in sizes.items():
            entry = self._held.get(part)
            if entry is None:
                entry = self._idle.pop(part, None)
                if entry is None:
                    entry = _Entry(size)
                else:
                    self._idle_bytes -= entry.size
                self._held[part] = entry
                self._held_bytes += entry.size
            entry.holders += 1
        self._evict()

    def _release(self, sizes: Mapping[MediaPart, int]) -> None:
        for part in sizes:
            entry = self._held[part]
            entry.holders -= 1
            if entry.holders == 0:
                del self._held[part]
                self._held_bytes -= entry.size
                if entry.encoding is not None and not entry.failed:
                    self._idle[part] = entry
                    self._idle_bytes += entry.size
        self._evict()
        self._admit_next()

    def _admit_next(self) -> None:
        while self._queue and (self._queue[0][1].cancelled() or self._fits(self._queue[0][0])):
            sizes, turn = self._queue.popleft()
            if not turn.cancelled():
                self._take(sizes)
                turn.set_result(None)

    def _evict(self) -> None:
        while self._idle and self._held_bytes + self._idle_bytes > self._limit:
            _, entry = self._idle.popitem(last=False)
            self._idle_bytes -= entry.size

    def _start(self, part: MediaPart) -> asyncio.Future[bytes]:
        entry = self._held[part]
        if entry.encoding is None:
            self.encodings += 1
            loop = asyncio.get_running_loop()
            entry.encoding = loop.run_in_executor(self._pool, self._read, part)
            entry.encoding.add_done_callback(lambda done: self._settle(part, entry, done))
        return entry.encoding

    def _settle(self, part: MediaPart, entry: _Entry, done: asyncio.Future[bytes]) -> None:
        """Replace the estimated size by the true one, or mark the entry as failed."""
        entry.failed = done.cancelled() or done.exception() is not None
        change = 0 if entry.failed else len(done.result()) - entry.size
        if self._held.get(part) is entry:
            self._held_bytes += change
        elif self._idle.get(part) is entry:
            self._idle_bytes += change
            if entry.failed:
                del self._idle[part]
                self._idle_bytes -= entry.size
        entry.size += change
        self._evict()
        self._admit_next()

    def _read(self, part: MediaPart) -> bytes:
        path = self._folder / part.file
        try:
            changed = digest_file(path) != part.sha256
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); run the media stage again") from None
        if changed:
            raise UserError(
                f"{path}: is not what the requests name: damaged, or made again; snakemake "
                "--force the manifest.jsonl of its folder, then run again"
            )
        frames = read_frames(path)
        expected = 1 if part.kind == "image" else len(part.timestamps)
        if len(frames) != expected:
            raise UserError(f"{path}: {len(frames)} frames, but the request says {expected}; render it again")
        return self._encode(part, frames)
