"""The annotation files of EgoExo-Fitness: entries, records and the exercise of each entry."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from aqa.config import load_yaml
from aqa.datasets.omitted import Omitted
from aqa.datasets.readers import examples
from aqa.errors import UserError
from aqa.files import first_problem

log = logging.getLogger("aqa")

HERE = Path(__file__).parent

ENTRY_KEY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)_action_([0-9]{1,3})", re.ASCII)


def _truth_value(value: object) -> bool:
    """Read the file's booleans, which are strings: in Python every non-empty string is true."""
    word = str(value).strip().lower()
    if word not in ("true", "false"):
        raise ValueError(f"must be 'True' or 'False', but is {value!r:.40}")
    return word == "true"


class Annotation(BaseModel):
    """What one annotator says about an entry: (guideline, kept) pairs and the exercise's name."""

    model_config = ConfigDict(frozen=True)

    key_point_verification: tuple[
        tuple[Annotated[str, Field(min_length=1)], Annotated[bool, BeforeValidator(_truth_value)]], ...
    ]
    action_name: str = ""
    annotator: Any = None


class Judgement(BaseModel):
    """One entry of `interpretable_action_judgement.json`."""

    model_config = ConfigDict(frozen=True)

    annotations: tuple[Annotation, ...] = Field(min_length=1)
    st_ed_frame: tuple[int, int]


@dataclass(frozen=True)
class Entry:
    """An exercise in a recording. Frames count from 1, both ends included."""

    key: str
    record: str
    index: int
    start: int
    end: int
    name: str
    ballots: tuple[Ballot, ...]

    @property
    def votes(self) -> list[tuple[str, bool]]:
        """What all annotators say: (guideline, kept) pairs."""
        return [pair for ballot in self.ballots for pair in ballot.votes]


@dataclass(frozen=True)
class Ballot:
    """What one annotator says about an entry; `annotator` is the file's name for this person, "" if none."""

    annotator: str
    votes: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Record:
    """A recording: who moves, its views, and the number of frames of those that state it."""

    actor: str
    views: frozenset[str]
    frames: Mapping[str, int]


def read_entries(source: tuple[Path, dict[str, Any]], omitted: Omitted) -> list[Entry]:
    """Return the readable entries of the judgement file, in its order."""
    result = []
    for key, value in source[1].items():
        match = ENTRY_KEY.fullmatch(key)
        if match is None:
            omitted.add("entries with a key unlike <record>_action_<k>", f"{key:.60}")
            continue
        try:
            judgement = Judgement.model_validate(value)
        except ValidationError as error:
            omitted.add("entries that cannot be read", f"{key} ({first_problem(error)})")
            continue
        names = Counter(annotation.action_name for annotation in judgement.annotations)
        ballots = tuple(
            Ballot("" if one.annotator is None else str(one.annotator), one.key_point_verification)
            for one in judgement.annotations
        )
        start, end = judgement.st_ed_frame
        name = names.most_common(1)[0][0]
        result.append(Entry(key, match[1], int(match[2]), start, end, name, ballots))
    return result


def read_records(source: tuple[Path, dict[str, Any]]) -> dict[str, Record]:
    """Return the records by id; the id stands in `record_index` and, in some releases, in the record.

    Raises:
        UserError: the file has another shape; says what it holds.
    """
    path, values = source
    listed, index = values.get("records"), values.get("record_index", {})
    if not isinstance(listed, list) or not isinstance(index, dict):
        raise UserError(f"{path}: must have a list 'records' and 'record_index', but has {', '.join(values)}")
    result: dict[str, Record] = {}
    positions = {position: record_id for record_id, position in index.items() if isinstance(position, int)}
    for position, record in enumerate(listed):
        record_id = positions.get(position) or (record.get("record_id") if isinstance(record, dict) else None)
        actor = record.get("original_actor") if isinstance(record, dict) else None
        if not isinstance(record_id, str) or not isinstance(actor, str) or not actor.strip():
            raise UserError(f"{path}: record {position} has no id or no 'original_actor': {str(record)[:80]}")
        frames = record.get("frames")
        counts = {
            view: entry["num_frames"]
            for view, entry in (frames.items() if isinstance(frames, dict) else ())
            if isinstance(entry, dict) and isinstance(entry.get("num_frames"), int)
        }
        result[record_id] = Record(actor, frozenset(record.get("views") or counts), counts)
    return result


def exercises_of(
    entries: Sequence[Entry], source: tuple[Path, dict[str, Any]], omitted: Omitted
) -> dict[str, str]:
    """Return the exercise of each entry by its key; no entry is lost for its name.

    The name that the annotators gave decides where `exercises.yaml` knows it (the guidelines belong to
    it). Otherwise the entry's class does, row `k` of the record's `action_info`: it is the exercise that
    most entries of that class are named after.
    """
    names = {
        _fold(name): exercise
        for exercise, known in load_yaml(HERE / "exercises.yaml").items()
        for name in known
    }
    classes = {entry.key: _class(entry, source) for entry in entries}
    members: dict[int, Counter[str]] = {}
    for entry in entries:
        number, exercise = classes[entry.key], names.get(_fold(entry.name))
        if number is not None and exercise is not None:
            members.setdefault(number, Counter())[exercise] += 1
    by_class = {number: count.most_common(1)[0][0] for number, count in members.items()}
    result: dict[str, str] = {}
    differing = []
    for entry in entries:
        named = names.get(_fold(entry.name))
        number = classes[entry.key]
        of_class = by_class.get(number) if number is not None else None
        exercise = named or of_class
        if exercise is None:
            omitted.add("entries of an unknown exercise", f"{entry.key} ('{entry.name[:40]}')")
            continue
        result[entry.key] = exercise
        if named and of_class and named != of_class:
            differing.append(entry.key)
    if differing:
        log.warning(
            "%s: %d entries are of another class there than the annotators name; their name counts: %s",
            source[0],
            len(differing),
            examples(differing),
        )
    return result


def _class(entry: Entry, source: tuple[Path, dict[str, Any]]) -> int | None:
    """Return the number of an entry's class, None where the file has no such row."""
    record = source[1].get(entry.record)
    rows = record.get("action_info") if isinstance(record, dict) else None
    if not isinstance(rows, list) or entry.index >= len(rows):
        return None
    row = rows[entry.index]
    return row[0] if isinstance(row, list) and row and isinstance(row[0], int) else None


def _fold(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
