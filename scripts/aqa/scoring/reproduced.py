"""Values that a study printed beside those of this run, and by what they may differ.

Two comparisons. *Same items*: both studies asked about the same samples, so only the models' decoding
differs; a new run is expected within a prediction interval around the mean of our repeats, and without
repeats nothing can be said. *Other items*: the samples are two draws of one kind, so the difference has √2
times our standard error.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from pydantic import ValidationError, field_validator

from aqa.checked import load_yaml, parse
from aqa.datasets.base import StudyItems
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.grid import Cell
from aqa.records import Record, Sample
from aqa.scoring import table
from aqa.scoring.effects import Loaded, load
from aqa.scoring.intervals import LEVEL
from aqa.scoring.rows import Policy, ScoreRow

Comparison: TypeAlias = Literal["same items", "other items"]
Verdict: TypeAlias = Literal["within", "outside", "unknown"]

RANDOM = "random"
"""The model of the study's row of random guessing in reported_results.csv."""

DISTANCE, ROOT = "relative_l2", "relative_l2_root"


class Reported(Record):
    """A printed number: a line of resources/paper/reported_results.csv; NaN where the cell was not run.

    `form` is `unknown` where the study does not say in which form its relative distance is.
    """

    table: int
    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    metric: str
    form: str
    value: float

    @field_validator("value", mode="before")
    @classmethod
    def _empty_is_nan(cls, value: object) -> object:
        return math.nan if value == "" else value

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.dataset, self.task, self.representation, self.strategy, self.model)


class Remark(Record):
    """What a reader must know of some printed numbers; a field that is None fits all."""

    text: str
    dataset: str | None = None
    model: str | None = None
    baseline: bool | None = None
    representation: str | None = None
    strategies: tuple[str, ...] | None = None
    metric: str | None = None

    def fits(self, printed: Reported, *, baseline: bool) -> bool:
        """Say whether the remark is about a number."""
        same = all(
            wanted is None or wanted == is_
            for wanted, is_ in (
                (self.dataset, printed.dataset),
                (self.model, printed.model),
                (self.baseline, baseline),
                (self.representation, printed.representation),
                (self.metric, printed.metric),
            )
        )
        return same and (self.strategies is None or printed.strategy in self.strategies)


class _Remarks(Record):
    remarks: tuple[Remark, ...]


class ReproducedRow(Record):
    """A printed value beside ours: a line of reproduced.csv.

    `reported_metric` is what the study called it, `metric` what of ours it is compared with. `ci_low` and
    `ci_high` are our interval over clusters, and `inside` says whether it holds the reported value. `reach`
    is by how much the two may differ under the `comparison` that applies; NaN, with `verdict` unknown,
    where that cannot be said. `repeats` counts our runs. `tables` are those that print the value. `expected`
    is, for a baseline, what uniform guessing reaches on average; NaN for models.
    """

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    reported_metric: str
    metric: str
    tables: str
    reported: float
    ours: float
    expected: float
    difference: float
    ci_low: float
    ci_high: float
    inside: bool
    n: int
    n_clusters: int
    comparison: Comparison
    why: str
    repeats: int
    reach: float
    verdict: Verdict
    remarks: str = ""


def read_reported(path: Path) -> list[Reported]:
    """Read reported_results.csv.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            return [Reported.model_validate(line) for line in reader]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    except ValidationError as error:
        raise UserError(f"{path}, line {reader.line_num}: {first_problem(error)}") from error


def read_remarks(path: Path) -> tuple[Remark, ...]:
    """Read the known inconsistencies of the printed numbers.

    Raises:
        UserError: the file is missing or does not fit; names the file and the place.
    """
    return parse(_Remarks, load_yaml(path), str(path)).remarks


def compared_metric(metric: str, *, baseline: bool) -> str:
    """Return which of our metrics a printed one is compared with.

    The study prints one relative distance and one formula, but its model rows lie just above the floor of the
    root form while its random row fits only the squared form (resources/paper/README.md).
    """
    return ROOT if metric == DISTANCE and not baseline else metric


def distinct(reported: Iterable[Reported]) -> list[tuple[Reported, str]]:
    """Return each printed number once, with the tables that print it; where they disagree, both stand."""
    tables: dict[tuple[Cell, str, float], list[str]] = {}
    first: dict[tuple[Cell, str, float], Reported] = {}
    for printed in reported:
        if math.isfinite(printed.value):
            key = (printed.cell, printed.metric, printed.value)
            first.setdefault(key, printed)
            tables.setdefault(key, []).append(str(printed.table))
    return [(printed, ", ".join(dict.fromkeys(tables[key]))) for key, printed in first.items()]


def repeat_values(
    loaded: Loaded, samples: Mapping[str, Sample], policy: Policy = "strict"
) -> dict[str, list[float]]:
    """Return each metric of a judge cell for each of its repeats alone."""
    found: dict[str, list[float]] = {}
    for repeat in sorted({row.repeat for row in loaded.predictions}):
        rows = [row for row in loaded.predictions if row.repeat == repeat]
        questions = [
            next(question for question in samples[row.sample_id].questions if question.item == row.item)
            for row in rows
        ]
        about: table.Choices | table.Scores = (
            table.choices(rows, questions)
            if loaded.limits is None
            else table.scores(rows, questions, loaded.limits)
        )
        for metric in about.metrics:
            statistic = about.statistic(metric, loaded.unit, policy)
            value = math.nan
            if statistic is not None:
                value = float(statistic(np.ones((1, statistic.n_clusters))).values[0])
            found.setdefault(metric, []).append(value)
    return found


def read_repeats(
    folders: Mapping[Cell, Path],
    samples: Mapping[str, Mapping[str, Sample]],
    policy: Policy,
) -> dict[Cell, dict[str, list[float]]]:
    """Return `repeat_values` of those cells that were asked more than once.

    Raises:
        UserError: a cell's files are missing or do not fit.
    """
    return {
        cell: repeat_values(load(folder), samples[cell.dataset], policy)
        for cell, folder in folders.items()
        if cell.task == "judge" and _is_repeated(folder / "predictions.csv")
    }


def _is_repeated(path: Path) -> bool:
    """Say whether a file of predictions holds more than one repeat, without checking its rows."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return len({row["repeat"] for row in csv.DictReader(stream)}) > 1
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); score this cell") from error
    except (KeyError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: holds no predictions ({error}); score this cell again") from error


def decoding_reach(values: Sequence[float]) -> float:
    """Return how far a new run lies from the mean of runs on the same items, 95 times of 100.

    Student's prediction interval; NaN for fewer than two runs.
    """
    from scipy.special import stdtrit

    runs = np.asarray(values, dtype=np.float64)
    if len(runs) < 2:
        return math.nan
    spread = float(runs.std(ddof=1)) * math.sqrt(1 + 1 / len(runs))
    return float(stdtrit(len(runs) - 1, (1 + LEVEL) / 2)) * spread


def sampling_reach(score: ScoreRow) -> float:
    """Return how far two studies over other items of one kind lie apart, 95 times of 100."""
    return math.sqrt(2) * (score.ci_high - score.ci_low) / 2


def reproduced(
    reported: Iterable[Reported],
    scores: Mapping[tuple[Cell, str], ScoreRow],
    *,
    baselines: Iterable[str],
    items: Mapping[str, StudyItems],
    repeats: Mapping[Cell, Mapping[str, Sequence[float]]],
    limits: Mapping[str, int] | None = None,
    remarks: Sequence[Remark] = (),
) -> list[ReproducedRow]:
    """Put every printed value whose cell was run beside ours.

    Args:
        reported: the printed numbers.
        scores: our headline number of each cell and metric.
        baselines: the models that are none under test.
        items: by dataset, whether the samples are the study's own; datasets that are absent are passed over.
        repeats: by cell, the values of each metric in each repeat; only cells with several.
        limits: by path of a cell, how many samples it was to ask about, where these were not all.
        remarks: known inconsistencies.
    """
    plain = set(baselines)
    found = []
    for printed, tables in distinct(reported):
        baseline = printed.model in plain
        metric = compared_metric(printed.metric, baseline=baseline)
        score = scores.get((printed.cell, metric))
        if printed.dataset not in items or score is None or not math.isfinite(score.value):
            continue
        held = [remark.text for remark in remarks if remark.fits(printed, baseline=baseline)]
        values = repeats.get(printed.cell, {}).get(metric, [])
        limit = (limits or {}).get(printed.cell.path)
        row = _row(printed, tables, score, _same(items[printed.dataset], score, limit), values)
        expected = score.chance if baseline else math.nan
        found.append(row.model_copy(update={"remarks": " ".join(held), "expected": expected}))
    return found


def _same(items: StudyItems, score: ScoreRow, limit: int | None) -> StudyItems:
    """Return whether a cell asked about the study's own items."""
    if items.same and score.task == "compare":
        return StudyItems(same=False, why="the study's pairs are not published")
    if items.same and limit is not None:
        return StudyItems(same=False, why=f"limited to {limit} samples")
    if items.same and score.n_left_out:
        return StudyItems(same=False, why=f"{score.n_left_out} samples could not be asked about")
    return items


def _row(
    printed: Reported, tables: str, score: ScoreRow, items: StudyItems, values: Sequence[float]
) -> ReproducedRow:
    reach = decoding_reach(values) if items.same else sampling_reach(score)
    centre = float(np.mean(values)) if items.same and len(values) > 1 else score.value
    verdict: Verdict = "unknown"
    if math.isfinite(reach):
        verdict = "within" if abs(centre - printed.value) <= reach else "outside"
    return ReproducedRow(
        **printed.cell._asdict(),
        reported_metric=printed.metric,
        metric=score.metric,
        tables=tables,
        reported=printed.value,
        ours=score.value,
        expected=math.nan,
        difference=score.value - printed.value,
        ci_low=score.ci_low,
        ci_high=score.ci_high,
        inside=bool(score.ci_low <= printed.value <= score.ci_high),
        n=score.n,
        n_clusters=score.n_clusters,
        comparison="same items" if items.same else "other items",
        why=items.why,
        repeats=max(len(values), 1),
        reach=reach,
        verdict=verdict,
    )
