"""How predictions are distributed beside the truth (paper, section 3.4): options of choices, and scores."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from aqa.grid import Cell
from aqa.records import Prediction, Record
from aqa.scoring.metrics import FloatArray
from aqa.scoring.rows import MaybeNaN, Unit


class OptionShare(Record):
    """How often an option is true, and how often it is predicted: a line of distributions_options.csv.

    Over the judgements of one question of an exercise or, where `item` is empty, of all questions of the
    exercise (unit exercise). `share_predicted` is of the `n_usable` usable answers, NaN without any.
    `distance` is the total variation distance between the two distributions of the whole question: 0 where
    they are the same, 1 where they share nothing.
    """

    dataset: str
    model: str
    exercise: str
    item: str
    option: str
    n: int
    n_true: int
    share_true: float
    n_usable: int
    n_predicted: int
    share_predicted: MaybeNaN
    distance: MaybeNaN


class ScoreShape(Record):
    """Predicted scores beside the true ones: a line of distributions_scores.csv.

    Quantiles are at 10, 50 and 90 per cent. `truth_*` are over all `n` judgements, the rest over the
    `n_usable` usable answers. `mode_share` is the share of the most frequent predicted value, `values` how
    many values there are. `bias` is the mean of prediction less truth; `slope` that of the least-squares
    line of the predictions on the truth (1: differences keep their size; 0: the predictions do not follow);
    `distance` the Wasserstein distance between the predictions and the truth of the same judgements, in
    points. NaN where undefined.
    """

    dataset: str
    model: str
    n: int
    n_usable: int
    truth_mean: float
    truth_sd: float
    truth_low: float
    truth_median: float
    truth_high: float
    mean: MaybeNaN
    sd: MaybeNaN
    low: MaybeNaN
    median: MaybeNaN
    high: MaybeNaN
    values: int
    mode: MaybeNaN
    mode_share: MaybeNaN
    bias: MaybeNaN
    slope: MaybeNaN
    distance: MaybeNaN


def option_shares(cell: Cell, predictions: Sequence[Prediction], unit: Unit) -> list[OptionShare]:
    """Return the shares of every option that is true or predicted anywhere, by exercise, item and option."""
    groups: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for row in predictions:
        groups[row.exercise, row.item if unit == "item" else ""].append(row)
    found = []
    for (exercise, item), rows in sorted(groups.items()):
        true = Counter(str(row.truth) for row in rows)
        said = Counter(str(row.prediction) for row in rows if row.outcome == "ok")
        usable = said.total()
        shares = {
            option: (true[option] / len(rows), said[option] / usable if usable else math.nan)
            for option in sorted({*true, *said})
        }
        distance = sum(abs(one - other) for one, other in shares.values()) / 2
        for option, (share_true, share_predicted) in shares.items():
            found.append(
                OptionShare(
                    dataset=cell.dataset,
                    model=cell.model,
                    exercise=exercise,
                    item=item,
                    option=option,
                    n=len(rows),
                    n_true=true[option],
                    share_true=share_true,
                    n_usable=usable,
                    n_predicted=said[option],
                    share_predicted=share_predicted,
                    distance=distance,
                )
            )
    return found


def score_shape(cell: Cell, predictions: Sequence[Prediction]) -> ScoreShape:
    """Return the shape of a regression cell's predictions; there is at least one."""
    truth = np.asarray([row.truth for row in predictions], dtype=np.float64)
    true, said = usable_scores(predictions)
    low, median, high = _quantiles(truth)
    numbers = dict(zip(("low", "median", "high"), _quantiles(said), strict=True))
    values, counts = np.unique(said, return_counts=True)
    mode = int(counts.argmax()) if len(said) else -1
    return ScoreShape(
        dataset=cell.dataset,
        model=cell.model,
        n=len(predictions),
        n_usable=len(said),
        truth_mean=float(truth.mean()),
        truth_sd=float(truth.std()),
        truth_low=low,
        truth_median=median,
        truth_high=high,
        mean=float(said.mean()) if len(said) else math.nan,
        sd=float(said.std()) if len(said) else math.nan,
        **numbers,
        values=len(values),
        mode=float(values[mode]) if len(said) else math.nan,
        mode_share=float(counts[mode] / len(said)) if len(said) else math.nan,
        bias=float((said - true).mean()) if len(said) else math.nan,
        slope=_slope(true, said),
        distance=_wasserstein(true, said),
    )


def usable_scores(predictions: Sequence[Prediction]) -> tuple[FloatArray, FloatArray]:
    """Return the true and the predicted scores of the usable answers, shape (n,) each."""
    rows = [row for row in predictions if row.outcome == "ok" and row.prediction is not None]
    true = np.asarray([row.truth for row in rows], dtype=np.float64)
    return true, np.asarray([row.prediction for row in rows], dtype=np.float64)


def _quantiles(values: FloatArray) -> list[float]:
    if not len(values):
        return [math.nan] * 3
    return [float(value) for value in np.quantile(values, [0.1, 0.5, 0.9])]


def _slope(true: FloatArray, said: FloatArray) -> float:
    if len(true) < 2 or true.min() == true.max():
        return math.nan
    centred = true - true.mean()
    return float(centred @ said / (centred @ centred))


def _wasserstein(true: FloatArray, said: FloatArray) -> float:
    """Return the mean distance of sorted values: the Wasserstein distance of samples of equal size."""
    return float(np.abs(np.sort(true) - np.sort(said)).mean()) if len(true) else math.nan
