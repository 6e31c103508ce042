"""What the report page shows, as plain data: the template only lays it out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aqa.grid import Cell
from aqa.records import Outcome
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel
from aqa.reporting.layout import JUDGE_METRICS, LAYOUTS, METRICS, Metric
from aqa.reporting.metrics import CellMetrics
from aqa.reporting.notes import limited, span
from aqa.reporting.render import INTERVAL_DIGITS
from aqa.reporting.scores import COUNTS, Scores, counts, has_interval, is_defined
from aqa.scoring.metrics import COUNTED_AS_0
from aqa.scoring.rows import ALL, ScoreRow

OUTCOMES: Mapping[Outcome, str] = {
    "ok": "an answer in the asked form",
    "unparsed": "text without a usable answer",
    "truncated": "cut off at the token limit",
    "refused": "declined by the model or a filter",
    "rejected": "never accepted by the provider",
    "failed": "no answer after all attempts; asked again by the next run",
}


@dataclass(frozen=True)
class Number:
    """A score in print: `text` is the number, NaN or a dash."""

    text: str
    interval: str = ""


@dataclass(frozen=True)
class ForestRow:
    """A line of a forest plot; positions are per cent of the width, None where there is no number."""

    model: ModelLabel
    number: Number
    at: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Forest:
    """One dataset's headline metric, model by model, against chance."""

    dataset: DatasetLabel
    name: str
    synthetic: bool
    metric: Metric
    rows: tuple[ForestRow, ...]
    ticks: tuple[tuple[float, str], ...]
    chance: float | None
    chance_text: str
    verdict: str


@dataclass(frozen=True)
class DatasetRow:
    """What was evaluated of a dataset."""

    label: DatasetLabel
    name: str
    synthetic: bool
    limits: str
    judgements: str
    clusters: str
    cells: int


@dataclass(frozen=True)
class ExerciseTable:
    """The scores per exercise of one dataset in one setting; `headings` are (exercise, metric)."""

    title: str
    exercises: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[tuple[ModelLabel, tuple[Number, ...]], ...]
    open: bool


@dataclass(frozen=True)
class AnswerRow:
    """What became of a cell's requests: counts, and a bar of (outcome, start, width) in per cent."""

    names: tuple[str, ...]
    counts: Mapping[str, int]
    bar: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class NoteRow:
    """A remark on some numbers of a cell; `where` lists metric and scope."""

    names: tuple[str, ...]
    where: str
    text: str


def number(score: ScoreRow | None, metric: Metric) -> Number:
    """Return a score as printed."""
    if score is None:
        return Number("–")
    if not is_defined(score):
        return Number("NaN")
    digits = min(metric.digits, INTERVAL_DIGITS)
    ends = (metric.text(score.ci_low, digits), metric.text(score.ci_high, digits))
    return Number(metric.text(score.value), f"[{ends[0]}, {ends[1]}]" if has_interval(score) else "")


def forests(scores: Scores, labels: Labels) -> list[Forest]:
    """Return one forest plot a dataset: its first metric in the cells of Table 1."""
    found = []
    for dataset in labels.datasets:
        metric = METRICS[JUDGE_METRICS[dataset.kind][0]]
        pairs = [
            (model, score)
            for model in sorted(labels.models, key=lambda model: not model.baseline)
            if (score := scores.find(_first_cell(dataset.id, model.id), metric.id, labels)) is not None
        ]
        if pairs:
            found.append(_forest(dataset, metric, pairs, labels))
    return found


def _first_cell(dataset: str, model: str) -> Cell:
    layout = LAYOUTS[1]
    return Cell(
        dataset,
        layout.task,
        (layout.representations or ("original",))[0],
        (layout.strategies or ("base",))[0],
        model,
    )


def _forest(
    dataset: DatasetLabel, metric: Metric, pairs: Sequence[tuple[ModelLabel, ScoreRow]], labels: Labels
) -> Forest:
    chances = {round(score.chance, 9) for _, score in pairs if not math.isnan(score.chance)}
    chance = chances.pop() if len(chances) == 1 else None
    known = [] if chance is None else [chance]
    for _, score in pairs:
        known += [end for end in (score.value, score.ci_low, score.ci_high) if not math.isnan(end)]
    low, high, step = _scale(known)

    def at(value: float) -> float | None:
        return None if math.isnan(value) else round(100 * (value - low) / (high - low), 3)

    ticks = tuple(
        (round(100 * tick * step / (high - low), 3), f"{round(low + tick * step, 6):g}")
        for tick in range(round((high - low) / step) + 1)
    )
    rows = [
        ForestRow(model, number(score, metric), at(score.value), at(score.ci_low), at(score.ci_high))
        for model, score in pairs
    ]
    return Forest(
        dataset,
        labels.dataset_name(dataset),
        labels.is_synthetic(dataset.id),
        metric,
        tuple(rows),
        ticks,
        None if chance is None else at(chance),
        "" if chance is None else metric.text(chance),
        _verdict(metric, pairs, chance),
    )


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Return round ends around `values`, at least 0.4 apart, and the step between ticks."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    step = 0.1 if high - low <= 0.45 else 0.2 if high - low <= 1.0 else 0.5
    first, last = math.floor(low / step - 0.15), math.ceil(high / step + 0.15)
    while last - first < 4:
        first, last = (first - 1, last) if high / step - first < last - low / step else (first, last + 1)
    return round(first * step, 6), round(last * step, 6), step


def _verdict(metric: Metric, pairs: Sequence[tuple[ModelLabel, ScoreRow]], chance: float | None) -> str:
    """Return one sentence that the intervals support."""
    tested = [score for model, score in pairs if not model.baseline]
    if not tested:
        return "Only baselines ran: this is what can be reached without judging the movement."
    if chance is None:
        return ""
    judged = [score for score in tested if has_interval(score)]
    above = sum(score.ci_low > chance for score in judged)
    models = "model" if len(tested) == 1 else "models"
    said = f"{above} of {len(tested)} {models}: interval wholly above chance ({metric.text(chance)})."
    without = len(tested) - len(judged)
    return said + (f" {without} without interval." if without else "")


def dataset_rows(scores: Scores, labels: Labels) -> list[DatasetRow]:
    """Return what was evaluated, dataset by dataset."""
    found = []
    for dataset in labels.datasets:
        rows = [
            row
            for row in scores.rows
            if row.dataset == dataset.id and row.scope == ALL and row.model not in labels.people
        ]
        found.append(
            DatasetRow(
                dataset,
                labels.dataset_name(dataset),
                labels.is_synthetic(dataset.id),
                "; ".join(limited(dataset, {Cell(*row.cell) for row in rows}, labels)) or "all samples",
                span(row.n // row.repeats for row in rows),
                span(row.n_clusters for row in rows if row.n_clusters),
                len({row.cell for row in rows}),
            )
        )
    return found


def exercise_tables(scores: Scores, labels: Labels) -> list[ExerciseTable]:
    """Return the scores per exercise: one table a dataset and setting that has cells."""
    present = set(scores.cells())
    strategies = {label.id: label.title for label in labels.strategies}
    representations = {label.id: label.title for label in labels.representations}
    found = []
    for dataset in labels.datasets:
        mine = {cell for cell in present if cell.dataset == dataset.id}
        titles = {label.id: label.title for label in dataset.exercises}
        scopes = scores.scopes(dataset.id)
        order = [name for name in titles if name in scopes] + [name for name in scopes if name not in titles]
        for task, representation, strategy in sorted({cell[1:4] for cell in mine}, key=_setting_order):
            cells = {
                model: Cell(dataset.id, task, representation, strategy, model.id)
                for model in sorted(labels.models, key=lambda model: not model.baseline)
            }
            cells = {model: cell for model, cell in cells.items() if cell in mine}
            metrics = [
                metric
                for metric in METRICS.values()
                if any(scores.find(cell, metric.id, labels) for cell in cells.values())
            ]
            rows = tuple(
                (
                    model,
                    tuple(
                        number(scores.find(cell, metric.id, labels, scope), metric)
                        for scope in order
                        for metric in metrics
                    ),
                )
                for model, cell in cells.items()
            )
            setting = (
                task,
                representations.get(representation, representation),
                strategies.get(strategy, strategy),
            )
            found.append(
                ExerciseTable(
                    f"{labels.dataset_name(dataset)} · {' · '.join(setting)}",
                    tuple(titles.get(name, name) for name in order),
                    tuple(metrics),
                    rows,
                    open=(task, representation, strategy) == _first_cell("", "")[1:4],
                )
            )
    return found


def _setting_order(setting: tuple[str, str, str]) -> tuple[bool, tuple[str, str, str]]:
    return setting != _first_cell("", "")[1:4], setting


def answer_rows(scores: Scores, labels: Labels) -> list[AnswerRow]:
    """Return what became of every cell's requests."""
    found: dict[Cell, AnswerRow] = {}
    for row in scores.rows:
        cell = Cell(*row.cell)
        if row.scope != ALL or cell in found:
            continue
        number_of = counts(row)
        bar, start = [], 0.0
        for name in COUNTS[1:]:
            width = 100 * number_of[name] / row.n if row.n else 0.0
            if width:
                bar.append((name.removeprefix("n_"), round(start, 3), round(width, 3)))
            start += width
        found[cell] = AnswerRow(cell_names(cell, labels), number_of, tuple(bar))
    return [found[cell] for cell in in_print_order(found, labels)]


def note_rows(metrics: Sequence[CellMetrics], labels: Labels) -> tuple[list[NoteRow], list[NoteRow]]:
    """Return why numbers are undefined, and what else there is to know about numbers."""
    cells = in_print_order([item.cell for item in metrics], labels)
    by_cell = {item.cell: item for item in metrics}
    undefined: dict[tuple[Cell, str], list[str]] = {}
    remarks: dict[tuple[Cell, str], list[str]] = {}
    for cell in cells:
        for note in by_cell[cell].notes:
            metric = METRICS[note.metric].name if note.metric in METRICS else note.metric
            place = f"{metric}, {note.scope} ({note.policy}, {note.unit})"
            if note.reason:
                undefined.setdefault((cell, note.reason), []).append(place)
            for dropped in () if note.reason else note.dropped:
                what = f"{dropped.exercise or 'a repeat'}{f', {dropped.item}' if dropped.item else ''}"
                how = "counts as 0 in the mean" if dropped.reason == COUNTED_AS_0 else "left out of the mean"
                text = f"{how}: {what}, {dropped.n} judgements ({dropped.reason})"
                remarks.setdefault((cell, text), []).append(place)
            if note.redrawn:
                text = f"{note.redrawn:,} resamples lost a class and were drawn again"
                remarks.setdefault((cell, text), []).append(place)
            if note.interval:
                remarks.setdefault((cell, f"interval: {note.interval}"), []).append(place)

    def rows(found: Mapping[tuple[Cell, str], list[str]]) -> list[NoteRow]:
        return [
            NoteRow(cell_names(cell, labels), "; ".join(places), text)
            for (cell, text), places in found.items()
        ]

    return rows(undefined), rows(remarks)


def cell_names(cell: Cell, labels: Labels) -> tuple[str, ...]:
    """Return a cell's names in print: dataset, task, representation, strategy, model."""
    datasets = {label.id: label.title for label in labels.datasets}
    models = {label.id: label.name for label in labels.models}
    strategies = {label.id: label.title for label in labels.strategies}
    representations = {label.id: label.title for label in labels.representations}
    return (
        datasets.get(cell.dataset, cell.dataset),
        cell.task,
        representations.get(cell.representation, cell.representation),
        strategies.get(cell.strategy, cell.strategy),
        models.get(cell.model, cell.model),
    )


def in_print_order(cells: Iterable[Cell], labels: Labels) -> list[Cell]:
    """Return cells in the order of the labels, baselines first; unknown names come last."""
    orders = [
        [label.id for label in labels.datasets],
        ["judge", "compare"],
        [label.id for label in labels.representations],
        [label.id for label in labels.strategies],
        [label.id for label in sorted(labels.models, key=lambda model: not model.baseline)],
    ]

    def key(cell: Cell) -> list[tuple[int, str]]:
        return [
            (order.index(name) if name in order else len(order), name)
            for name, order in zip(cell, orders, strict=True)
        ]

    return sorted(cells, key=key)
