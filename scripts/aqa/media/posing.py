"""The poses of one source's clips: found by a network frame by frame, or read from a file of poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

import numpy as np

from aqa.config import Pose
from aqa.errors import UserError
from aqa.files import digest_file, write_json
from aqa.media.errors import MediaError
from aqa.media.walk import Source, attempt, opened
from aqa.pose.base import Image, Person, PoseBackend, Refiner
from aqa.pose.camera import CameraMotion, unmoved
from aqa.pose.needs import weights_of
from aqa.pose.opencv import OpenCV
from aqa.pose.person import Scene, Subject, find_subject, poses_of
from aqa.pose.precomputed import Line, tracks_of
from aqa.pose.sam3d_body import Sam3dBody
from aqa.pose.store import write_poses
from aqa.pose.subjects import Pick
from aqa.pose.tracks import Track, follow
from aqa.pose.ultralytics import Ultralytics
from aqa.records import PoseClip, Record, Sha256


class MadePoses(Record):
    """What lies beside finished poses: the digest of their recipe, and their manifest line."""

    recipe: Sha256
    clip: PoseClip


@dataclass(frozen=True)
class PoseWant:
    """One sample: the interval [start, end) in seconds of its source, and a person's word on who it is."""

    sample_id: str
    start: float | None
    end: float | None
    recipe: str
    picks: tuple[Pick, ...] = ()


@dataclass(frozen=True)
class PoseTask:
    """Clips of one source. `lines` are those of the file of poses about it, None where a network finds the
    people; `folder` is the manifest's."""

    path: Path
    kind: Literal["video", "image", "frames"]
    sha256: str | None
    fps: float | None
    wants: tuple[PoseWant, ...]
    settings: Pose
    lines: tuple[Line, ...] | None
    folder: Path


@dataclass(frozen=True)
class Networks:
    """What finds the people, and what finds the joints of one whose box is known, where these are needed."""

    people: PoseBackend | None
    joints: Refiner | None


@dataclass(frozen=True)
class Found:
    """A line of the manifest, and whether the source could be read: a clip in which nobody is could be."""

    clip: PoseClip
    readable: bool = True


Crowd = tuple[Scene, list[list[Track]]]
"""A clip and the people in each of its shots."""


def file_of(folder: Path, sample_id: str) -> Path:
    """Return where a sample's poses lie; the name says the sample and nothing else."""
    return folder / "clips" / f"{sample_id}.npz"


def made_file(folder: Path, sample_id: str) -> Path:
    """Return where the record of finished poses lies."""
    return folder / "clips" / f"{sample_id}.json"


def broken(sample_id: str, cause: str, frames: int = 0) -> PoseClip:
    """Return the manifest line of a sample without poses."""
    return PoseClip(
        sample_id=sample_id,
        file=None,
        sha256=None,
        frames=frames,
        coverage=0.0,
        mean_confidence=0.0,
        interpolated=0.0,
        error=cause,
    )


@cache
def networks(settings: Pose) -> Networks:
    """Load what the backend needs, once a process."""
    weights = weights_of(settings)
    if settings.backend == "precomputed" or weights is None:
        return Networks(None, None)
    if settings.backend == "opencv":
        return Networks(OpenCV(settings, weights), None)
    if settings.backend == "ultralytics":
        return Networks(Ultralytics(settings, weights), None)
    people = None
    if settings.detector is not None:
        people = Ultralytics(settings, Path(settings.detector), joints=False)
    return Networks(people, Sam3dBody(settings, Path(settings.code or ""), weights))


def make(task: PoseTask) -> list[Found]:
    """Find the poses of a task's clips, in its order; one without poses has `error` set and stops no other.

    Raises:
        UserError: the backend cannot run.
    """
    intervals: dict[tuple[float | None, float | None], list[PoseWant]] = {}
    for want in task.wants:
        intervals.setdefault((want.start, want.end), []).append(want)
    found: dict[str, Found] = {}
    try:
        with opened(task.path, task.kind, task.sha256, task.fps) as source:
            for wants in intervals.values():
                try:
                    found.update(_clip(task, source, wants))
                except MediaError as error:
                    found.update(_unreadable(wants, error))
    except MediaError as error:
        found.update(_unreadable(task.wants, error))
    return [found[want.sample_id] for want in task.wants]


def _unreadable(wants: Sequence[PoseWant], error: MediaError) -> dict[str, Found]:
    return {want.sample_id: Found(broken(want.sample_id, str(error)), readable=False) for want in wants}


def _clip(task: PoseTask, source: Source, wants: Sequence[PoseWant]) -> dict[str, Found]:
    """Find the poses of all samples that share an interval: people are looked for once."""
    start, end = wants[0].start, wants[0].end
    look = _read if task.lines is not None else _look
    scene, people = attempt(source, start, end, partial(look, task, source))
    subjects: dict[tuple[Pick, ...], Subject | str] = {}
    found = {}
    for want in wants:
        if want.picks not in subjects:
            subject = find_subject(scene, people, want.picks)
            refiner = networks(task.settings).joints
            if refiner is not None and isinstance(subject, Subject):
                subject = attempt(source, start, end, partial(_refine, source, (scene, subject), refiner))
            subjects[want.picks] = subject
        found[want.sample_id] = _finish(task, want, scene, subjects[want.picks])
    return found


def _read(task: PoseTask, source: Source, inside: range, again: bool) -> Crowd:
    """Take the people from the lines of a file; no frame is decoded."""
    del again
    lines = task.lines or ()
    name = task.settings.file
    for line in lines:
        if line.frames.stop > len(source.times):
            raise MediaError(
                f"{name}, line {line.number}: frames up to {line.frames.stop - 1}, but the file has only "
                f"{len(source.times)} (from 0)"
            )
    within = [line for line in lines if line.first < inside.stop and line.frames.stop > inside.start]
    sizes = sorted({(line.width, line.height) for line in within})
    if len(sizes) > 1:
        raise MediaError(
            f"{name}: pictures of {len(sizes)} sizes in one clip, such as {sizes[0]} and {sizes[1]}"
        )
    width, height = sizes[0] if sizes else (0, 0)
    n = len(inside)
    times = source.times[inside.start : inside.stop]
    scene = Scene(inside.start, times, np.arange(n), width, height, unmoved(n))
    return scene, [tracks_of(within, inside)]


def _look(task: PoseTask, source: Source, inside: range, again: bool) -> Crowd:
    """Find everybody in the frames of a clip, and follow them."""
    backend = networks(task.settings).people
    if backend is None:
        raise UserError("pose.weights: not set; a network is needed to find people")
    camera = CameraMotion()
    people: list[list[Person]] = []
    walked: list[int] = []
    batch: list[Image] = []
    size: tuple[int, int] | None = None

    def finish() -> None:
        for image, there in zip(batch, backend.detect(batch), strict=True):
            camera.add(image, there)
            people.append(there)
        batch.clear()

    for position, image in source.frames(inside, task.settings.stride, again=again):
        if size not in (None, image.shape[1::-1]):
            raise MediaError("the picture's size changes within the clip")
        size = (image.shape[1], image.shape[0])
        walked.append(position - inside.start)
        batch.append(image)
        if len(batch) >= backend.batch:
            finish()
    if batch:
        finish()
    if size is None:
        raise MediaError("no frame was decoded")
    steady = camera.steady()
    times = source.times[inside.start : inside.stop]
    scene = Scene(inside.start, times, np.array(walked), *size, steady)
    shots = [slice(shot.start, shot.stop) for shot in steady.shots]
    return scene, [follow(people[shot], steady.to_scene[shot]) for shot in shots]


def _refine(
    source: Source, chosen: tuple[Scene, Subject], refiner: Refiner, inside: range, again: bool
) -> Subject:
    """Find the subject's joints in its boxes, in a second pass over the frames."""
    scene, subject = chosen
    track = subject.track
    boxes = dict(zip((scene.walked[track.at] + scene.first).tolist(), track.boxes, strict=True))
    joints = {}
    for position, image in source.frames(inside, 1, again=again):
        if position in boxes:
            joints[position] = refiner.refine(image, boxes[position])
    keypoints = np.stack([joints[position] for position in boxes])
    return Subject(Track(track.at, track.boxes, keypoints), subject.margin)


def _finish(task: PoseTask, want: PoseWant, scene: Scene, subject: Subject | str) -> Found:
    if isinstance(subject, str):
        return Found(broken(want.sample_id, subject, len(scene.times)))
    poses, quality = poses_of(scene, subject, task.settings)
    if not np.isfinite(poses.keypoints[..., 0]).any():
        return Found(broken(want.sample_id, "the subject was found, but no joint of it", len(scene.times)))
    path = file_of(task.folder, want.sample_id)
    write_poses(path, poses)
    margin = None if subject.margin is None else round(subject.margin, 6)
    clip = PoseClip(
        sample_id=want.sample_id,
        file=path.relative_to(task.folder).as_posix(),
        sha256=digest_file(path),
        frames=quality.frames,
        coverage=quality.coverage,
        mean_confidence=quality.mean_confidence,
        interpolated=quality.interpolated,
        margin=margin,
        low_margin=margin is not None and margin < task.settings.low_margin,
    )
    write_json(made_file(task.folder, want.sample_id), MadePoses(recipe=want.recipe, clip=clip))
    return Found(clip)
