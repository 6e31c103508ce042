"""The clips of a dataset: what is missing is made, in parallel, and the manifest written."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path, PurePosixPath
from typing import Literal

import av
import cv2
from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import digest, digest_file, write_jsonl
from aqa.media import clips, stills
from aqa.media.clips import Made, Task, Want
from aqa.media.errors import MediaError
from aqa.media.profile import Profile, within
from aqa.records import Clip, Media, Sample

BATCH = 8
"""Clips of one long source that a process makes before it takes the next task, at least."""


@dataclass(frozen=True)
class Order:
    """What to prepare. `data` is the dataset's folder, `folder` the manifest's."""

    data: Path
    folder: Path
    representation: Literal["original"]
    profile: Profile


@dataclass(frozen=True)
class Prepared:
    """The manifest's lines, sorted by sample, and how many clips were made rather than found."""

    clips: tuple[Clip, ...]
    made: int

    @property
    def broken(self) -> tuple[Clip, ...]:
        """The clips that could not be made."""
        return tuple(clip for clip in self.clips if clip.error is not None)


def prepare(
    samples: Sequence[Sample], order: Order, workers: int, progress: Callable[[int, int], None]
) -> Prepared:
    """Make the clips of `samples` that are not there yet; broken ones stop no other.

    A clip is there if its file has the digest that its record states, and the record was made by the
    same recipe: source digest, interval, profile, representation, code and library versions.

    Args:
        samples: what to prepare; ids are distinct.
        order: where from, where to, and how.
        workers: processes that decode, each with one thread.
        progress: called with (clips done, clips wanted).

    Raises:
        UserError: a path leaves the data folder, an id comes twice, or the disk cannot be written.
    """
    _check_ids(samples)
    paths = {sample.sample_id: inside(order.data, sample) for sample in samples}
    code = code_digest()
    wants: list[tuple[Sample, Want]] = []
    found: dict[str, Clip] = {}
    for sample in samples:
        recipe = recipe_of(sample.media, paths[sample.sample_id], order, code)
        there = _there(order.folder, sample.sample_id, recipe)
        if there is None:
            media = sample.media
            wants.append((sample, Want(sample.sample_id, media.start_s, media.end_s, recipe)))
        else:
            found[sample.sample_id] = there
    progress(len(found), len(samples))
    _sweep(order.folder, paths)
    ready = len(found)
    try:
        for made in run_tasks(_tasks(wants, paths, order, workers), workers):
            found.update((clip.sample_id, clip) for clip in made)
            progress(len(found), len(samples))
    except OSError as error:
        raise UserError(
            f"{order.folder}: clips cannot be written ({error}); mend it and run again"
        ) from error
    return Prepared(tuple(found[name] for name in sorted(found)), len(found) - ready)


def write_manifest(path: Path, prepared: Prepared) -> None:
    """Write the manifest, atomically."""
    write_jsonl(path, prepared.clips)


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


def recipe_of(media: Media, path: Path, order: Order, code: str) -> str:
    """Return the digest of everything that decides a clip's bytes.

    A video or image counts by its content (the digest in samples.jsonl, else of the file), a folder
    of images by the names, sizes and modification times of those in the interval.
    """
    source: object = media.sha256
    if media.kind == "frames":
        source = [media.sha256, _listing(media, path)]
    elif source is None and path.is_file():
        source = digest_file(path)
    profile = order.profile.model_dump(mode="json")
    interval = [media.start_s, media.end_s]
    return digest([code, media.kind, source, interval, profile, order.representation])


def _listing(media: Media, folder: Path) -> list[tuple[str, int, int]]:
    import numpy as np

    try:
        images = stills.numbered_images(folder)
        times = np.arange(max(images)) / stills.SEQUENCE_FPS
        wanted = [images[i + 1] for i in within(times, media.start_s, media.end_s) if i + 1 in images]
        return [(image.name, image.stat().st_size, image.stat().st_mtime_ns) for image in wanted]
    except (MediaError, OSError):
        return []


def code_digest() -> str:
    """Return the digest of the modules and library versions that decide a clip's bytes."""
    names = ("clips", "decode", "picture", "profile", "stills", "store")
    files = {name: digest_file(Path(__file__).with_name(f"{name}.py")) for name in names}
    return digest({"files": files, "av": av.__version__, "opencv": cv2.__version__})


def _there(folder: Path, sample_id: str, recipe: str) -> Clip | None:
    try:
        made = Made.model_validate_json(clips.made_file(folder, sample_id).read_bytes())
        if made.recipe == recipe and made.clip.sha256 == digest_file(clips.file_of(folder, sample_id)):
            return made.clip
    except (OSError, ValidationError):
        pass
    return None


def _check_ids(samples: Iterable[Sample]) -> None:
    seen: set[str] = set()
    for sample in samples:
        if sample.sample_id in seen:
            raise UserError(f"sample {sample.sample_id} comes twice; make samples.jsonl again")
        seen.add(sample.sample_id)


def _sweep(folder: Path, names: Iterable[str]) -> None:
    """Remove what an interrupted run left half-written of these clips."""
    if not (folder / "clips").is_dir():
        return
    wanted = set(names)
    for path in (folder / "clips").glob(".*"):
        name = path.name[1:].rpartition(".")[0].rpartition(".")[0]
        if name in wanted:
            path.unlink(missing_ok=True)


def _tasks(
    wants: Iterable[tuple[Sample, Want]], paths: dict[str, Path], order: Order, workers: int
) -> list[Task]:
    """Group clips by source; a source with many is split, by time, between the workers."""
    sources: dict[tuple[str, str], list[tuple[Sample, Want]]] = {}
    for sample, want in wants:
        sources.setdefault((sample.media.path, sample.media.kind), []).append((sample, want))
    tasks = []
    for _, members in sorted(sources.items()):
        members.sort(key=lambda pair: (pair[1].start or 0.0, pair[1].sample_id))
        size = max(BATCH, -(-len(members) // workers))
        media = members[0][0].media
        for at in range(0, len(members), size):
            part = tuple(want for _, want in members[at : at + size])
            path = paths[part[0].sample_id]
            tasks.append(Task(path, media.kind, media.sha256, part, order.profile, order.folder))
    return tasks


def run_tasks(tasks: Sequence[Task], workers: int) -> Iterator[list[Clip]]:
    """Run tasks in processes and yield their clips as they finish.

    A decoder that crashes takes its process along: then the tasks that were under way are run one by
    one, and a clip that crashes alone is broken; all the others are made.
    """
    waiting = list(tasks)
    while waiting:
        unfinished: list[Task] = []
        yield from _in_parallel(waiting, workers, unfinished)
        suspects, waiting = unfinished[:workers], unfinished[workers:]
        for task in suspects:
            yield from _isolated(task)


def _in_parallel(tasks: Sequence[Task], workers: int, unfinished: list[Task]) -> Iterator[list[Clip]]:
    """Yield results; after a crash, leave the tasks without one, in order, in `unfinished`."""
    with _pool(min(workers, len(tasks))) as pool:
        futures: dict[Future[list[Clip]], Task] = {}
        left = iter(tasks)
        crashed = False
        try:
            while True:
                while not crashed and len(futures) < workers and (task := next(left, None)) is not None:
                    futures[pool.submit(clips.make, task)] = task
                if not futures:
                    break
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    task = futures.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        crashed = True
                        unfinished.append(task)
            unfinished.extend(left)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _isolated(task: Task) -> Iterator[list[Clip]]:
    """Run a task in a process of its own; if it crashes, each of its clips in one."""
    try:
        with _pool(1) as pool:
            yield pool.submit(clips.make, task).result()
            return
    except BrokenProcessPool:
        pass
    if len(task.wants) == 1:
        yield [clips.broken(task.wants[0].sample_id, "the decoder crashed on this file")]
        return
    for part in clips.alone(task):
        yield from _isolated(part)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aqa.media.clips"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Set up a process: one thread, silent libraries, dies of Ctrl-C without a word and with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    cv2.setNumThreads(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel

        def die() -> None:
            wait_for([sentinel])
            os._exit(1)

        threading.Thread(target=die, daemon=True).start()
