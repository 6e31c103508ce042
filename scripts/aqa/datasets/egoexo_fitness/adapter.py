"""EgoExo-Fitness on disk.

Layout: `raw_annotations/{meta_records,action_level_annotations,interpretable_action_judgement}.json` and
`frames_open/<record>/<view>/frame_%010d.jpg`, numbered from 1 at 30 frames a second; no video files.
An entry of the judgement file, `<record>_action_<k>`, is one exercise of one recording, judged by one to
five annotators; `k` counts from 0 into the record's `action_info`, whose rows start with the number of
the exercise's class. `st_ed_frame` says where it is, both ends included; views differ by up to ten frames.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aqa.datasets.base import Metadata, Settings
from aqa.datasets.discover import read_metadata
from aqa.datasets.egoexo_fitness.judgement import Entry, exercises_of, read_entries, read_records
from aqa.datasets.omitted import Omitted
from aqa.datasets.readers import child, examples, missing, read_json, subfolders
from aqa.errors import UserError
from aqa.records import Media, Question, Sample

log = logging.getLogger("aqa")

HERE = Path(__file__).parent

FRAME_RATE = 30
FRONTAL = "exo_m"
ANNOTATIONS = "raw_annotations"
JUDGEMENTS = "interpretable_action_judgement.json"
FRAMES = "frames_open"
FRAME_FILE = re.compile(r"(?:.*\D)?([0-9]+)\.(?:jpe?g|png)", re.ASCII | re.IGNORECASE)
ACTOR = re.compile(r"[0-9]{2,8}[-_ ]+(.+)", re.ASCII)


def samples(folder: Path, settings: Settings) -> list[Sample]:
    """Return one sample an entry and guideline, in the frontal view; see `aqa.datasets.base.Adapter`.

    Truth of the guideline's item is "true" or "false": whether most annotators saw it kept (setting `tie`);
    `Question.correct` is "true". `Sample.subject` is the person. All samples are of the split test.
    """
    metadata = read_metadata(HERE)
    root = locate(folder, metadata)
    omitted = Omitted(metadata.id)
    entries = read_entries(read(root, JUDGEMENTS, metadata), omitted)
    records = read_records(read(root, "meta_records.json", metadata))
    exercises = exercises_of(entries, read(root, "action_level_annotations.json", metadata), omitted)
    frames = _frames(root, folder, metadata)
    judged = {entry.record for entry in entries} & set(records)
    ranges = {record: frame_range(folder / frames / record / FRONTAL) for record in judged}
    lacking = {key for key in judged if FRONTAL not in records[key].views and ranges[key] is None}
    result: list[Sample] = []
    for entry in entries:
        record = records.get(entry.record)
        if record is None:
            omitted.add("entries whose record is not in meta_records.json", entry.key)
        elif entry.key in exercises and entry.record not in lacking:
            available = ranges[entry.record] or (1, record.frames.get(FRONTAL))
            media = _media(entry, f"{frames}/{entry.record}/{FRONTAL}", available)
            if media is None:
                omitted.add(f"entries whose frames do not exist in {FRONTAL}", entry.key)
            else:
                labels = _labels(entry, str(settings["tie"]), omitted)
                result += _samples(entry, labels, exercises[entry.key], person(record.actor), media)
    omitted.report()
    _report_lacking(entries, lacking, metadata)
    return sorted(result, key=lambda sample: sample.sample_id)


def person(actor: str) -> str:
    """Return the subject of `original_actor`, "DATE-Name": the same for a name on every date.

    The name itself stays with the owners; two persons of one name count as one, which only makes
    intervals more careful.
    """
    match = ACTOR.fullmatch(actor.strip())
    name = "".join(character for character in (match[1] if match else actor) if character.isalnum())
    return f"person-{hashlib.sha256(name.casefold().encode()).hexdigest()[:8]}"


def guideline_id(text: str) -> str:
    """Return the item of a guideline: the same for the same words in every release and exercise."""
    words = " ".join(text.casefold().split()).rstrip(".")
    return f"g{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def sample_id(entry: Entry, item: str) -> str:
    """Return the id of the sample that asks about a guideline of an entry."""
    return f"{entry.record}-a{entry.index:02d}-{item}"


def frame_range(folder: Path) -> tuple[int, int] | None:
    """Return the first and the last number of the images in a folder, None if there is none."""
    try:
        with os.scandir(folder) as files:
            numbers = [int(match[1]) for file in files if (match := FRAME_FILE.fullmatch(file.name))]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    return (min(numbers), max(numbers)) if numbers else None


def _media(entry: Entry, path: str, available: tuple[int, int | None]) -> Media | None:
    """Return the part of an entry's frames that exists, None if no frame does."""
    first = max(entry.start, available[0], 1)
    last = entry.end if available[1] is None else min(entry.end, available[1])
    if first > last:
        return None
    return Media(path=path, kind="frames", start_s=(first - 1) / FRAME_RATE, end_s=last / FRAME_RATE)


def _labels(entry: Entry, tie: str, omitted: Omitted) -> dict[str, tuple[str, str]]:
    """Return the text and the truth of each guideline of an entry, by item."""
    texts: dict[str, str] = {}
    votes: dict[str, Counter[bool]] = {}
    for text, vote in entry.votes:
        item = guideline_id(text)
        texts.setdefault(item, " ".join(text.split()))
        votes.setdefault(item, Counter())[vote] += 1
    if not votes:
        omitted.add("entries without a guideline", entry.key)
    labels: dict[str, tuple[str, str]] = {}
    for item, count in votes.items():
        truth = majority(count, tie)
        if truth is None:
            omitted.add("label(s) on which the annotators are divided (setting tie)", f"{entry.key} {item}")
        else:
            labels[item] = texts[item], truth
    return labels


def _samples(
    entry: Entry, labels: dict[str, tuple[str, str]], exercise: str, subject: str, media: Media
) -> list[Sample]:
    return [
        Sample(
            sample_id=sample_id(entry, item),
            exercise=exercise,
            subject=subject,
            split="test",
            media=media,
            questions=(Question(item=item, text=text, options=("true", "false"), correct="true"),),
            truth={item: truth},
        )
        for item, (text, truth) in labels.items()
    ]


def _report_lacking(entries: Sequence[Entry], lacking: set[str], metadata: Metadata) -> None:
    judged = {entry.record for entry in entries}
    if judged & lacking:
        log.warning(
            "%s: %d of %d records lack the frontal view %s: their %d of %d entries are left out: %s",
            metadata.id,
            len(judged & lacking),
            len(judged),
            FRONTAL,
            sum(entry.record in lacking for entry in entries),
            len(entries),
            examples(judged & lacking),
        )


def majority(count: Counter[bool], tie: str) -> str | None:
    """Return "true" or "false", whichever more annotators say; for a tie what the setting `tie` says."""
    if count[True] != count[False]:
        return "true" if count[True] > count[False] else "false"
    return {"fail": "false", "pass": "true"}.get(tie)


def locate(folder: Path, metadata: Metadata) -> Path:
    """Return the folder that holds `raw_annotations`: `folder`, or one below it."""
    holding = [path for path in (folder, *subfolders(folder)) if child(path, ANNOTATIONS) is not None]
    if len(holding) > 1:
        places = ", ".join(str(path) for path in holding)
        raise UserError(
            f"{metadata.id}: {ANNOTATIONS} lies in more than one place: {places}; name one of them"
        )
    if not holding:
        raise missing(metadata, folder, f"the folder {ANNOTATIONS}")
    return holding[0]


def read(root: Path, name: str, metadata: Metadata) -> tuple[Path, dict[str, Any]]:
    """Read one of the annotation files.

    Raises:
        UserError: it is missing or holds no object.
    """
    folder = child(root, ANNOTATIONS) or root / ANNOTATIONS
    path = child(folder, name)
    if path is None:
        raise missing(metadata, folder, name)
    values = read_json(path)
    if not isinstance(values, dict) or not values:
        raise UserError(f"{path}: must be an object with content, but is {str(values)[:60]}")
    return path, values


def _frames(root: Path, folder: Path, metadata: Metadata) -> str:
    """Return the folder of the records' frames, relative to `folder`; unpacking may have doubled it."""
    frames = child(root, FRAMES) or root / FRAMES
    inner = child(frames, FRAMES)
    if inner is not None and inner.is_dir():
        frames = inner
    if not subfolders(frames):
        parts = [path for place in (root, frames) if place.is_dir() for path in place.glob(f"{FRAMES}.tar*")]
        if parts:
            log.warning(
                "%s: the frames are not unpacked: in %s run  cat %s.tar.gz.* | tar -xz -C %s",
                metadata.id,
                parts[0].parent,
                FRAMES,
                root,
            )
    return frames.relative_to(folder).as_posix()
