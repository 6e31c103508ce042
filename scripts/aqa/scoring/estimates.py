"""A metric over the rows of a cell: its value, chance and interval, over one or more repeats.

Where a cell asks each request several times, a metric is the mean over repeats of the metric of each: it
estimates what one asking is expected to reach, whatever the number of repeats. Its interval resamples
clusters with all their repeats together, so it holds both spreads, that of samples and that of answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aqa.scoring import metrics
from aqa.scoring.intervals import Bounds, Interval, Resampler, interval, missing
from aqa.scoring.metrics import IntArray, Score
from aqa.scoring.statistics import MeanOf, Statistic, Within


class Dropped(NamedTuple):
    """A unit that a mean leaves out, with its rows and the reason; `item` is "" for a whole exercise."""

    exercise: str
    item: str
    n: int
    reason: str


class Estimate(NamedTuple):
    """A metric over a scope, with its chance level, its interval and what was left out."""

    score: Score
    chance: float
    interval: Interval
    dropped: tuple[Dropped, ...] = ()


class Ready(NamedTuple):
    """A metric over the rows of one repeat, before its interval.

    `subjects` are the clusters that `statistic` is over, sorted, as codes of the whole cell. Where the
    metric is undefined there is no statistic, and `score` says why; `n` rows were in scope.
    """

    score: Score
    chance: float
    statistic: Statistic | None
    subjects: IntArray
    n: int
    dropped: tuple[Dropped, ...] = ()


def undefined(reason: str, n: int = 0, dropped: tuple[Dropped, ...] = ()) -> Ready:
    """Return what there is of a metric that is undefined."""
    return Ready(metrics.undefined(reason), math.nan, None, np.zeros(0, dtype=np.int64), n, dropped)


def estimated(repeats: Sequence[Ready], bounds: Bounds, resampler: Resampler) -> Estimate:
    """Return the mean of a metric over repeats with its interval.

    A repeat in which the metric is undefined (constant predictions, say) is left out and listed.
    """
    statistic, dropped = joined(repeats), _dropped(repeats)
    if statistic is None:
        reason = repeats[0].score.reason or metrics.NOTHING
        return Estimate(metrics.undefined(reason), math.nan, missing(0, reason), dropped)
    known = [one for one in repeats if one.statistic is not None]
    value = float(np.mean([one.score.value for one in known]))
    chance = float(np.mean([one.chance for one in known]))
    return Estimate(Score(value), chance, interval(statistic, resampler, bounds), dropped)


def joined(repeats: Sequence[Ready]) -> Statistic | None:
    """Return the mean of a metric over the repeats where it is defined; None if there is none."""
    known = [(one.statistic, one.subjects) for one in repeats if one.statistic is not None]
    if len(known) < 2:
        return known[0][0] if known else None
    everyone = np.unique(np.concatenate([subjects for _, subjects in known]))
    return MeanOf(
        [Within(part, np.searchsorted(everyone, subjects), len(everyone)) for part, subjects in known]
    )


def _dropped(repeats: Sequence[Ready]) -> tuple[Dropped, ...]:
    """Return what is left out: units, each once with its rows in all repeats, and whole repeats."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in repeats:
        for dropped in one.dropped:
            counts[dropped.exercise, dropped.item, dropped.reason] += dropped.n
    found = [Dropped(exercise, item, n, reason) for (exercise, item, reason), n in counts.items()]
    if any(one.statistic is not None for one in repeats):
        found += [
            Dropped(f"repeat {number}", "", one.n, one.score.reason or metrics.NOTHING)
            for number, one in enumerate(repeats)
            if one.statistic is None
        ]
    return tuple(found)
