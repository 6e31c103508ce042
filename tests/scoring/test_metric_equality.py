"""Every metric of a cell equals scikit-learn, scipy or a loop, on random cells of every awkward kind.

Ties, classes that a question or exercise lacks, one class in all, one row, unusable answers up to all.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, mean_squared_error, recall_score

from aqa.records import Prediction, Question
from aqa.scoring.intervals import Resampler
from aqa.scoring.metrics import FloatArray
from aqa.scoring.paired import compare, holm
from aqa.scoring.rows import Policy, Unit
from aqa.scoring.table import choices, scores

LEVELS = ("near", "far", "level")
QUESTIONS = {item: Question(item=item, text="?", options=LEVELS) for item in ("r1", "r2")}
SCORE = Question(item="", text="?", minimum=0, maximum=10)
POLICY = st.sampled_from(["strict", "answered"])
UNIT = st.sampled_from(["item", "exercise"])
CHOICE_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["lunge", "squat"]),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from(LEVELS),
        st.sampled_from([*LEVELS, None]),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=40,
)
GRADE = st.integers(0, 6).map(float)
SCORE_ROWS = st.lists(
    st.tuples(st.sampled_from(["jump", "spin"]), GRADE, st.one_of(st.none(), GRADE), st.integers(0, 4)),
    min_size=1,
    max_size=40,
)


def row(number: int, exercise: str, item: str, truth: object, said: object, subject: int) -> Prediction:
    return Prediction.model_validate(
        {
            "sample_id": f"s{number}", "item": item, "exercise": exercise, "subject": f"p{subject}",
            "truth": truth, "prediction": said, "outcome": "unparsed" if said is None else "ok", "repeat": 0,
        }
    )  # fmt: skip


def recalls_averaged(truth: list[str], said: list[str]) -> float:
    """Balanced accuracy of scikit-learn; NaN for one class."""
    if len(set(truth)) < 2:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about predicted classes that the truth lacks
        value = balanced_accuracy_score(truth, said)
        labels = sorted(set(truth))
        recalls = recall_score(truth, said, labels=labels, average="macro", zero_division=0)
    assert value == pytest.approx(recalls)
    return float(value)


def mean_of_defined(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


@settings(max_examples=150)
@given(CHOICE_ROWS, POLICY, UNIT)
def test_balanced_accuracy_is_that_of_scikit_learn_per_unit_then_exercise(
    given_rows: list[tuple[str, str, str, str | None, int]], policy: Policy, unit: Unit
) -> None:
    rows = [row(number, *fields) for number, fields in enumerate(given_rows)]
    table = choices(rows, [QUESTIONS[one.item] for one in rows])
    units: dict[str, dict[str, tuple[list[str], list[str]]]] = defaultdict(
        lambda: defaultdict(lambda: ([], []))
    )
    for one in rows:
        if one.outcome == "ok" or policy == "strict":
            place = units[one.exercise][one.item if unit == "item" else ""]
            place[0].append(str(one.truth))
            place[1].append("unusable" if one.prediction is None else str(one.prediction))
    by_exercise = {
        name: mean_of_defined([recalls_averaged(*members) for members in parts.values()])
        for name, parts in units.items()
    }
    found = table.estimate("balanced_accuracy", policy, unit, "all", Resampler(0, 100))
    assert found.score.value == pytest.approx(mean_of_defined(list(by_exercise.values())), nan_ok=True)
    assert math.isnan(found.score.value) == (found.score.reason is not None)
    for name in table.rows.exercises:
        alone = table.estimate("balanced_accuracy", policy, unit, name, Resampler(0, 100))
        assert alone.score.value == pytest.approx(by_exercise.get(name, math.nan), nan_ok=True)


def regression_value(metric: str, rows: list[Prediction], policy: Policy, width: float) -> float:
    """The metric of scipy or scikit-learn with the stated replacement of unusable answers; NaN: undefined."""
    kept = [one for one in rows if one.outcome == "ok" or policy == "strict"]
    truth = [float(one.truth) for one in kept]
    if metric == "spearman":
        said = [5.0 if one.prediction is None else float(one.prediction) for one in kept]
        if len(kept) < 2 or len(set(truth)) < 2 or len(set(said)) < 2:
            return math.nan
        return float(spearmanr(truth, said).statistic)
    said = [
        (10.0 if float(one.truth) < 5 else 0.0) if one.prediction is None else float(one.prediction)
        for one in kept
    ]
    if not kept or width == 0:
        return math.nan
    squared = mean_squared_error(truth, said) / width**2
    return float(squared if metric == "relative_l2" else np.sqrt(squared))


def counted(
    metric: str, rows: dict[str, list[Prediction]], policy: Policy, values: dict[str, float]
) -> float:
    """The mean over exercises: where only the predictions are constant, rho counts as 0 beside others."""
    known = list(values.values())
    if metric == "spearman" and not all(map(math.isnan, known)):
        for place, name in enumerate(values):
            kept = [one for one in rows[name] if one.outcome == "ok" or policy == "strict"]
            if math.isnan(values[name]) and len({one.truth for one in kept}) > 1:
                known[place] = 0.0
    return mean_of_defined(known)


@settings(max_examples=150)
@given(SCORE_ROWS, POLICY, UNIT, st.sampled_from(["spearman", "relative_l2", "relative_l2_root"]))
def test_metrics_of_scores_are_those_of_scipy_and_scikit_learn(
    given_rows: list[tuple[str, float, float | None, int]], policy: Policy, unit: Unit, metric: str
) -> None:
    rows = [row(k, exercise, "", truth, said, p) for k, (exercise, truth, said, p) in enumerate(given_rows)]
    inside = {"all": rows}
    for one in rows:
        inside.setdefault(one.exercise, []).append(one)
    truths = {name: [float(one.truth) for one in part] for name, part in inside.items()}
    limits = {name: (min(values), max(values)) for name, values in truths.items()}
    table = scores(rows, [SCORE] * len(rows), limits)
    width = {name: high - low for name, (low, high) in limits.items()}
    exercises = table.rows.exercises
    values = {
        name: regression_value(metric, inside[name], policy, width[name if unit == "exercise" else "all"])
        for name in exercises
    }
    expected = (
        regression_value(metric, rows, policy, width["all"])
        if unit == "item"
        else counted(metric, inside, policy, values)
    )
    found = table.estimate(metric, policy, unit, "all", Resampler(0, 100))
    assert found.score.value == pytest.approx(expected, nan_ok=True, abs=1e-9)
    assert math.isnan(found.score.value) == (found.score.reason is not None)
    for name, value in values.items():
        alone = table.estimate(metric, policy, unit, name, Resampler(0, 100))
        assert alone.score.value == pytest.approx(value, nan_ok=True, abs=1e-9)
        # What scoring computes once for both units is the same in both.
        again = table.estimate(metric, policy, table.same_as(metric, unit, name), name, Resampler(0, 100))
        assert again.score.value == pytest.approx(alone.score.value, nan_ok=True)
        assert (again.interval.low, again.interval.high) == pytest.approx(
            (alone.interval.low, alone.interval.high), nan_ok=True
        )


def test_a_cell_in_which_nothing_could_be_parsed() -> None:
    rows = [row(k, "squat", "r1", LEVELS[k % 3], None, k % 4) for k in range(12)]
    table = choices(rows, [QUESTIONS["r1"]] * 12)
    strict = table.estimate("balanced_accuracy", "strict", "item", "all", Resampler(0, 100))
    answered = table.estimate("balanced_accuracy", "answered", "item", "all", Resampler(0, 100))
    assert (strict.score.value, answered.score.reason) == (0.0, "no usable answer")
    assert math.isnan(answered.score.value)


# Tests between cells.


def squared(rows: list[Prediction], *, root: bool) -> float:
    error = mean_squared_error([float(one.truth) for one in rows], [float(one.prediction) for one in rows])
    return float(np.sqrt(error) if root else error) / (10 if root else 100)


def two_cells(seed: int, n: int, subjects: int) -> tuple[list[Prediction], list[Prediction]]:
    rng = np.random.default_rng(seed)
    subject = np.concatenate([np.arange(subjects), rng.integers(0, subjects, n - subjects)])
    truth = rng.integers(0, 11, n).astype(float)
    first, second = (
        [row(k, "dive", "", truth[k], float(said[k]), int(subject[k])) for k in range(n)]
        for said in (np.clip(truth + rng.integers(-3, 4, n), 0, 10), rng.integers(0, 11, n))
    )
    return first, second


def enumerated(first: list[Prediction], second: list[Prediction], subjects: int, *, root: bool) -> FloatArray:
    """Return the difference for every swap of whole subjects."""
    errors = []
    for rows in (first, second):
        own: FloatArray = np.zeros(subjects)
        for one in rows:
            own[int(one.subject[1:])] += (float(one.prediction) - float(one.truth)) ** 2
        errors.append(own)
    swaps = np.array(list(itertools.product((False, True), repeat=subjects)))
    one, other = (np.where(swaps, errors[1 - k], errors[k]).sum(axis=1) / len(first) / 100 for k in (0, 1))
    return np.sqrt(one) - np.sqrt(other) if root else one - other


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(8, 30), st.integers(2, 7), st.booleans())
def test_the_p_value_of_a_distance_is_that_of_all_swaps(seed: int, n: int, subjects: int, root: bool) -> None:
    first, second = two_cells(seed, n, subjects)
    limits = {"all": (0.0, 10.0), "dive": (0.0, 10.0)}
    tables = [scores(rows, [SCORE] * n, limits) for rows in (first, second)]
    metric = "relative_l2_root" if root else "relative_l2"
    found = compare(tables[0], tables[1], metric, "item", Resampler(seed, 100))
    observed = squared(first, root=root) - squared(second, root=root)
    differences = enumerated(first, second, subjects, root=root)
    assert found.difference == pytest.approx(observed)
    assert found.p == pytest.approx(np.mean(np.abs(differences) >= abs(observed) - 1e-9))
    assert found.swaps == 2**subjects


def test_random_swaps_come_near_the_p_value_of_all_swaps() -> None:
    limits = {"all": (0.0, 10.0), "dive": (0.0, 10.0)}
    for seed in range(6):
        first, second = two_cells(seed, 60, 14)  # one subject more than are enumerated
        second = [
            b if k % 3 else a.model_copy(update={"prediction": min(10.0, float(a.truth) + seed / 3)})
            for k, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        tables = [scores(rows, [SCORE] * 60, limits) for rows in (first, second)]
        found = compare(tables[0], tables[1], "relative_l2", "item", Resampler(seed, 4000))
        differences = enumerated(first, second, 14, root=False)
        exact = float(np.mean(np.abs(differences) >= abs(found.difference) - 1e-9))
        assert found.swaps == 4000
        assert found.p == pytest.approx(exact, abs=1 / 4000 + 4.5 * math.sqrt(exact * (1 - exact) / 4000))


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.01, 0.02])), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni_over_all_subsets(p_values: list[float]) -> None:
    everyone = range(len(p_values))
    subsets = [
        subset for size in range(1, len(p_values) + 1) for subset in itertools.combinations(everyone, size)
    ]
    expected = [
        max(min(1.0, len(s) * min(p_values[k] for k in s)) for s in subsets if own in s) for own in everyone
    ]
    assert holm(p_values) == pytest.approx(expected)
