"""The clips of a dataset: what is missing is made, in parallel, each source decoded once for all targets."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import digest_file, sweep
from aqa.media import clips, passes
from aqa.media.clips import Made, PoseFile, Task, Want
from aqa.media.masks import Box
from aqa.media.recipe import Recipes
from aqa.media.target import Target
from aqa.media.workers import Work
from aqa.records import Clip, PoseClip, Sample

BATCH = 8
"""Samples of one long source that a process makes before it takes the next task, at least."""

MOST = 256
"""Clips that a process has open at once, at most."""

Samples = Mapping[Target, Sequence[Sample]]
"""What to prepare: the samples of each target."""


@dataclass(frozen=True)
class Order:
    """Where from, and where to.

    `data` is the dataset's folder; `folder` holds a folder for each target. `masks`: source -> boxes to
    fill. `poses`: sample -> line of the pose stage's manifest, whose files are relative to `pose_folder`;
    None where no target needs them.
    """

    data: Path
    folder: Path
    masks: Mapping[str, tuple[Box, ...]] = field(default_factory=dict)
    poses: Mapping[str, PoseClip] | None = None
    pose_folder: Path = Path()


@dataclass(frozen=True)
class Prepared:
    """The lines of each target's manifest, sorted by sample, and how many clips were made, not found."""

    clips: Mapping[Target, tuple[Clip, ...]]
    made: int

    @property
    def total(self) -> int:
        """The number of clips of all targets."""
        return sum(len(lines) for lines in self.clips.values())

    @property
    def broken(self) -> list[tuple[Target, Clip]]:
        """The clips that could not be made."""
        return [(target, clip) for target in self.clips for clip in self.clips[target] if clip.error]


Key = tuple[Target, str]


def prepare(samples: Samples, order: Order, workers: int, progress: Callable[[int, int], None]) -> Prepared:
    """Make the clips that are not there yet, all targets of one from one decoding; broken ones stop no other.

    A clip is there if its file has the digest that its record states, and the record was made by the
    same recipe (`recipe.Recipes`).

    Args:
        samples: what to prepare; ids are distinct within a target.
        order: where from, and where to.
        workers: processes that decode, each with one thread.
        progress: called with (clips done, clips wanted).

    Raises:
        UserError: a path leaves the data folder, an id comes twice, or the disk cannot be written.
    """
    _check_ids(samples)
    found: dict[Key, Clip] = {}
    wants: list[tuple[Sample, Want]] = []
    recipes = Recipes()
    for target, sample in ((target, sample) for target, some in samples.items() for sample in some):
        poses = _poses(order, target, sample.sample_id)
        if isinstance(poses, str):
            found[target, sample.sample_id] = clips.broken(sample.sample_id, poses)
            continue
        media = sample.media
        boxes = order.masks.get(media.path, ())
        recipe = recipes.of(media, inside(order.data, sample), target, boxes, poses)
        there = _there(order.folder, target, sample.sample_id, recipe)
        if there is None:
            want = Want(sample.sample_id, media.start_s, media.end_s, recipe, target, poses)
            wants.append((sample, want))
        else:
            found[target, sample.sample_id] = there
    total = sum(len(chosen) for chosen in samples.values())
    progress(len(found), total)
    _sweep(order.folder, samples)
    ready = sum(clip.error is None for clip in found.values())
    try:
        for task, made in run_tasks(_tasks(wants, order, workers), workers):
            pairs = zip(task.wants, made, strict=True)
            found.update(((want.target, want.sample_id), clip) for want, clip in pairs)
            progress(len(found), total)
    except OSError as error:
        raise UserError(
            f"{order.folder}: clips cannot be written ({error}); mend it and run again"
        ) from error
    lines = {target: tuple(found[target, name] for name in _names(samples[target])) for target in samples}
    return Prepared(lines, sum(clip.error is None for clip in found.values()) - ready)


def share(samples: Samples, shard: str) -> dict[Target, list[Sample]]:
    """Return the samples of one of several shards, `2-of-8`: all of a source go to the same one.

    Sources with many clips come first, each to the shard that has the fewest clips so far.

    Raises:
        UserError: `shard` is not of that form.
    """
    match = re.fullmatch(r"([1-9]\d{0,5})-of-([1-9]\d{0,5})", shard)
    if match is None or int(match[1]) > int(match[2]):
        raise UserError(f"--shard {shard}: write I-of-N, as 2-of-8")
    number, shards = int(match[1]), int(match[2])
    counts: dict[str, int] = {}
    for chosen in samples.values():
        for sample in chosen:
            counts[sample.media.path] = counts.get(sample.media.path, 0) + 1
    loads = [0] * shards
    mine = set()
    for source in sorted(counts, key=lambda source: (-counts[source], source)):
        idlest = loads.index(min(loads))
        loads[idlest] += counts[source]
        if idlest == number - 1:
            mine.add(source)
    return {target: [s for s in chosen if s.media.path in mine] for target, chosen in samples.items()}


def inside(data: Path, sample: Sample) -> Path:
    """Return the path of a sample's media; it must stay inside `data` (links there are the owner's).

    Raises:
        UserError: the path is absolute or climbs out.
    """
    relative = PurePosixPath(sample.media.path)
    bad = relative.is_absolute() or ".." in relative.parts or "\0" in sample.media.path
    if bad or not relative.parts:
        raise UserError(
            f"sample {sample.sample_id}: media path {sample.media.path!r} leaves the data folder {data}; "
            "make samples.jsonl again with the index stage"
        )
    return data / relative


def _poses(order: Order, target: Target, sample_id: str) -> PoseFile | str | None:
    """Return a clip's poses, None where the target needs none, or why there are none."""
    if not target.posed:
        return None
    line = (order.poses or {}).get(sample_id)
    if line is None:
        return "the pose stage's manifest has no such clip; run the pose stage again"
    if line.file is None or line.sha256 is None:
        return f"no poses: {line.error or 'nobody was found'}"
    return PoseFile(order.pose_folder / line.file, line.sha256)


def _there(folder: Path, target: Target, sample_id: str, recipe: str) -> Clip | None:
    try:
        made = Made.model_validate_json(clips.made_file(folder, target, sample_id).read_bytes())
        same = made.recipe == recipe
        if same and made.clip.sha256 == digest_file(clips.file_of(folder, target, sample_id)):
            return made.clip
    except (OSError, ValidationError):
        pass
    return None


def _names(samples: Iterable[Sample]) -> list[str]:
    return sorted(sample.sample_id for sample in samples)


def _check_ids(samples: Samples) -> None:
    for chosen in samples.values():
        names = _names(chosen)
        if twice := next((a for a, b in pairwise(names) if a == b), None):
            raise UserError(f"sample {twice} comes twice; make samples.jsonl again")


def _sweep(folder: Path, samples: Samples) -> None:
    """Remove what an interrupted run left half-written of these clips."""
    for target, chosen in samples.items():
        sweep(folder / target.path / "clips", _names(chosen))


def _tasks(wants: Iterable[tuple[Sample, Want]], order: Order, workers: int) -> list[Task]:
    """Group clips by source; a source with many is split, by time, between the workers."""
    sources: dict[tuple[str, str, float], list[tuple[Sample, Want]]] = {}
    for sample, want in wants:
        key = (sample.media.path, sample.media.kind, sample.media.fps or 0.0)
        sources.setdefault(key, []).append((sample, want))
    tasks = []
    for _, members in sorted(sources.items()):
        sample = members[0][0]
        whole = Task(
            path=inside(order.data, sample),
            kind=sample.media.kind,
            sha256=sample.media.sha256,
            wants=(),
            folder=order.folder,
            boxes=order.masks.get(sample.media.path, ()),
            fps=sample.media.fps,
        )
        parts = _parts([want for _, want in members], workers)
        tasks += [replace(whole, wants=tuple(part)) for part in parts]
    return tasks


def _parts(wants: list[Want], workers: int) -> Iterator[list[Want]]:
    """Split the clips of a source where none overlaps the next, so that no frame is decoded twice."""
    wants.sort(key=lambda want: (want.start or 0.0, want.sample_id, want.target.path))
    size = max(BATCH, -(-len({want.sample_id for want in wants}) // workers))
    part: list[Want] = []
    last = -math.inf
    for want in wants:
        apart = (want.start or 0.0) >= last and len({other.sample_id for other in part}) >= size
        if part and (apart or len(part) >= MOST):
            yield part
            part, last = [], -math.inf
        part.append(want)
        last = max(last, math.inf if want.end is None else want.end)
    if part:
        yield part


def run_tasks(tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, list[Clip]]]:
    """Run tasks in processes and yield each with its clips; a crash costs one clip (`workers.Work`)."""

    def alone(task: Task) -> list[Task]:
        return list(clips.alone(task))

    def crashed(task: Task) -> list[Clip]:
        return [clips.broken(task.wants[0].sample_id, "the decoder crashed on this file")]

    return Work(passes.make, alone, crashed).run(tasks, workers)
