"""Reading what models answered, and how often that was "correct execution" (paper, section 3.4)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Sample
from aqa.reporting.labels import Kind, Labels

Key = tuple[str, str]
"""A judged thing: sample id and item."""


@dataclass(frozen=True)
class Answers:
    """The answers of one cell. `asked` has every request; `predictions` only the usable answers."""

    cell: Cell
    predictions: Sequence[tuple[Key, str]]
    truth: Mapping[Key, str]
    asked: Sequence[Key]


@dataclass(frozen=True)
class Questions:
    """What a dataset asks: the option that means correct execution of each item, and the scale."""

    correct: Mapping[Key, str]
    scale: tuple[float, float] | None


@dataclass(frozen=True)
class Level:
    """How favourably one cell judges, beside the truth of the same samples.

    `level` is the share of usable answers that say "correct" (classification) or their mean score
    (regression); NaN without usable answers. `values` are the single answers: 0 or 1, or scores.
    `truth` maps every judged thing to its true value on the same scale.
    """

    cell: Cell
    level: float
    values: npt.NDArray[np.float64]
    truth: Mapping[Key, float]
    total: int

    @property
    def coverage(self) -> float:
        """Share of requests with a usable answer."""
        return len(self.values) / self.total if self.total else 0.0


def cell_of(folder: Path) -> Cell:
    """Return the cell whose results lie in `.../{dataset}/{task}/{representation}/{strategy}/{model}`.

    Raises:
        UserError: the path is too short to name a cell.
    """
    parts = folder.absolute().parts[-5:]
    if len(parts) < 5 or folder.anchor in parts:
        raise UserError(f"{folder}: not a cell's folder; expected dataset/task/representation/strategy/model")
    return Cell(*parts)


def read_answers(folder: Path) -> Answers:
    """Read `predictions.csv` of a cell.

    Raises:
        UserError: the file is missing, or lacks a column.
    """
    path = folder / "predictions.csv"
    predictions: list[tuple[Key, str]] = []
    truth: dict[Key, str] = {}
    asked: list[Key] = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            for name in ("sample_id", "item", "truth", "prediction", "outcome"):
                if name not in (reader.fieldnames or ()):
                    raise UserError(f"{path}: column '{name}' is missing; parse the answers again")
            for row in reader:
                key = (row["sample_id"], row["item"])
                truth[key] = row["truth"]
                asked.append(key)
                if row["outcome"] == "ok":
                    predictions.append((key, row["prediction"]))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return Answers(cell_of(folder), predictions, truth, asked)


def read_questions(files: Iterable[Path]) -> dict[str, Questions]:
    """Read `{dataset}/samples.jsonl` files; returns the questions by dataset id."""
    found = {}
    for path in files:
        samples = read_jsonl(path, Sample)
        correct = {
            (sample.sample_id, question.item): question.correct
            for sample in samples
            for question in sample.questions
            if question.correct is not None
        }
        scales = {
            (question.minimum, question.maximum)
            for sample in samples
            for question in sample.questions
            if question.minimum is not None and question.maximum is not None
        }
        scale = (min(low for low, _ in scales), max(high for _, high in scales)) if scales else None
        found[path.absolute().parent.name] = Questions(correct, scale)
    return found


def level_of(answers: Answers, kind: Kind, questions: Questions) -> Level:
    """Return how favourably a cell judges.

    In classification only items with an option that means correct execution count.

    Raises:
        UserError: a score is no number.
    """
    if kind == "classification":
        correct = questions.correct
        truth = {key: float(value == correct[key]) for key, value in answers.truth.items() if key in correct}
        values = [float(value == correct[key]) for key, value in answers.predictions if key in correct]
    else:
        truth = {key: _score(value, answers.cell) for key, value in answers.truth.items()}
        values = [_score(value, answers.cell) for _, value in answers.predictions]
    total = sum(key in truth for key in answers.asked)
    array = np.asarray(values, dtype=np.float64)
    level = float(array.mean()) if len(array) else float("nan")
    return Level(answers.cell, level, array, truth, total)


def levels(
    folders: Iterable[Path],
    questions: Mapping[str, Questions],
    labels: Labels,
    *,
    task: str,
    representation: str,
    strategies: Sequence[str],
) -> list[Level]:
    """Return the levels of the cells that fit, in the order of the labels.

    Raises:
        UserError: a dataset has no samples file, or a cell's files are missing or do not fit.
    """
    datasets = {dataset.id: dataset for dataset in labels.datasets}
    order = {name: place for place, name in enumerate(datasets)}
    models = {model.id: place for place, model in enumerate(labels.models)}
    found = []
    for folder in folders:
        cell = cell_of(folder)
        if cell.task != task or cell.representation != representation or cell.strategy not in strategies:
            continue
        if cell.dataset not in datasets or cell.model not in models:
            raise UserError(f"{folder}: labels.json does not name this dataset or model; write it again")
        if cell.dataset not in questions:
            raise UserError(f"{folder}: no samples of '{cell.dataset}'; give {cell.dataset}/samples.jsonl")
        found.append(level_of(read_answers(folder), datasets[cell.dataset].kind, questions[cell.dataset]))
    found.sort(
        key=lambda level: (
            order[level.cell.dataset],
            models[level.cell.model],
            strategies.index(level.cell.strategy),
        )
    )
    return found


def _score(text: str, cell: Cell) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"predictions of {cell}: '{text[:40]}' is no score; parse again") from None
