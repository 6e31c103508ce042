"""How the clips of a dataset look in each representation, and how well their poses are known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError

from aqa.config import Representation
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.records import Clip, Name, PoseClip, Record, Sample

CLIPS = 3
"""Clips of a dataset that are shown."""

NAMED = 12
"""Clips that a person should look at, at most so many by name."""


class Shown(Record):
    """A frame in one representation: `number` from 1 of `total` of the clip, `time_s` in it.

    `width` and `height` are what models receive, `uri` holds a small copy ("" where it may not be shown).
    With `problem` set the clip could not be made.
    """

    representation: Representation
    number: int = 0
    total: int = 0
    time_s: float = 0.0
    width: int = 0
    height: int = 0
    uri: str = ""
    problem: str = ""


class Row(Record):
    """A clip in all representations."""

    sample_id: Name
    exercise: Name
    shown: tuple[Shown, ...]


class Broken(Record):
    """How many clips of a representation could not be made, and why the first could not."""

    representation: Representation
    count: int
    of: int
    first: str


class PoseQuality(Record):
    """The pose manifest of a dataset in numbers; means are over the clips that have poses.

    `coverage`: share of frames in which the subject was found; `lowest`: of the worst clip.
    `interpolated`: share of frames filled in between. `look_at`: clips whose subject hardly stood out from
    somebody else, by name, the first `NAMED` of `low_margin`.
    """

    clips: int
    missing: int
    coverage: float | None
    lowest: float | None
    confidence: float | None
    interpolated: float | None
    low_margin: int
    look_at: tuple[Name, ...] = ()


class Appearance(Record):
    """What the report shows of a dataset's pictures. `colours` say what a skeleton's colours mean."""

    dataset: Name
    publish: bool
    representations: tuple[Representation, ...]
    rows: tuple[Row, ...]
    broken: tuple[Broken, ...] = ()
    poses: PoseQuality | None = None
    colours: dict[str, str] = Field(default_factory=dict)


def choose(
    clips: Mapping[Representation, Mapping[str, Clip]], samples: Mapping[str, Sample], seed: int
) -> list[str]:
    """Return the ids of `CLIPS` samples to show, by chance.

    Clips that were made in the most representations come first, and among those each exercise once.
    """
    ids = sorted(set().union(*clips.values()) & set(samples))
    mixed = [ids[place] for place in np.random.default_rng(seed).permutation(len(ids))]

    def unmade(name: str) -> int:
        return sum(name not in made or made[name].file is None for made in clips.values())

    ranked = sorted(mixed, key=unmade)
    turns: Counter[str] = Counter()
    order: list[tuple[int, int, int]] = []
    for place, name in enumerate(ranked):
        turns[samples[name].exercise] += 1
        order.append((unmade(name), turns[samples[name].exercise], place))
    return sorted(ranked[place] for _, _, place in sorted(order)[:CLIPS])


def broken(clips: Mapping[Representation, Mapping[str, Clip]]) -> tuple[Broken, ...]:
    """Return the representations in which clips could not be made."""
    found = []
    for representation, made in clips.items():
        bad = [clip for clip in made.values() if clip.file is None]
        if bad:
            first = f"{bad[0].sample_id}: {bad[0].error}"
            found.append(Broken(representation=representation, count=len(bad), of=len(made), first=first))
    return tuple(found)


def quality(lines: Sequence[PoseClip]) -> PoseQuality:
    """Sum up a pose manifest."""
    known = [line for line in lines if line.file is not None]
    doubtful = [line.sample_id for line in known if line.low_margin]

    def mean(values: Iterable[float]) -> float | None:
        listed = list(values)
        return round(float(np.mean(listed)), 6) if listed else None

    return PoseQuality(
        clips=len(lines),
        missing=len(lines) - len(known),
        coverage=mean(line.coverage for line in known),
        lowest=min((line.coverage for line in known), default=None),
        confidence=mean(line.mean_confidence for line in known),
        interpolated=mean(line.interpolated for line in known),
        low_margin=len(doubtful),
        look_at=tuple(doubtful[:NAMED]),
    )


def read_appearances(paths: Iterable[Path]) -> list[Appearance]:
    """Read the files that `contact.write_appearance` wrote.

    Raises:
        UserError: one is missing or does not fit; names the file and the place.
    """
    found = []
    for path in paths:
        try:
            found.append(Appearance.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
        except ValidationError as error:
            raise UserError(f"{path}: {first_problem(error)}; make it again") from error
    return found
