"""The clips of one source: what each wants of it, and the passes that make them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.files import digest_file, write_json
from aqa.media import stills
from aqa.media.decode import Inconsistent, Run, Video
from aqa.media.errors import MediaError
from aqa.media.picture import Image, shrink, to_image, to_jpeg
from aqa.media.profile import Profile, clip_times, select, within
from aqa.media.store import MAX_FRAMES, ClipWriter, clip_writer
from aqa.records import Clip, Record, Sha256

WORTH_SEEKING = 12
"""Frames that must lie between two clips for a seek (a file opened again) to be cheaper than decoding."""


class Made(Record):
    """What lies beside a finished clip: the digest of its recipe, and its manifest line."""

    recipe: Sha256
    clip: Clip


@dataclass(frozen=True)
class Want:
    """One clip to make: the interval [start, end) in seconds of its source (None: open)."""

    sample_id: str
    start: float | None
    end: float | None
    recipe: str


@dataclass(frozen=True)
class Task:
    """Clips of one source, made by one process. `folder` is the manifest's."""

    path: Path
    kind: Literal["video", "image", "frames"]
    sha256: str | None
    wants: tuple[Want, ...]
    profile: Profile
    folder: Path


@dataclass(frozen=True)
class Plan:
    """The positions of a clip's frames in its source: all `inside` it, and those `kept` of them."""

    want: Want
    inside: range
    kept: tuple[int, ...]
    times: tuple[float, ...]


Result = Clip | MediaError


def file_of(folder: Path, sample_id: str) -> Path:
    """Return where a clip's frames lie; the file's name says the sample and nothing else."""
    return folder / "clips" / f"{sample_id}.zip"


def made_file(folder: Path, sample_id: str) -> Path:
    """Return where the record of a finished clip lies."""
    return folder / "clips" / f"{sample_id}.json"


def make(task: Task) -> list[Clip]:
    """Make the clips of a task; a clip that cannot be made has `error` set and stops no other."""
    try:
        _check_digest(task)
        results = {"video": _videos, "image": _images, "frames": _sequences}[task.kind](task)
    except MediaError as error:
        results = {want.sample_id: error for want in task.wants}
    clips = []
    for want in task.wants:
        result = results[want.sample_id]
        clips.append(broken(want.sample_id, str(result)) if isinstance(result, MediaError) else result)
    return clips


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


def _check_digest(task: Task) -> None:
    there = task.path.is_dir() if task.kind == "frames" else task.path.is_file()
    if not there:
        raise MediaError("the folder is missing" if task.kind == "frames" else "the file is missing")
    if task.kind == "frames" or task.sha256 is None:
        return
    try:
        same = digest_file(task.path) == task.sha256
    except OSError as error:
        raise MediaError(f"cannot be read ({error.strerror})") from error
    if not same:
        raise MediaError("the file has changed since samples.jsonl was made; run the index stage again")


def plan_clip(
    want: Want, times: NDArray[np.float64], end: float, promised: str | None, profile: Profile
) -> Plan:
    """Decide which frames of a source make a clip.

    Args:
        want: the clip.
        times: (n,) seconds of the source's frames.
        end: when the last frame ends, seconds.
        promised: what the container announces beyond that, None if nothing.
        profile: the sampling.

    Raises:
        MediaError: the interval is empty, holds no frame, or is not covered: it ends more than one
            frame after the source does, or it is the whole of a truncated file.
    """
    start = 0.0 if want.start is None else want.start
    span = f"[{start:.3f}, {'end' if want.end is None else f'{want.end:.3f}'}) s"
    if start < 0 or (want.end is not None and not want.end > start):
        raise MediaError(f"the clip's interval {span} is empty or starts before 0")
    inside = within(times, want.start, want.end)
    cut = f"; the file is truncated: it promises {promised}" if promised else ""
    if want.end is None and promised:
        raise MediaError(f"only {len(times)} frames, {end:.3f} s, can be read{cut}")
    if start >= end:
        raise MediaError(f"the clip starts at {start:.3f} s but the frames end at {end:.3f} s{cut}")
    frame = end / len(times)
    if want.end is not None and want.end > end + frame:
        expected = round((want.end - start) / frame)
        raise MediaError(
            f"the clip {span} is not covered: {len(inside)} of about {expected} frames are there, "
            f"which end at {end:.3f} s{cut}"
        )
    if not inside:
        raise MediaError(f"no frame lies in the interval {span}")
    kept = select(times, inside, start, profile)
    if len(kept) > MAX_FRAMES:
        raise MediaError(f"the clip keeps {len(kept)} frames (limit: {MAX_FRAMES}); sample fewer")
    return Plan(want, inside, kept, clip_times(times, kept, start))


def plan_all(
    task: Task, times: NDArray[np.float64], end: float, promised: str | None
) -> tuple[list[Plan], dict[str, Result]]:
    """Plan all clips of a source; those that cannot be are results already."""
    good: list[Plan] = []
    results: dict[str, Result] = {}
    for want in task.wants:
        try:
            good.append(plan_clip(want, times, end, promised, task.profile))
        except MediaError as error:
            results[want.sample_id] = error
    return good, results


class Draft:
    """A clip in the making: takes images in order, becomes a file when it is finished."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self.plan = plan
        self.task = task
        self.error: MediaError | None = None
        self.kept = frozenset(plan.kept)
        self._size: tuple[int, int] | None = None
        self._context = clip_writer(file_of(task.folder, plan.want.sample_id))
        self._writer: ClipWriter = self._context.__enter__()

    def add(self, image: Image, jpeg: bytes) -> None:
        """Append a frame; all frames of a clip have one size."""
        size = (image.shape[1], image.shape[0])
        if self._size not in (None, size) and self.error is None:
            self.error = MediaError(f"the picture's size changes within the clip, to {size[0]}x{size[1]}")
        self._size = self._size or size
        self._writer.add(jpeg)

    def finish(self, problem: MediaError | None) -> Result:
        """Publish the file and its record, or leave no trace of a clip with a problem."""
        problem = problem or self.error
        if problem is None and self._writer.count != len(self.plan.kept):
            problem = MediaError(f"decoded {self._writer.count} of {len(self.plan.kept)} frames")
        if problem is not None or self._size is None:
            self.abandon()
            return problem or MediaError("no frame was decoded")
        self._context.__exit__(None, None, None)
        return _publish(self.task, self.plan, self._size)

    def abandon(self) -> None:
        """Remove what was written."""
        error = MediaError("abandoned")
        with suppress(MediaError):
            self._context.__exit__(MediaError, error, None)


def _publish(task: Task, plan: Plan, size: tuple[int, int]) -> Clip:
    path = file_of(task.folder, plan.want.sample_id)
    clip = Clip(
        sample_id=plan.want.sample_id,
        file=path.relative_to(task.folder).as_posix(),
        sha256=digest_file(path),
        width=size[0],
        height=size[1],
        frame_indices=plan.kept,
        timestamps=plan.times,
    )
    write_json(made_file(task.folder, plan.want.sample_id), Made(recipe=plan.want.recipe, clip=clip))
    return clip


def _images(task: Task) -> dict[str, Result]:
    """A still is a clip of one frame at 0 s, whatever the interval."""
    image = shrink(stills.read_image(task.path), task.profile)
    jpeg = to_jpeg(image)
    results: dict[str, Result] = {}
    for want in task.wants:
        draft = Draft(task, Plan(want, range(1), (0,), (0.0,)))
        draft.add(image, jpeg)
        results[want.sample_id] = draft.finish(None)
    return results


def _sequences(task: Task) -> dict[str, Result]:
    images = stills.numbered_images(task.path)
    times = np.arange(max(images)) / stills.SEQUENCE_FPS
    good, results = plan_all(task, times, len(times) / stills.SEQUENCE_FPS, None)
    for plan in good:
        gone = [position + 1 for position in plan.inside if position + 1 not in images]
        if gone:
            there = f"{len(plan.inside) - len(gone)} of {len(plan.inside)} images are there"
            results[plan.want.sample_id] = MediaError(f"{there}; the first missing is number {gone[0]}")
            continue
        results[plan.want.sample_id] = _sequence(task, plan, images)
    return results


def _sequence(task: Task, plan: Plan, images: dict[int, Path]) -> Result:
    draft = Draft(task, plan)
    try:
        for position in plan.kept:
            path = images[position + 1]
            try:
                image = shrink(stills.read_image(path), task.profile)
                draft.add(image, to_jpeg(image))
            except MediaError as error:
                return draft.finish(MediaError(f"{path.name}: {error}"))
    except BaseException:
        draft.abandon()
        raise
    return draft.finish(None)


def _videos(task: Task) -> dict[str, Result]:
    with Video(task.path) as video:
        try:
            return _from_video(video, task)
        except Inconsistent:
            video.rescan()
        try:
            return _from_video(video, task)
        except Inconsistent as error:
            raise MediaError("the frames' timestamps are out of order") from error


def _from_video(video: Video, task: Task) -> dict[str, Result]:
    index = video.index
    good, results = plan_all(task, index.times, index.end, index.promised)
    for group in passes(video, good):
        done = _pass(video, task, group, from_start=False)
        again = [plan for plan in group if isinstance(done[plan.want.sample_id], MediaError)]
        results.update(done)
        if again and group[0].inside.start > 0:
            results.update(_pass(video, task, again, from_start=True))
    return results


def passes(video: Video, plans: Iterable[Plan]) -> Iterator[list[Plan]]:
    """Group clips so that no frame is decoded twice: seek only where that skips `WORTH_SEEKING` frames."""
    group: list[Plan] = []
    last = -1
    for plan in sorted(plans, key=lambda plan: (plan.inside.start, plan.inside.stop)):
        key = video.index.key_before(max(plan.inside.start - 1, 0))
        if group and key is not None and key[0] > last + WORTH_SEEKING:
            yield group
            group = []
        group.append(plan)
        last = max(last, plan.inside.stop - 1)
    if group:
        yield group


def _pass(video: Video, task: Task, group: Sequence[Plan], *, from_start: bool) -> dict[str, Result]:
    """Decode once over all clips of a group and make each as soon as its last frame has passed."""
    results: dict[str, Result] = {}
    waiting = list(group)
    active: list[Draft] = []
    run = Run()
    last = max(plan.inside.stop for plan in group) - 1

    def close(before: int) -> None:
        for draft in [draft for draft in active if draft.plan.inside.stop <= before]:
            active.remove(draft)
            results[draft.plan.want.sample_id] = draft.finish(_loss(video, draft.plan, run))

    try:
        for position, frame in video.frames(group[0].inside.start, last, run, from_start=from_start):
            while waiting and waiting[0].inside.start <= position:
                active.append(Draft(task, waiting.pop(0)))
            close(position)
            wanting = [draft for draft in active if position in draft.kept]
            if wanting:
                _deliver(frame, task, wanting)
        close(last + 1)
    finally:
        for draft in active:
            draft.abandon()
    for plan in waiting:
        results[plan.want.sample_id] = _loss(video, plan, run) or MediaError("no frame was decoded")
    return results


def _deliver(frame: av.VideoFrame, task: Task, drafts: Iterable[Draft]) -> None:
    try:
        image = to_image(frame, task.profile)
        jpeg = to_jpeg(image)
    except (av.error.FFmpegError, cv2.error, ValueError, MediaError) as error:
        for draft in drafts:
            draft.error = draft.error or MediaError(f"a frame cannot be converted ({error})")
        return
    for draft in drafts:
        draft.add(image, jpeg)


def _loss(video: Video, plan: Plan, run: Run) -> MediaError | None:
    """Return what is wrong if a frame of the clip is missing, or damaged, or refers to a damaged one."""
    missing = [position for position in plan.inside if position not in run.decoded]
    key = video.index.key_before(plan.inside.start)
    since = plan.inside.start if key is None else key[0]
    earlier = [position for position in run.damaged if since <= position < plan.inside.start]
    if not missing and not earlier:
        return None
    place = float(video.index.times[min(missing + earlier)])
    whole = len(plan.inside) - len(missing)
    return MediaError(
        f"decoded {whole} of {len(plan.inside)} frames whole: the file is damaged at {place:.3f} s"
    )


def alone(task: Task) -> Iterator[Task]:
    """Split a task into one task a clip."""
    for want in task.wants:
        yield replace(task, wants=(want,))
