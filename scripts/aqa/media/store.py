"""The frames of a clip in one file: an uncompressed ZIP of JPEG images, byte for byte reproducible."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aqa.errors import UserError
from aqa.files import atomic

MAX_FRAMES = 1_000_000
MAX_FRAME_BYTES = 64 * 2**20
EPOCH = (1980, 1, 1, 0, 0, 0)


class ClipWriter:
    """Takes the frames of one clip in order; made by `clip_writer`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.count = 0

    def add(self, jpeg: bytes) -> None:
        """Append one frame."""
        if self.count >= MAX_FRAMES or len(jpeg) > MAX_FRAME_BYTES:
            raise ValueError(f"beyond {MAX_FRAMES} frames or {MAX_FRAME_BYTES} bytes a frame")
        entry = zipfile.ZipInfo(f"{self.count:06d}.jpg", EPOCH)
        entry.create_system = 3
        entry.external_attr = 0o644 << 16
        self._archive.writestr(entry, jpeg, zipfile.ZIP_STORED)
        self.count += 1


@contextmanager
def clip_writer(path: Path) -> Iterator[ClipWriter]:
    """Open `path` for writing frame by frame; the file appears only if the block succeeds."""
    with atomic(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        yield ClipWriter(archive)


def write_clip(path: Path, frames: Iterable[bytes]) -> None:
    """Write a clip's encoded frames, in order, as 000000.jpg, 000001.jpg, ...; atomic, deterministic."""
    with clip_writer(path) as writer:
        for frame in frames:
            writer.add(frame)


def read_frames(path: Path) -> list[bytes]:
    """Return a clip's encoded frames in order.

    Only what `write_clip` makes (or the same with .png) is accepted: members named by position,
    neither compressed nor encrypted, each of bounded size, together no larger than the file.

    Raises:
        UserError: the file is missing, damaged, or something else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check(members, path.stat().st_size)
            return [archive.read(member) for member in members]
    except FileNotFoundError as error:
        raise UserError(f"{path}: the clip is missing; run the media stage again") from error
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise UserError(f"{path}: not a clip ({error}); delete it and run the media stage again") from error


def _check(members: list[zipfile.ZipInfo], size: int) -> None:
    if not 0 < len(members) <= MAX_FRAMES:
        raise ValueError(f"{len(members)} frames")
    for position, member in enumerate(members):
        if member.filename not in (f"{position:06d}.jpg", f"{position:06d}.png"):
            raise ValueError(f"member {position} is named {member.filename[:80]!r}")
        stored = member.compress_type == zipfile.ZIP_STORED and member.compress_size == member.file_size
        if not stored or member.flag_bits & 0x1:
            raise ValueError(f"{member.filename} is compressed or encrypted")
        if member.file_size > MAX_FRAME_BYTES:
            raise ValueError(f"{member.filename} has {member.file_size} bytes")
    if sum(member.file_size for member in members) > size:
        raise ValueError("members overlap")
