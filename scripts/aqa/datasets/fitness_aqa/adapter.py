"""Fitness-AQA on disk.

Layout: `Fitness-AQA_dataset_release/{Squat,OHP}/Labeled_Dataset/` with `videos/<clip>.mp4`,
`Labels/error_<name>.json` (`{clip: [[start_s, end_s], ...]}`, an empty list: no error) and
`Splits/{train,val,test}_keys.json` (lists of clips). Some releases add `traj_nan.json`. Releases differ in
the case of folder names, in a second `videos` folder inside the first, and in folders wrapped around it.
More videos ship than are labelled; only clips of a split are samples.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqa.datasets.base import Metadata, Settings, Wording
from aqa.datasets.discover import read_metadata, read_wording
from aqa.datasets.readers import (
    VIDEO_EXTENSIONS,
    child,
    entries,
    examples,
    media_files,
    missing,
    read_json,
    subfolders,
)
from aqa.errors import UserError
from aqa.records import Media, Question, Sample, Split

log = logging.getLogger("aqa")

HERE = Path(__file__).parent

FOLDERS = {"squat": "Squat", "overhead-press": "OHP"}
"""Folder of each exercise in the release."""

SPLIT_FILES: dict[str, Split] = {
    "test_keys.json": "test",
    "train_keys.json": "train",
    "val_keys.json": "train",
}

CLIP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class _Files:
    """Where one exercise's files are."""

    root: Path
    labels: Path
    splits: Path
    videos: dict[str, Path]


def samples(folder: Path, settings: Settings) -> list[Sample]:
    """Return one sample a labelled clip of a split; see `aqa.datasets.base.Adapter`.

    Truth is "true" for an error with at least one interval, else "false"; `Question.correct` is "false".
    `Sample.subject` is the source video: the clip's id before its first underscore.
    """
    metadata, wording = read_metadata(HERE), read_wording(HERE)
    release = _release(folder, metadata)
    result: list[Sample] = []
    for exercise in metadata.exercises:
        files = _files(release, exercise, metadata)
        result += _exercise_samples(exercise, files, folder, wording, bool(settings["drop_traj_nan"]))
    return sorted(result, key=lambda sample: sample.sample_id)


def _release(folder: Path, metadata: Metadata) -> Path:
    """Return the folder that holds the exercises' folders: `folder` or one at most two levels below."""
    level = [folder]
    for _ in range(3):
        holding = [path for path in level if any(child(path, name) for name in FOLDERS.values())]
        if len(holding) == 1:
            return holding[0]
        if holding:
            places = ", ".join(str(path) for path in holding)
            raise UserError(
                f"{metadata.id}: more than one release below {folder}: {places}; name one of them"
            )
        level = [path for parent in level for path in subfolders(parent)]
    raise missing(metadata, folder, f"a folder {' or '.join(FOLDERS.values())}")


def _files(release: Path, exercise: str, metadata: Metadata) -> _Files:
    root = child(release, FOLDERS[exercise])
    if root is None:
        raise missing(metadata, release, f"the folder {FOLDERS[exercise]} ({metadata.exercises[exercise]})")
    for labelled in (child(root, "Labeled_Dataset"), root):
        if labelled is None:
            continue
        labels, splits = child(labelled, "Labels"), child(labelled, "Splits")
        if labels and splits:
            return _Files(labelled, labels, splits, _videos(labelled, root))
    place = child(root, "Labeled_Dataset") or root
    raise missing(metadata, place, f"the folders Labels and Splits of {metadata.exercises[exercise]}")


def _videos(labelled: Path, root: Path) -> dict[str, Path]:
    """Return the video of each clip id; the first folder that holds one counts."""
    folders: list[Path] = []
    for place in dict.fromkeys((labelled, root)):
        videos = child(place, "videos")
        if videos is not None:
            folders += [videos, *(path for path in subfolders(videos) if path.name.lower() == "videos")]
        folders.append(place)
    result: dict[str, Path] = {}
    for path in media_files(folders, VIDEO_EXTENSIONS):
        result.setdefault(path.stem, path)
    archives = [path for path in entries(labelled) if path.name.lower() == "videos.zip"]
    if archives and not result:
        log.warning("%s is not unpacked: unpack it where it is", archives[0])
    return result


def _exercise_samples(
    exercise: str, files: _Files, folder: Path, wording: Wording, drop_traj_nan: bool
) -> list[Sample]:
    texts = wording.questions[exercise]
    errors = {item: _read_labels(files.labels, item) for item in texts}
    split_of = _read_splits(files.splits)
    unlabelled = {clip for clip in split_of if any(clip not in labels for labels in errors.values())}
    unusable = _read_traj_nan(files) & set(split_of) if drop_traj_nan else set()
    for clips, reason in (
        (unlabelled, f"lack a label in {files.labels}"),
        (unusable, "are in traj_nan.json (setting drop_traj_nan)"),
    ):
        if clips:
            log.warning(
                "%s: left out: %d clip(s) of a split that %s: %s",
                exercise,
                len(clips),
                reason,
                examples(clips),
            )
    questions = tuple(
        Question(item=item, text=text, options=("true", "false"), correct="false")
        for item, text in texts.items()
    )
    default = files.root / "videos"
    return [
        Sample(
            sample_id=f"{exercise}-{clip}",
            exercise=exercise,
            subject=clip.partition("_")[0],
            split=split,
            media=Media(
                path=files.videos.get(clip, default / f"{clip}.mp4").relative_to(folder).as_posix(),
                kind="video",
            ),
            questions=questions,
            truth={item: "true" if labels[clip] else "false" for item, labels in errors.items()},
        )
        for clip, split in split_of.items()
        if clip not in unlabelled | unusable
    ]


def _read_labels(folder: Path, item: str) -> dict[str, list[Any]]:
    """Return the intervals (seconds) of one error, by clip."""
    path = _needed(folder, f"error_{item}.json")
    labels = read_json(path)
    if not isinstance(labels, dict):
        raise UserError(f"{path}: must map clip ids to lists of intervals, but is a {type(labels).__name__}")
    for clip, intervals in labels.items():
        if not isinstance(intervals, list) or not all(_is_interval(interval) for interval in intervals):
            shown = repr(intervals)[:60]
            raise UserError(
                f"{path}: clip '{clip}' must have a list of [start, end] in seconds, but has {shown}"
            )
    return labels


def _is_interval(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(part, int | float) and not isinstance(part, bool) for part in value)
        and all(math.isfinite(part) for part in value)
    )


def _read_splits(folder: Path) -> dict[str, Split]:
    """Return the split of each clip, val counted as train; a clip of test and train stays in test."""
    split_of: dict[str, Split] = {}
    for name, split in SPLIT_FILES.items():
        path = _needed(folder, name)
        clips = _read_ids(path)
        repeated = (
            [clip for clip in set(clips) if clips.count(clip) > 1] if len(set(clips)) < len(clips) else []
        )
        if repeated:
            log.warning(
                "%s: %d id(s) occur more than once and count once: %s",
                path,
                len(repeated),
                examples(repeated),
            )
        shared = [clip for clip in clips if split_of.get(clip, split) != split]
        if shared:
            log.warning(
                "%s: %d clip(s) are also in the test split and count there only: %s",
                path,
                len(shared),
                examples(shared),
            )
        for clip in clips:
            split_of.setdefault(clip, split)
    return split_of


def _read_traj_nan(files: _Files) -> set[str]:
    """Return the clips that `traj_nan.json` lists; it names trajectory files (`<clip>.json`)."""
    for folder in (files.splits, files.labels, files.root):
        path = child(folder, "traj_nan.json")
        if path is not None:
            return {name.removesuffix(".json").removesuffix(".mp4") for name in _read_ids(path)}
    return set()


def _read_ids(path: Path) -> list[str]:
    ids = read_json(path)
    if not isinstance(ids, list):
        raise UserError(f"{path}: must be a list of clip ids, but is a {type(ids).__name__}")
    for position, clip in enumerate(ids):
        if not isinstance(clip, str) or not CLIP_ID.fullmatch(clip):
            raise UserError(f"{path}: entry {position} must be a clip id like '45823_6', but is {clip!r:.60}")
    return ids


def _needed(folder: Path, name: str) -> Path:
    path = child(folder, name)
    if path is None:
        raise missing(read_metadata(HERE), folder, name)
    return path
