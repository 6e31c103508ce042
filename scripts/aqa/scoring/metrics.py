"""The metrics of the study (paper, section 2.3), their undefined cases and their chance levels.

A value that is undefined is NaN with a reason, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

NOTHING = "no usable answer"
CONSTANT_TRUTH = "constant truth"
CONSTANT_PREDICTIONS = "constant predictions"
COUNTED_AS_0 = "constant predictions: no ranking"


class Score(NamedTuple):
    """A value; where it is NaN, the reason."""

    value: float
    reason: str | None = None


def undefined(reason: str) -> Score:
    """Return NaN with its reason."""
    return Score(math.nan, reason)


def balanced_accuracy(truth: Sequence[str], prediction: Sequence[str | None]) -> Score:
    """Return the mean recall over the classes that are present in the truth.

    A prediction of None, or of a class that the truth does not hold, is wrong. Undefined for fewer than
    two classes: the mean of one recall is no balance, and guessing its class would score 1.
    """
    if not truth:
        return undefined(NOTHING)
    classes, codes = np.unique(np.asarray(truth, dtype=np.str_), return_inverse=True)
    if len(classes) < 2:
        return undefined(f"one class in the truth ('{classes[0]}')")
    correct = [a == b for a, b in zip(truth, prediction, strict=True)]
    return Score(float((np.bincount(codes, weights=correct) / np.bincount(codes)).mean()))


def spearman(truth: ArrayLike, prediction: ArrayLike) -> Score:
    """Return Spearman's rank correlation, ties taking their average rank."""
    x, y = _pair(truth, prediction)
    if problem := _problem(x, y):
        return undefined(problem)
    if len(x) < 2:
        return undefined("one usable answer")
    if x.min() == x.max():
        return undefined(CONSTANT_TRUTH)
    if y.min() == y.max():
        return undefined(CONSTANT_PREDICTIONS)
    a, b = average_ranks(x), average_ranks(y)
    a -= a.mean()
    b -= b.mean()
    return Score(float(np.clip((a @ b) / math.sqrt((a @ a) * (b @ b)), -1.0, 1.0)))


def average_ranks(values: FloatArray) -> FloatArray:
    """Return the ranks (from 1) of values, equal values sharing their average rank."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = (np.cumsum(counts) - counts / 2 + 0.5)[codes]
    return ranks


def relative_l2(truth: ArrayLike, prediction: ArrayLike, low: float, high: float) -> Score:
    """Return the relative l2 distance: the mean of squared error over squared range.

    Args:
        truth: true scores, shape (n,).
        prediction: predicted scores, shape (n,).
        low: least truth of the evaluated dataset: the range is the dataset's, not these rows'.
        high: greatest truth of the evaluated dataset.
    """
    x, y = _pair(truth, prediction)
    if problem := _problem(x, y):
        return undefined(problem)
    if not high > low:
        return undefined(CONSTANT_TRUTH)
    return Score(float(np.mean(((y - x) / (high - low)) ** 2)))


def relative_l2_root(truth: ArrayLike, prediction: ArrayLike, low: float, high: float) -> Score:
    """Return the square root of `relative_l2`: the root mean squared error over the range."""
    value, reason = relative_l2(truth, prediction, low, high)
    return Score(math.sqrt(value), reason)


def chance_relative_l2(truth: ArrayLike, low: float, high: float, minimum: float, maximum: float) -> float:
    """Return the expected `relative_l2` of independent guesses, uniform over [minimum, maximum].

    For one truth s the expected squared error is the variance of the guess plus its squared bias,
    (maximum - minimum)^2 / 12 + (middle - s)^2; the mean over the truths, over the squared range, is
    exact. NaN where the range is 0 or there is no truth. Its root is an upper bound of the expected
    `relative_l2_root` (Jensen), tight for more than a few samples.
    """
    scores = np.asarray(truth, dtype=np.float64)
    if not len(scores) or not high > low:
        return math.nan
    bias = (minimum + maximum) / 2 - scores
    return float((maximum - minimum) ** 2 / 12 + np.mean(bias**2)) / (high - low) ** 2


def skill_of(metric: str, value: float, chance: float) -> float:
    """Return a metric as skill: 0 is chance, 1 is perfect (design.md, the skill number).

    Shares correct: (value - chance) / (1 - chance). Spearman's rho: itself. Others: NaN.
    """
    if metric == "spearman":
        return value
    if metric in ("balanced_accuracy", "accuracy") and chance < 1:
        return (value - chance) / (1 - chance)
    return math.nan


def _pair(truth: ArrayLike, prediction: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(truth, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"truth and prediction differ in shape: {x.shape}, {y.shape}")
    return x, y


def _problem(truth: FloatArray, prediction: FloatArray) -> str | None:
    if not len(truth):
        return NOTHING
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        return "a value is not a finite number"
    return None
