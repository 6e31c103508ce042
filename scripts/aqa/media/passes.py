"""The passes over one source that make its clips: each frame decoded once for all that want it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from av.video.frame import VideoFrame

from aqa.files import digest_file
from aqa.media import stills
from aqa.media.clips import Plan, Result, Task, Want, broken, looked, plan_all
from aqa.media.decode import Inconsistent, Run, Video
from aqa.media.draft import Bench
from aqa.media.errors import MediaError
from aqa.media.look import Shot
from aqa.media.picture import Image, shrink, to_image, upright_size
from aqa.records import Clip

WORTH_SEEKING = 12
"""Frames that must lie between two clips for a seek (a file opened again) to be cheaper than decoding."""


def make(task: Task) -> list[Clip]:
    """Make the clips of a task, in its order; one that cannot be made has `error` set and stops no other."""
    make_all: dict[str, Callable[[Task], dict[Want, Result]]]
    make_all = {"video": _videos, "image": _images, "frames": _sequences}
    try:
        _check_digest(task)
        results = make_all[task.kind](task)
    except MediaError as error:
        results = dict.fromkeys(task.wants, error)
    clips = []
    for want in task.wants:
        result = results[want]
        clips.append(broken(want.sample_id, str(result)) if isinstance(result, MediaError) else result)
    return clips


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


def _images(task: Task) -> dict[Want, Result]:
    """A still is a clip of one frame at 0 s, whatever the interval."""
    results: dict[Want, Result] = {}
    plans = []
    for want in task.wants:
        try:
            plans.append(Plan(want, range(1), (0,), (0.0,), looked(want, (0,))))
        except MediaError as error:
            results[want] = error
    shot = _photograph(task, 0, 0.0, stills.read_image(task.path))
    with Bench(task, plans, lambda _: None) as bench:
        for draft in bench.wanting(0):
            draft.take(shot)
        bench.finish()
    return {**results, **bench.results}


def _photograph(task: Task, position: int, time_s: float, image: Image) -> Shot:
    size = image.shape[1], image.shape[0]
    return Shot(position, size, partial(shrink, image), task.boxes, time_s)


def _sequences(task: Task) -> dict[Want, Result]:
    """A folder of numbered images: image n (from 1) is at (n-1)/fps seconds."""
    images = stills.numbered_images(task.path)
    fps = task.fps or stills.SEQUENCE_FPS
    times = np.arange(max(images)) / fps
    planned, results = plan_all(task, times, len(times) / fps, None)
    good = []
    for plan in planned:
        gone = [position + 1 for position in plan.inside if position + 1 not in images]
        if gone:
            there = f"{len(plan.inside) - len(gone)} of {len(plan.inside)} images are there"
            results[plan.want] = MediaError(f"{there}; the first missing is number {gone[0]}")
        else:
            good.append(plan)
    with Bench(task, good, lambda _: None) as bench:
        for position in sorted({position for plan in good for position in plan.kept}):
            drafts = bench.wanting(position)
            path = images[position + 1]
            try:
                shot = _photograph(task, position, float(times[position]), stills.read_image(path))
            except MediaError as error:
                for draft in drafts:
                    draft.fail(MediaError(f"{path.name}: {error}"))
                continue
            for draft in drafts:
                draft.take(shot)
        bench.finish()
    return {**results, **bench.results}


def _videos(task: Task) -> dict[Want, Result]:
    with Video(task.path) as video:
        try:
            return _from_video(video, task)
        except Inconsistent:
            video.rescan()
        try:
            return _from_video(video, task)
        except Inconsistent as error:
            raise MediaError("the frames' timestamps are out of order") from error


def _from_video(video: Video, task: Task) -> dict[Want, Result]:
    index = video.index
    good, results = plan_all(task, index.times, index.end, index.promised)
    for group in passes(video, good):
        done = _pass(video, task, group, from_start=False)
        again = [plan for plan in group if isinstance(done[plan.want], MediaError)]
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


def _pass(video: Video, task: Task, group: Sequence[Plan], *, from_start: bool) -> dict[Want, Result]:
    """Decode once over all clips of a group."""
    run = Run()
    first, last = group[0].inside.start, max(plan.inside.stop for plan in group) - 1
    with Bench(task, group, lambda plan: _loss(video, plan, run)) as bench:
        for position, frame in video.frames(first, last, run, from_start=from_start):
            drafts = bench.wanting(position)
            if not drafts:
                continue
            shot = _exposure(task, position, float(video.index.times[position]), frame)
            for draft in drafts:
                draft.take(shot)
        bench.finish()
    return bench.results


def _exposure(task: Task, position: int, time_s: float, frame: VideoFrame) -> Shot:
    return Shot(position, upright_size(frame), partial(to_image, frame), task.boxes, time_s)


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
