"""Accuracy of the compare task against the gap between the two true scores (paper, section 3.5, Figure 2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Pair, Prediction, Record, Sample
from aqa.scoring.compare import comparisons
from aqa.scoring.intervals import Interval, Method, Resampler, missing, pair_interval
from aqa.scoring.metrics import FloatArray
from aqa.scoring.rows import ALL, Policy
from aqa.scoring.trend import LogisticSlope

POLICIES: tuple[Policy, ...] = ("strict", "answered")

DIGITS = 6
"""Decimals of a gap that count: annotations round thirds and sevenths, and equal gaps belong together."""

NOT_IDENTIFIED = "one gap, all right or all wrong, or a gap that parts right from wrong"


class GapRow(Record):
    """Accuracy of a cell over a bin of pairs: gap from `gap_low` to below `gap_high` (the last: and with it).

    `gap` is the mean gap of these pairs, in units of the score. `n` counts answers, `n_pairs` pairs,
    `n_clusters` the subjects that the interval rests on.
    """

    dataset: str
    representation: str
    strategy: str
    model: str
    policy: Policy
    bin: int
    gap_low: float
    gap_high: float
    gap: float
    accuracy: float
    ci_low: float
    ci_high: float
    interval: Method
    n_clusters: int
    n_pairs: int
    n: int
    n_ok: int


class TrendRow(Record):
    """Logistic trend of a cell: log-odds of a right answer = `intercept` + `slope` · gap.

    `slope` is per unit of the score, with its interval over both subjects of the pairs. NaN with `note`
    where it is undefined.
    """

    dataset: str
    representation: str
    strategy: str
    model: str
    policy: Policy
    intercept: float
    slope: float
    ci_low: float
    ci_high: float
    interval: Method
    n_clusters: int
    n_pairs: int
    note: str = ""


def edges(gaps: FloatArray, bins: int | Sequence[float], width: float) -> FloatArray:
    """Return the edges of the bins, ascending, first and last the least and the greatest gap.

    Args:
        gaps: the gap of every pair of the dataset, shape (pairs,).
        bins: a number: so many bins of equally many pairs (equal gaps stay together, so there may be
            fewer bins); numbers: where bins meet, as shares of the scale's width.
        width: width of the dataset's scale.
    """
    if isinstance(bins, int):
        return np.unique(np.quantile(gaps, np.linspace(0, 1, bins + 1)))
    low, high = float(gaps.min()), float(gaps.max())
    inner = [share * width for share in bins if low < share * width < high]
    return np.unique([low, *inner, high])


def place_of(gaps: FloatArray, limits: FloatArray) -> FloatArray:
    """Return the bin of each gap, from 0; the last bin holds its upper edge."""
    last = max(len(limits) - 2, 0)
    places: FloatArray = np.clip(np.searchsorted(limits, gaps, side="right") - 1, 0, last)
    return places


def gap_rows(
    cell: Cell,
    predictions: Sequence[Prediction],
    pairs: Mapping[str, Pair],
    limits: FloatArray,
) -> list[GapRow]:
    """Return the accuracy of a cell in each bin, under both policies; a bin without answers is left out.

    Raises:
        UserError: a pair is not known, or has no gap.
    """
    gaps = _gaps(predictions, pairs)
    places = dict(zip(gaps, place_of(np.array(list(gaps.values())), limits), strict=True))
    found = []
    for place in sorted(set(places.values())):
        inside = [row for row in predictions if places[row.sample_id] == place]
        mean = float(np.mean([gaps[pair_id] for pair_id in dict.fromkeys(row.sample_id for row in inside)]))
        table = comparisons(inside, pairs)
        for policy in POLICIES:
            # The interval over both subjects draws nothing.
            estimate = table.estimate("accuracy", policy, "item", ALL, Resampler(0, 1))
            found.append(
                GapRow(
                    **_names(cell),
                    policy=policy,
                    bin=int(place) + 1,
                    gap_low=float(limits[int(place)]),
                    gap_high=float(limits[min(int(place) + 1, len(limits) - 1)]),
                    gap=mean,
                    accuracy=estimate.score.value,
                    **_interval(estimate.interval),
                    n_pairs=len({row.sample_id for row in inside}),
                    n=len(inside),
                    n_ok=sum(row.outcome == "ok" for row in inside),
                )
            )
    return found


def trend_rows(cell: Cell, predictions: Sequence[Prediction], pairs: Mapping[str, Pair]) -> list[TrendRow]:
    """Return the logistic trend of a cell over the gap, under both policies.

    Raises:
        UserError: a pair is not known, or has no gap.
    """
    gaps = np.array(list(_gaps(predictions, pairs).values()))
    table = comparisons(predictions, pairs)
    found = []
    for policy in POLICIES:
        counts = table.total if policy == "strict" else table.usable
        kept = counts > 0
        line, interval = (math.nan, math.nan), missing(0, NOT_IDENTIFIED)
        if kept.any():
            names, subjects = np.unique(table.subjects[kept], return_inverse=True)
            slope = LogisticSlope(
                table.correct[kept], counts[kept], gaps[kept], subjects.reshape(-1, 2), len(names)
            )
            line = slope.line()
            if math.isfinite(line[1]):
                interval = pair_interval(slope)
        found.append(
            TrendRow(
                **_names(cell),
                policy=policy,
                intercept=line[0],
                slope=line[1],
                **_interval(interval),
                n_pairs=int(kept.sum()),
                note=interval.note or "",
            )
        )
    return found


def analyse(
    cells: Mapping[Cell, Sequence[Prediction]],
    pairs: Mapping[str, Mapping[str, Pair]],
    samples: Mapping[str, Mapping[str, Sample]],
    bins: int | Sequence[float],
) -> tuple[list[GapRow], list[TrendRow]]:
    """Return accuracy by gap and trends of compare cells; all cells of a dataset share its bins.

    Args:
        cells: predictions of compare cells.
        pairs: pairs by id, by dataset; a dataset whose pairs have no gap is passed over.
        samples: samples by id, by dataset, for the scale.
        bins: as `edges`.
    """
    rows: list[GapRow] = []
    trends: list[TrendRow] = []
    limits: dict[str, FloatArray] = {}
    for dataset, found in pairs.items():
        gaps = [round(pair.gap, DIGITS) for pair in found.values() if pair.gap is not None]
        if gaps:
            limits[dataset] = edges(np.array(gaps), bins, _width(samples[dataset].values()))
    for cell, predictions in cells.items():
        if cell.dataset in limits and predictions:
            rows += gap_rows(cell, predictions, pairs[cell.dataset], limits[cell.dataset])
            trends += trend_rows(cell, predictions, pairs[cell.dataset])
    return rows, trends


def _width(samples: Iterable[Sample]) -> float:
    ends = [
        (question.minimum, question.maximum)
        for sample in samples
        for question in sample.questions
        if question.minimum is not None and question.maximum is not None
    ]
    return max(high for _, high in ends) - min(low for low, _ in ends) if ends else math.nan


def _gaps(predictions: Sequence[Prediction], pairs: Mapping[str, Pair]) -> dict[str, float]:
    """Return the gap of each pair that was asked about, in the order of the predictions."""
    found: dict[str, float] = {}
    for row in predictions:
        pair = pairs.get(row.sample_id)
        if pair is None or pair.gap is None:
            what = "is not in the file of pairs" if pair is None else "has no gap of scores"
            raise UserError(f"pair '{row.sample_id}' {what}; pair the dataset again and score this cell")
        found[row.sample_id] = round(pair.gap, DIGITS)
    return found


def _names(cell: Cell) -> dict[str, str]:
    return {name: getattr(cell, name) for name in ("dataset", "representation", "strategy", "model")}


def _interval(found: Interval) -> dict[str, float | str | int]:
    return {
        "ci_low": found.low,
        "ci_high": found.high,
        "interval": found.method,
        "n_clusters": found.n_clusters,
    }
