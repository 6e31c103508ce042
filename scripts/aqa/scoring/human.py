"""How well people agree: each rater of a sample against the verdict of the others (leave one out).

Every rater of every evaluated sample is an answer, and its truth is what the other raters of the same
question come to, by the dataset's own rule; not the truth that models are scored against, which this rater
helped to make. All answers are scored together, with the metrics, clusters and intervals of a model's. The
raters of one sample are not independent (each is in the others' verdicts), which clusters cover, for all
answers about a subject stay together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import nan
from pathlib import Path
from typing import Any

from aqa.files import write_json
from aqa.grid import Cell
from aqa.records import Prediction, Question, Rating, Sample, Value
from aqa.scoring import table
from aqa.scoring.intervals import missing
from aqa.scoring.predict import write_predictions
from aqa.scoring.rows import ALL, ScoreRow, Unit
from aqa.scoring.score import OUTCOMES, POLICIES, Settings, score_answers

Verdict = Callable[[Sequence[Value]], Value | None]
"""What some people's ratings of one question come to."""


@dataclass(frozen=True)
class Agreement:
    """The answers of people: `questions` are parallel to `predictions`, `repeat` is the rater's number.

    `panel` are the samples that are compared, their truth being the verdict of all of their raters.
    """

    predictions: list[Prediction]
    questions: list[Question]
    panel: dict[str, Sample]


def against_others(samples: Iterable[Sample], ratings: Iterable[Rating], verdict: Verdict) -> Agreement:
    """Return each rating of a sample with the verdict of the sample's other raters as its truth.

    Questions with one rater, and raters whose others come to no verdict, are left out.
    """
    said: dict[tuple[str, str], dict[int, Value]] = defaultdict(dict)
    for rating in ratings:
        said[rating.sample_id, rating.item][rating.rater] = rating.value
    result = Agreement([], [], {})
    for sample in samples:
        truths: dict[str, Value] = {}
        for question in sample.questions:
            values = said.get((sample.sample_id, question.item), {})
            rows = list(_rows(sample, question, values, verdict))
            whole = verdict(list(values.values()))
            if rows and whole is not None:
                truths[question.item] = whole
                result.predictions.extend(rows)
                result.questions.extend([question] * len(rows))
        if truths:
            result.panel[sample.sample_id] = sample.model_copy(update={"truth": truths})
    return result


def _rows(
    sample: Sample, question: Question, values: Mapping[int, Value], verdict: Verdict
) -> Iterable[Prediction]:
    for rater, value in sorted(values.items()):
        others = verdict([other for name, other in values.items() if name != rater])
        if others is not None and len(values) > 1:
            yield Prediction(
                sample_id=sample.sample_id,
                item=question.item,
                exercise=sample.exercise,
                subject=sample.subject,
                truth=others,
                prediction=value,
                outcome="ok",
                repeat=rater,
            )


def score_people(folder: Path, agreement: Agreement, settings: Settings, evaluated: int) -> None:
    """Write `predictions.csv` and `metrics.json` of the people's cell, {dataset}/{task}/…/{model}/.

    `evaluated` is the number of samples that models are asked about. Where none of them has several raters
    the numbers are undefined, which the notes say: a run does not fail for it.
    """
    parts = folder.absolute().parts[-len(Cell._fields) :]
    # People are no repeats of one another, whose metric would be averaged: all answers count together.
    pooled = [row.model_copy(update={"repeat": 0}) for row in agreement.predictions]
    if pooled:
        scored = score_answers(Cell(*parts), pooled, agreement.questions, agreement.panel, settings)
    else:
        scored = _undefined(Cell(*parts), settings)
    people = {
        "samples": len(agreement.panel),
        "evaluated": evaluated,
        "ratings": len(agreement.predictions),
        "truth": "the verdict of a sample's other raters",
    }
    write_predictions(folder / "predictions.csv", agreement.predictions)
    write_json(folder / "metrics.json", {**scored, "people": people})


def _undefined(cell: Cell, settings: Settings) -> dict[str, Any]:
    """Return what `metrics.json` holds where nobody can be compared."""
    reason = "no evaluated sample has ratings of several people"
    metrics = (table.Choices if settings.kind == "classification" else table.Scores).metrics
    unit: Unit = settings.unit or "item"
    places = [
        {"metric": metric, "policy": policy, "unit": unit, "scope": ALL}
        for metric, policy in product(metrics, POLICIES)
    ]
    number = {"value": nan, "ci_low": nan, "ci_high": nan, "chance": nan, "n_clusters": 0, "n": 0}
    counts = {f"n_{outcome}": 0 for outcome in OUTCOMES}
    method = missing(0, reason).method
    rows = [
        ScoreRow.model_validate({**cell._asdict(), **place, **number, **counts, "interval": method})
        for place in places
    ]
    return {
        **cell._asdict(),
        "rows": rows,
        "notes": [{**place, "reason": reason} for place in places],
        "kind": settings.kind,
    }
