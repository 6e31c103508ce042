"""Scoring a cell: from its requests and responses to `predictions.csv` and `metrics.json`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, get_args

import aqa
from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, uncollected, write_json
from aqa.grid import Cell
from aqa.inference.drafts import read_drafts
from aqa.records import Outcome, Pair, Prediction, Question, Response, Sample
from aqa.scoring import table
from aqa.scoring.compare import Comparisons, comparisons, predict_pairs
from aqa.scoring.estimates import Estimate
from aqa.scoring.intervals import LEVEL, Interval, Resampler
from aqa.scoring.predict import Asked, Kind, predict, write_predictions
from aqa.scoring.rows import ALL, Policy, ScoreRow, Unit
from aqa.scoring.table import Choices, Limits, Scores

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
POLICIES: tuple[Policy, ...] = get_args(Policy)

CELL = Cell._fields
"""The last folders of a cell's path."""


@dataclass(frozen=True)
class Settings:
    """How cells are scored.

    `unit` None: item where a request asks several questions, else exercise (for scores: item, the
    whole dataset). `evaluated` are the ids of the samples that are evaluated: the range of a score is
    taken from their truths; None takes it from the samples that the cell asks about. `pairs` are those
    of the cells whose task is compare; `compare_unit` is their headline unit: item pools all pairs,
    exercise averages over exercises. `asked` are, by folder of a cell, the samples (of pairs: their anchors)
    that it was to ask about, where these are not all that are evaluated.
    """

    kind: Kind
    seed: int
    resamples: int
    unit: Unit | None = None
    evaluated: frozenset[str] | None = None
    pairs: Mapping[str, Pair] | None = None
    compare_unit: Unit = "item"
    asked: Mapping[Path, frozenset[str]] = field(default_factory=dict)


def score_cells(folders: Iterable[Path], samples: Mapping[str, Sample], settings: Settings) -> None:
    """Score cells one after another; one that cannot be scored does not stop the others.

    Raises:
        UserError: at the end, if a cell could not be scored; names each of them with its cause.
    """
    resampler = Resampler(settings.seed, settings.resamples)
    problems = []
    for folder in folders:
        try:
            with uncollected():
                score_cell(folder, samples, settings, resampler)
        except UserError as error:
            problems.append(f"{folder}: {error}")
    if problems:
        raise UserError("\n".join(problems))


def score_cell(folder: Path, samples: Mapping[str, Sample], settings: Settings, resampler: Resampler) -> None:
    """Write `predictions.csv` and `metrics.json` of one cell, {dataset}/{task}/…/{model}/.

    Raises:
        UserError: files are missing or do not fit each other, or the path names no cell.
    """
    parts = folder.absolute().parts[-len(CELL) :]
    if len(parts) < len(CELL):
        raise UserError(f"this path does not end in {'/'.join(CELL)}; give the folder of a cell")
    cell = dict(zip(CELL, parts, strict=True))
    requests = read_jsonl(folder / "requests.jsonl", Asked)
    responses = read_jsonl(folder / "responses.jsonl", Response)
    if not requests:
        raise UserError("requests.jsonl is empty: there is nothing to score; look at the media manifest")
    predictions, rows, unit = _parsed(cell["task"], requests, responses, samples, settings)
    drafts = read_drafts(folder)
    left_out = _left_out(folder, cell["task"], requests, settings)
    result = _score(cell, rows, predictions, unit, resampler)
    repeats = 1 + max(request.repeat for request in requests)
    about = {"drafts": drafts, "n_left_out": len(left_out), "repeats": repeats}
    result["rows"] = [row.model_copy(update=about) for row in result["rows"]]
    write_predictions(folder / "predictions.csv", predictions)
    write_json(
        folder / "metrics.json",
        {
            **cell,
            **result,
            "kind": settings.kind,
            "drafts": drafts,
            "repeats": repeats,
            "left_out": left_out,
            "outcomes": _counts(predictions),
            "settings": {
                "seed": settings.seed,
                "resamples": settings.resamples,
                "level": LEVEL,
                "unit": unit,
                "policies": POLICIES,
                "limits": rows.limits if isinstance(rows, Scores) else None,
            },
            "versions": _versions(),
            "digests": {name: digest_file(folder / f"{name}.jsonl") for name in ("requests", "responses")},
            **_model(responses),
        },
    )


def score_answers(
    cell: Cell,
    predictions: Sequence[Prediction],
    questions: Sequence[Question],
    samples: Mapping[str, Sample],
    settings: Settings,
) -> dict[str, Any]:
    """Return what `metrics.json` holds of answers that no request of ours stands behind.

    `questions` are parallel to `predictions`; the range of a score is that of the truths in `samples`.
    """
    unit: Unit = settings.unit or "item"
    rows = _table(predictions, questions, samples, settings)
    return {
        **cell._asdict(),
        **_score(cell._asdict(), rows, predictions, unit, Resampler(settings.seed, settings.resamples)),
        "kind": settings.kind,
        "outcomes": _counts(predictions),
        "settings": {
            "seed": settings.seed,
            "resamples": settings.resamples,
            "level": LEVEL,
            "unit": unit,
            "policies": POLICIES,
            "limits": rows.limits if isinstance(rows, Scores) else None,
        },
        "versions": _versions(),
    }


def _left_out(folder: Path, task: str, requests: Sequence[Asked], settings: Settings) -> list[str]:
    """Return the samples, or the pairs, that the cell was to ask about and did not, sorted."""
    asked = {request.sample_id for request in requests}
    wanted = settings.asked.get(folder, settings.evaluated)
    if task == "compare":
        pairs = settings.pairs or {}
        return sorted({name for name in pairs if wanted is None or pairs[name].anchor in wanted} - asked)
    return sorted((wanted or frozenset()) - asked)


def _parsed(
    task: str,
    requests: Sequence[Asked],
    responses: Sequence[Response],
    samples: Mapping[str, Sample],
    settings: Settings,
) -> tuple[list[Prediction], Choices | Scores | Comparisons, Unit]:
    """Return the predictions of a cell, the table of its task, and the headline unit."""
    if task == "compare":
        if settings.pairs is None:
            raise UserError("the cell compares pairs; give the file of pairs as --pairs")
        predictions = predict_pairs(requests, responses, settings.pairs)
        return predictions, comparisons(predictions, settings.pairs), settings.compare_unit
    predictions = predict(requests, responses, samples)
    questions = [question for request in requests for question in request.questions]
    unit = settings.unit or _default_unit(settings.kind, requests)
    return predictions, _table(predictions, questions, samples, settings), unit


def _default_unit(kind: Kind, requests: Sequence[Asked]) -> Unit:
    several = any(len(request.questions) > 1 for request in requests)
    return "item" if several or kind == "regression" else "exercise"


def _table(
    predictions: Sequence[Prediction],
    questions: Sequence[Question],
    samples: Mapping[str, Sample],
    settings: Settings,
) -> Choices | Scores:
    if settings.kind == "classification":
        return table.choices(predictions, questions)
    item, _, _ = table.scale(questions)
    evaluated = {row.sample_id for row in predictions} | (settings.evaluated or frozenset())
    return table.scores(predictions, questions, _limits(evaluated, item, samples))


def _limits(evaluated: Iterable[str], item: str, samples: Mapping[str, Sample]) -> dict[str, Limits]:
    """Return the limits of the evaluated truth, of each exercise and of `all`."""
    truths: dict[str, list[float]] = {ALL: []}
    for sample_id in sorted(evaluated):
        sample = samples.get(sample_id)
        truth = None if sample is None else sample.truth.get(item)
        if sample is None or not isinstance(truth, float):
            raise UserError(f"sample '{sample_id}' has no score in the file of samples; index again")
        truths[ALL].append(truth)
        truths.setdefault(sample.exercise, []).append(truth)
    return {scope: (min(values), max(values)) for scope, values in truths.items()}


def _score(
    cell: dict[str, str],
    rows: Choices | Scores | Comparisons,
    predictions: Sequence[Prediction],
    headline: Unit,
    resampler: Resampler,
) -> dict[str, Any]:
    """Return the rows of the cell, and what a reader must know about them."""
    units = (headline, *(unit for unit in rows.units() if unit != headline))[: len(rows.units())]
    outcomes = _outcomes(predictions, rows.rows.exercises)
    complete = bool(rows.rows.usable.all())
    single = len(rows.rows.exercises) == 1
    known: dict[tuple[str, ...], Estimate] = {}
    table_rows: list[ScoreRow] = []
    notes: list[dict[str, Any]] = []
    for unit, scope, metric, policy in product(units, outcomes, rows.metrics, POLICIES):
        # The same number needs no second bootstrap: all answered, one exercise, a unit that does not matter.
        same: tuple[Policy, str] = ("strict" if complete else policy, ALL if single else scope)
        alike = rows.same_as(metric, unit, same[1])
        if (alike, metric, *same) not in known:
            known[alike, metric, *same] = rows.estimate(metric, same[0], alike, same[1], resampler)
        estimate = known[alike, metric, *same]
        place = {"metric": metric, "policy": policy, "unit": unit, "scope": scope}
        table_rows.append(_row({**cell, **place}, estimate, outcomes[scope]))
        if note := _note(estimate):
            notes.append({**place, **note})
    return {"rows": table_rows, "notes": notes}


def _row(place: dict[str, str], estimate: Estimate, outcomes: dict[str, int]) -> ScoreRow:
    found: Interval = estimate.interval
    return ScoreRow.model_validate(
        {
            **place,
            "value": estimate.score.value,
            "ci_low": found.low,
            "ci_high": found.high,
            "interval": found.method,
            "n_clusters": found.n_clusters,
            "chance": estimate.chance,
            **outcomes,
        }
    )


def _note(estimate: Estimate) -> dict[str, Any]:
    """Return why a value is undefined, what its mean leaves out, and what is odd about its interval."""
    note: dict[str, Any] = {}
    if estimate.score.reason:
        note["reason"] = estimate.score.reason
    if estimate.dropped:
        note["dropped"] = [dropped._asdict() for dropped in estimate.dropped]
    if estimate.interval.redrawn:
        note["redrawn"] = estimate.interval.redrawn
    if estimate.interval.note and not estimate.score.reason:
        note["interval"] = estimate.interval.note
    return note


def _outcomes(predictions: Sequence[Prediction], exercises: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many rows there are of each outcome, in all and by exercise."""
    counts: dict[str, Counter[str]] = {scope: Counter() for scope in (ALL, *exercises)}
    for (exercise, outcome), n in Counter((row.exercise, row.outcome) for row in predictions).items():
        counts[exercise][outcome] += n
        counts[ALL][outcome] += n
    return {
        scope: {"n": count.total(), **{f"n_{outcome}": count[outcome] for outcome in OUTCOMES}}
        for scope, count in counts.items()
    }


def _counts(predictions: Sequence[Prediction]) -> dict[str, int]:
    counts = Counter(row.outcome for row in predictions)
    return {outcome: counts[outcome] for outcome in OUTCOMES}


def _versions() -> dict[str, str]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"aqa": aqa.__version__, "python": python, **{name: version(name) for name in ("numpy", "scipy")}}


def _model(responses: Sequence[Response]) -> dict[str, Any]:
    """Return the versions of the model that answered, and whether there is more than one."""
    seen = sorted({answer.model_version for answer in responses if answer.model_version is not None})
    return {"model_versions": seen, "mixed_model_versions": len(seen) > 1}
