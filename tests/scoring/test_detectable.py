"""The minimum detectable effect: an effect of that size is detected with the stated power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import norm

from aqa.records import Question
from aqa.scoring.intervals import Resampler
from aqa.scoring.metrics import BoolArray, IntArray
from aqa.scoring.paired import POWER, compare
from aqa.scoring.table import Choices, Rows, Scores
from simulated_studies import DIVES, mixed

pytestmark = pytest.mark.thorough

YES_NO = Question(item="knees", text="?", options=("yes", "no"))
ICC = 0.2
PILOTS, STUDIES = 100, 400
SIZES = {"40 persons": np.full(40, 23), "15 broadcasts": np.array(DIVES)}


@dataclass(frozen=True)
class Design:
    """A metric, and how two cells are drawn whose expected values differ by an effect, first less second."""

    metric: str
    draw: Callable[[IntArray, float, np.random.Generator], tuple[Choices, Choices] | tuple[Scores, Scores]]


def rows(cluster: IntArray) -> Rows:
    nothing = np.zeros(len(cluster), dtype=np.int64)
    usable: BoolArray = np.ones(len(cluster), dtype=np.bool_)
    return Rows(("e",), (("e", "knees"),), nothing, nothing, cluster, nothing, usable)


def choices(cluster: IntArray, effect: float, rng: np.random.Generator) -> tuple[Choices, Choices]:
    truth = (mixed(cluster, ICC, rng) > 0).astype(np.int64)
    half = np.full(len(cluster), 0.5)
    first, second = (
        Choices(rows(cluster), truth, ("no", "yes"), mixed(cluster, ICC, rng) < norm.ppf(right), half)
        for right in (0.6 + effect, 0.6)
    )
    return first, second


def scores(cluster: IntArray, effect: float, rng: np.random.Generator) -> tuple[Scores, Scores]:
    truth = np.clip(np.round(2 * mixed(cluster, ICC, rng)) / 2 + 7, 0, 10)
    first, second = (
        Scores(rows(cluster), truth, truth + mixed(cluster, ICC, rng) * noise, 0, 10, {"all": (0.0, 10.0)})
        for noise in (np.sqrt(1 + 100 * effect), 1.0)
    )
    return first, second


DESIGNS = {
    "balanced_accuracy": Design("balanced_accuracy", choices),
    "relative_l2": Design("relative_l2", scores),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("metric", DESIGNS)
def test_an_effect_of_the_detectable_size_is_detected_with_the_stated_power(metric: str, size: str) -> None:
    design = DESIGNS[metric]
    cluster = np.repeat(np.arange(len(SIZES[size])), SIZES[size])

    def studies(effect: float, count: int, start: int) -> tuple[float, float]:
        """Return the mean detectable effect, and the share of studies that detect this one."""
        found = []
        for study in range(start, start + count):
            first, second = design.draw(cluster, effect, np.random.default_rng([study, 5]))
            found.append(compare(first, second, metric, "item", Resampler(study, 500)))
        return float(np.mean([one.detectable for one in found])), float(
            np.mean([one.p < 0.05 for one in found])
        )

    planted = 0.0
    for start in range(2):  # A larger effect has another spread: once more from the first answer.
        planted = studies(planted, PILOTS, 10_000 * (start + 1))[0]
    power = studies(planted, STUDIES, 0)[1]
    # 0.05 for what a t distribution with plugged-in errors approximates, and the Monte Carlo error.
    assert abs(power - POWER) < 0.05 + 2.33 * np.sqrt(POWER * (1 - POWER) / STUDIES), (planted, power)
