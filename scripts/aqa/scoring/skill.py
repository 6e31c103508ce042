"""One number a model: how far it is from guessing to perfect, averaged over datasets.

Of each dataset, asked with the base prompt on original media: (balanced accuracy - chance) / (1 - chance), or
Spearman's rho. 0 is what guessing reaches, 1 is perfect; below 0 is worse than guessing. Skill is their plain
mean: every dataset counts the same, whatever its size.

Datasets share no clusters, so their errors are independent: the variance of the mean is the sum of the
jackknife variances over clusters (`intervals.standard_error`) over the squared number of datasets, and
Student's t has the degrees of freedom of F. E. Satterthwaite (Biometrics Bulletin 2(6), 1946). One kind of
interval serves few and many clusters: a mean over datasets is closer to normal than any of them.

A dataset that was not run, or where the metric is undefined (constant predictions), is missing: the mean is
over the others, and says so. Such a number is never ranked among those of the full set.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from aqa.files import atomic
from aqa.grid import PLAIN, Cell
from aqa.records import Sample
from aqa.scoring.effects import Loaded, load
from aqa.scoring.estimates import Ready, joined
from aqa.scoring.intervals import LEVEL, standard_error
from aqa.scoring.metrics import skill_of
from aqa.scoring.reliability import table_of
from aqa.scoring.rows import ALL, Policy
from aqa.scoring.table import Choices, Scores

NOT_RUN = "not run"


class Skill(NamedTuple):
    """A line of skill.csv: a model's skill (`scope` all), or what a dataset adds to it.

    `value` of a dataset is its normalised metric, `metric` says of which; intervals of single datasets stand
    in scores.csv. `n_datasets` of `of` are in the mean; `missing` names the others, each with the reason.
    """

    model: str
    policy: Policy
    scope: str
    metric: str
    value: float
    se: float
    freedom: float
    ci_low: float
    ci_high: float
    interval: Literal["satterthwaite-jackknife-t", "none"]
    n_clusters: int
    chance: float
    n_datasets: int
    of: int
    missing: str = ""

    @property
    def complete(self) -> bool:
        """Whether it covers all datasets."""
        return self.n_datasets == self.of


class Part(NamedTuple):
    """A dataset's normalised metric; `reason` says why `value` is NaN."""

    metric: str
    value: float
    se: float
    freedom: float
    n_clusters: int
    chance: float
    reason: str = ""


def skills(
    cells: Mapping[Cell, Path],
    samples: Mapping[str, Mapping[str, Sample]],
    datasets: Sequence[str],
    policies: Iterable[Policy] = ("strict", "answered"),
) -> list[Skill]:
    """Return the skill of every model that has a plain judge cell, under each policy.

    Args:
        cells: the folder of every scored cell; others than plain judge cells are passed over.
        samples: samples by id, by dataset.
        datasets: the full set.
        policies: for unusable answers.

    Raises:
        UserError: a cell's file is missing or does not fit.
    """
    plain = {cell: load(folder) for cell, folder in cells.items() if cell[1:4] == PLAIN}
    models = list(dict.fromkeys(cell.model for cell in plain))
    found = []
    for model in models:
        mine = {cell.dataset: (cell, scored) for cell, scored in plain.items() if cell.model == model}
        for policy in policies:
            parts = {
                dataset: part_of(*mine[dataset], samples.get(dataset, {}), policy)
                if dataset in mine
                else _missing(NOT_RUN)
                for dataset in datasets
            }
            found += _lines(model, policy, parts)
    return found


def part_of(cell: Cell, scored: Loaded, samples: Mapping[str, Sample], policy: Policy) -> Part:
    """Return what a dataset adds to a model's skill."""
    table = table_of(cell, scored, scored.predictions, samples, {})
    assert isinstance(table, Choices | Scores)
    return normalised(table.metrics[0], table.ready(table.metrics[0], policy, scored.unit, ALL))


def normalised(metric: str, repeats: Sequence[Ready]) -> Part:
    """Return a metric between chance (0) and perfect (1), with its jackknife standard error."""
    statistic = joined(repeats)
    if statistic is None:
        return _missing(repeats[0].score.reason or "undefined", metric)
    known = [one for one in repeats if one.statistic is not None]
    value, chance = (float(np.mean([getter(one) for one in known])) for getter in (_value, _chance))
    se, freedom = standard_error(statistic)
    skill = skill_of(metric, value, chance)
    return Part(metric, skill, se / (1 - chance), freedom, statistic.n_clusters, chance)


def _value(one: Ready) -> float:
    return one.score.value


def _chance(one: Ready) -> float:
    return one.chance


def _missing(reason: str, metric: str = "") -> Part:
    return Part(metric, math.nan, math.nan, math.nan, 0, math.nan, reason)


def combined(parts: Sequence[Part]) -> tuple[float, float, float]:
    """Return the mean of parts of different datasets, its standard error and degrees of freedom.

    NaN for an error that is unknown for one of them; freedom infinite where all errors are 0.
    """
    value = float(np.mean([part.value for part in parts]))
    variances = np.array([part.se for part in parts]) ** 2
    total = float(variances.sum())
    if not math.isfinite(total):
        return value, math.nan, math.nan
    spread = float(np.sum(variances**2 / np.array([part.freedom for part in parts])))
    return value, math.sqrt(total) / len(parts), total**2 / spread if spread > 0 else math.inf


def around(value: float, error: float, freedom: float) -> tuple[float, float]:
    """Return the 95 % interval of a skill, cut at 1; NaN where there is none."""
    from scipy.special import ndtri, stdtrit

    if not math.isfinite(error):
        return math.nan, math.nan
    level = (1 + LEVEL) / 2
    reach = error * float(stdtrit(freedom, level) if math.isfinite(freedom) else ndtri(level))
    return value - reach, min(1.0, value + reach)


def _lines(model: str, policy: Policy, parts: Mapping[str, Part]) -> list[Skill]:
    known = {dataset: part for dataset, part in parts.items() if not part.reason}
    missing = "; ".join(f"{dataset}: {part.reason}" for dataset, part in parts.items() if part.reason)
    value, error, freedom = combined(list(known.values())) if known else (math.nan, math.nan, math.nan)
    low, high = around(value, error, freedom)
    whole = Skill(
        *(model, policy, ALL, "skill", value, error, freedom, low, high),
        "none" if math.isnan(low) else "satterthwaite-jackknife-t",
        sum(part.n_clusters for part in known.values()),
        math.nan,
        len(known),
        len(parts),
        missing,
    )
    lines = [
        Skill(
            *(model, policy, dataset, part.metric, part.value, part.se, part.freedom, math.nan, math.nan),
            *("none", part.n_clusters, part.chance, int(not part.reason), 1, part.reason),
        )
        for dataset, part in parts.items()
    ]
    return [whole, *lines]


COLUMNS = Skill._fields
"""Columns of skill.csv."""


def write_skills(path: Path, found: Iterable[Skill]) -> None:
    """Write skill.csv atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in found:
            writer.writerow([repr(value) if isinstance(value, float) else value for value in one])
