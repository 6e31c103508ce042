"""A person's word on who is judged, where the choice by score is wrong: `subjects.yaml`.

# sample: where the subject is, in one frame (counted from 0 in the media file), pixels of that frame
s001: {frame: 40, point: [312, 200]}
s002:
  - {frame: 12, box: [100, 80, 210, 400]}
  - {frame: 95, point: [400, 300]}        # after a cut the choice is made anew
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from aqa.config import load_yaml
from aqa.errors import UserError, nearest
from aqa.files import first_problem
from aqa.pose.tracks import Track

REACH = 15
"""Frames from the one that is named, within which a path must be to be meant."""

_Coordinate = Annotated[float, Field(ge=-1e5, le=1e5)]


class Pick(BaseModel):
    """The subject is whoever is at this point, or in this box, in this frame of the media file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frame: int = Field(ge=0)
    point: tuple[_Coordinate, _Coordinate] | None = None
    box: tuple[_Coordinate, _Coordinate, _Coordinate, _Coordinate] | None = None

    @model_validator(mode="after")
    def _one(self) -> Pick:
        if (self.point is None) == (self.box is None):
            raise ValueError("either a point or a box is needed")
        return self


_PICKS = TypeAdapter(tuple[Pick, ...])


def read_subjects(path: Path, samples: Iterable[str]) -> dict[str, tuple[Pick, ...]]:
    """Read the picks of each sample.

    Raises:
        UserError: the file cannot be read, names a sample that does not exist, or is not of this form.
    """
    content = load_yaml(path) or {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: a mapping from sample ids to places is needed")
    known = set(samples)
    picks: dict[str, tuple[Pick, ...]] = {}
    for name, value in content.items():
        if str(name) not in known:
            raise UserError(f"{path}: no sample '{name}'{nearest(str(name), known)}"[:500])
        try:
            picks[str(name)] = _PICKS.validate_python(value if isinstance(value, list) else [value])
        except ValidationError as error:
            raise UserError(f"{path}: {name}: {first_problem(error)}") from error
    return picks


def picked(pick: Pick, tracks: Sequence[Track], first: int) -> int | None:
    """Return the index of the track that is meant, None if nobody is there.

    Args:
        pick: the place.
        tracks: the people of a shot; `at` counts from the shot's first frame.
        first: that frame in the media file.
    """
    frame = pick.frame - first
    best: tuple[float, float] | None = None
    index = None
    for i, track in enumerate(tracks):
        k = int(np.argmin(np.abs(track.at - frame)))
        away = abs(int(track.at[k]) - frame)
        if away > REACH:
            continue
        miss = _miss(pick, track.boxes[k])
        if miss is not None and (best is None or (float(away > 0), miss) < best):
            best, index = (float(away > 0), miss), i
    return index


def _miss(pick: Pick, box: np.ndarray) -> float | None:
    """Return how badly a box fits the pick, 0 being best; None if it does not at all."""
    left, top, right, bottom = (float(v) for v in box)
    if pick.point is not None:
        x, y = pick.point
        if not (left <= x <= right and top <= y <= bottom):
            return None
        size = max(right - left, bottom - top, 1.0)
        return float(np.hypot(x - (left + right) / 2, y - (top + bottom) / 2)) / size
    assert pick.box is not None
    a = pick.box
    common = max(min(a[2], right) - max(a[0], left), 0.0) * max(min(a[3], bottom) - max(a[1], top), 0.0)
    if common == 0.0:
        return None
    union = (a[2] - a[0]) * (a[3] - a[1]) + (right - left) * (bottom - top) - common
    return 1.0 - common / union
