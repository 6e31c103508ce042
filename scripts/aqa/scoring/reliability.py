"""How much a model's answers change when it is asked again, apart from how much samples differ.

A headline number varies for two reasons: other samples (clusters) would have given another one, and so would
another asking of the same samples. Asking each request k times tells them apart.

- `se`: standard error of the mean over repeats, from leaving out clusters with all their repeats. It holds
  both reasons.
- `sd_repeats`: standard deviation of the metric between repeats, over the same samples: decoding alone.
  `se_repeats` = sd_repeats / √k is its part in `se`.
- `se_samples` = √(se² - se_repeats²), 0 where that is negative: what would be left of `se` with endless
  repeats. More samples shrink it, more repeats do not.

Item by item, over usable answers: the mean agreement of two answers to the same question, and Krippendorff's
alpha for nominal data (K. Krippendorff, Content Analysis, 2004, chapter 11), its disagreement by chance being
that of answers to the same question of the exercise; for scores the components of a one-way analysis of
variance, and ICC(1) (P. E. Shrout and J. L. Fleiss, Psychological Bulletin 86(2), 1979). `consensus` is the
metric of the majority vote (ties: the tied answer that was given first) or of the mean score of all repeats:
no longer what one asking reaches, hence an extra.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from aqa.errors import UserError
from aqa.files import atomic
from aqa.grid import Cell
from aqa.records import Pair, Prediction, Sample, Value
from aqa.scoring import table
from aqa.scoring.compare import Comparisons, comparisons
from aqa.scoring.effects import Loaded
from aqa.scoring.intervals import LEVEL, Resampler, standard_error
from aqa.scoring.metrics import FloatArray, IntArray
from aqa.scoring.rows import ALL, Unit
from aqa.scoring.table import Choices, Scores

Table: TypeAlias = Choices | Scores | Comparisons


class Reliability(NamedTuple):
    """One metric of a cell with repeats, under the strict policy; NaN what does not apply.

    `n_items` things were asked about `repeats` times each, `sd_low` and `sd_high` are the 95 % interval of
    `sd_repeats` (chi-square, repeats - 1 degrees of freedom). `sd_items` and `sd_answers` are the standard
    deviations of scores between things asked about, and between answers to the same one.
    """

    metric: str
    unit: Unit
    repeats: int
    n_items: int
    n_clusters: int
    value: float
    se: float
    se_samples: float
    se_repeats: float
    sd_repeats: float
    sd_low: float
    sd_high: float
    agreement: float
    alpha: float
    icc: float
    sd_items: float
    sd_answers: float
    consensus: float
    consensus_low: float
    consensus_high: float


COLUMNS = (*Cell._fields, *Reliability._fields)
"""Columns of reliability.csv."""


def write_reliability(path: Path, found: Iterable[tuple[Cell, Reliability]]) -> None:
    """Write reliability.csv atomically; a float is its repr, an undefined one `nan`."""
    with atomic(path, "w") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for cell, one in found:
            writer.writerow([*cell, *(repr(value) if isinstance(value, float) else value for value in one)])


def reliability(
    cell: Cell,
    scored: Loaded,
    samples: Mapping[str, Sample],
    pairs: Mapping[str, Pair],
    resampler: Resampler,
) -> list[Reliability]:
    """Return the reliability of a cell's metrics; nothing for a cell without repeats.

    Raises:
        UserError: a sample or pair of the predictions is not known.
    """
    predictions = scored.predictions
    numbers = sorted({row.repeat for row in predictions})
    if len(numbers) < 2:
        return []

    def of(rows: Sequence[Prediction]) -> Table:
        return table_of(cell, scored, rows, samples, pairs)

    whole = of(predictions)
    each = [of([row for row in predictions if row.repeat == number]) for number in numbers]
    voted = of(consensus(predictions))
    answers = _answers(predictions)
    found = []
    for metric in ("accuracy",) if isinstance(whole, Comparisons) else whole.metrics:
        spread = spread_of(whole, each, metric, scored.unit)
        extra = voted.estimate(metric, "strict", scored.unit, ALL, resampler)
        ends = (extra.interval.low, extra.interval.high)
        found.append(
            Reliability(
                metric,
                scored.unit,
                len(numbers),
                len(answers),
                *spread,
                *answers.parts,
                extra.score.value,
                *ends,
            )
        )
    return found


class Spread(NamedTuple):
    """The middle fields of `Reliability`, in their order."""

    n_clusters: int
    value: float
    se: float
    se_samples: float
    se_repeats: float
    sd_repeats: float
    sd_low: float
    sd_high: float


def spread_of(whole: Table, each: Sequence[Table], metric: str, unit: Unit) -> Spread:
    """Return a metric's spread between clusters and between repeats.

    Args:
        whole: all rows.
        each: the rows of each repeat.
        metric: name of the metric.
        unit: the unit it is computed in.
    """
    statistic = whole.statistic(metric, unit)
    if statistic is None:
        return Spread(0, *[math.nan] * 7)
    value = float(statistic(np.ones((1, statistic.n_clusters))).values[0])
    of_pairs = whole.statistic(metric, unit) if isinstance(whole, Comparisons) else None
    se, _ = standard_error(statistic, of_pairs)
    values = [_value(part, metric, unit) for part in each]
    if metric == "spearman" and any(map(math.isfinite, values)):
        values = [one if math.isfinite(one) else 0.0 for one in values]  # As their mean counts them.
    known = np.array([one for one in values if math.isfinite(one)])
    sd = math.nan
    if len(known) > 1:
        sd = float(known.std(ddof=1)) if np.ptp(known) > 0 else 0.0
    share = sd / math.sqrt(len(known)) if len(known) > 1 else math.nan
    samples = math.sqrt(max(0.0, se**2 - share**2)) if math.isfinite(se + share) else math.nan
    return Spread(statistic.n_clusters, value, se, samples, share, sd, *_around(sd, len(known) - 1))


def _value(part: Table, metric: str, unit: Unit) -> float:
    statistic = part.statistic(metric, unit)
    if statistic is None:
        return math.nan
    return float(statistic(np.ones((1, statistic.n_clusters))).values[0])


def _around(sd: float, freedom: int) -> tuple[float, float]:
    """Return the interval of a standard deviation of normal values."""
    from scipy.special import chdtri

    if not math.isfinite(sd) or freedom < 1:
        return math.nan, math.nan
    tail = (1 - LEVEL) / 2
    return sd * math.sqrt(freedom / chdtri(freedom, tail)), sd * math.sqrt(
        freedom / chdtri(freedom, 1 - tail)
    )


def table_of(
    cell: Cell,
    scored: Loaded,
    rows: Sequence[Prediction],
    samples: Mapping[str, Sample],
    pairs: Mapping[str, Pair],
) -> Table:
    """Return some of a cell's predictions as its task's table.

    Raises:
        UserError: a sample or pair is not known.
    """
    try:
        if cell.task == "compare":
            return comparisons(rows, {row.sample_id: pairs[row.sample_id] for row in rows})
        asked = {
            (name, question.item): question
            for name in dict.fromkeys(row.sample_id for row in rows)
            for question in samples[name].questions
        }
        questions = [asked[row.sample_id, row.item] for row in rows]
    except KeyError as error:
        raise UserError(
            f"{cell.path}: {error.args[0]!r} is not in the files of the dataset; score it again"
        ) from None
    if scored.limits is None:
        return table.choices(rows, questions)
    return table.scores(rows, questions, scored.limits)


def consensus(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return one prediction a thing that was asked: the majority vote, or the mean score, of its repeats.

    Unusable answers do not vote; where all are unusable, so is the consensus. Of tied answers the one that
    was given first wins.
    """
    found = []
    for rows in _grouped(predictions).values():
        first = rows[0]
        said = [row.prediction for row in rows if row.outcome == "ok" and row.prediction is not None]
        if not said:
            found.append(first.model_copy(update={"repeat": 0}))
            continue
        value: Value
        numbers = [one for one in said if not isinstance(one, str)]
        # Counter keeps the order of first appearance, and most_common is stable.
        value = math.fsum(numbers) / len(numbers) if numbers else Counter(said).most_common(1)[0][0]
        found.append(first.model_copy(update={"prediction": value, "outcome": "ok", "repeat": 0}))
    return found


def _grouped(predictions: Sequence[Prediction]) -> dict[tuple[str, str], list[Prediction]]:
    groups: dict[tuple[str, str], list[Prediction]] = {}
    for row in sorted(predictions, key=lambda row: row.repeat):
        groups.setdefault((row.sample_id, row.item), []).append(row)
    return groups


class _Answers(NamedTuple):
    n_items: int
    parts: tuple[float, float, float, float, float]

    def __len__(self) -> int:
        return self.n_items


def _answers(predictions: Sequence[Prediction]) -> _Answers:
    """Return how many things were asked about, and agreement, alpha, icc and the components of scores."""
    groups = _grouped(predictions)
    usable = [
        (rows[0].exercise, rows[0].item, [row.prediction for row in rows if row.outcome == "ok"])
        for rows in groups.values()
    ]
    scores = [[one for one in said if isinstance(one, float)] for _, _, said in usable]
    if any(scores):
        return _Answers(len(groups), (math.nan, math.nan, *components(scores)))
    questions = {place: code for code, place in enumerate(sorted({(e, i) for e, i, _ in usable}))}
    strata = np.array([questions[exercise, item] for exercise, item, _ in usable], dtype=np.int64)
    nothing = (math.nan, math.nan, math.nan)
    return _Answers(
        len(groups), (*agreement([[str(one) for one in said] for _, _, said in usable], strata), *nothing)
    )


def agreement(answers: Sequence[Sequence[str]], strata: IntArray) -> tuple[float, float]:
    """Return the mean agreement of two answers to the same thing, and Krippendorff's alpha.

    Args:
        answers: the usable answers to each thing, of any number; fewer than two say nothing.
        strata: the question of each thing, shape (things,). Chance agreement is that of answers to the same
            question; alpha = 1 - sum(n_q observed_q) / sum(n_q expected_q) over questions, n_q answers each.

    Returns:
        Both NaN without two answers to a thing; alpha NaN where all answers to each question are alike.
    """
    shares: list[float] = []
    observed, expected = 0.0, 0.0
    for stratum in np.unique(strata).tolist():
        places = np.flatnonzero(strata == stratum).tolist()
        mine = [answers[place] for place in places if len(answers[place]) > 1]
        total: Counter[str] = Counter()
        for said in mine:
            counts = Counter(said)
            n = len(said)
            share = sum(count * (count - 1) for count in counts.values()) / (n * (n - 1))
            shares.append(share)
            observed += n * (1 - share)
            total.update(counts)
        n = total.total()
        if n > 1:
            expected += n * (1 - sum(count * (count - 1) for count in total.values()) / (n * (n - 1)))
    if not shares:
        return math.nan, math.nan
    return float(np.mean(shares)), (1 - observed / expected if expected > 0 else math.nan)


def components(scores: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Return ICC(1), and the standard deviations between things and between answers to the same thing.

    One-way analysis of variance with random effects; things with one usable answer count, those without do
    not. A negative variance between things counts as 0 in its standard deviation, not in ICC(1).
    """
    groups: list[FloatArray] = [np.asarray(values, dtype=np.float64) for values in scores if len(values)]
    sizes = np.array([len(values) for values in groups], dtype=np.float64)
    total, n_groups = float(sizes.sum()), len(groups)
    if n_groups < 2 or total <= n_groups:
        return math.nan, math.nan, math.nan
    means = np.array([values.mean() for values in groups])
    grand = float(sizes @ means) / total
    between = float(sizes @ (means - grand) ** 2) / (n_groups - 1)
    within = sum(float(((values - values.mean()) ** 2).sum()) for values in groups) / (total - n_groups)
    size = (total - float(sizes @ sizes) / total) / (n_groups - 1)
    denominator = between + (size - 1) * within
    icc = (between - within) / denominator if denominator > 0 else math.nan
    return icc, math.sqrt(max(0.0, (between - within) / size)), math.sqrt(within)
