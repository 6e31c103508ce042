"""The report's section on what strategies, representations, models and thinking change (effects.csv)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel

from aqa.reporting.labels import Labels
from aqa.reporting.layout import METRICS, Metric
from aqa.reporting.printed import ALPHA, NONE, probability
from aqa.reporting.section import Grid, Head, Part, Section, Text
from aqa.scoring.effects import COLUMNS
from aqa.scoring.tidy import read_tidy

TITLES = {
    "strategy": "Prompt strategies against the base prompt",
    "representation": "Representations against original media",
    "model": "Models against each other",
    "thinking": "Thinking against the same model without it",
}

HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Metric", left=True),
    Head(text="Model", left=True),
    Head(text="What", left=True),
    Head(text="Against", left=True),
    Head(text="Difference"),
    Head(text="95 % interval"),
    Head(text="p"),
    Head(text="p (Holm)"),
    Head(text="Detectable"),
    Head(text="Clusters"),
)


class Row(BaseModel):
    """A row of effects.csv."""

    family: str
    dataset: str
    metric: str
    representation: str
    strategy: str
    model: str
    against: str
    difference: float
    ci_low: float
    ci_high: float
    n_clusters: int
    p: float
    p_holm: float
    detectable: float


def read_effects(path: Path) -> list[Row]:
    """Read effects.csv.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    return read_tidy(path, Row, COLUMNS)


def effects_section(rows: Sequence[Row], labels: Labels) -> Section:
    """Return the section: a table a family, in the order of the families."""
    parts: list[Part] = [Text(text=_introduction(rows))]
    for family, title in TITLES.items():
        mine = [row for row in rows if row.family == family]
        if mine:
            parts.append(Grid(title=title, heads=HEADS, rows=tuple(_printed(mine, labels)), folded=True))
    return Section(
        id="effects",
        title="What changes a score",
        short="Effects",
        parts=tuple(parts),
        files=("effects.csv",),
    )


def _introduction(rows: Sequence[Row]) -> str:
    if not rows:
        return (
            "Differences are tested between cells of models under test, and this grid has no two such cells "
            "that differ in one thing."
        )
    clear = sum(row.p_holm < ALPHA for row in rows)
    return (
        f"{len(rows):,} differences, each tested by swapping the two cells' predictions by whole cluster; "
        f"{clear:,} {'is' if clear == 1 else 'are'} clear at {ALPHA:g} after Holm's correction over one "
        "question, dataset and metric, across models. “Detectable” is the smallest difference that such a "
        "test would find four times out of five. Here unusable answers always count as wrong (policy strict)."
    )


def _printed(rows: Iterable[Row], labels: Labels) -> Iterable[tuple[str, ...]]:
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets}
    models = {item.id: item.name for item in labels.models}
    titles = {item.id: item.title for item in (*labels.strategies, *labels.representations)} | models
    for row in rows:
        metric = METRICS[row.metric]
        what = row.model if row.family in ("model", "thinking") else getattr(row, row.family)
        yield (
            datasets.get(row.dataset, row.dataset),
            metric.heading,
            models.get(row.model, row.model),
            titles.get(what, what),
            titles.get(row.against, row.against),
            _signed(row.difference, metric),
            f"[{_signed(row.ci_low, metric)}, {_signed(row.ci_high, metric)}]",
            probability(row.p),
            f"{probability(row.p_holm)}{' *' if row.p_holm < ALPHA else ''}",
            NONE if math.isnan(row.detectable) else metric.text(row.detectable),
            str(row.n_clusters),
        )


def _signed(value: float, metric: Metric) -> str:
    if math.isnan(value):
        return NONE
    text = metric.text(value)
    return text if text.startswith(("-", "−")) else f"+{text}"
