"""The clips of one source: what is wanted of it, and which of its frames that is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aqa.errors import UserError
from aqa.files import digest_file
from aqa.media.errors import MediaError
from aqa.media.look import Look, look_of
from aqa.media.masks import Box
from aqa.media.profile import clip_times, select, within
from aqa.media.store import MAX_FRAMES
from aqa.media.target import Target
from aqa.pose.store import Poses, read_poses
from aqa.records import Clip, Record, Sha256


class Made(Record):
    """What lies beside a finished clip: the digest of its recipe, and its manifest line."""

    recipe: Sha256
    clip: Clip


@dataclass(frozen=True)
class PoseFile:
    """The file of a clip's poses and the digest that the pose stage's manifest states."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class Want:
    """One clip to make: the interval [start, end) in seconds of its source (None: open), for one target."""

    sample_id: str
    start: float | None
    end: float | None
    recipe: str
    target: Target
    poses: PoseFile | None = None


@dataclass(frozen=True)
class Task:
    """Clips of one source, made by one process from one decoding.

    `folder` holds a folder for each target. `boxes` hide parts of the source. `fps` is the rate of a folder
    of images, None for the default.
    """

    path: Path
    kind: Literal["video", "image", "frames"]
    sha256: str | None
    wants: tuple[Want, ...]
    folder: Path
    boxes: tuple[Box, ...] = ()
    fps: float | None = None


@dataclass(frozen=True)
class Plan:
    """The positions of a clip's frames in its source, all `inside` it and those `kept`, and their look."""

    want: Want
    inside: range
    kept: tuple[int, ...]
    times: tuple[float, ...]
    look: Look


Result = Clip | MediaError


def file_of(folder: Path, target: Target, sample_id: str) -> Path:
    """Return where a clip's frames lie; the file's name says the sample and nothing else."""
    return folder / target.path / "clips" / f"{sample_id}.zip"


def made_file(folder: Path, target: Target, sample_id: str) -> Path:
    """Return where the record of a finished clip lies."""
    return folder / target.path / "clips" / f"{sample_id}.json"


def broken(sample_id: str, cause: str) -> Clip:
    """Return the manifest line of a clip that could not be made."""
    return Clip(
        sample_id=sample_id,
        file=None,
        sha256=None,
        width=0,
        height=0,
        frame_indices=(),
        timestamps=(),
        error=cause,
    )


def plan_clip(want: Want, times: NDArray[np.float64], end: float, promised: str | None) -> Plan:
    """Decide which frames of a source make a clip, and how they are shown.

    Args:
        want: the clip.
        times: (n,) seconds of the source's frames.
        end: when the last frame ends, seconds.
        promised: what the container announces beyond that, None if nothing.

    Raises:
        MediaError: the interval is empty, holds no frame, or is not covered: it ends more than one
            frame after the source does, or it is the whole of a truncated file; or the joints that the
            representation needs are not known.
    """
    start = 0.0 if want.start is None else want.start
    inside = span(want.start, want.end, times, end, promised)
    kept = select(times, inside, start, want.target.profile)
    if len(kept) > MAX_FRAMES:
        raise MediaError(f"the clip keeps {len(kept)} frames (limit: {MAX_FRAMES}); sample fewer")
    return Plan(want, inside, kept, clip_times(times, kept, start), looked(want, kept))


def span(
    first: float | None, last: float | None, times: NDArray[np.float64], end: float, promised: str | None
) -> range:
    """Return the positions of the frames in [first, last) seconds of a source (see `plan_clip`).

    Raises:
        MediaError: the interval is empty, holds no frame, or is not covered.
    """
    start = 0.0 if first is None else first
    shown = f"[{start:.3f}, {'end' if last is None else f'{last:.3f}'}) s"
    if start < 0 or (last is not None and not last > start):
        raise MediaError(f"the clip's interval {shown} is empty or starts before 0")
    inside = within(times, first, last)
    lost = f"; the file is truncated: it promises {promised}" if promised else ""
    if last is None and promised:
        raise MediaError(f"only {len(times)} frames, {end:.3f} s, can be read{lost}")
    if start >= end:
        raise MediaError(f"the clip starts at {start:.3f} s but the frames end at {end:.3f} s{lost}")
    frame = end / len(times)
    if last is not None and last > end + frame:
        expected = round((last - start) / frame)
        raise MediaError(
            f"the clip {shown} is not covered: {len(inside)} of about {expected} frames are there, "
            f"which end at {end:.3f} s{lost}"
        )
    if not inside:
        raise MediaError(f"no frame lies in the interval {shown}")
    return inside


def looked(want: Want, kept: tuple[int, ...]) -> Look:
    """Return how the kept frames of a clip are shown.

    Raises:
        MediaError: the joints that the representation needs are not known.
    """
    file = want.poses if want.target.posed else None
    poses = None if file is None else checked(file)
    return look_of(
        want.target.representation, want.target.profile, kept, poses, None if file is None else file.sha256
    )


def checked(file: PoseFile) -> Poses:
    """Read a clip's poses.

    Raises:
        MediaError: they are not those of the pose stage's manifest.
    """
    try:
        if digest_file(file.path) != file.sha256:
            raise MediaError("the poses have changed since their manifest was made; run the pose stage again")
        return read_poses(file.path)
    except OSError as error:
        raise MediaError(f"the poses cannot be read ({error.strerror}); run the pose stage again") from error
    except UserError as error:
        raise MediaError(str(error)) from error


def plan_all(
    task: Task, times: NDArray[np.float64], end: float, promised: str | None
) -> tuple[list[Plan], dict[Want, Result]]:
    """Plan all clips of a source; those that cannot be are results already."""
    good: list[Plan] = []
    results: dict[Want, Result] = {}
    for want in task.wants:
        try:
            good.append(plan_clip(want, times, end, promised))
        except MediaError as error:
            results[want] = error
    return good, results


def alone(task: Task) -> Iterator[Task]:
    """Split a task into one task a sample; that of one sample into one task a target."""
    samples = [list(wants) for _, wants in groupby(task.wants, lambda want: want.sample_id)]
    parts: Iterable[list[Want]] = samples if len(samples) > 1 else [[want] for want in task.wants]
    for part in parts:
        yield replace(task, wants=tuple(part))
