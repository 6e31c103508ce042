"""The report's section on the relative distance in both forms, and what guessing scores on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aqa.grid import PLAIN, Cell
from aqa.reporting.labels import Labels
from aqa.reporting.printed import Names, count, number
from aqa.reporting.scores import Scores
from aqa.reporting.section import Grid, Head, Part, Section, Text
from aqa.scoring.distance import DistanceRow
from aqa.scoring.reproduced import DISTANCE, RANDOM, Reported

INTRODUCTION = (
    "The relative distance has two forms in the literature: the mean of the squared error over the squared "
    "range of the true scores (R-ℓ₂), and its root (√R-ℓ₂). Both rank models alike. Below 1 the root is "
    "the larger number, so a number in one form must not be compared with one in the other. The table says "
    "what two guesses reach on the evaluated truth: a constant at its mean, below which no constant can "
    "come, and uniform guessing over the scale (expectation; √R-ℓ₂ is its root)."
)
GUESSES = {"constant_mean": "Constant at the mean", "uniform": "Uniform guessing"}
UNITS = {"item": "pooled", "exercise": "mean over exercises"}
HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Unit", left=True),
    Head(text="What", left=True),
    Head(text="R-ℓ₂ ↓"),
    Head(text="√R-ℓ₂ ↓"),
    Head(text="Truth: n"),
    Head(text="range"),
    Head(text="mean"),
)


class Floor(NamedTuple):
    """What guessing reaches on a dataset, in the unit that its scores print in."""

    constant: DistanceRow
    uniform: DistanceRow


def distance_section(
    rows: Sequence[DistanceRow], scores: Scores, reported: Sequence[Reported], labels: Labels
) -> Section:
    """Return the section: guesses, our models in both forms, and what form the study's numbers fit."""
    names = Names(labels)
    seen = dict.fromkeys(row.dataset for row in rows)
    parts: list[Part] = [Text(text=" ".join([INTRODUCTION, *names.synthetic(seen)]))]
    parts.append(Grid(title="What guessing reaches", heads=HEADS, rows=tuple(_guesses(rows, names))))
    said = []
    for dataset in seen:
        floor = _floor(rows, dataset, labels)
        said += _our_models(floor, scores, labels)
        if not labels.is_synthetic(dataset):
            said += _printed_values(floor, [item for item in reported if item.dataset == dataset], labels)
    parts += [Text(text=text) for text in said]
    return Section(
        id="distance",
        title="The relative distance in both forms",
        short="Distance",
        parts=tuple(parts),
        files=("distance.csv",),
    )


def _guesses(rows: Sequence[DistanceRow], names: Names) -> Iterator[tuple[str, ...]]:
    for row in sorted(rows, key=lambda row: names.order(row.dataset)):
        yield (
            names.dataset(row.dataset),
            UNITS[row.unit],
            GUESSES[row.guess],
            number(row.relative_l2, 4),
            number(row.relative_l2_root, 4),
            f"{row.n:,}",
            f"{number(row.low, 2)} to {number(row.high, 2)}",
            number(row.mean, 2),
        )


def _floor(rows: Sequence[DistanceRow], dataset: str, labels: Labels) -> Floor:
    mine = [row for row in rows if row.dataset == dataset]
    chosen = [row for row in mine if row.unit == labels.unit.get(dataset, "item")] or mine
    found = {row.guess: row for row in chosen}
    return Floor(found["constant_mean"], found["uniform"])


def _our_models(floor: Floor, scores: Scores, labels: Labels) -> list[str]:
    """Return how our models stand to both guesses, in one form; a limited cell to guesses on its samples."""
    dataset = floor.uniform.dataset
    tested = [(model.name, Cell(dataset, *PLAIN, model.id)) for model in labels.models if not model.baseline]
    rows = [(name, cell, scores.find(cell, DISTANCE, labels)) for name, cell in tested]
    known = [(name, cell, row) for name, cell, row in rows if row and math.isfinite(row.value)]
    uniform = floor.uniform.relative_l2
    guesses = [row.chance if math.isfinite(row.chance) else uniform for _, _, row in known]
    if not known or not all(map(math.isfinite, guesses)):
        return []
    name = Names(labels).dataset(dataset)
    worse = [model for (model, _, row), guess in zip(known, guesses, strict=True) if row.value >= guess]
    beats = (
        f"{name}: in one consistent form every model of this run beats uniform guessing"
        if not worse
        else f"{name}: not below uniform guessing: {', '.join(worse)}"
    )
    said = f"{beats} (original media, base prompt, {count(len(known), 'model')})"
    whole = [row.value for _, cell, row in known if cell.path not in labels.limits]
    if not whole or not math.isfinite(floor.constant.relative_l2):
        return [f"{said}."]
    below = sum(value < floor.constant.relative_l2 for value in whole)
    if not below:
        return [f"{said}; none comes below the best constant."]
    verb = "comes" if below == 1 else "come"
    return [f"{said}; {below} of {len(whole)} {verb} below the best constant."]


def _printed_values(floor: Floor, reported: Sequence[Reported], labels: Labels) -> list[str]:
    """Return which form the study's numbers for this dataset fit, from the truth that is evaluated here."""
    baselines = {model.id for model in labels.models if model.baseline} | {RANDOM}
    printed = [item for item in reported if item.metric == DISTANCE and math.isfinite(item.value)]
    values = [item.value for item in printed if item.model not in baselines]
    guesses = sorted({item.value for item in printed if item.model in baselines})
    if not values or not math.isfinite(floor.uniform.relative_l2):
        return []
    constant, uniform = floor
    under = sum(value < uniform.relative_l2_root for value in values)
    said = (
        f"{Names(labels).dataset(constant.dataset)}: the study prints {count(len(values), 'value')} of "
        f"models in one column, from {min(values):.4f} to {max(values):.4f}. On the truth evaluated here "
        f"the best constant reaches {constant.relative_l2_root:.4f} in the root form and "
        f"{constant.relative_l2:.4f} in the squared one; uniform guessing {uniform.relative_l2_root:.4f} "
        f"and {uniform.relative_l2:.4f}. Read in the root form, {_share_of(under, len(values))} below "
        "uniform guessing."
    )
    squared = sum(value < uniform.relative_l2 for value in values)
    said += f" Read in the squared form, {_share_of(squared, len(values))}."
    if guesses:
        shown = " and ".join(f"{value:.4f}" for value in guesses)
        said += (
            f" For random guessing it prints {shown}, which is "
            f"{abs(guesses[0] - uniform.relative_l2):.3f} from the squared form of uniform guessing and "
            f"{abs(guesses[0] - uniform.relative_l2_root):.3f} from its root. "
        )
        said += _conclusion(values, guesses[0], floor)
    return [said]


def _share_of(some: int, all_of_them: int) -> str:
    return f"all {some} are" if some == all_of_them else f"{some} of {all_of_them} are"


def _conclusion(values: Sequence[float], guessing: float, floor: Floor) -> str:
    """Return what follows where rows of models and the row of guessing fit different forms, and only there.

    Models that mostly do worse than guessing in the squared form, and mostly better in the root form, are in
    the root form; a row of guessing is in the form that it is nearer to.
    """
    uniform = floor.uniform
    half = len(values) / 2
    root = sum(value < uniform.relative_l2_root for value in values) > half
    squared = sum(value < uniform.relative_l2 for value in values) > half
    guessed = abs(guessing - uniform.relative_l2) < abs(guessing - uniform.relative_l2_root)
    if root and not squared and guessed:
        return (
            "So its rows of models fit the root form and its random row the squared form (inferred): the "
            "two must not be compared with each other, and below, model rows are compared with √R-ℓ₂ and "
            "the random row with R-ℓ₂."
        )
    return "The printed rows do not decide which form they are in."
