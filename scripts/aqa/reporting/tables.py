"""Building a table: which score stands where, what is marked, and what is said below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aqa.grid import Cell
from aqa.reporting.entries import Block, Column, Entry, Mark, Row, State, Table
from aqa.reporting.labels import DatasetLabel, Kind, Label, Labels
from aqa.reporting.layout import METRICS, Layout, Metric
from aqa.reporting.notes import notes
from aqa.reporting.scores import Scores, is_defined

SEVERAL_CHANCES = "it differs between models, which judged different samples (scores.csv has each)"


@dataclass(frozen=True)
class _Source:
    """What a table is filled from; `declared` are the reasons of cells that cannot be run."""

    scores: Scores
    labels: Labels
    declared: dict[Cell, str]


@dataclass(frozen=True)
class _Place:
    """A column before it is drawn: `dataset` is None where rows are datasets."""

    column: Column
    dataset: DatasetLabel | None
    representation: str
    strategy: str


def build(layout: Layout, scores: Scores, labels: Labels) -> Table:
    """Put the scores where `layout` says.

    A place whose cell has no score is absent, or not applicable where the labels say so. A score
    wins over a declaration. A column of an optional metric that no cell has is left out.
    """
    declared = {item.cell: item.reason for item in labels.not_applicable}
    source = _Source(scores, labels, declared)
    blocks = []
    split = layout.columns != "dataset"
    for kinds in [(kind,) for kind in layout.kinds] if split else [layout.kinds]:
        datasets = [item for kind in kinds for item in labels.datasets if item.kind == kind]
        if datasets:
            blocks.append(_block(layout, kinds, datasets, source))
    if len(blocks) == 1:
        blocks = [replace(blocks[0], title="")]
    rows = [row for block in blocks for row in block.rows]
    compared = "models in a column" if layout.compare == "models" else "variants in a row"
    return Table(layout.number, layout.caption, tuple(blocks), tuple(notes(rows, labels)), compared)


def _block(
    layout: Layout, kinds: tuple[Kind, ...], datasets: Sequence[DatasetLabel], source: _Source
) -> Block:
    labels = source.labels
    places = _places(layout, datasets, labels)
    models = [model for model in labels.models if layout.baselines or not model.baseline]
    models.sort(key=lambda model: not model.baseline)
    by_model = layout.columns == "dataset"
    rows = []
    for dataset in [None] if by_model else datasets:
        for model in models:
            cells = [
                Cell(
                    _id(dataset or place.dataset), layout.task, place.representation, place.strategy, model.id
                )
                for place in places
            ]
            entries = [
                _entry(cell, place.column.metric, source) for cell, place in zip(cells, places, strict=True)
            ]
            group = dataset.id if dataset else "baseline" if model.baseline else "model"
            name = labels.dataset_name(dataset) if dataset else ""
            rows.append(Row(model, dataset, tuple(entries), group, name))
    rows = [row for row in rows if not _nobody(row)]
    rows = _without_empty_optional(rows, places)
    if layout.baselines and (chance := _chance(rows)):
        rows.insert(0, chance)
    columns = tuple(place.column for place in places)
    title = kinds[0].capitalize() if len(kinds) == 1 else ""
    return Block(title, columns, tuple(_marked(layout, rows)))


def _places(layout: Layout, datasets: Sequence[DatasetLabel], labels: Labels) -> list[_Place]:
    if layout.columns == "dataset":
        both = len({dataset.kind for dataset in datasets}) > 1
        return [
            _Place(
                Column(
                    f"{dataset.id}/{metric}",
                    ((dataset.kind.capitalize(),) if both else ()) + (labels.dataset_name(dataset),),
                    METRICS[metric],
                ),
                dataset,
                (layout.representations or ("original",))[0],
                (layout.strategies or ("base",))[0],
            )
            for dataset in datasets
            for metric in layout.metrics[dataset.kind]
        ]
    over_strategies = layout.columns == "strategy"
    axis = _declared(labels.strategies, layout.strategies) if over_strategies else None
    axis = axis or _declared(labels.representations, layout.representations)
    return [
        _Place(
            Column(f"{label.id}/{metric}", (label.title,), METRICS[metric]),
            None,
            (layout.representations or ("original",))[0] if over_strategies else label.id,
            label.id if over_strategies else (layout.strategies or ("base",))[0],
        )
        for label in axis
        for metric in layout.metrics[datasets[0].kind]
    ]


def _declared(labels: Sequence[Label], wanted: tuple[str, ...] | None) -> list[Label]:
    return [label for label in labels if wanted is None or label.id in wanted]


def _id(dataset: DatasetLabel | None) -> str:
    assert dataset is not None
    return dataset.id


def _entry(cell: Cell, metric: Metric, source: _Source) -> Entry:
    score = source.scores.find(cell, metric.id, source.labels)
    if score is not None:
        state: State = "value" if is_defined(score) else "undefined"
        return Entry(metric, state, cell, score, score.value)
    if cell in source.declared:
        return Entry(metric, "not_applicable", cell, reason=source.declared[cell])
    return Entry(metric, "absent", cell)


def _nobody(row: Row) -> bool:
    """Say whether a row is of people who rated nothing here."""
    absent = all(entry.state == "absent" for entry in row.entries)
    return absent and row.model is not None and row.model.people


def _without_empty_optional(rows: list[Row], places: list[_Place]) -> list[Row]:
    """Drop, in place and from the rows, the columns of optional metrics that no row has."""
    kept = [
        index
        for index, place in enumerate(places)
        if not place.column.metric.optional or any(row.entries[index].score is not None for row in rows)
    ]
    places[:] = [places[index] for index in kept]
    return [replace(row, entries=tuple(row.entries[index] for index in kept)) for row in rows]


def _chance(rows: Sequence[Row]) -> Row | None:
    """Return the row of expected values of guessing, or None where no score carries one.

    People have a truth of their own, and so another chance.

    Chance is a property of the truth; where it differs between models (limited cells and the policy
    `answered` score other samples for each) the place stays empty.
    """
    entries = []
    models = [row for row in rows if not (row.model and row.model.people)]
    for column in zip(*(row.entries for row in models), strict=True):
        known = [
            entry.score.chance
            for entry in column
            if entry.score is not None and not math.isnan(entry.score.chance)
        ]
        metric = column[0].metric
        if known and max(known) - min(known) < 1e-9:
            entries.append(Entry(metric, "value", value=known[0]))
        else:
            entries.append(Entry(metric, "absent", reason=SEVERAL_CHANCES if known else ""))
    if all(entry.state == "absent" for entry in entries):
        return None
    return Row(None, None, tuple(entries), "baseline")


def _marked(layout: Layout, rows: Sequence[Row]) -> list[Row]:
    """Mark best and second best; what prints alike is marked alike."""
    marks: dict[tuple[int, int], Mark] = {}
    for places in _rivals(layout, rows):
        printed = {
            (row, column): float(entry.metric.text(entry.value))
            for row, column in places
            if (entry := rows[row].entries[column]).state == "value"
        }
        if len(printed) < 2:
            continue
        metric = rows[places[0][0]].entries[places[0][1]].metric
        ranked = sorted(set(printed.values()), reverse=metric.higher_is_better)
        for place, value in printed.items():
            if value in ranked[:2]:
                marks[place] = "best" if value == ranked[0] else "second"
    return [
        replace(
            row,
            entries=tuple(
                replace(entry, mark=marks.get((number, column), ""))
                for column, entry in enumerate(row.entries)
            ),
        )
        for number, row in enumerate(rows)
    ]


def _rivals(layout: Layout, rows: Sequence[Row]) -> list[list[tuple[int, int]]]:
    """Return the sets of places (row, column) that are compared with each other."""
    models = [number for number, row in enumerate(rows) if row.model and not row.model.baseline]
    if not models:
        return []
    width = len(rows[0].entries)
    if layout.compare == "models":
        return [[(row, column) for row in models] for column in range(width)]
    sets: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for row in models:
        for column, entry in enumerate(rows[row].entries):
            sets.setdefault((row, entry.metric.id), []).append((row, column))
    return list(sets.values())
