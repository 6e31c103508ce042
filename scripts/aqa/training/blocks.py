"""Blocks of training data: embedded data of another seed, as the model sees them, in two files.

A block is what a dataset's embedded data are for one seed, taken through the stages that evaluation takes
them through (index, poses, masks, media, the backend's resizing), and then kept as pixels: `pixels.bin`
holds the frames one after the other, `clips.jsonl` says what lies where, `samples.jsonl` is the index's.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aqa.config import MediaProfile, Pose, Representation
from aqa.datasets import load_metadata
from aqa.files import atomic, digest, read_jsonl, write_jsonl
from aqa.media.masks import load_masks
from aqa.media.poses import Order as PoseOrder
from aqa.media.poses import pose_all
from aqa.media.prepare import Order, prepare
from aqa.media.profile import Profile
from aqa.media.represent import crop_box, joints_at
from aqa.media.target import Target
from aqa.pose.store import read_poses
from aqa.records import Clip, Record, Sample
from aqa.training.pixels import Sizes, shown_size
from aqa.training.rounds import made_block, make_block, mapped

PIXELS, CLIPS, SAMPLES = "pixels.bin", "clips.jsonl", "samples.jsonl"

Frames = NDArray[np.uint8]
Facts = dict[str, float | str]


class Shown(Record):
    """A clip in one representation: where its frames lie in `pixels.bin`, and what is true about it.

    `shape`: frames, height, width. `joints`: frames x 17 x (x, y as shares of the picture; confidence), empty
    where a clip has none. `facts`: what the renderer planted.
    """

    sample_id: str
    representation: Representation
    offset: int
    shape: tuple[int, int, int]
    timestamps: tuple[float, ...]
    width: int
    height: int
    joints: tuple[tuple[tuple[float, float, float], ...], ...]
    facts: dict[str, float | str]


@dataclass(frozen=True)
class Block:
    """A block as it was read; `pixels` is mapped, not loaded."""

    dataset: str
    seed: int
    samples: tuple[Sample, ...]
    shown: tuple[Shown, ...]
    pixels: NDArray[np.uint8]
    clip_of: Mapping[str, str]
    """Sample -> the sample whose clip it shares."""

    def frames(self, shown: Shown) -> Frames:
        """Return a clip's frames (frames, height, width, 3)."""
        count = int(np.prod(shown.shape)) * 3
        return self.pixels[shown.offset : shown.offset + count].reshape(*shown.shape, 3)


@dataclass(frozen=True)
class Wanted:
    """A block to be made: a seed's embedded data, in the frames and pixels that a model sees."""

    dataset: str
    seed: int
    size: Mapping[str, int]
    profile: MediaProfile
    pixels: Sizes

    @property
    def recipe(self) -> str:
        """Digest of all of it."""
        facts = {"dataset": self.dataset, "seed": self.seed, "size": dict(self.size)}
        return digest(facts | {"profile": self.profile.model_dump(), "sizes": asdict(self.pixels)})


def write_block(folder: Path, wanted: Wanted) -> None:
    """Make a block in `folder`; one that is there already, of the same recipe, is kept.

    Raises:
        UserError: the seed may be the benchmark's, or the dataset has no such size.
    """
    make_block(folder, wanted, lambda scratch, samples: _write(folder, scratch, samples, wanted))


def read_block(folder: Path) -> Block:
    """Read a finished block.

    Raises:
        UserError: it is not finished, or damaged.
    """
    made = made_block(folder)
    shown = tuple(read_jsonl(folder / CLIPS, Shown))
    pixels = mapped(folder / PIXELS, sum(3 * int(np.prod(clip.shape)) for clip in shown), CLIPS)
    samples = tuple(read_jsonl(folder / SAMPLES, Sample))
    firsts: dict[object, str] = {}
    clip_of = {sample.sample_id: firsts.setdefault(_content(sample), sample.sample_id) for sample in samples}
    return Block(made.dataset, made.seed, samples, shown, pixels, clip_of)


def _content(sample: Sample) -> object:
    return sample.media.path, sample.media.start_s, sample.media.end_s


def _write(folder: Path, scratch: Path, samples: Sequence[Sample], wanted: Wanted) -> None:
    data, sizes = scratch / "data", wanted.pixels
    metadata = load_metadata(wanted.dataset)
    profile = Profile(**wanted.profile.model_dump())
    firsts = list({_content(sample): sample for sample in reversed(samples)}.values())[::-1]
    posed = pose_all(firsts, PoseOrder(data, scratch / "pose", Pose()), 1, _quiet)
    poses = {line.sample_id: line for line in posed.clips}
    boxes = load_masks(data / "masks.yaml").sources if (data / "masks.yaml").is_file() else {}
    targets = [
        Target(representation=name, name="training", profile=profile) for name in metadata.representations
    ]
    order = Order(data, scratch / "media", boxes, poses, scratch / "pose")
    prepared = prepare(dict.fromkeys(targets, firsts), order, 1, _quiet)
    facts = _facts(data, firsts)
    offset, lines = 0, []
    with atomic(folder / PIXELS) as stream:
        for target, clips in prepared.clips.items():
            for clip in clips:
                if clip.file is None:
                    continue
                video = next(s for s in firsts if s.sample_id == clip.sample_id).media.kind != "image"
                frames = _resized(scratch / "media" / target.path / clip.file, video, sizes)
                pose = poses[clip.sample_id]
                joints = () if pose.file is None else _joints(scratch / "pose" / pose.file, clip, target)
                lines.append(
                    Shown(
                        sample_id=clip.sample_id,
                        representation=target.representation,
                        offset=offset,
                        shape=(frames.shape[0], frames.shape[1], frames.shape[2]),
                        timestamps=clip.timestamps,
                        width=clip.width,
                        height=clip.height,
                        joints=joints,
                        facts=facts.get(clip.sample_id, {}),
                    )
                )
                stream.write(frames.tobytes())
                offset += frames.nbytes
    write_jsonl(folder / CLIPS, lines)
    write_jsonl(folder / SAMPLES, samples)


def _quiet(_done: int, _wanted: int) -> None:
    """Report nothing."""


def _resized(path: Path, video: bool, sizes: Sizes) -> Frames:
    with zipfile.ZipFile(path) as archive:
        pictures = [
            Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in sorted(archive.namelist())
        ]
    height, width = shown_size(sizes, len(pictures), pictures[0].height, pictures[0].width, video=video)
    resized = [
        picture
        if picture.size == (width, height)
        else picture.resize((width, height), Image.Resampling.BICUBIC)
        for picture in pictures
    ]
    return np.stack([np.asarray(picture) for picture in resized])


def _joints(path: Path, clip: Clip, target: Target) -> tuple[tuple[tuple[float, float, float], ...], ...]:
    """Return the joints as shares of the clip's picture, which may be cut to the subject."""
    poses = read_poses(path)
    left, top, right, bottom = 0, 0, poses.width, poses.height
    if target.representation == "cropped":
        box = crop_box(poses, clip.frame_indices)
        if box is None:
            return ()
        left, top, right, bottom = box
    found = []
    for position in clip.frame_indices:
        joints = joints_at(poses, position).astype(float)
        joints[:, 0] = (joints[:, 0] + 0.5 - left) / (right - left)
        joints[:, 1] = (joints[:, 1] + 0.5 - top) / (bottom - top)
        lost = ~np.isfinite(joints).all(axis=1)
        joints[lost] = 0.0
        found.append(tuple((round(float(x), 4), round(float(y), 4), float(c)) for x, y, c in joints))
    return tuple(found)


def _facts(data: Path, samples: Sequence[Sample]) -> dict[str, Facts]:
    """Return what was planted in each sample's clip: found by the file and the frames of its track."""
    lines = [json.loads(line) for line in (data / "faults.jsonl").read_text().splitlines()]
    planted = {line["clip_id"]: line for line in lines}
    tracks: dict[str, list[dict[str, Any]]] = {}
    for text in (data / "poses.jsonl").read_text().splitlines():
        track = json.loads(text)
        tracks.setdefault(track["media"], []).append(track)
    found: dict[str, Facts] = {}
    for sample in samples:
        mine = sorted(tracks.get(sample.media.path, ()), key=lambda track: int(track["first_frame"]))
        if not mine:
            continue
        chosen = mine[0]
        if len(mine) > 1:
            others = sorted({s.media.start_s or 0.0 for s in samples if s.media.path == sample.media.path})
            chosen = mine[min(_place(sample, others, mine), len(mine) - 1)]
        line = planted.get(chosen["clip_id"], {})
        found[sample.sample_id] = _flat(line)
    return found


def _place(sample: Sample, starts: Sequence[float], tracks: Sequence[Mapping[str, Any]]) -> int:
    """Return which of a file's tracks is the sample's: the one whose share of the file starts nearest."""
    start = sample.media.start_s or 0.0
    rate = sample.media.fps or _rate(starts, tracks)
    return int(np.argmin([abs(float(track["first_frame"]) / rate - start) for track in tracks]))


def _rate(starts: Sequence[float], tracks: Sequence[Mapping[str, Any]]) -> float:
    """Return the rate at which the tracks' first frames fit the samples' starts best."""
    firsts = np.array([float(track["first_frame"]) for track in tracks])
    wanted = np.array(starts)
    errors = {
        rate: float(np.abs(wanted[:, None] - firsts[None] / rate).min(axis=1).sum()) for rate in (25.0, 30.0)
    }
    return min(errors, key=lambda rate: errors[rate])


def _flat(line: Mapping[str, Any]) -> Facts:
    """Return the planted sizes and words of a line as flat facts."""
    facts: Facts = {}
    for part in ("sizes", "present"):
        for name, value in (line.get(part) or {}).items():
            facts[f"{part}.{name}"] = value if isinstance(value, str) else float(value)
    return facts
