"""Pictures of a source at chosen positions, upright and unscaled, each decoded once and in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aqa.media import stills
from aqa.media.decode import Inconsistent, Run, Video
from aqa.media.errors import MediaError
from aqa.media.picture import Image, to_image
from aqa.media.profile import NATIVE

ItemT = TypeVar("ItemT")
Kind = Literal["video", "image", "frames"]

WORTH_SEEKING = 12
"""Frames that must lie between two pictures for a seek to be cheaper than decoding."""


class Footage(Protocol):
    """An open source: `times` are the seconds of its frames, (n,) increasing, from its first frame."""

    times: NDArray[np.float64]

    def pictures(self, positions: Sequence[int]) -> Iterator[tuple[int, Image]]:
        """Yield (position, picture) at positions that increase.

        Raises:
            MediaError: a picture cannot be read.
        """
        ...


@contextmanager
def footage(path: Path, kind: Kind, fps: float | None = None) -> Iterator[Footage]:
    """Open a source; `fps` is the rate of a folder of images, None for the default.

    Raises:
        MediaError: it is missing, or not what `kind` says.
    """
    if not path.exists():
        raise MediaError("the file is missing")
    if kind == "video":
        with Video(path) as video:
            yield _Film(video)
    else:
        yield _Stills(path, kind, fps)


class _Film:
    def __init__(self, video: Video) -> None:
        self._video = video
        self.times = video.index.times

    def pictures(self, positions: Sequence[int]) -> Iterator[tuple[int, Image]]:
        for part in self._passes(positions):
            wanted = set(part)
            try:
                for position, frame in self._video.frames(part[0], part[-1], Run()):
                    if position in wanted:
                        wanted.discard(position)
                        yield position, to_image(frame, NATIVE)
            except Inconsistent as error:
                raise MediaError("the frames' timestamps are out of order") from error
            if wanted:
                raise MediaError(f"the frame at {self.times[min(wanted)]:.3f} s does not decode")

    def _passes(self, positions: Sequence[int]) -> Iterator[list[int]]:
        part: list[int] = []
        for position in positions:
            key = self._video.index.key_before(max(position - 1, 0))
            if part and key is not None and key[0] > part[-1] + WORTH_SEEKING:
                yield part
                part = []
            part.append(position)
        if part:
            yield part


class _Stills:
    def __init__(self, path: Path, kind: Kind, fps: float | None) -> None:
        self._files = {1: path} if kind == "image" else stills.numbered_images(path)
        self.times = np.arange(max(self._files)) / (fps or stills.SEQUENCE_FPS)

    def pictures(self, positions: Sequence[int]) -> Iterator[tuple[int, Image]]:
        for position in positions:
            if position + 1 not in self._files:
                raise MediaError(f"image number {position + 1} is missing")
            yield position, stills.read_image(self._files[position + 1])


def spread(items: Sequence[ItemT], most: int) -> list[ItemT]:
    """Return at most `most` items, evenly spaced, the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[len(items) - 1 - i * len(items) // most] for i in reversed(range(most))]
