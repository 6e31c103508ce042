"""The poses of a dataset: what is missing is found, in parallel, and the manifest written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from aqa.config import Pose
from aqa.errors import UserError
from aqa.files import digest, digest_file, read_jsonl, sweep, write_jsonl
from aqa.media import posing, stills
from aqa.media.errors import MediaError
from aqa.media.posing import Found, MadePoses, PoseTask, PoseWant, broken, file_of, made_file
from aqa.media.prepare import inside
from aqa.media.workers import Work
from aqa.pose.identity import code, identity
from aqa.pose.precomputed import Line, read_lines
from aqa.pose.subjects import Pick
from aqa.records import PoseClip, Sample

BATCH = 8
"""Clips of one source that a process takes at a time: a long broadcast is shared between processes."""


@dataclass(frozen=True)
class Order:
    """Where from, where to, and how. `folder` is the manifest's; `picks`: sample -> who is judged."""

    data: Path
    folder: Path
    settings: Pose
    picks: dict[str, tuple[Pick, ...]] = field(default_factory=dict)

    @property
    def from_file(self) -> bool:
        """Whether a file says where the people are."""
        return self.settings.backend == "precomputed" or (
            self.settings.backend == "sam3d_body" and self.settings.detector is None
        )


@dataclass(frozen=True)
class Posed:
    """The manifest's lines, sorted by sample; how many were made; and whose source could not be read."""

    clips: tuple[PoseClip, ...]
    made: int
    unreadable: tuple[PoseClip, ...]

    @property
    def without(self) -> tuple[PoseClip, ...]:
        """The clips that could be read but have no poses."""
        gone = {clip.sample_id for clip in self.unreadable}
        return tuple(clip for clip in self.clips if clip.error is not None and clip.sample_id not in gone)


def pose_all(
    samples: Sequence[Sample], order: Order, workers: int, progress: Callable[[int, int], None]
) -> Posed:
    """Find the poses that are not there yet; a clip without any stops no other.

    Poses are there if their file has the digest that their record states, and the record was made by the
    same recipe: source, interval, settings, weights, lines of the file of poses, picks, code, libraries.

    Args:
        samples: of whom; ids are distinct.
        order: where from, where to, and how.
        workers: processes, each with one thread and its own network.
        progress: called with (clips done, clips wanted).

    Raises:
        UserError: the backend cannot run, the file of poses is wrong, a path leaves the data folder, or
            the disk cannot be written.
    """
    lines = _lines(samples, order)
    same = [code(), identity(order.settings)]
    found: dict[str, Found] = {}
    wants: list[tuple[Sample, PoseWant]] = []
    for sample in samples:
        media, name = sample.media, sample.sample_id
        recipe = _recipe(sample, order, lines.get(media.path, ()), same)
        there = _there(order.folder, name, recipe)
        if there is None:
            picks = order.picks.get(name, ())
            wants.append((sample, PoseWant(name, media.start_s, media.end_s, recipe, picks)))
        else:
            found[name] = Found(there)
    ready = len(found)
    progress(ready, len(samples))
    sweep(order.folder / "clips", (sample.sample_id for sample in samples))
    try:
        for task, results in run_tasks(_tasks(wants, order, lines), workers):
            found.update((want.sample_id, result) for want, result in zip(task.wants, results, strict=True))
            progress(len(found), len(samples))
    except OSError as error:
        raise UserError(
            f"{order.folder}: poses cannot be written ({error}); mend it and run again"
        ) from error
    clips = tuple(found[name].clip for name in sorted(found))
    unreadable = tuple(found[name].clip for name in sorted(found) if not found[name].readable)
    return Posed(clips, sum(clip.error is None for clip in clips) - ready, unreadable)


def gather(shards: Sequence[Path], manifest: Path) -> int:
    """Write the manifest from the files of all shards; return how many clips it has.

    Raises:
        UserError: a sample is there twice.
    """
    clips: dict[str, PoseClip] = {}
    for shard in shards:
        for clip in read_jsonl(shard, PoseClip):
            if clip.sample_id in clips:
                raise UserError(f"{shard}: {clip.sample_id} is in two shards; make the shards again")
            clips[clip.sample_id] = clip
    write_jsonl(manifest, (clips[name] for name in sorted(clips)))
    return len(clips)


def _lines(samples: Iterable[Sample], order: Order) -> dict[str, list[Line]]:
    if not order.from_file:
        return {}
    return read_lines(order.data / order.settings.file, {sample.media.path for sample in samples})


def _recipe(sample: Sample, order: Order, lines: Sequence[Line], same: Sequence[object]) -> str:
    """Return the digest of everything that decides a sample's poses."""
    media, path = sample.media, inside(order.data, sample)
    source: object = media.sha256
    if media.kind == "frames":
        source = [media.sha256, _listing(path)]
    elif source is None and path.is_file():
        source = digest_file(path)
    picks = [pick.model_dump(mode="json") for pick in order.picks.get(sample.sample_id, ())]
    span = [media.kind, media.start_s, media.end_s, media.fps]
    return digest([source, span, [line.digest for line in lines], picks, *same])


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    try:
        images = stills.numbered_images(folder).values()
        return [(image.name, image.stat().st_size, image.stat().st_mtime_ns) for image in images]
    except (MediaError, OSError):
        return []


def _there(folder: Path, sample_id: str, recipe: str) -> PoseClip | None:
    try:
        made = MadePoses.model_validate_json(made_file(folder, sample_id).read_bytes())
        if made.recipe == recipe and made.clip.sha256 == digest_file(file_of(folder, sample_id)):
            return made.clip
    except (OSError, ValidationError):
        pass
    return None


def _tasks(
    wants: Iterable[tuple[Sample, PoseWant]], order: Order, lines: dict[str, list[Line]]
) -> list[PoseTask]:
    """Group samples by source; those that share an interval stay together: people are looked for once."""
    sources: dict[tuple[str, str], list[tuple[Sample, PoseWant]]] = {}
    for sample, want in wants:
        sources.setdefault((sample.media.path, sample.media.kind), []).append((sample, want))
    tasks = []
    for (path, _), members in sorted(sources.items()):
        members.sort(key=lambda pair: (pair[1].start or 0.0, pair[1].end or 0.0, pair[1].sample_id))
        media = members[0][0].media
        about = tuple(lines.get(path, ())) if order.from_file else None
        whole = PoseTask(
            inside(order.data, members[0][0]), media.kind, media.sha256, media.fps, (), order.settings, about,
            order.folder,
        )  # fmt: skip
        tasks += [replace(whole, wants=part) for part in _parts([want for _, want in members])]
    return tasks


def _parts(wants: Sequence[PoseWant]) -> Iterator[tuple[PoseWant, ...]]:
    part: list[PoseWant] = []
    for want in wants:
        if len(part) >= BATCH and (want.start, want.end) != (part[-1].start, part[-1].end):
            yield tuple(part)
            part = []
        part.append(want)
    if part:
        yield tuple(part)


def run_tasks(tasks: Sequence[PoseTask], workers: int) -> Iterator[tuple[PoseTask, list[Found]]]:
    """Run tasks in processes and yield each with what it found; a crash costs one clip (`workers.Work`)."""

    def alone(task: PoseTask) -> list[PoseTask]:
        return [replace(task, wants=(want,)) for want in task.wants]

    def crashed(task: PoseTask) -> list[Found]:
        clip = broken(task.wants[0].sample_id, "the process that looked at this clip crashed")
        return [Found(clip, readable=False)]

    return Work(posing.make, alone, crashed).run(tasks, workers)
