"""Sources walked frame by frame, for those who look at every frame of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aqa.files import digest_file
from aqa.media import stills
from aqa.media.clips import span
from aqa.media.decode import Inconsistent, Run, Video
from aqa.media.errors import MediaError
from aqa.media.picture import Image, to_image
from aqa.media.profile import NATIVE

Frames = Iterator[tuple[int, Image]]
"""Positions in the source, as `Clip.frame_indices` counts them, and the upright pictures."""

ResultT = TypeVar("ResultT")


class Source(Protocol):
    """A source that is open. `times`: (n,) seconds of its frames."""

    @property
    def times(self) -> NDArray[np.float64]: ...

    def inside(self, start: float | None, end: float | None) -> range:
        """Return the positions of the frames in [start, end) seconds.

        Raises:
            MediaError: the interval is empty, holds no frame, or is not covered.
        """
        ...

    def frames(self, inside: range, stride: int, *, again: bool) -> Frames:
        """Yield every `stride`-th frame of `inside`; with `again`, a video is decoded from its beginning.

        Raises:
            MediaError: a frame is missing or damaged.
            Inconsistent: decoded timestamps contradict the scan of the file.
        """
        ...


@contextmanager
def opened(
    path: Path, kind: Literal["video", "image", "frames"], sha256: str | None, fps: float | None
) -> Iterator[Source]:
    """Open a source; `sha256` and `fps` are those of `aqa.records.Media`.

    Raises:
        MediaError: it is missing, has changed, or cannot be opened.
    """
    if not (path.is_dir() if kind == "frames" else path.is_file()):
        raise MediaError("the folder is missing" if kind == "frames" else "the file is missing")
    try:
        if kind != "frames" and sha256 is not None and digest_file(path) != sha256:
            raise MediaError("the file has changed since samples.jsonl was made; run the index stage again")
    except OSError as error:
        raise MediaError(f"cannot be read ({error.strerror})") from error
    if kind == "image":
        yield _Still(path)
    elif kind == "frames":
        yield _Sequence(path, fps)
    else:
        with Video(path) as video:
            yield _Film(video)


def attempt(
    source: Source, start: float | None, end: float | None, work: Callable[[range, bool], ResultT]
) -> ResultT:
    """Return `work(inside, again)` for an interval of a source: tried twice where that may help.

    Raises:
        MediaError: the frames cannot be had.
    """
    try:
        return work(source.inside(start, end), False)
    except Inconsistent:
        if isinstance(source, _Film):
            source.rescan()
    except MediaError:
        if not isinstance(source, _Film):
            raise
    try:
        return work(source.inside(start, end), True)
    except Inconsistent as error:
        raise MediaError("the frames' timestamps are out of order") from error


class _Still:
    """A picture: one frame at 0 s, whatever the interval."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.times = np.zeros(1)

    def inside(self, start: float | None, end: float | None) -> range:
        del start, end
        return range(1)

    def frames(self, inside: range, stride: int, *, again: bool) -> Frames:
        del inside, stride, again
        yield 0, stills.read_image(self._path)


class _Sequence:
    """A folder of numbered images: image n (from 1) is at (n-1)/fps seconds."""

    def __init__(self, path: Path, fps: float | None) -> None:
        self._images = stills.numbered_images(path)
        self._fps = fps or stills.SEQUENCE_FPS
        self.times = np.arange(max(self._images)) / self._fps

    def inside(self, start: float | None, end: float | None) -> range:
        return span(start, end, self.times, len(self.times) / self._fps, None)

    def frames(self, inside: range, stride: int, *, again: bool) -> Frames:
        del again
        for position in inside[::stride]:
            if position + 1 not in self._images:
                raise MediaError(f"image {position + 1} is missing")
            yield position, stills.read_image(self._images[position + 1])


class _Film:
    """A video; where a seek misleads, the second attempt decodes it from its beginning."""

    def __init__(self, video: Video) -> None:
        self._video = video

    @property
    def times(self) -> NDArray[np.float64]:
        return self._video.index.times

    def inside(self, start: float | None, end: float | None) -> range:
        index = self._video.index
        return span(start, end, index.times, index.end, index.promised)

    def frames(self, inside: range, stride: int, *, again: bool) -> Frames:
        run = Run()
        walked = inside[::stride]
        for position, frame in self._video.frames(inside.start, inside.stop - 1, run, from_start=again):
            if position in walked:
                yield position, to_image(frame, NATIVE)
        lost = [position for position in inside if position not in run.decoded]
        if lost:
            whole, place = len(inside) - len(lost), float(self.times[lost[0]])
            raise MediaError(
                f"decoded {whole} of {len(inside)} frames whole: the file is damaged at {place:.3f} s"
            )

    def rescan(self) -> None:
        """Index the frames again, by decoding them all."""
        self._video.rescan()
