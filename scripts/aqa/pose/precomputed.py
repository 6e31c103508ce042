"""Poses that are already there: `poses.jsonl` in the data folder of a dataset.

A line is one person in consecutive frames of one media file, as JSON:

    {"media": "videos/ann.mp4", "first_frame": 30, "width": 1280, "height": 720,
     "keypoints": [[[612.0, 203.5, 0.93], ...], null, ...], "boxes": [[540, 180, 700, 640], null, ...]}

`media` is the path in samples.jsonl. `first_frame` counts from 0 in that file, as it is decoded in
presentation order (in a folder of numbered images, image 1 is frame 0; an image has frame 0 alone).
`width` and `height` are those of the upright picture. `keypoints` has an entry a frame: the 17 joints of
COCO in order, each x, y (pixels, origin top left) and a confidence from 0 to 1, or null where the person
was not found. A joint with confidence 0 was not found, whatever its place. `boxes` (left, top, right,
bottom, or null) may be left out: then they follow from the joints; and for `sam3d_body`, which needs only
boxes, `keypoints` may be left out instead. Any other field (`clip_id`, say) is
ignored.

Several lines may belong to one file: clips one after the other, or several people in the same frames (then
the one who is judged is chosen). Lines with the same `person` (any text) are one person; without it, lines
whose frames overlap are different people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from aqa.errors import UserError
from aqa.files import digest
from aqa.pose.base import KEYPOINTS, Array, cleaned
from aqa.pose.tracks import Track

MAX_FRAMES = 10_000_000
"""Frame numbers beyond this are typing errors: at 240 frames a second they are half a day in."""

FARTHEST = 100_000.0
"""Coordinates beyond this, in pixels, are errors of a unit or of a program."""


@dataclass(frozen=True)
class Line:
    """A line of the file: `boxes` (n, 4) and `keypoints` (n, 17, 3), NaN where the person was not found."""

    number: int
    media: str
    person: str
    first: int
    width: int
    height: int
    boxes: Array
    keypoints: Array
    digest: str

    @property
    def frames(self) -> range:
        """The frames of the media file that the line is about."""
        return range(self.first, self.first + len(self.boxes))


def read_lines(path: Path, wanted: Iterable[str]) -> dict[str, list[Line]]:
    """Read the lines about the media files `wanted`; the others are checked only to be JSON objects.

    Raises:
        UserError: the file is missing or a line is not what the module's docstring says; names the line.
    """
    media = set(wanted)
    found: dict[str, list[Line]] = {}
    try:
        with path.open("rb") as stream:
            for number, text in enumerate(stream, start=1):
                if not text.strip():
                    continue
                try:
                    fields = _fields(text)
                    if fields["media"] in media:
                        found.setdefault(fields["media"], []).append(_line(number, fields))
                except (ValueError, TypeError, OverflowError) as error:
                    raise UserError(f"{path}, line {number}: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); see docs/own-data.md") from error
    return found


def _fields(text: bytes) -> Mapping[str, Any]:
    fields = orjson.loads(text)
    if not isinstance(fields, dict) or not isinstance(fields.get("media"), str):
        raise ValueError("not an object that names its `media`")
    return fields


def _line(number: int, fields: Mapping[str, Any]) -> Line:
    first = _whole(fields, "first_frame", 0, MAX_FRAMES)
    width, height = _whole(fields, "width", 1, 65_535), _whole(fields, "height", 1, 65_535)
    keypoints = _frames(fields.get("keypoints"), "keypoints", (KEYPOINTS, 3))
    boxes = _frames(fields.get("boxes"), "boxes", (4,))
    if keypoints is None and boxes is None:
        raise ValueError("neither keypoints nor boxes")
    if keypoints is not None and boxes is not None and len(keypoints) != len(boxes):
        raise ValueError(f"{len(keypoints)} frames of keypoints but {len(boxes)} of boxes")
    if keypoints is not None:
        confidence = keypoints[..., 2]
        if ((confidence < 0) | (confidence > 1)).any():
            raise ValueError("a confidence is not between 0 and 1")
        keypoints = cleaned(keypoints, 0.0)
    if boxes is not None and ((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])).any():
        raise ValueError("a box is not left, top, right, bottom")
    n = len(boxes) if keypoints is None else len(keypoints)  # type: ignore[arg-type]
    if first + n > MAX_FRAMES:
        raise ValueError(f"frames beyond {MAX_FRAMES}")
    joints = np.full((n, KEYPOINTS, 3), np.nan) if keypoints is None else keypoints
    joints[..., 2] = np.nan_to_num(joints[..., 2])
    person = fields.get("person", "")
    return Line(
        number=number,
        media=str(fields["media"]),
        person=str(person) if person != "" else "",
        first=first,
        width=width,
        height=height,
        boxes=_complete(boxes, joints),
        keypoints=joints,
        digest=digest(
            [fields.get(name) for name in ("first_frame", "width", "height", "keypoints", "boxes", "person")]
        ),
    )


def _whole(fields: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}: a whole number from {least} to {most} is needed")
    return value


def _frames(entries: Any, name: str, shape: tuple[int, ...]) -> Array | None:
    """Return (n, *shape) numbers, NaN where an entry is null."""
    if entries is None:
        return None
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{name}: a list with an entry a frame is needed")
    result = np.full((len(entries), *shape), np.nan)
    known = [i for i, entry in enumerate(entries) if entry is not None]
    try:
        values = np.array([entries[i] for i in known])
    except ValueError as error:
        raise ValueError(f"{name}: the frames do not all have the shape {shape}") from error
    if known:
        if values.shape != (len(known), *shape) or values.dtype.kind not in "iuf":
            raise ValueError(f"{name}: each frame must be numbers of the shape {shape}, or null")
        if not (np.abs(values) <= FARTHEST).all():
            raise ValueError(f"{name}: a number beyond {FARTHEST:.0f} pixels")
        result[known] = values
    return result


def _complete(boxes: Array | None, keypoints: Array) -> Array:
    """Return the boxes, from the known joints where none is stated."""
    n = len(keypoints)
    result = np.full((n, 4), np.nan) if boxes is None else boxes.copy()
    known = np.isfinite(keypoints[..., 0]).any(axis=1)
    for i in np.flatnonzero(known & np.isnan(result[:, 0])):
        joints = keypoints[i, np.isfinite(keypoints[i, :, 0]), :2]
        result[i] = [*joints.min(axis=0), *joints.max(axis=0)]
    if np.isfinite(keypoints[..., 0]).any():  # Without any joint the line is about boxes alone.
        result[~known] = np.nan
    return result


def tracks_of(lines: Iterable[Line], inside: range) -> list[Track]:
    """Return the people of a clip, one a person: `inside` are the clip's frames in the media file.

    A line without a `person` is a person of its own, but for lines that do not overlap within the clip
    and together are the only ones: nobody else is there, so they are one person.
    """
    parts: list[tuple[str, Track]] = []
    for line in lines:
        frames = np.arange(line.first, line.first + len(line.boxes))
        seen = (frames >= inside.start) & (frames < inside.stop) & np.isfinite(line.boxes[:, 0])
        if seen.any():
            track = Track(frames[seen] - inside.start, line.boxes[seen], line.keypoints[seen])
            parts.append((line.person or f"line {line.number}", track))
    parts.sort(key=lambda part: int(part[1].at[0]))
    apart = all(a.at[-1] < b.at[0] for (_, a), (_, b) in pairwise(parts))
    if apart and all(name.startswith("line ") for name, _ in parts):
        parts = [("one", track) for _, track in parts]
    people: dict[str, list[Track]] = {}
    for name, track in parts:
        people.setdefault(name, []).append(track)
    return [Track.joined(members) for members in people.values()]
