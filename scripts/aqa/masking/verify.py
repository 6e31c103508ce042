"""Proof that the clips that models receive hide the truth: read before masking, and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from aqa.config import Representation
from aqa.errors import UserError
from aqa.files import digest_file
from aqa.masking.boxes import Rectangle, inside
from aqa.masking.footage import Kind, footage, spread
from aqa.masking.reader import Reader, scores
from aqa.masking.verdicts import Verdict
from aqa.media.errors import MediaError
from aqa.media.masks import Box
from aqa.media.picture import Image
from aqa.media.store import read_frames
from aqa.records import Clip

HIDDEN, BARE = 3, 2
"""Frames of a clip in which words are looked for: with a filled box, and without one."""

_BRIGHTEST = 96
_MEAN = 12.0
"""What JPEG makes of a black box: no pixel brighter than this, and on average nearly black."""

NO_READER = "no OCR reader was installed"
NO_CONTROL = "the reader cannot read the unmasked board either"
NO_BOX = "no box lies over the clip, and nothing was read"


@dataclass(frozen=True)
class Stored:
    """A clip as models receive it, in one representation and profile; `folder` is the manifest's."""

    folder: Path
    representation: Representation
    profile: str
    clip: Clip


@dataclass(frozen=True)
class Check:
    """A sample: where its clip starts in the source (seconds), and its clips; at least one."""

    sample_id: str
    start_s: float
    stored: tuple[Stored, ...]

    @property
    def largest(self) -> Stored:
        """The clip in which words are looked for: the original as large as possible."""
        plain = [one for one in self.stored if one.representation == "original"] or list(self.stored)
        return max(plain, key=lambda one: (one.clip.width * one.clip.height, len(one.clip.frame_indices)))


@dataclass(frozen=True)
class Job:
    """The samples of one source, and the boxes that hide parts of it."""

    path: Path
    kind: Kind
    fps: float | None
    boxes: tuple[Box, ...]
    checks: tuple[Check, ...]
    reader: Reader | None


def verify(job: Job) -> list[Verdict]:
    """Return a verdict for each sample of a source.

    Raises:
        UserError: a clip is not the one that its manifest names, or the reader does not work.
    """
    picked = {check.sample_id: _picked(check, job.boxes) for check in job.checks}
    wanted = {position for check in job.checks for position in _positions(check, picked[check.sample_id])}
    if job.reader is None:
        wanted = set(sorted(wanted)[:1])
    try:
        with footage(job.path, job.kind, job.fps) as source:
            plain = dict(source.pictures(sorted(wanted)))
    except MediaError as error:
        why = f"the source cannot be read again: {error}"
        return [Verdict(sample_id=check.sample_id, verdict="inconclusive", why=why) for check in job.checks]
    return [_judge(check, job, picked[check.sample_id], plain) for check in job.checks]


def _picked(check: Check, boxes: tuple[Box, ...]) -> list[int]:
    """Return the numbers of the clip's frames to read: some with a filled box, last first, then others."""
    times = [check.start_s + time for time in check.largest.clip.timestamps]
    hidden = [k for k, time in enumerate(times) if any(box.hides(time) for box in boxes)]
    bare = sorted(set(range(len(times))) - set(hidden))
    return [*reversed(spread(hidden, HIDDEN)), *reversed(spread(bare, BARE))]


def _positions(check: Check, picked: Sequence[int]) -> list[int]:
    return [check.largest.clip.frame_indices[k] for k in picked]


def _judge(check: Check, job: Job, picked: list[int], plain: dict[int, Image]) -> Verdict:
    size = _size(next(iter(plain.values())))
    for stored in check.stored:
        if stored.representation == "original" and (gap := _unfilled(stored, check.start_s, job.boxes, size)):
            return Verdict(sample_id=check.sample_id, verdict="fail", why=gap)
    if job.reader is None:
        return Verdict(sample_id=check.sample_id, verdict="inconclusive", why=NO_READER)
    pictures = _pictures(check.largest)
    seen = job.reader.read([pictures[k] for k in picked])
    found = tuple(sorted({word.text for words in seen for word in scores(words)}))
    control = _control(check, job, job.reader, picked, plain)
    if found:
        why = f"in {check.largest.representation}/{check.largest.profile} the reader reads {', '.join(found)}"
        return Verdict(sample_id=check.sample_id, verdict="fail", why=why, control=control, read=found)
    if control:
        why = "the reader reads a score in the unmasked frames and none in the masked ones"
        return Verdict(sample_id=check.sample_id, verdict="pass", why=why, control=control)
    times = [check.start_s + check.largest.clip.timestamps[k] for k in picked]
    covered = any(box.hides(time) for box in job.boxes for time in times)
    return Verdict(sample_id=check.sample_id, verdict="inconclusive", why=NO_CONTROL if covered else NO_BOX)


def _control(
    check: Check, job: Job, reader: Reader, picked: Sequence[int], plain: dict[int, Image]
) -> tuple[str, ...]:
    """Return the scores that the reader reads under the boxes of the first unmasked frame where it reads any.

    The frame is as large as the clip's; where that is cut from the source, the frame is whole.
    """
    clip = check.largest.clip
    whole = check.largest.representation != "cropped"
    for k in picked:
        picture = plain[clip.frame_indices[k]]
        source = _size(picture)
        active = [box for box in job.boxes if box.hides(check.start_s + clip.timestamps[k])]
        if not active:
            continue
        if whole and source != (clip.width, clip.height):
            scaled = cv2.resize(picture, (clip.width, clip.height), interpolation=cv2.INTER_AREA)
            picture = np.asarray(scaled, np.uint8)
        regions = [_scaled(box.padded(*source), source, _size(picture)) for box in active]
        words = scores(reader.read([picture])[0])
        under = {word.text for word in words if any(inside(word.box, region) >= 0.5 for region in regions)}
        if under:
            return tuple(sorted(under))
    return ()


def _unfilled(stored: Stored, start_s: float, boxes: tuple[Box, ...], source: tuple[int, int]) -> str | None:
    """Return which frame shows something where a box should be solid, None if none does."""
    clip = stored.clip
    size = clip.width, clip.height
    try:
        regions = [_core(_scaled(box.padded(*source), source, size)) for box in boxes]
    except MediaError as error:
        return str(error)
    pictures = _pictures(stored)
    for k, time in enumerate(clip.timestamps):
        for box, (left, top, right, bottom) in zip(boxes, regions, strict=True):
            if not box.hides(start_s + time):
                continue
            under = pictures[k][top:bottom, left:right]
            if under.size and (int(under.max()) > _BRIGHTEST or float(under.mean()) > _MEAN):
                place = f"{box.left},{box.top} to {box.right},{box.bottom}"
                return (
                    f"in {stored.representation}/{stored.profile} the frame at {time:.3f} s is not filled in "
                    f"the box {place}"
                )
    return None


def _pictures(stored: Stored) -> list[Image]:
    clip = stored.clip
    path = stored.folder / str(clip.file)
    if digest_file(path) != clip.sha256:
        raise UserError(f"{path}: not the clip that the manifest names; run the media stage again")
    pictures = []
    for data in read_frames(path):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise UserError(f"{path}: holds a damaged image; delete it and run the media stage again")
        pictures.append(np.asarray(picture, np.uint8))
    return pictures


def _size(picture: Image) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _scaled(box: Rectangle, source: tuple[int, int], size: tuple[int, int]) -> Rectangle:
    """Return a box of the source in a picture of another size, rounded outwards."""
    left, right = box[0] * size[0] // source[0], -(-box[2] * size[0] // source[0])
    top, bottom = box[1] * size[1] // source[1], -(-box[3] * size[1] // source[1])
    return left, top, right, bottom


def _core(box: Rectangle) -> Rectangle:
    """Return a box without its outermost pixels, which JPEG mixes with what lies beside them."""
    return box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1
