"""What guessing scores on the relative l2 distance, in both of its forms (paper, section 2.3, formula 2).

The literature's distance is the mean of the squared error over the squared range (`relative_l2`); its root
is the root mean squared error over the range (`relative_l2_root`). They rank predictions alike, but are of
very different size below 1: a number in one form must not be compared with a number in the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from aqa.records import Record, Sample
from aqa.scoring.metrics import FloatArray, chance_relative_l2, relative_l2
from aqa.scoring.rows import Unit

Guess: TypeAlias = Literal["constant_mean", "uniform"]


class DistanceRow(Record):
    """What a guess scores on a dataset's evaluated truth: a line of distance.csv.

    `constant_mean` says the mean of the truth every time, the least that any constant can reach;
    `uniform` draws from the whole scale. `relative_l2` is the exact expectation, `relative_l2_root` its
    root. Unit item: over the dataset; exercise: the mean over exercises, each with its own range and mean;
    an exercise whose truth is constant has no range and is left out, as scores leave it out.
    `low`, `high` and `mean` are of the whole truth.
    """

    dataset: str
    unit: Unit
    guess: Guess
    n: int
    low: float
    high: float
    mean: float
    relative_l2: float
    relative_l2_root: float


class Truth(NamedTuple):
    """The evaluated true scores of a dataset by exercise, and its scale."""

    exercises: Mapping[str, FloatArray]
    minimum: float
    maximum: float

    @property
    def all(self) -> FloatArray:
        """All of them."""
        return np.concatenate(list(self.exercises.values()))


def evaluated_truth(samples: Iterable[Sample], evaluated: Iterable[str]) -> Truth | None:
    """Return the scores of the evaluated samples; None if there are none."""
    wanted = set(evaluated)
    scores: dict[str, list[float]] = {}
    ends: list[tuple[float, float]] = []
    for sample in samples:
        for question in sample.questions if sample.sample_id in wanted else ():
            value = sample.truth.get(question.item)
            if isinstance(value, float) and question.minimum is not None and question.maximum is not None:
                scores.setdefault(sample.exercise, []).append(value)
                ends.append((question.minimum, question.maximum))
    if not scores:
        return None
    exercises = {name: np.array(values) for name, values in sorted(scores.items())}
    return Truth(exercises, min(low for low, _ in ends), max(high for _, high in ends))


def constant(truth: FloatArray, value: float) -> tuple[float, float]:
    """Return both forms of the distance of one and the same prediction for every sample."""
    squared = relative_l2(truth, np.full(len(truth), value), float(truth.min()), float(truth.max())).value
    return squared, math.sqrt(squared)


def uniform(truth: FloatArray, minimum: float, maximum: float) -> tuple[float, float]:
    """Return the expected distance of uniform guesses over a scale, and the root of it."""
    squared = chance_relative_l2(truth, float(truth.min()), float(truth.max()), minimum, maximum)
    return squared, math.sqrt(squared)


def distance_rows(dataset: str, truth: Truth) -> list[DistanceRow]:
    """Return what guesses score on a dataset, in each unit that gives different numbers."""
    whole = truth.all
    units: dict[Unit, Sequence[FloatArray]] = {"item": [whole]}
    ranged = [part for part in truth.exercises.values() if part.min() < part.max()]
    if len(truth.exercises) > 1 and ranged:
        units["exercise"] = ranged
    found = []
    for unit, parts in units.items():
        guesses: dict[Guess, list[tuple[float, float]]] = {
            "constant_mean": [constant(part, float(part.mean())) for part in parts],
            "uniform": [uniform(part, truth.minimum, truth.maximum) for part in parts],
        }
        for guess, values in guesses.items():
            squared, root = (float(np.mean(form)) for form in zip(*values, strict=True))
            found.append(
                DistanceRow(
                    dataset=dataset,
                    unit=unit,
                    guess=guess,
                    n=len(whole),
                    low=float(whole.min()),
                    high=float(whole.max()),
                    mean=float(whole.mean()),
                    relative_l2=squared,
                    relative_l2_root=root,
                )
            )
    return found
