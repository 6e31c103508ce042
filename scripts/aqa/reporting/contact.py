"""A contact sheet of a dataset: a few clips, one frame each, in every representation (paper, Appendix A)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import numpy as np

from aqa.config import Representation
from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, write_json
from aqa.media.draw import CENTRE, LEFT, RIGHT
from aqa.media.store import read_frames
from aqa.records import Clip, PoseClip, Sample
from aqa.reporting.appearance import Appearance, Row, Shown, broken, choose, quality
from aqa.reporting.thumbnail import thumbnail

SIDE = 240
"""Longer side of a picture in pixels: three clips in four representations take about 100 kB."""

COLOURS = {"left": LEFT, "right": RIGHT, "neither": CENTRE}
"""The subject's sides, and the colours of their joints and limbs."""

Made = dict[Representation, dict[str, tuple[Path, Clip]]]


def write_appearance(
    *,
    dataset: str,
    samples: Path,
    manifests: Iterable[Path],
    poses: Path | None,
    output: Path,
    seed: int,
    placeholders: bool = False,
) -> None:
    """Write what the report shows of a dataset's pictures.

    Args:
        dataset: its id.
        samples: `samples.jsonl`.
        manifests: of the media, `.../{representation}/{profile}/manifest.jsonl`; where several profiles
            show a sample in one representation, the first counts.
        poses: the manifest of the poses, if there are any.
        output: a JSON file.
        seed: of the choice of clips.
        placeholders: leave pictures out, which the dataset's terms do not let anyone publish.

    Raises:
        UserError: an input is missing, damaged, or does not fit the others.
    """
    known = {sample.sample_id: sample for sample in read_jsonl(samples, Sample)}
    made = _read(manifests)
    clips = {shown: {name: clip for name, (_, clip) in found.items()} for shown, found in made.items()}
    rows = [
        Row(
            sample_id=name,
            exercise=known[name].exercise,
            shown=tuple(_row(name, made, placeholders)),
        )
        for name in choose(clips, known, seed)
    ]
    write_json(
        output,
        Appearance(
            dataset=dataset,
            publish=not placeholders,
            representations=tuple(made),
            rows=tuple(rows),
            broken=broken(clips),
            poses=None if poses is None else quality(read_jsonl(poses, PoseClip)),
            colours=COLOURS,
        ),
    )


def _read(manifests: Iterable[Path]) -> Made:
    """Read media manifests; a clip that was made goes before one that was not."""
    representations: tuple[Representation, ...] = get_args(Representation)
    found: Made = {}
    for path in manifests:
        name = path.parent.parent.name
        representation = next((known for known in representations if known == name), None)
        if representation is None:
            raise UserError(f"{path}: does not lie in the folder of a representation")
        made = found.setdefault(representation, {})
        for clip in read_jsonl(path, Clip):
            if clip.sample_id not in made or made[clip.sample_id][1].file is None:
                made[clip.sample_id] = path.parent, clip
    return {name: found[name] for name in representations if name in found}


def _row(name: str, made: Made, hide: bool) -> Iterable[Shown]:
    """Yield one moment of a clip in all representations: the middle frame of the first, and those nearest."""
    moment: int | None = None
    for representation, clips in made.items():
        folder, clip = clips.get(name, (Path(), None))
        if clip is None or clip.file is None or clip.sha256 is None:
            cause = "not among the clips that cells need" if clip is None else clip.error
            yield Shown(representation=representation, problem=cause or "nothing was made")
            continue
        indices = np.array(clip.frame_indices)
        moment = int(indices[len(indices) // 2]) if moment is None else moment
        at = int(np.abs(indices - moment).argmin())
        yield Shown(
            representation=representation,
            number=at + 1,
            total=len(indices),
            time_s=clip.timestamps[at],
            width=clip.width,
            height=clip.height,
            uri="" if hide else _picture(folder / clip.file, clip, at),
        )


def _picture(path: Path, clip: Clip, at: int) -> str:
    pictures = read_frames(path)
    if digest_file(path) != clip.sha256 or len(pictures) != len(clip.frame_indices):
        raise UserError(f"{path}: changed since its manifest was written; run the media stage again")
    return thumbnail(pictures[at], path, SIDE)[0]
