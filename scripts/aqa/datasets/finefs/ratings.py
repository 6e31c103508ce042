"""The mark that each judge of a panel gave to an element of FineFS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aqa.datasets.base import Settings
from aqa.datasets.discover import read_metadata
from aqa.datasets.finefs.adapter import (
    HERE,
    annotation_files,
    element_id,
    locate,
    read_elements,
    trimmed_mean,
)
from aqa.datasets.omitted import Omitted
from aqa.records import Rating, Value

OTHERS = 3
"""Fewest other judges whose trimmed mean is a grade."""


def ratings(folder: Path, settings: Settings) -> list[Rating]:  # noqa: ARG001
    """Return one rating an element and judge, -5 to 5; see `aqa.datasets.ratings.Ratings`."""
    metadata = read_metadata(HERE)
    root = locate(folder, metadata)
    return [
        Rating(sample_id=element_id(number, order), item="", rater=judge, value=mark)
        for number, path in annotation_files(root, metadata).items()
        for order, element in read_elements(path, Omitted(metadata.id)).items()
        for judge, mark in enumerate(element.judge_score)
    ]


def verdict(values: Sequence[Value], settings: Settings) -> Value | None:  # noqa: ARG001
    """Return the grade of some judges, whatever `ground_truth` says: a judge grades, points come later."""
    marks = [value for value in values if not isinstance(value, str)]
    return trimmed_mean(marks) if len(marks) >= OTHERS else None
