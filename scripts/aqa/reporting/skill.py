"""The report's first section: every model's skill (skill.csv)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from aqa.reporting.labels import Labels, ModelLabel
from aqa.reporting.notes import POLICIES, plain_limits
from aqa.reporting.section import Grid, Head, Section, Text
from aqa.scoring.rows import ALL
from aqa.scoring.skill import COLUMNS
from aqa.scoring.tidy import read_tidy

DEFINITION = (
    "Skill: the mean over datasets of (balanced accuracy − chance) / (1 − chance), and of Spearman's ρ for "
    "scores, with the base prompt on original media. 0 is what guessing reaches, 1 is perfect."
)
INTERVAL = (
    "Brackets: 95 % intervals; jackknife over the clusters of each dataset, combined with Satterthwaite's "
    "degrees of freedom."
)


class Row(BaseModel):
    """A row of skill.csv."""

    model_config = ConfigDict(frozen=True)

    model: str
    policy: str
    scope: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n_clusters: int
    n_datasets: int
    of: int
    missing: str

    @property
    def complete(self) -> bool:
        """Whether the number covers the full set of datasets."""
        return self.n_datasets == self.of


def read_skills(path: Path) -> list[Row]:
    """Read skill.csv.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    return read_tidy(path, Row, COLUMNS)


def skill_section(rows: Sequence[Row], labels: Labels, file: str) -> Section:
    """Return the section; `file` is the name of the file of numbers."""
    mine = [row for row in rows if row.policy == labels.policy]
    whole = {row.model: row for row in mine if row.scope == ALL}
    parts = {(row.model, row.scope): row for row in mine if row.scope != ALL}
    names = {dataset.id: labels.dataset_name(dataset) for dataset in labels.datasets}
    heads = (
        Head(text="Model", left=True),
        Head(text="Rank"),
        Head(text="Skill"),
        Head(text="95 % interval"),
        *(Head(text=name, above="By dataset") for name in names.values()),
        Head(text="Clusters"),
    )
    ordered = _ordered(whole, labels)
    ranks = {model.id: str(place) for place, model in enumerate(ranked(whole, labels), start=1)}
    printed = tuple(
        (
            f"{model.name}{'' if whole[model.id].complete else ' (partial)'}",
            ranks.get(model.id, "–"),
            text(whole[model.id].value),
            bracket(whole[model.id]),
            *(
                text(parts[model.id, dataset].value) if (model.id, dataset) in parts else "–"
                for dataset in names
            ),
            f"{whole[model.id].n_clusters:,}",
        )
        for model in ordered
    )
    partial = tuple(
        f"{model.name}: partial, the mean over {whole[model.id].n_datasets} of {whole[model.id].of} datasets "
        f"({_reasons(whole[model.id].missing, names)}); not ranked and not comparable with the full set."
        for model in ordered
        if not whole[model.id].complete
    )
    own = (
        *plain_limits(ordered, labels),
        *(f"{model.name}: {model.note}" for model in ordered if model.note),
    )
    return Section(
        id="skill",
        title="Skill",
        short="Skill",
        parts=(
            Text(text=DEFINITION),
            Grid(heads=heads, rows=printed, notes=(*partial, *own, INTERVAL, POLICIES[labels.policy])),
        ),
        files=(file,),
        top=True,
    )


def ranked(whole: dict[str, Row], labels: Labels) -> list[ModelLabel]:
    """Return the models under test with a skill over the full set, best first."""
    full = [
        model
        for model in labels.models
        if not model.baseline and model.id in whole and whole[model.id].complete
    ]
    return sorted(full, key=lambda model: -whole[model.id].value)


def _ordered(whole: dict[str, Row], labels: Labels) -> list[ModelLabel]:
    """Return ranked models, then baselines, then those that miss a dataset, the latter two as declared."""
    first = ranked(whole, labels)
    rest = [model for model in labels.models if model.id in whole and model not in first]
    return [*first, *sorted(rest, key=lambda model: not (model.baseline and whole[model.id].complete))]


def text(value: float) -> str:
    """Return a skill as printed."""
    if math.isnan(value):
        return "NaN"
    shown = f"{value:.3f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown


def bracket(row: Row) -> str:
    """Return an interval as printed."""
    return "–" if math.isnan(row.ci_low) else f"[{text(row.ci_low)}, {text(row.ci_high)}]"


def _reasons(missing: str, names: dict[str, str]) -> str:
    parts = [part.partition(": ") for part in missing.split("; ") if part]
    return "; ".join(f"{names.get(dataset, dataset)}: {reason}" for dataset, _, reason in parts)
