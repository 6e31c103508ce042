"""The journal of a cell: every finished request, kept for ever, one line each.

A journal is a folder. Each session writes one segment of its own (JSONL) and never touches another's.
What was answered is the union of all segments in (segment, line) order: the first complete answer of a
key wins. A line counts once its newline is there, so a kill at any byte loses at most that line.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Any, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from aqa.errors import UserError
from aqa.files import dumps, first_problem
from aqa.records import Record, Response, Sha256

SYNC_S = 0.5
"""Seconds between two syncs to disk (design decision 4 asks for at most one)."""

_FINAL = frozenset({"ok", "truncated", "refused", "rejected"})
_SEGMENT = re.compile(r"segment-(\d+)-[0-9a-f]+\.jsonl")


class Answer(Record):
    """A final answer. `sent` are the parameters that went with the messages; no media, no secrets.

    `cost_usd` is what the session paid for the request, lost attempts included; None if nothing is paid.
    """

    kind: Literal["answer"] = "answer"
    response: Response
    latency_s: float
    attempts: int
    sent: dict[str, Any] = Field(default_factory=dict)
    cost_usd: float | None = None

    @field_validator("response")
    @classmethod
    def _final(cls, response: Response) -> Response:
        if response.outcome not in _FINAL:
            raise ValueError(f"'{response.outcome}' is not a final outcome")
        return response


class Attempt(Record):
    """A request given up after `n` attempts, the last of which failed for `cause`; not an answer.

    `cost_usd` is what the attempts may have cost; None if nothing is paid.
    """

    kind: Literal["attempt"] = "attempt"
    key: Sha256
    cause: str
    n: int
    cost_usd: float | None = None


class Sent(Record):
    """An attempt is about to be sent on an account: written first, so that no kill hides what it costs.

    This is attempt number `n` of the session, which can have paid at most `usd` for the request so far. A
    later line of the session about the same key replaces it: the next attempt, the answer's `cost_usd`, or
    the same attempt again with less, where it turned out to cost nothing.
    """

    kind: Literal["sent"] = "sent"
    key: Sha256
    account: str
    usd: float
    n: int


Line: TypeAlias = Annotated[Answer | Attempt | Sent, Field(discriminator="kind")]

_LINE: TypeAdapter[Answer | Attempt | Sent] = TypeAdapter(Line)


class Place(NamedTuple):
    """Where a line is: a segment, and the line's first byte and length in it."""

    segment: Path
    offset: int
    size: int


@dataclass
class Contents:
    """What a journal knows about the keys that were asked for.

    `answers` says where the answer of a key is; `rejected` are those of its keys that the provider could
    not accept, which any other answer supersedes, wherever it stands. `failures` holds the last failure
    of keys without an answer, `problems` names lines that cannot be read (they are ignored).
    """

    answers: dict[str, Place] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    failures: dict[str, Attempt] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def segments(folder: Path) -> list[Path]:
    """Return the segments of a journal in order of creation; none if the folder is not there."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    found = [(int(match[1]), name) for name in names if (match := _SEGMENT.fullmatch(name))]
    return [folder / name for _, name in sorted(found)]


def read(folder: Path, keys: Container[str]) -> Contents:
    """Read the union of a journal's segments, keeping only what concerns `keys`.

    Answers stay on disk (`fetch` gets them): memory does not grow with their length.

    Raises:
        UserError: a segment cannot be read.
    """
    contents = Contents()
    for segment in segments(folder):
        try:
            with segment.open("rb") as stream:
                _read_segment(segment, stream, keys, contents)
        except OSError as error:
            raise UserError(f"{segment}: cannot be read ({error.strerror})") from error
    for key in contents.answers:
        contents.failures.pop(key, None)
    return contents


def _read_segment(segment: Path, stream: IO[bytes], keys: Container[str], into: Contents) -> None:
    offset = 0
    for number, line in enumerate(stream, start=1):
        if not line.endswith(b"\n"):
            return  # Torn by a kill: its request is asked again.
        place = Place(segment, offset, len(line))
        offset += len(line)
        try:
            record = _LINE.validate_json(line)
        except ValidationError as error:
            into.problems.append(f"{segment}, line {number}: ignored, damaged ({first_problem(error)})")
            continue
        if isinstance(record, Sent):
            continue  # For the ledger alone.
        if isinstance(record, Attempt):
            if record.key in keys:
                into.failures[record.key] = record
        elif (key := record.response.key) in keys:
            if record.response.outcome == "rejected":
                if key not in into.answers:
                    into.rejected.add(key)
                    into.answers[key] = place
            elif key not in into.answers or key in into.rejected:
                into.rejected.discard(key)
                into.answers[key] = place


def fetch(places: Iterator[Place | None]) -> Iterator[Answer | None]:
    """Read the answers at `places`, in that order; None stays None."""
    with ExitStack() as stack:
        streams: dict[Path, IO[bytes]] = {}
        for place in places:
            if place is None:
                yield None
                continue
            if place.segment not in streams:
                streams[place.segment] = stack.enter_context(place.segment.open("rb"))
            stream = streams[place.segment]
            stream.seek(place.offset)
            yield Answer.model_validate_json(stream.read(place.size))


class Writer:
    """The segments that one session writes: one a journal, created with its first line.

    A line has left the process when `append` returns; a thread syncs it to disk within a second.
    `guard` is called with the journal's folder before each line and raises if the session may no
    longer write there.
    """

    def __init__(self, guard: Callable[[Path], None], sync_s: float = SYNC_S) -> None:
        self._guard = guard
        self._sync_s = sync_s
        self._segments: dict[Path, _Segment] = {}
        self._stop = threading.Event()
        self._error: UserError | None = None
        self._thread = threading.Thread(target=self._keep_syncing, name="journal-sync", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._sync()
        for segment in self._segments.values():
            segment.close()
        if self._error is not None and kind is None:
            raise self._error

    def append(self, folder: Path, record: Answer | Attempt | Sent) -> None:
        """Append one line to this session's segment of the journal `folder`.

        Raises:
            UserError: the disk is full or broken. Everything appended before is safe; nothing is
                written after.
        """
        if self._error is not None:
            raise self._error
        self._guard(folder)
        try:
            if folder not in self._segments:
                self._segments[folder] = _Segment(folder)
            self._segments[folder].append(dumps(record) + b"\n")
        except OSError as error:
            self._error = _cannot_write(folder, error)
            raise self._error from error

    def _keep_syncing(self) -> None:
        while not self._stop.wait(self._sync_s):
            self._sync()

    def _sync(self) -> None:
        for folder, segment in list(self._segments.items()):
            try:
                segment.sync()
            except OSError as error:
                self._error = self._error or _cannot_write(folder, error)


class _Segment:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file = _create(folder)
        self._synced = False

    def append(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._synced = False

    def sync(self) -> None:
        if self._synced:
            return
        self._synced = True  # First: a line written meanwhile is synced the next time.
        os.fsync(self._file)
        _sync_folder(self._folder)

    def close(self) -> None:
        os.close(self._file)


def _create(folder: Path) -> int:
    last = segments(folder)
    match = _SEGMENT.fullmatch(last[-1].name) if last else None
    number = int(match[1]) + 1 if match else 1
    name = f"segment-{number:06d}-{secrets.token_hex(4)}.jsonl"
    return os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)


def _sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power loss, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _cannot_write(folder: Path, error: OSError) -> UserError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    step = "make room" if full else "mend the disk"
    return UserError(
        f"{folder}: the journal cannot be written ({error.strerror}); {step} and run again: "
        "what was answered before is kept"
    )
