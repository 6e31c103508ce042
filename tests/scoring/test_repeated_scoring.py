"""Cells that ask each request several times: means over repeats, as plain loops make them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, t
from sklearn.metrics import balanced_accuracy_score

from aqa.records import Prediction, Question
from aqa.scoring.estimates import Dropped
from aqa.scoring.intervals import Resampler
from aqa.scoring.metrics import COUNTED_AS_0
from aqa.scoring.paired import common, compare
from aqa.scoring.rows import ALL
from aqa.scoring.table import choices, scores

YES_NO = Question(item="knees", text="?", options=("yes", "no"))
SCORE = Question(item="", text="?", minimum=0, maximum=10)
LIMITS = {ALL: (0.0, 9.5)}
FEW = Resampler(1, 100)


def row(number: int, truth: object, said: object, subject: int, repeat: int, item: str) -> Prediction:
    return Prediction.model_validate(
        {
            "sample_id": f"s{number:03d}",
            "item": item,
            "exercise": "squat",
            "subject": f"p{subject:02d}",
            "truth": truth,
            "prediction": said,
            "outcome": "ok" if said is not None else "refused",
            "repeat": repeat,
        }
    )


def judged(seed: int, n: int, n_subjects: int, repeats: int, refused: float = 0.1) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    subjects = np.concatenate([np.arange(n_subjects), rng.integers(0, n_subjects, n - n_subjects)])
    truth = ["yes", "no", "yes", "no", *rng.choice(["yes", "no"], n - 4)]
    share = [(1 - refused) / 2] * 2
    return [
        row(k, truth[k], rng.choice(["yes", "no", None], p=[*share, refused]), subjects[k], repeat, "knees")
        for repeat in range(repeats)
        for k in range(n)
    ]


def scored(seed: int, n: int, n_subjects: int, repeats: int) -> list[Prediction]:
    rng = np.random.default_rng(seed)
    subjects = np.concatenate([np.arange(n_subjects), rng.integers(0, n_subjects, n - n_subjects)])
    truth = rng.integers(0, 20, n) / 2
    return [
        row(
            k,
            truth[k],
            float(np.clip(np.round(truth[k] / 2 + rng.normal(4, 2)), 0, 10)) if rng.random() > 0.1 else None,
            subjects[k],
            repeat,
            "",
        )
        for repeat in range(repeats)
        for k in range(n)
    ]


def balanced(rows: Sequence[Prediction]) -> float:
    wrong = {"yes": "no", "no": "yes"}
    said = [one.prediction if one.prediction is not None else wrong[str(one.truth)] for one in rows]
    return float(balanced_accuracy_score([one.truth for one in rows], said))


def rho(rows: Sequence[Prediction]) -> float:
    said = [5.0 if one.prediction is None else one.prediction for one in rows]
    return float(spearmanr([one.truth for one in rows], said).statistic)


def over_repeats(rows: Sequence[Prediction], value: Callable[[Sequence[Prediction]], float]) -> float:
    numbers = sorted({one.repeat for one in rows})
    return float(np.mean([value([one for one in rows if one.repeat == number]) for number in numbers]))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(20, 60), st.integers(2, 5))
def test_a_metric_is_the_mean_over_repeats_of_the_metric_of_each(seed: int, n: int, repeats: int) -> None:
    said = judged(seed, n, 8, repeats)
    table = choices(said, [YES_NO] * len(said))
    strict = table.estimate("balanced_accuracy", "strict", "item", ALL, FEW)
    assert strict.score.value == pytest.approx(over_repeats(said, balanced))
    assert strict.chance == 0.5
    answered = [one for one in said if one.outcome == "ok"]
    if all(len({o.truth for o in answered if o.repeat == number}) == 2 for number in range(repeats)):
        found = table.estimate("balanced_accuracy", "answered", "item", ALL, FEW)
        assert found.score.value == pytest.approx(over_repeats(answered, balanced))
    rated = scored(seed, n, 8, repeats)
    table_of_scores = scores(rated, [SCORE] * len(rated), LIMITS)
    for policy, rows in (("strict", rated), ("answered", [one for one in rated if one.outcome == "ok"])):
        value = table_of_scores.estimate("spearman", policy, "item", ALL, FEW).score.value
        assert value == pytest.approx(over_repeats(rows, rho))


def effective(rows) -> float:
    """Kish's effective number of subjects, by the answers that count."""
    sizes = np.array(list(Counter(one.subject for one in rows).values()), dtype=float)
    return sizes.sum() ** 2 / np.sum(sizes**2)


@pytest.mark.parametrize(("make", "question", "value"), [(judged, YES_NO, balanced), (scored, SCORE, rho)])
def test_few_clusters_are_left_out_one_at_a_time_with_all_their_repeats(make, question, value) -> None:
    said = make(3, 90, 10, 4)
    questions = [question] * len(said)
    table = choices(said, questions) if make is judged else scores(said, questions, LIMITS)
    found = table.estimate(table.metrics[0], "strict", "item", ALL, FEW).interval
    subjects = sorted({one.subject for one in said})
    left = np.array([over_repeats([o for o in said if o.subject != name], value) for name in subjects])
    reach = t.ppf(0.975, effective(said) - 1) * math.sqrt(9 / 10 * np.sum((left - left.mean()) ** 2))
    assert found.method == "cluster-jackknife-t"
    assert found.low == pytest.approx(over_repeats(said, value) - reach)
    assert found.high == pytest.approx(over_repeats(said, value) + reach)


def test_many_clusters_are_resampled_with_all_their_repeats() -> None:
    said = scored(5, 120, 35, 3)
    table = scores(said, [SCORE] * len(said), LIMITS)
    statistic = table.statistic("spearman", "item")
    assert statistic is not None
    weights = FEW.weights(35)[:20]
    subjects = sorted({one.subject for one in said})
    for drawn, value in zip(weights, statistic(weights.astype(float)).values, strict=True):
        rows = [
            one
            for subject, times in zip(subjects, drawn, strict=True)
            for one in said
            for _ in range(times)
            if one.subject == subject
        ]
        assert value == pytest.approx(over_repeats(rows, rho))


def test_a_cluster_without_a_usable_answer_in_one_repeat_stays_one_cluster() -> None:
    said = scored(2, 60, 6, 2)
    said = [
        one.model_copy(update={"prediction": None, "outcome": "refused"})
        if (one.subject, one.repeat) == ("p02", 1)
        else one
        for one in said
    ]
    table = scores(said, [SCORE] * len(said), LIMITS)
    found = table.estimate("spearman", "answered", "item", ALL, FEW)
    assert found.interval.n_clusters == 6
    usable = [one for one in said if one.outcome == "ok"]
    names = sorted({one.subject for one in said})
    left = np.array([over_repeats([o for o in usable if o.subject != name], rho) for name in names])
    reach = t.ppf(0.975, effective(usable) - 1) * math.sqrt(5 / 6 * np.sum((left - left.mean()) ** 2))
    assert found.interval.high - found.interval.low == pytest.approx(2 * reach)


def test_a_repeat_that_ranks_nothing_counts_as_0_and_is_listed() -> None:
    said = [
        one.model_copy(update={"prediction": 5.0, "outcome": "ok"}) if one.repeat == 1 else one
        for one in scored(1, 40, 6, 3)
    ]
    table = scores(said, [SCORE] * len(said), LIMITS)
    found = table.estimate("spearman", "strict", "item", ALL, FEW)
    others = over_repeats([one for one in said if one.repeat != 1], rho)
    assert found.score.value == pytest.approx(2 / 3 * others)
    assert found.dropped == (Dropped("", "", 40, COUNTED_AS_0),)


def test_a_unit_that_no_repeat_can_score_is_listed_once() -> None:
    said = judged(1, 40, 6, 3)
    other = [one.model_copy(update={"item": "hips", "truth": "yes"}) for one in said]
    table = choices([*said, *other], [YES_NO] * 240)
    found = table.estimate("balanced_accuracy", "strict", "item", ALL, FEW)
    assert found.dropped == (Dropped("squat", "hips", 120, "one class in the truth ('yes')"),)


def test_two_cells_are_swapped_by_whole_cluster_with_all_repeats() -> None:
    first, second = scored(4, 50, 6, 3), scored(4, 50, 6, 3)
    rng = np.random.default_rng(9)
    second = [
        one.model_copy(update={"prediction": float(rng.integers(0, 11)), "outcome": "ok"}) for one in second
    ]
    one, other = common(first, second)
    tables = [scores(rows, [SCORE] * len(rows), LIMITS) for rows in (one, other)]
    found = compare(tables[0], tables[1], "spearman", "item", FEW)
    assert found.difference == pytest.approx(over_repeats(first, rho) - over_repeats(second, rho))
    values = []
    for chosen in itertools.product((False, True), repeat=6):
        swap = dict(zip(sorted({r.subject for r in one}), chosen, strict=True))
        mixed = [[b if swap[a.subject] else a for a, b in zip(one, other, strict=True)]]
        mixed += [[a if swap[a.subject] else b for a, b in zip(one, other, strict=True)]]
        values.append(over_repeats(mixed[0], rho) - over_repeats(mixed[1], rho))
    extreme = np.abs(values) >= abs(found.difference) - 1e-12
    assert (found.p, found.swaps) == (pytest.approx(extreme.mean()), 64)


def test_repeats_that_only_one_of_two_cells_has_do_not_count() -> None:
    five, two = judged(1, 60, 6, 5), judged(2, 60, 6, 2)
    truth = {one.sample_id: (one.truth, one.subject) for one in five}
    two = [r.model_copy(update=dict(zip(("truth", "subject"), truth[r.sample_id], strict=True))) for r in two]
    one, other = common(five, two)
    assert {r.repeat for r in one} == {r.repeat for r in other} == {0, 1}
    tables = [choices(rows, [YES_NO] * len(rows)) for rows in (one, other)]
    found = compare(tables[0], tables[1], "balanced_accuracy", "item", FEW)
    assert found.first == pytest.approx(over_repeats([r for r in five if r.repeat < 2], balanced))
    assert found.second == pytest.approx(over_repeats(two, balanced))
