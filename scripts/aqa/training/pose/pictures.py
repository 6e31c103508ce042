"""Blocks of pictures: embedded data of another seed, frame by frame, with the joints that the renderer drew.

A block is what a dataset's embedded data are for one seed. `pictures.bin` holds frames as JPEG, one after the
other and as large as they were; `pictures.jsonl` says what lies where, and the joints and the box of who is
judged. Bystanders are in the pictures and are not in the lines: the network shall learn to pass them over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.files import atomic, digest, read_jsonl, write_jsonl
from aqa.media.walk import opened
from aqa.pose.precomputed import Line, read_lines
from aqa.records import Media, Record, Sample
from aqa.training.rounds import made_block, make_block, mapped

Image = NDArray[np.uint8]
"""(height, width, 3) blue, green, red."""

QUALITY = 95
PIXELS, LINES = "pictures.bin", "pictures.jsonl"


class Picture(Record):
    """A frame: where its JPEG lies in `pictures.bin`, and who is judged in it.

    `joints`: 17 times x, y and confidence, in pixels as in the data's `poses.jsonl`; the confidence is 0 (as
    are x and y) where a joint is outside the picture or under water. `box`: left, top, right, bottom.
    """

    media: str
    frame: int
    offset: int
    length: int
    width: int
    height: int
    joints: tuple[tuple[float, float, float], ...]
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Wanted:
    """A block to be made: a seed's embedded data, of which every drawn frame is kept."""

    dataset: str
    seed: int
    size: Mapping[str, int]

    @property
    def recipe(self) -> str:
        """Digest of all of it."""
        return digest(
            {"dataset": self.dataset, "seed": self.seed, "size": dict(self.size), "quality": QUALITY}
        )


@dataclass(frozen=True)
class Block:
    """A block as it was read; `bytes` is mapped, not loaded."""

    dataset: str
    pictures: tuple[Picture, ...]
    bytes: NDArray[np.uint8]

    def image(self, picture: Picture) -> Image:
        """Decode a picture."""
        data = self.bytes[picture.offset : picture.offset + picture.length]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def write_block(folder: Path, wanted: Wanted) -> None:
    """Make a block in `folder`; one that is there already, of the same recipe, is kept.

    Raises:
        UserError: the seed may be the benchmark's, or the dataset has no such size.
    """
    make_block(folder, wanted, lambda scratch, samples: _write(folder, scratch / "data", samples))


def read_block(folder: Path) -> Block:
    """Read a finished block.

    Raises:
        UserError: it is not finished, or damaged.
    """
    made = made_block(folder)
    pictures = tuple(read_jsonl(folder / LINES, Picture))
    packed = mapped(folder / PIXELS, sum(picture.length for picture in pictures), LINES)
    return Block(made.dataset, pictures, packed)


def _write(folder: Path, data: Path, samples: Sequence[Sample]) -> None:
    media = {sample.media.path: sample.media for sample in samples}
    lines = read_lines(data / "poses.jsonl", media)
    pictures: list[Picture] = []
    offset = 0
    with atomic(folder / PIXELS) as stream:
        for path in sorted(lines):
            for frame, image, line in _frames(data, media[path], lines[path]):
                packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
                pictures.append(_picture(path, frame, image, line, (offset, len(packed))))
                stream.write(packed)
                offset += len(packed)
    write_jsonl(folder / LINES, pictures)


def _frames(data: Path, media: Media, lines: Sequence[Line]) -> Iterator[tuple[int, Image, Line]]:
    """Yield the frames of a file in which the figure is in view, once each: many only repeat another."""
    wanted = {frame: line for line in lines for frame in _drawn(line)}
    if not wanted:
        return
    with opened(data / media.path, media.kind, media.sha256, media.fps) as source:
        for frame, image in source.frames(range(min(wanted), max(wanted) + 1), 1, again=False):
            if frame in wanted:
                yield frame, image, wanted[frame]


def _drawn(line: Line) -> list[int]:
    """Return the frames of a line that do not repeat the one before, and that show somebody."""
    same = [
        at > 0 and np.array_equal(line.keypoints[at], line.keypoints[at - 1], equal_nan=True)
        for at in range(len(line.keypoints))
    ]
    known = np.isfinite(line.boxes).all(axis=1) & (line.keypoints[..., 2].max(axis=1) > 0)
    return [line.first + at for at in np.flatnonzero(known).tolist() if not same[at]]


def _picture(path: str, frame: int, image: Image, line: Line, place: tuple[int, int]) -> Picture:
    at = frame - line.first
    left, top, right, bottom = (float(value) for value in line.boxes[at])
    joints = np.nan_to_num(line.keypoints[at])
    return Picture(
        media=path,
        frame=frame,
        offset=place[0],
        length=place[1],
        width=image.shape[1],
        height=image.shape[0],
        joints=tuple((float(x), float(y), float(c)) for x, y, c in joints),
        box=(left, top, right, bottom),
    )
