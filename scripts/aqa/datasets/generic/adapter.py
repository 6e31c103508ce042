"""A user's own folder: `dataset.yaml`, `samples.csv` or `samples.jsonl`, and the media that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from aqa.datasets.base import Settings
from aqa.datasets.generic.description import COLUMNS, FILE, SCORE, Description, load
from aqa.datasets.generic.table import Row, locate, read
from aqa.datasets.readers import VIDEO_EXTENSIONS
from aqa.errors import UserError, nearest
from aqa.records import Media, Name, Question, Sample, Value

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

MAX_NAME = 120
"""Longest id, in characters: ids become names of files."""

_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})([eE][+-]?[0-9]{1,2})?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+", re.ASCII)
_CLOCK = re.compile(r"[0-9]+(:[0-9.]+)+", re.ASCII)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_SHOWN = 8


class _Bad(Exception):
    """What is wrong with a row: the column, then the cause."""


def samples(folder: Path, settings: Settings) -> list[Sample]:  # noqa: ARG001 (there are none)
    """Return one sample a row, sorted by `sample_id`; see `aqa.datasets.base.Adapter`.

    Raises:
        UserError: a file is missing or wrong, or rows are: the first with column and cause, and the
            numbers of the others.
    """
    description = load(folder)
    path = locate(folder)
    truths = {item or SCORE for item in description.items()}
    needed = {"sample_id", "subject", "path", *truths}
    optional = set(COLUMNS) - needed
    if len(description.exercises) > 1:
        needed.add("exercise")
    rows = read(path, needed, optional - needed, description.ignore)
    result: list[Sample] = []
    problems: dict[int, str] = {}
    for row in rows:
        try:
            result.append(_sample(row, description, folder))
        except _Bad as problem:
            problems[row.number] = str(problem)
    for number, problem_text in _repeats(rows, result, problems).items():
        problems.setdefault(number, problem_text)
    if problems:
        raise UserError(_summary(path, problems))
    return sorted(result, key=lambda sample: sample.sample_id)


def _sample(row: Row, description: Description, folder: Path) -> Sample:
    cells = row.cells
    exercise = cells["exercise"] or next(iter(description.exercises))
    if not cells["exercise"] and len(description.exercises) > 1:
        raise _Bad("exercise: is empty")
    if exercise not in description.exercises:
        hint = nearest(exercise, description.exercises)
        raise _Bad(f"exercise: '{exercise}' is not declared in {FILE}{hint}")
    split = cells["split"] or description.evaluated_split
    splits = [name for name in (description.evaluated_split, description.train_split) if name]
    if split not in splits:
        more = "" if description.train_split else f" ({FILE} declares no train_split)"
        raise _Bad(f"split: '{split}' is not declared{nearest(split, splits)}{more}")
    questions = description.asked(exercise)
    asked = {question.item or SCORE for question in questions}
    for column in sorted({item or SCORE for item in description.items()} - asked):
        if cells[column]:
            raise _Bad(f"{column}: must be empty, since {exercise} has no such question")
    start, end = _seconds(cells, "start_s"), _seconds(cells, "end_s")
    if (start is None) != (end is None):
        raise _Bad("start_s, end_s: give both, or neither for the whole file")
    if start is not None and end is not None and start >= end:
        raise _Bad(f"end_s: {end:g} is not after start_s {start:g}")
    kind = _kind(cells["path"], description.media, folder)
    if start is not None and kind == "image":
        raise _Bad("start_s: an image has no seconds; leave start_s and end_s empty")
    return Sample(
        sample_id=_name(cells, "sample_id"),
        exercise=exercise,
        subject=_name(cells, "subject"),
        split="train" if split == "train" else "test",
        media=Media(path=str(PurePosixPath(cells["path"])), kind=kind, start_s=start, end_s=end),
        questions=questions,
        truth={question.item: _truth(cells, question) for question in questions},
    )


def _name(cells: dict[str, str], column: str) -> str:
    value = cells[column]
    if not value:
        raise _Bad(f"{column}: is empty")
    try:
        _NAME.validate_python(value)
    except ValidationError:
        raise _Bad(
            f"{column}: {value[:60]!r} must begin with a letter or digit and hold only letters, digits, "
            "and _ . + - (no spaces)"
        ) from None
    if len(value) > MAX_NAME:
        raise _Bad(f"{column}: {len(value)} characters are too many, at most {MAX_NAME}")
    return value


def _number(cells: dict[str, str], column: str) -> float:
    text = cells[column]
    if _NUMBER.fullmatch(text):
        return float(text)
    hint = "write a number such as 7.5"
    if _DECIMAL_COMMA.fullmatch(text):
        hint = f"write a point for the decimal comma: {text.replace(',', '.')}"
    elif _CLOCK.fullmatch(text):
        hint = "write seconds: 90.5 for 1:30.5"
    raise _Bad(f"{column}: {text[:60]!r} is not a number; {hint}" if text else f"{column}: is empty; {hint}")


def _seconds(cells: dict[str, str], column: str) -> float | None:
    if not cells[column]:
        return None
    value = _number(cells, column)
    if value < 0:
        raise _Bad(f"{column}: {value:g} is before the start of the file")
    return value


def _truth(cells: dict[str, str], question: Question) -> Value:
    if question.options is None:
        value = _number(cells, SCORE)
        if question.minimum is None or question.maximum is None:
            raise _Bad(f"{SCORE}: has no scale in {FILE}")
        if not question.minimum <= value <= question.maximum:
            raise _Bad(f"{SCORE}: {value:g} lies outside {question.minimum:g} to {question.maximum:g}")
        return value
    text = cells[question.item]
    options = {option.casefold(): option for option in question.options}
    if text.casefold() in options:
        return options[text.casefold()]
    if not text:
        raise _Bad(f"{question.item}: is empty; every question of an exercise needs its true option")
    raise _Bad(f"{question.item}: {text[:60]!r} is none of the options{nearest(text, question.options)}")


def _kind(text: str, media: str, folder: Path) -> Literal["video", "image", "frames"]:
    """Return the kind of media that a path names; the file itself may still be missing."""
    if not text:
        raise _Bad("path: is empty")
    if any(ord(character) < 32 for character in text):
        raise _Bad("path: holds a line break or control character")
    if "\\" in text:
        raise _Bad(f"path: {text[:60]!r} holds a backslash; write folders with /")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        raise _Bad(f"path: {text[:60]!r} is an address or a drive; give a path inside the data folder")
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise _Bad(f"path: {text[:60]!r} leaves the data folder; give a path inside it")
    suffix = path.suffix.lower()
    try:
        if not (folder / path).resolve().is_relative_to(folder.resolve()):
            raise _Bad(f"path: {text[:60]!r} is a link that leaves the data folder; copy the file into it")
        is_folder = (folder / path).is_dir()
    except (OSError, RuntimeError):
        raise _Bad(f"path: {text[:60]!r} cannot be looked up") from None
    if media == "image":
        if suffix not in IMAGE_EXTENSIONS or is_folder:
            raise _Bad(f"path: {text[:60]!r} is no image ({', '.join(IMAGE_EXTENSIONS)})")
        return "image"
    if is_folder:
        return "frames"
    if suffix not in VIDEO_EXTENSIONS:
        known = ", ".join(VIDEO_EXTENSIONS)
        raise _Bad(f"path: {text[:60]!r} is neither a video ({known}) nor a folder of images")
    return "video"


def _repeats(rows: Sequence[Row], result: Sequence[Sample], problems: dict[int, str]) -> dict[int, str]:
    """Return what is wrong with the rows that say again what an earlier row said."""
    good = [row.number for row in rows if row.number not in problems]
    wrong: dict[int, str] = {}

    def check(key: Callable[[Sample], object], describe: Callable[[Sample], str]) -> None:
        first: dict[object, int] = {}
        for number, sample in zip(good, result, strict=True):
            earlier = first.setdefault(key(sample), number)
            if earlier != number:
                wrong.setdefault(number, f"{describe(sample)} is also in row {earlier}")

    check(lambda sample: sample.sample_id.casefold(), lambda sample: f"sample_id: '{sample.sample_id}'")
    check(
        lambda sample: (sample.exercise, sample.media.path, sample.media.start_s, sample.media.end_s),
        lambda sample: f"path: the same clip of '{sample.media.path}'",
    )
    return wrong


def _summary(path: Path, problems: dict[int, str]) -> str:
    (number, problem), *others = sorted(problems.items())
    rest = [str(other) for other, _ in others]
    listed = ", ".join(rest[:_SHOWN]) + (", ..." if len(rest) > _SHOWN else "")
    more = f" ({len(rest)} more wrong {'row' if len(rest) == 1 else 'rows'}: {listed})" if rest else ""
    return f"{path}, row {number}, {problem}{more}"
