"""What a strategy, a representation, a model or thinking changes: families of tests over a grid's cells."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from aqa.config import Contrast
from aqa.errors import UserError
from aqa.files import atomic, uncollected
from aqa.grid import Cell
from aqa.records import Prediction, Sample
from aqa.scoring import paired, table
from aqa.scoring.intervals import Resampler
from aqa.scoring.paired import Paired
from aqa.scoring.predict import Kind, read_predictions
from aqa.scoring.rows import Unit

BASE = {"strategy": "base", "representation": "original"}
"""What the other strategies and representations are measured against."""

COLUMNS = (
    *("family", "dataset", "metric", "unit", "task", "representation", "strategy", "model", "against"),
    *("value", "value_against", "difference", "ci_low", "ci_high", "interval", "n_clusters", "n"),
    *("p", "swaps", "p_holm", "detectable"),
)
"""Columns of effects.csv. `against`: what stands in the other cell in the place that the family is about."""


class Contrasted(NamedTuple):
    """Two cells that differ in one place."""

    family: Contrast
    cell: Cell
    against: Cell

    @property
    def place(self) -> str:
        """The part of the cell that differs."""
        return self.family if self.family in BASE else "model"


class Effect(NamedTuple):
    """A tested difference; `n` rows are in both cells."""

    contrast: Contrasted
    metric: str
    unit: Unit
    n: int
    result: Paired
    p_holm: float


def contrasts(
    grid: Sequence[Cell], families: Iterable[Contrast], models: Mapping[str, str | None]
) -> list[Contrasted]:
    """Return the pairs of judge cells that the families test, in a fixed order.

    Args:
        grid: the cells of the experiment.
        families: the questions asked.
        models: the models under test (no baselines), each with its id without thinking, if it has one.
    """
    judged = [cell for cell in grid if cell.task == "judge" and cell.model in models]
    there = set(judged)
    found: list[Contrasted] = []
    for family in families:
        for cell in judged:
            for other in _others(family, cell, models):
                if other in there:
                    found.append(Contrasted(family, cell, other))
    return found


def _others(family: Contrast, cell: Cell, models: Mapping[str, str | None]) -> list[Cell]:
    if family in ("strategy", "representation"):
        # Each question is asked in the plain form of the other axis, as in Tables 2 to 4 of the paper.
        rest = "representation" if family == "strategy" else "strategy"
        plain = getattr(cell, rest) == BASE[rest] and getattr(cell, family) != BASE[family]
        return [cell._replace(**{family: BASE[family]})] if plain else []
    if (cell.representation, cell.strategy) != (BASE["representation"], BASE["strategy"]):
        return []
    if family == "thinking":
        partner = models[cell.model]
        return [cell._replace(model=partner)] if partner else []
    return [cell._replace(model=other) for one, other in combinations(models, 2) if one == cell.model]


class Loaded(NamedTuple):
    """A scored cell: its predictions, and what its metrics.json says about them."""

    predictions: list[Prediction]
    kind: Kind
    unit: Unit
    limits: dict[str, tuple[float, float]] | None


def load(folder: Path) -> Loaded:
    """Read a scored cell.

    Raises:
        UserError: a file is missing or does not fit.
    """
    path = folder / "metrics.json"
    kind: Kind
    try:
        metrics: dict[str, Any] = orjson.loads(path.read_bytes())
        settings = metrics["settings"]
        kind = "classification" if metrics["task"] == "compare" else metrics["kind"]
        unit = settings["unit"]
        limits = settings["limits"] and {name: tuple(ends) for name, ends in settings["limits"].items()}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); score this cell") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: is no metrics.json; score this cell again") from error
    return Loaded(read_predictions(folder / "predictions.csv", kind), kind, unit, limits)


def effects(
    wanted: Sequence[Contrasted],
    cells: Mapping[Cell, Path],
    samples: Mapping[str, Mapping[str, Sample]],
    resampler: Resampler,
) -> list[Effect]:
    """Test all contrasts; p-values are adjusted within a family, dataset and metric, across models.

    Args:
        wanted: what to test.
        cells: the folder of every cell.
        samples: samples by id, by dataset.
        resampler: the seed, and the number of resamples and random swaps.
    """
    cache: dict[Cell, Loaded] = {}
    tested: dict[tuple[str, str, str], list[Effect]] = {}
    for contrast in wanted:
        for cell in contrast[1:]:
            if cell not in cache:
                with uncollected():
                    cache[cell] = load(cells[cell])
        one, other = cache[contrast.cell], cache[contrast.against]
        first, second = paired.common(one.predictions, other.predictions)
        about = samples[contrast.cell.dataset]
        for metric, result in _compared(one, first, second, about, resampler).items():
            effect = Effect(contrast, metric, one.unit, len(first), result, math.nan)
            tested.setdefault((contrast.family, contrast.cell.dataset, metric), []).append(effect)
    found = []
    for family in tested.values():
        adjusted = paired.holm([effect.result.p for effect in family])
        found += [effect._replace(p_holm=p) for effect, p in zip(family, adjusted, strict=True)]
    return found


def _compared(
    cell: Loaded,
    first: list[Prediction],
    second: list[Prediction],
    samples: Mapping[str, Sample],
    resampler: Resampler,
) -> dict[str, Paired]:
    if not first:
        return {}
    questions = [
        next(question for question in samples[row.sample_id].questions if question.item == row.item)
        for row in first
    ]
    if cell.limits is None:
        chosen = [table.choices(rows, questions) for rows in (first, second)]
        return {
            metric: paired.compare(chosen[0], chosen[1], metric, cell.unit, resampler)
            for metric in table.Choices.metrics
        }
    scored = [table.scores(rows, questions, cell.limits) for rows in (first, second)]
    return {
        metric: paired.compare(scored[0], scored[1], metric, cell.unit, resampler)
        for metric in table.Scores.metrics
    }


def write_effects(path: Path, found: Iterable[Effect]) -> None:
    """Write effects.csv atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for effect in found:
            contrast, result = effect.contrast, effect.result
            cell = contrast.cell
            fields = [
                *(contrast.family, cell.dataset, effect.metric, effect.unit, cell.task),
                *(cell.representation, cell.strategy, cell.model, getattr(contrast.against, contrast.place)),
                *(result.first, result.second, result.difference, result.interval.low, result.interval.high),
                *(result.interval.method, result.interval.n_clusters, effect.n),
                *(result.p, result.swaps, effect.p_holm, result.detectable),
            ]
            writer.writerow([repr(field) if isinstance(field, float) else field for field in fields])
