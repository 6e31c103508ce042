"""Intervals cover as often as they say, and corrected tests are right about null studies (issue 6).

tests/bench/bench_coverage.py prints the same numbers over more studies. The slack is the Monte Carlo error of
a share of so many studies: a number may leave what is allowed by 2.33 standard errors (one in a hundred).
"""

from __future__ import annotations

import numpy as np
import pytest

import null_studies
import simulated_studies
from null_studies import families
from simulated_studies import Case, summarise

pytestmark = pytest.mark.thorough

STUDIES = 1_000
CASES = {case.name: case for case in simulated_studies.cases(500)}
SLACK = 2.33
NULL_STUDIES = {
    ("egoexo-fitness", "balanced_accuracy"): 80,
    ("mtl-aqa", "spearman"): 100,
    ("mtl-aqa", "relative_l2"): 300,
}
"""How many, by what they cost."""


def slack(share: float, studies: int) -> float:
    return SLACK * float(np.sqrt(share * (1 - share) / studies))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_intervals_cover_the_true_value_as_often_as_they_say(case: Case) -> None:
    report = summarise(case, [case.run(study) for study in range(STUDIES)])
    low, high = (share / 100 for share in case.allowed)
    assert low - slack(low, STUDIES) <= report.coverage / 100 <= high + slack(high, STUDIES), report
    assert abs(report.off) < simulated_studies.OFF, report


@pytest.mark.parametrize("unlike", [False, True], ids=["alike", "unlike"])
@pytest.mark.parametrize("kind", NULL_STUDIES, ids=" ".join)
def test_families_of_tests_seldom_see_what_is_not_there(kind: tuple[str, str], unlike: bool) -> None:
    studies = NULL_STUDIES[kind]
    alarms = [
        np.mean([null_studies.false_alarm(kind, family, unlike, 999, study) for study in range(studies)])
        for family in families(kind[0])
    ]
    # The families of a study share its truths, so together they count as one.
    assert np.mean(alarms) <= null_studies.ALLOWED + slack(null_studies.ALLOWED, studies), alarms
