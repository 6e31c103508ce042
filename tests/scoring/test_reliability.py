"""Reliability of repeated sampling: published examples, plain loops, and planted components."""

from __future__ import annotations

import math

import numpy as np
import pytest
from compare_answers import both_orders, exchange, random_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, f_oneway
from test_repeated_scoring import SCORE, YES_NO, judged, over_repeats, rho, row, scored

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Media, Prediction, Question, Sample
from aqa.scoring.compare import predict_pairs
from aqa.scoring.effects import Loaded
from aqa.scoring.intervals import Resampler
from aqa.scoring.predict import Asked
from aqa.scoring.reliability import agreement, components, consensus, reliability

CELL = Cell("d", "judge", "original", "base", "m")
FEW = Resampler(1, 100)


def samples(rows: list[Prediction], question: Question) -> dict[str, Sample]:
    return {
        one.sample_id: Sample(
            sample_id=one.sample_id,
            exercise=one.exercise,
            subject=one.subject,
            split="test",
            media=Media(path="x.mp4", kind="video"),
            questions=(question,),
            truth={question.item: one.truth},
        )
        for one in rows
    }


def test_alpha_is_that_of_krippendorff_s_own_example_with_missing_answers() -> None:
    coders = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    things = [[coder[thing] for coder in coders if coder[thing] != "."] for thing in range(12)]
    _, alpha = agreement(things, np.zeros(12, dtype=np.int64))
    assert alpha == pytest.approx(0.743, abs=5e-4)  # K. Krippendorff, Computing Krippendorff's alpha, 2011


def test_icc_is_that_of_shrout_and_fleiss_s_own_example() -> None:
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    icc, between, within = components([[float(value) for value in thing] for thing in ratings])
    assert icc == pytest.approx(0.17, abs=5e-3)  # Shrout and Fleiss 1979, table 4
    assert within**2 == pytest.approx(6.26, abs=5e-3)
    assert between**2 == pytest.approx((11.24 - 6.26) / 4, abs=5e-3)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(3, 20), st.integers(2, 5))
def test_components_of_unequal_groups_are_those_of_the_analysis_of_variance(
    seed: int, n: int, k: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = [rng.normal(rng.normal(), 1, rng.integers(1, k + 1)) for _ in range(n)]
    groups.append(rng.normal(0, 1, 3))
    icc, _, within = components([group.tolist() for group in groups])
    sizes = np.array([len(group) for group in groups])
    size = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(groups) - 1)
    f = f_oneway(*groups).statistic
    assert icc == pytest.approx((f - 1) / (f + size - 1))
    assert within == pytest.approx(math.sqrt(sum(g.var() * len(g) for g in groups) / (sizes.sum() - n - 1)))


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=12), st.integers(0, 99))
def test_agreement_is_that_of_all_pairs_of_answers(things: list[list[str]], seed: int) -> None:
    strata = np.random.default_rng(seed).integers(0, 2, len(things))
    shares, observed, expected = [], 0.0, 0.0
    for stratum in (0, 1):
        mine = [said for said, code in zip(things, strata, strict=True) if code == stratum and len(said) > 1]
        everything = [one for said in mine for one in said]
        for said in mine:
            pairs = [(i, j) for i in range(len(said)) for j in range(len(said)) if i != j]
            shares.append(np.mean([said[i] == said[j] for i, j in pairs]))
            observed += len(said) * (1 - shares[-1])
        n = len(everything)
        if n:
            differ = [everything[i] != everything[j] for i in range(n) for j in range(n) if i != j]
            expected += n * np.mean(differ)
    share, alpha = agreement(things, strata)
    if not shares:
        assert math.isnan(share)
        assert math.isnan(alpha)
    else:
        assert share == pytest.approx(np.mean(shares))
        assert alpha == (
            pytest.approx(1 - observed / expected) if expected else pytest.approx(math.nan, nan_ok=True)
        )


def test_options_of_different_questions_do_not_make_answers_look_reliable() -> None:
    rng = np.random.default_rng(0)
    strata = np.repeat([0, 1], 400)
    things = [[f"{code}{option}" for option in rng.integers(0, 2, 3)] for code in strata]
    assert agreement(things, strata)[1] == pytest.approx(0, abs=0.06)
    assert agreement(things, np.zeros(800, dtype=np.int64))[1] > 0.3  # what pooling would have claimed


def test_spread_between_repeats_and_samples_adds_up_to_that_of_the_mean() -> None:
    said = scored(3, 120, 12, 4)
    cell = Loaded(said, "regression", "item", {"all": (0.0, 9.5)})
    found = {one.metric: one for one in reliability(CELL, cell, samples(said, SCORE), {}, FEW)}
    assert set(found) == {"spearman", "relative_l2", "relative_l2_root"}
    one = found["spearman"]
    values = [rho([r for r in said if r.repeat == number]) for number in range(4)]
    assert (one.repeats, one.n_items, one.n_clusters) == (4, 120, 12)
    assert one.value == pytest.approx(np.mean(values))
    assert one.sd_repeats == pytest.approx(np.std(values, ddof=1))
    assert one.se_repeats == pytest.approx(one.sd_repeats / 2)
    assert one.sd_low == pytest.approx(one.sd_repeats * math.sqrt(3 / chi2.ppf(0.975, 3)))
    assert one.sd_high == pytest.approx(one.sd_repeats * math.sqrt(3 / chi2.ppf(0.025, 3)))
    names = sorted({r.subject for r in said})
    left = np.array([over_repeats([r for r in said if r.subject != name], rho) for name in names])
    assert one.se == pytest.approx(math.sqrt(11 / 12 * np.sum((left - left.mean()) ** 2)))
    assert one.se_samples == pytest.approx(math.sqrt(max(0.0, one.se**2 - one.se_repeats**2)))
    assert math.isnan(one.agreement)
    means = [
        np.mean([r.prediction for r in said if r.sample_id == f"s{k:03d}" and r.outcome == "ok"] or [5.0])
        for k in range(120)
    ]
    voted = [row(k, said[k].truth, float(mean), 0, 0, "") for k, mean in enumerate(means)]
    assert one.consensus == pytest.approx(rho(voted))


def planted(rng: np.random.Generator, k: int, spread: float) -> list[Prediction]:
    """30 subjects, two things of each class; each subject is judged right with a probability of its own."""
    rows = []
    skill = rng.beta(0.7 * spread, 0.3 * spread, 30)
    for repeat in range(k):
        for number in range(120):
            truth = ("yes", "no")[number % 2]
            right = rng.random() < skill[number // 4]
            said = truth if right else ("no" if truth == "yes" else "yes")
            rows.append(row(number, truth, said, number // 4, repeat, "knees"))
    return rows


@pytest.mark.parametrize("spread", [2.0, 1e6])
def test_planted_components_are_recovered(spread: float) -> None:
    found = []
    for study in range(100):
        said = planted(np.random.default_rng([study, 5]), 4, spread)
        cell = Loaded(said, "classification", "item", None)
        found += reliability(CELL, cell, samples(said, YES_NO), {}, FEW)
    between = 0.7 * 0.3 / (spread + 1)  # the variance of a beta distribution
    decoding = (0.7 * 0.3 - between) / 120
    assert np.mean([one.value for one in found]) == pytest.approx(0.7, abs=0.01)
    assert np.mean([one.sd_repeats**2 for one in found]) == pytest.approx(decoding, rel=0.2)
    everything = np.mean([one.se**2 for one in found])
    assert everything == pytest.approx(between / 30 + decoding / 4, rel=0.1)
    assert np.var([one.value for one in found], ddof=1) == pytest.approx(everything, rel=0.4)
    samples_alone = np.mean([one.se**2 - one.se_repeats**2 for one in found])
    assert samples_alone == pytest.approx(between / 30, abs=0.1 * (between / 30 + decoding / 4))


def test_the_majority_wins_ties_go_to_the_first_and_unusable_answers_do_not_vote() -> None:
    said = [["no", "yes", "yes"], ["no", "yes", None], [None, None, None], [None, "no", None]]
    rows = [
        row(number, "yes", answers[repeat], number, repeat, "knees")
        for repeat in (2, 0, 1)
        for number, answers in enumerate(said)
    ]
    voted = {one.sample_id: (one.prediction, one.outcome, one.repeat) for one in consensus(rows)}
    assert voted == {
        "s000": ("yes", "ok", 0),
        "s001": ("no", "ok", 0),
        "s002": (None, "refused", 0),
        "s003": ("no", "ok", 0),
    }


def test_a_judge_that_always_says_the_same_is_in_full_agreement() -> None:
    once = judged(1, 40, 8, 1, refused=0)
    said = [one.model_copy(update={"repeat": repeat}) for repeat in range(3) for one in once]
    cell = Loaded(said, "classification", "item", None)
    (one,) = reliability(CELL, cell, samples(said, YES_NO), {}, FEW)
    assert (one.agreement, one.alpha, one.sd_repeats, one.se_repeats) == (1, 1, 0, 0)
    assert one.se_samples == one.se
    assert one.consensus == pytest.approx(one.value)


def test_comparisons_are_repeated_too() -> None:
    asked = random_pairs(3, 30, 6)
    rng = np.random.default_rng(2)
    said = {}
    for repeat in range(3):
        words = {one.pair_id: tuple(rng.choice(["first", "second"], 2)) for one in asked}
        said |= both_orders(words, repeat)
    requests, responses = exchange(asked, said)
    plain = [Asked.model_validate(one.model_dump(mode="json")) for one in requests]
    rows = predict_pairs(plain, responses, {one.pair_id: one for one in asked})
    cell = Loaded(rows, "classification", "item", None)
    compared = CELL._replace(task="compare")
    (one,) = reliability(compared, cell, {}, {p.pair_id: p for p in asked}, FEW)
    values = [np.mean([r.prediction == r.truth for r in rows if r.repeat == k]) for k in range(3)]
    assert one.metric == "accuracy"
    assert one.value == pytest.approx(np.mean(values))
    assert one.sd_repeats == pytest.approx(np.std(values, ddof=1))
    assert 0.3 < one.agreement < 0.7
    assert one.n_items == 60


def test_a_cell_without_repeats_has_no_reliability() -> None:
    said = judged(1, 40, 8, 1)
    assert (
        reliability(CELL, Loaded(said, "classification", "item", None), samples(said, YES_NO), {}, FEW) == []
    )


def test_a_sample_that_is_not_known_is_named() -> None:
    said = judged(1, 40, 8, 2)
    with pytest.raises(UserError, match=r"d/judge/original/base/m: 's000' is not in the files"):
        reliability(CELL, Loaded(said, "classification", "item", None), {}, {}, FEW)
