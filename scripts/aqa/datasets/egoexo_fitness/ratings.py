"""What each annotator of EgoExo-Fitness says about each guideline of an entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aqa.datasets.base import Settings
from aqa.datasets.discover import read_metadata
from aqa.datasets.egoexo_fitness.adapter import (
    HERE,
    JUDGEMENTS,
    guideline_id,
    locate,
    majority,
    read,
    sample_id,
)
from aqa.datasets.egoexo_fitness.judgement import Entry, read_entries
from aqa.datasets.omitted import Omitted
from aqa.records import Rating, Value


def ratings(folder: Path, settings: Settings) -> list[Rating]:  # noqa: ARG001
    """Return one rating an entry, guideline and annotator; see `aqa.datasets.ratings.Ratings`.

    An annotator counts once an entry: of two annotations under one name the first. Who says both of the same
    guideline has said nothing about it.
    """
    metadata = read_metadata(HERE)
    root = locate(folder, metadata)
    entries = read_entries(read(root, JUDGEMENTS, metadata), Omitted(metadata.id))
    return [rating for entry in entries for rating in _of(entry)]


def verdict(values: Sequence[Value], settings: Settings) -> Value | None:
    """Return what most annotators say; for a tie what the setting `tie` says."""
    return majority(Counter(value == "true" for value in values), str(settings["tie"])) if values else None


def _of(entry: Entry) -> list[Rating]:
    found = []
    people: set[str] = set()
    for number, ballot in enumerate(entry.ballots):
        if ballot.annotator and ballot.annotator in people:
            continue
        people.add(ballot.annotator)
        said: dict[str, set[bool]] = {}
        for text, kept in ballot.votes:
            said.setdefault(guideline_id(text), set()).add(kept)
        for item, kept_by in said.items():
            if len(kept_by) == 1:
                value = "true" if kept_by == {True} else "false"
                found.append(Rating(sample_id=sample_id(entry, item), item=item, rater=number, value=value))
    return found
