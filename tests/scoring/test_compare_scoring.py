"""Scoring pairs: both orders together, position bias beside accuracy, intervals over both subjects."""

from __future__ import annotations

import math

import numpy as np
import pytest
from compare_answers import (
    METRICS,
    Said,
    both_orders,
    exchange,
    pair,
    random_pairs,
    table,
    truth,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from aqa.records import Pair
from aqa.scoring.compare import ORDERS, predict_pairs
from aqa.scoring.intervals import Resampler, pair_interval
from aqa.scoring.predict import Asked
from aqa.scoring.rows import Policy
from aqa.scoring.statistics import PairRatio


def by_hand(pairs: list[Pair], said: Said, metric: str, policy: str, weights: dict[str, int]) -> float:
    """Compute a metric by a loop over pairs, each `weights` times; NaN where nothing counts."""
    above, below = 0.0, 0.0
    for one in pairs:
        times = weights[one.anchor_subject] * weights[one.partner_subject]
        for repeat in sorted({place[2] for place in said if place[0] == one.pair_id}):
            words = [said[one.pair_id, order, repeat] for order in ORDERS]
            if metric == "consistency":
                usable = None not in words
                below += times * (usable or policy == "strict")
                above += times * (usable and words[0] != words[1])
                continue
            for order, word in zip(ORDERS, words, strict=True):
                if metric == "accuracy":
                    below += times * (word is not None or policy == "strict")
                    above += times * (word == truth(one, order))
                else:
                    below += times * (word is not None)
                    above += times * (word == "first")
    return (above / below if below else math.nan) - (0.5 if metric == "position_bias" else 0.0)


@st.composite
def cells(draw: st.DrawFn, subjects: int = 6) -> tuple[list[Pair], Said]:
    pairs = random_pairs(draw(st.integers(0, 10_000)), draw(st.integers(1, 12)), subjects, exercises=2)
    word = st.sampled_from(["first", "second", None])
    repeats = draw(st.integers(1, 2))
    said = {
        (one.pair_id, order, repeat): draw(word)
        for one in pairs
        for repeat in range(repeats)
        for order in ORDERS
    }
    return pairs, said


@given(cells())
def test_the_truth_stands_in_each_position_equally_often(cell: tuple[list[Pair], Said]) -> None:
    pairs, said = cell
    requests, responses = exchange(pairs, said)
    named = {one.pair_id: one for one in pairs}
    plain = [Asked.model_validate(request.model_dump(mode="json")) for request in requests]
    truths = [row.truth for row in predict_pairs(plain, responses, named)]
    assert truths.count("first") == truths.count("second") == len(truths) / 2


@given(cells(), st.sampled_from(METRICS), st.sampled_from(["strict", "answered"]))
def test_every_metric_is_that_of_a_loop_over_pairs(
    cell: tuple[list[Pair], Said], metric: str, policy: Policy
) -> None:
    pairs, said = cell
    rows = table(pairs, said)
    ones = {f"p{n}": 1 for n in range(6)}
    found = rows.estimate(metric, policy, "item", "all", Resampler(0, 100))
    expected = by_hand(pairs, said, metric, policy, ones)
    assert found.score.value == pytest.approx(expected, nan_ok=True)
    assert (found.score.reason is None) == math.isfinite(expected)
    inside = {name: [one for one in pairs if one.exercise == name] for name in rows.rows.exercises}
    each = [by_hand(members, said, metric, policy, ones) for members in inside.values()]
    for name, value in zip(inside, each, strict=True):
        one = rows.estimate(metric, policy, "item", name, Resampler(0, 100))
        assert one.score.value == pytest.approx(value, nan_ok=True)
    macro = rows.estimate(metric, policy, "exercise", "all", Resampler(0, 100))
    defined = [value for value in each if math.isfinite(value)]
    assert macro.score.value == pytest.approx(np.mean(defined) if defined else math.nan, nan_ok=True)
    assert len(macro.dropped) == (len(each) - len(defined) if defined else 0)


def test_the_three_metrics_by_hand() -> None:
    pairs = [pair(n, n, n + 1) for n in range(4)]  # the anchor is better in all four
    said = both_orders(
        {
            "pair0": ("first", "second"),  # right twice
            "pair1": ("first", "first"),  # always the first
            "pair2": ("second", "first"),  # wrong twice, yet consistent
            "pair3": ("first", None),  # right once
        }
    )
    rows = table(pairs, said)

    def value(metric: str, policy: Policy) -> float:
        return rows.estimate(metric, policy, "item", "all", Resampler(0, 100)).score.value

    assert value("accuracy", "strict") == 4 / 8
    assert value("accuracy", "answered") == 4 / 7
    assert (
        value("position_bias", "strict") == value("position_bias", "answered") == pytest.approx(5 / 7 - 0.5)
    )
    assert value("consistency", "strict") == 2 / 4
    assert value("consistency", "answered") == 2 / 3


@settings(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.integers(40, 90),
    st.integers(8, 40),
    st.sampled_from(METRICS),
    st.sampled_from(["strict", "answered"]),
)
def test_the_interval_equals_loops_that_leave_out_each_subject_and_each_couple(
    seed: int, n: int, subjects: int, metric: str, policy: Policy
) -> None:
    pairs = random_pairs(seed, n, subjects)
    rng = np.random.default_rng(seed)
    words = np.array(["first", "second", None], dtype=object)
    said = {
        (one.pair_id, order, 0): words[rng.choice(3, p=[0.5, 0.4, 0.1])] for one in pairs for order in ORDERS
    }
    estimate = table(pairs, said).estimate(metric, policy, "item", "all", Resampler(seed, 100))
    counts = {one.pair_id: counted(one, said, metric, policy) for one in pairs}
    kept = [one for one in pairs if counts[one.pair_id]]
    names = sorted({name for one in kept for name in (one.anchor_subject, one.partner_subject)})
    everyone = dict.fromkeys(names, 1)
    value = by_hand(kept, said, metric, policy, everyone)
    without = [by_hand(kept, said, metric, policy, everyone | {name: 0}) for name in names]
    variance = (len(names) - 1) * np.mean((np.array(without) - np.mean(without)) ** 2)
    method = "pigeonhole-jackknife-t"
    if len(names) >= 30:
        method = "dyadic-jackknife-t"
        influence: dict[frozenset[str], float] = {}
        total = sum(counts.values())
        for one in kept:
            couple = frozenset([one.anchor_subject, one.partner_subject])
            own = (by_hand([one], said, metric, policy, everyone) - value) * counts[one.pair_id] / total
            influence[couple] = influence.get(couple, 0.0) + own
        noise = sum(own**2 for own in influence.values()) * len(influence) / (len(influence) - 1)
        variance = max(variance - noise, noise)
    busy = np.array(
        [
            sum(counts[one.pair_id] for one in kept if name in (one.anchor_subject, one.partner_subject))
            for name in names
        ]
    )
    freedom = max(1.0, busy.sum() ** 2 / (busy**2).sum() - 1)
    reach = t.ppf(0.975, freedom) * math.sqrt(variance)
    least, greatest = (-0.5, 0.5) if metric == "position_bias" else (0.0, 1.0)
    found = estimate.interval
    assert estimate.score.value == pytest.approx(value)
    assert (found.method, found.n_clusters) == (method, len(names))
    assert found.low == pytest.approx(max(value - reach, least), abs=1e-9)
    assert found.high == pytest.approx(min(value + reach, greatest), abs=1e-9)


def counted(one: Pair, said: Said, metric: str, policy: Policy) -> int:
    """Return how many answers, or couples of answers, of a pair a metric counts."""
    usable = sum(said[one.pair_id, order, 0] is not None for order in ORDERS)
    if metric == "consistency":
        return 1 if policy == "strict" else int(usable == 2)
    return 2 if metric == "accuracy" and policy == "strict" else usable


def test_the_interval_covers_as_often_as_it_says_where_subjects_differ() -> None:
    covered = 0
    for study in range(300):
        rng = np.random.default_rng([study, 7])
        subjects = np.repeat(np.arange(40), 10)
        partner = (subjects + rng.integers(1, 40, len(subjects))) % 40
        ease = rng.normal(0, 0.1, 40)
        share = np.clip(0.6 + ease[subjects] + ease[partner], 0, 1)
        hits = rng.binomial(2, share).astype(float)
        statistic = PairRatio(hits, np.full(len(hits), 2.0), np.stack([subjects, partner], axis=1), 40)
        found = pair_interval(statistic, (0.0, 1.0))
        covered += found.low <= 0.6 <= found.high
    # Nominal 285 of 300, with a standard error of 4.
    assert 272 <= covered <= 297


def test_repeats_of_a_pair_stay_one_observation() -> None:
    pairs = random_pairs(1, 60, 35)
    once = {(one.pair_id, order, 0): truth(one, order) if n % 3 else "first"
            for n, one in enumerate(pairs) for order in ORDERS}  # fmt: skip
    twice = {**once, **{(name, order, 1): word for (name, order, _), word in once.items()}}
    for metric in METRICS:
        one, two = (
            table(pairs, said).estimate(metric, "strict", "item", "all", Resampler(1, 200))
            for said in (once, twice)
        )
        assert two.score == one.score
        assert (two.interval.low, two.interval.high) == (one.interval.low, one.interval.high)


# Simulated judges.


@pytest.mark.parametrize(("skill", "preference"), [(0.5, 0.0), (0.5, 0.2), (0.8, -0.1), (1.0, 0.0)])
def test_a_planted_skill_and_a_planted_preference_for_a_position_are_recovered(
    skill: float, preference: float
) -> None:
    pairs = random_pairs(8, 4000, 400)
    rng = np.random.default_rng([8, 2])  # not the stream that made the pairs
    said: Said = {}
    for one in pairs:
        for order in ORDERS:
            knows = rng.random() < 2 * skill - 1
            guess = "first" if rng.random() < 0.5 + preference / max(2 - 2 * skill, 1e-9) else "second"
            said[one.pair_id, order, 0] = truth(one, order) if knows else guess
    rows = table(pairs, said)
    found = {metric: rows.estimate(metric, "strict", "item", "all", Resampler(8, 300)) for metric in METRICS}
    # Three standard errors of 8,000 answers are 0.017.
    assert found["accuracy"].score.value == pytest.approx(skill, abs=0.017)
    assert found["position_bias"].score.value == pytest.approx(preference, abs=0.017)
    assert found["accuracy"].interval.low <= skill <= found["accuracy"].interval.high
    assert found["position_bias"].interval.low <= preference <= found["position_bias"].interval.high
    assert [found[metric].chance for metric in METRICS] == [0.5, 0.0, 0.5]


def test_a_judge_who_always_says_first_scores_chance_and_is_seen_through() -> None:
    pairs = random_pairs(2, 200, 50)
    rows = table(pairs, {(one.pair_id, order, 0): "first" for one in pairs for order in ORDERS})
    values = [rows.estimate(m, "strict", "item", "all", Resampler(0, 200)).score.value for m in METRICS]
    assert values == [0.5, 0.5, 0.0]
