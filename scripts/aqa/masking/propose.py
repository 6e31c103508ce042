"""Boxes for a person to review: persistent edges and persistent words of each source, joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.masking.boxes import Rectangle, area, common, grown, hull, merged, overlap, share
from aqa.masking.edges import STEP_S, WINDOW, Seen, Watcher
from aqa.masking.footage import Kind, footage, spread
from aqa.masking.reader import SURE, Reader, Word
from aqa.media.errors import MediaError
from aqa.media.picture import Image
from aqa.media.profile import within

MAX_SHARE = 0.35
"""No proposal hides more of the picture than this; what is left out is noted."""

MOMENTS = 6
"""Moments of a source at which words are read, each in two frames most of a second apart."""

STILLS = 4
"""Frames of a source on the contact sheet."""

BEFORE_S, AFTER_S = 0.5, 1.5
"""Seconds that are looked at around each interval: a board stands on when the element has ended."""

_LOOKS = 600
_SAME_WORD = 0.4
_STILL_COLUMNS = 480
_COLOUR = (255, 0, 255)

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class Job:
    """A source to look at: only the intervals that some sample shows, in seconds; None: open."""

    source: str
    path: Path
    kind: Kind
    intervals: tuple[Interval, ...]
    reader: Reader | None
    fps: float | None = None


@dataclass(frozen=True)
class Proposal:
    """What was found in a source: boxes, what found each, remarks, and frames with the boxes drawn (JPEG).

    `problem`: why the source could not be looked at, None if it could.
    """

    source: str
    width: int = 0
    height: int = 0
    boxes: tuple[Rectangle, ...] = ()
    found_by: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    stills: tuple[bytes, ...] = ()
    problem: str | None = None


def propose(job: Job) -> Proposal:
    """Look at a source and return what should be masked; a source that cannot be read has `problem` set.

    Raises:
        UserError: the reader does not work.
    """
    try:
        return _look(job)
    except MediaError as error:
        return Proposal(job.source, problem=str(error))


@dataclass(frozen=True)
class _Looks:
    """The frames to look at: positions, which begin an interval, and the pairs in which words are read."""

    positions: list[int]
    fresh: set[int]
    pairs: list[tuple[int, int]]


def _look(job: Job) -> Proposal:
    with footage(job.path, job.kind, job.fps) as source:
        looks = _plan(source.times, job.intervals)
        kept: dict[int, Image] = {}
        wanted = {position for pair in looks.pairs for position in pair}
        watcher: Watcher | None = None
        size: tuple[int, int] | None = None
        for position, picture in source.pictures(looks.positions):
            size = size or (picture.shape[1], picture.shape[0])
            if size != (picture.shape[1], picture.shape[0]):
                raise MediaError("the picture's size changes within the source")
            watcher = watcher or Watcher(*size)
            watcher.add(picture, float(source.times[position]), fresh=position in looks.fresh)
            if position in wanted:
                kept[position] = picture
        if watcher is None or size is None:
            raise MediaError("no frame lies in the samples' intervals")
        seen, edges = watcher.seen, watcher.boxes()
        pairs = [pair for pair in looks.pairs if _same_shot(seen, *(float(source.times[i]) for i in pair))]
    words = _words(job.reader, pairs, kept, size) if job.reader is not None else []
    boxes, found_by, left_out = _joined(edges, words, size)
    shown = [kept[position] for position in spread(sorted(kept), STILLS)]
    return Proposal(
        source=job.source,
        width=size[0],
        height=size[1],
        boxes=tuple(boxes),
        found_by=tuple(found_by),
        remarks=(*_remarks(seen), *left_out),
        stills=tuple(_drawn(picture, boxes) for picture in shown),
    )


def _plan(times: NDArray[np.float64], intervals: Sequence[Interval]) -> _Looks:
    ordered = sorted(_widened(interval) for interval in intervals)
    inside = [part for start, end in ordered if (part := within(times, start, end))]
    spans: list[range] = []
    for part in inside:
        if spans and part.start <= spans[-1].stop:
            spans[-1] = range(spans[-1].start, max(part.stop, spans[-1].stop))
        else:
            spans.append(part)
    seconds = sum(float(times[span.stop - 1] - times[span.start]) for span in spans)
    step = max(STEP_S, seconds / _LOOKS)
    positions: list[int] = []
    fresh: set[int] = set()
    for span in spans:
        marks = np.arange(times[span.start], times[span.stop - 1] + 1e-9, step)
        found = np.unique(np.searchsorted(times, marks - 1e-6)).tolist()
        fresh.add(found[0])
        positions += found
    pairs = {pair for start, end in intervals for pair in _pairs(times, positions, start, end)}
    return _Looks(positions, fresh, spread(sorted(pairs), MOMENTS))


def _pairs(
    times: NDArray[np.float64], positions: list[int], start: float | None, end: float | None
) -> set[tuple[int, int]]:
    """Return the frames at the middle and end of an interval, each with one most of a second before."""
    own = [at for at, position in enumerate(positions) if position in within(times, start, end)]
    if not own:
        return set()
    return {(positions[max(0, at - WINDOW + 1)], positions[at]) for at in (own[len(own) // 2], own[-1])}


def _widened(interval: Interval) -> tuple[float, float]:
    start, end = interval
    return max(0.0, (start or 0.0) - BEFORE_S), math.inf if end is None else end + AFTER_S


def _same_shot(seen: Seen, first_s: float, last_s: float) -> bool:
    return any(start <= first_s and last_s <= end for start, end in seen.shots)


def _words(
    reader: Reader, pairs: Sequence[tuple[int, int]], kept: dict[int, Image], size: tuple[int, int]
) -> list[Rectangle]:
    """Return the boxes of texts with a figure in them that stand at one place in both frames of a pair."""
    read = dict(zip(kept, reader.read(list(kept.values())), strict=True))
    found: list[Rectangle] = []
    for first, last in pairs:
        earlier = _sure(read[first])
        lasting = [word for word in _sure(read[last]) if _stays(word, earlier)]
        found += texts(lasting, size)
    return merged(found)


def _sure(words: Sequence[Word]) -> list[Word]:
    enough = (word for word in words if sum(letter.isalnum() for letter in word.text) >= 2)
    return [word for word in enough if word.confidence >= SURE]


def _stays(word: Word, earlier: Sequence[Word]) -> bool:
    return any(overlap(word.box, other.box) >= _SAME_WORD for other in earlier)


def texts(words: Sequence[Word], size: tuple[int, int]) -> list[Rectangle]:
    """Return the boxes of words that stand together, where one of them has a figure in it."""
    most = size[1] // 12
    around = merged(grown(word.box, min(most, word.box[3] - word.box[1]), *size) for word in words)
    found = []
    for region in around:
        held = [word for word in words if area(common(word.box, region))]
        if any(letter.isdigit() for word in held for letter in word.text):
            box = held[0].box
            for word in held[1:]:
                box = hull(box, word.box)
            found.append(grown(box, max(word.box[3] - word.box[1] for word in held) // 4, *size))
    return found


def _joined(
    edges: list[Rectangle], words: list[Rectangle], size: tuple[int, int]
) -> tuple[list[Rectangle], list[str], list[str]]:
    """Return the union within `MAX_SHARE`, what found each box, and remarks on what was left out."""

    def finders(box: Rectangle) -> str:
        by = [("edges", edges), ("words", words)]
        return " and ".join(name for name, found in by if any(area(common(box, one)) for one in found))

    order = {"edges and words": 0, "words": 1, "edges": 2}
    union = merged([*edges, *words])
    boxes: list[Rectangle] = []
    left_out: list[str] = []
    for box in sorted(union, key=lambda box: (order[finders(box)], area(box))):
        if share([*boxes, box], *size) <= MAX_SHARE:
            boxes.append(box)
        else:
            left_out.append(
                f"left out {box[0]},{box[1]} to {box[2]},{box[3]} ({finders(box)}): together the boxes "
                f"would hide more than {MAX_SHARE:.0%} of the picture"
            )
    boxes = merged(boxes)
    return boxes, [finders(box) for box in boxes], left_out


def _remarks(seen: Seen) -> list[str]:
    remarks = [] if seen.windows else ["too few frames to see what persists"]
    if seen.still:
        remarks.append(
            f"the camera stands still in {seen.still} of {seen.windows} moments: edges say nothing there"
        )
    if seen.crowded:
        remarks.append(f"in {seen.crowded} of {seen.windows} moments too much persists to be a board")
    return remarks


def _drawn(picture: Image, boxes: Sequence[Rectangle]) -> bytes:
    factor = min(1.0, _STILL_COLUMNS / picture.shape[1])
    image = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    for number, box in enumerate(boxes, start=1):
        left, top, right, bottom = (round(edge * factor) for edge in box)
        cv2.rectangle(image, (left, top), (right - 1, bottom - 1), _COLOUR, 2)
        cv2.putText(image, str(number), (left + 3, bottom - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _COLOUR, 1)
    done, data = cv2.imencode(".jpg", image, [int(cv2.IMWRITE_JPEG_QUALITY), 80])
    if not done:
        raise MediaError("a frame cannot be stored as JPEG")
    return bytes(data)
