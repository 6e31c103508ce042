"""The manifests of a dataset, written at once, or gathered from the files of its shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl
from aqa.media.target import Target
from aqa.records import Clip, Record


class Line(Record):
    """A line of a shard's file: a clip, and the target (`Target.path`) whose manifest it belongs to."""

    target: str
    clip: Clip


def write_manifests(folder: Path, clips: Mapping[Target, Iterable[Clip]]) -> None:
    """Write each target's manifest, atomically, where its clips lie."""
    for target, lines in clips.items():
        write_jsonl(folder / target.path / "manifest.jsonl", lines)


def write_shard(path: Path, clips: Mapping[Target, Iterable[Clip]]) -> None:
    """Write the file of a shard: the lines of all its manifests."""
    write_jsonl(path, (Line(target=target.path, clip=clip) for target in clips for clip in clips[target]))


def gather(shards: Sequence[Path], manifests: Sequence[Path]) -> int:
    """Write manifests from the files of shards; return how many clips they hold.

    Args:
        shards: the files of all shards of a dataset.
        manifests: the manifests to write; the two folders around each are its target.

    Raises:
        UserError: a clip is there twice, or belongs to none of the manifests.
    """
    lines: dict[str, dict[str, Clip]] = {"/".join(path.parts[-3:-1]): {} for path in manifests}
    for shard in shards:
        for line in read_jsonl(shard, Line):
            name = line.clip.sample_id
            if line.target not in lines or name in lines[line.target]:
                raise UserError(
                    f"{shard}: {name} of {line.target} is there twice or not wanted; make the shards again"
                )
            lines[line.target][name] = line.clip
    for path in manifests:
        clips = lines["/".join(path.parts[-3:-1])]
        write_jsonl(path, (clips[name] for name in sorted(clips)))
    return sum(len(clips) for clips in lines.values())
