"""Scoring pairs: both orders together, position bias beside accuracy, intervals over both subjects."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from scoring_cells import answer, failure, write_cell

from aqa.errors import UserError
from aqa.files import write_jsonl
from aqa.records import Message, Pair, Question, Request, Response, TextPart
from aqa.scoring.compare import ORDERS, Comparisons, comparisons, predict_pairs
from aqa.scoring.intervals import Resampler, interval
from aqa.scoring.predict import Asked
from aqa.scoring.rows import Policy
from aqa.scoring.score import Settings, score_cells
from aqa.scoring.statistics import PairRatio

SCRIPTS = Path(__file__).parents[2] / "scripts"
CELL = "cells/gym/compare/original/base/model-a"
METRICS = ("accuracy", "position_bias", "consistency")

Said = dict[tuple[str, str, int], str | None]
"""What was said to (pair id, order, repeat); None: refused."""


def pair(number: int, anchor: int, partner: int, better: str = "anchor", exercise: str = "squat") -> Pair:
    return Pair.model_validate(
        {
            "pair_id": f"pair{number}",
            "exercise": exercise,
            "item": "",
            "text": "Which is better?",
            "anchor": f"a{number}",
            "partner": f"b{number}",
            "anchor_subject": f"p{anchor}",
            "partner_subject": f"p{partner}",
            "better": better,
        }
    )


def random_pairs(seed: int, n: int, subjects: int, exercises: int = 1) -> list[Pair]:
    rng = np.random.default_rng(seed)
    result = []
    for number in range(n):
        anchor = number % subjects
        partner = (anchor + int(rng.integers(1, subjects))) % subjects
        better = ("anchor", "partner")[int(rng.integers(2))]
        result.append(pair(number, anchor, partner, better, f"e{int(rng.integers(exercises))}"))
    return result


def asked(one: Pair, order: str, repeat: int = 0) -> Request:
    return Request(
        key=hashlib.sha256(f"{one.pair_id}/{order}/{repeat}".encode()).hexdigest(),
        settings="0" * 64,
        sample_id=one.pair_id,
        subject=one.anchor_subject,
        exercise=one.exercise,
        item=order,
        repeat=repeat,
        messages=(Message(role="user", content=(TextPart(text="Compare."),)),),
        questions=(Question(item="better", text=one.text, options=("first", "second")),),
    )


def truth(one: Pair, order: str) -> str:
    return "first" if (one.better == "anchor") == (order == "anchor_first") else "second"


def exchange(pairs: list[Pair], said: Said) -> tuple[list[Request], list[Response]]:
    named = {one.pair_id: one for one in pairs}
    requests = [asked(named[pair_id], order, repeat) for pair_id, order, repeat in said]
    responses = [
        failure(request, "refused") if word is None else answer(request, json.dumps({"better": word}))
        for request, word in zip(requests, said.values(), strict=True)
    ]
    return requests, responses


def table(pairs: list[Pair], said: Said) -> Comparisons:
    requests, responses = exchange(pairs, said)
    named = {one.pair_id: one for one in pairs}
    plain = [Asked.model_validate(request.model_dump(mode="json")) for request in requests]
    return comparisons(predict_pairs(plain, responses, named), named)


def both_orders(words: dict[str, tuple[str | None, str | None]], repeat: int = 0) -> Said:
    return {
        (pair_id, order, repeat): word
        for pair_id, pair_words in words.items()
        for order, word in zip(ORDERS, pair_words, strict=True)
    }


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
    st.integers(30, 40),
    st.sampled_from(METRICS),
    st.sampled_from(["strict", "answered"]),
)
def test_the_bootstrap_equals_a_loop_over_the_same_draws_of_subjects(
    seed: int, n: int, subjects: int, metric: str, policy: Policy
) -> None:
    pairs = random_pairs(seed, n, subjects)
    rng = np.random.default_rng(seed)
    words = np.array(["first", "second", None], dtype=object)
    said = {
        (one.pair_id, order, 0): words[rng.choice(3, p=[0.5, 0.4, 0.1])] for one in pairs for order in ORDERS
    }
    resampler = Resampler(seed, 100)
    found = table(pairs, said).estimate(metric, policy, "item", "all", resampler).interval
    counted = [
        one
        for one in pairs
        if (policy == "strict" and metric != "position_bias")
        or (
            all(said[one.pair_id, order, 0] for order in ORDERS)
            if metric == "consistency"
            else any(said[one.pair_id, order, 0] for order in ORDERS)
        )
    ]
    names = sorted({name for one in counted for name in (one.anchor_subject, one.partner_subject)})
    if len(names) < 30:
        assert found.method == "pigeonhole-jackknife-t"
        return
    values = [
        by_hand(counted, said, metric, policy, dict(zip(names, map(int, draw), strict=True)))
        for draw in resampler.weights(len(names))
    ]
    low, high = np.quantile(values, [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.method, found.n_clusters) == ("pigeonhole-percentile", len(names))


def test_few_subjects_get_a_jackknife_that_leaves_out_each_subjects_pairs() -> None:
    pairs = random_pairs(4, 60, 12)
    rng = np.random.default_rng(4)
    said = {
        (one.pair_id, order, 0): ("first", "second")[rng.integers(2)] for one in pairs for order in ORDERS
    }
    found = table(pairs, said).estimate("accuracy", "strict", "item", "all", Resampler(0, 100))
    names = [f"p{n}" for n in range(12)]
    without = np.array(
        [
            by_hand(pairs, said, "accuracy", "strict", {name: int(name != out) for name in names})
            for out in names
        ]
    )
    error = math.sqrt(11 / 12 * np.sum((without - without.mean()) ** 2))
    reach = t.ppf(0.975, 11) * error
    assert found.interval.method == "pigeonhole-jackknife-t"
    assert found.interval.n_clusters == 12
    assert found.interval.low == pytest.approx(max(found.score.value - reach, 0))
    assert found.interval.high == pytest.approx(min(found.score.value + reach, 1))


def test_the_interval_covers_at_least_as_often_as_it_says_where_subjects_differ() -> None:
    covered = 0
    for study in range(100):
        rng = np.random.default_rng([study, 7])
        subjects = np.repeat(np.arange(40), 10)
        partner = (subjects + rng.integers(1, 40, len(subjects))) % 40
        ease = rng.normal(0, 0.1, 40)
        share = np.clip(0.6 + ease[subjects] + ease[partner], 0, 1)
        hits = rng.binomial(2, share).astype(float)
        statistic = PairRatio(hits, np.full(len(hits), 2.0), np.stack([subjects, partner], axis=1), 40)
        found = interval(statistic, Resampler(study, 300), (0.0, 1.0), weighting="pigeonhole")
        covered += found.low <= 0.6 <= found.high
    assert covered >= 90


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
    rng = np.random.default_rng([8, 1])  # not the stream that made the pairs
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


# Files and the command line.


def write_files(folder: Path, pairs: list[Pair], said: Said) -> Path:
    write_jsonl(folder / "pairs.jsonl", pairs)
    write_jsonl(folder / "samples.jsonl", [])
    return write_cell(folder / CELL, *exchange(pairs, said))


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "score.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_scores_a_compare_cell_into_the_same_files(tmp_path: Path) -> None:
    pairs = random_pairs(3, 90, 40, exercises=2)
    said = {(one.pair_id, order, 0): truth(one, order) for one in pairs for order in ORDERS}
    said["pair0", "anchor_first", 0] = None
    folder = write_files(tmp_path, pairs, said)
    files = ["--samples", tmp_path / "samples.jsonl", "--pairs", tmp_path / "pairs.jsonl"]
    done = run(*files, "--kind", "classification", "--seed", 1, "--resamples", 200, "--cells", folder)
    assert done.returncode == 0, done.stderr
    with (folder / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [rows[0][name] for name in ("sample_id", "item", "subject", "prediction", "outcome")] == [
        "pair0",
        "anchor_first",
        "p0",
        "",
        "refused",
    ]
    assert all(row["prediction"] == row["truth"] for row in rows[1:])
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = {(r["metric"], r["policy"], r["unit"], r["scope"]): r for r in metrics["rows"]}
    assert metrics["settings"]["unit"] == "item"
    assert metrics["rows"][0]["metric"] == "accuracy"
    headline = scores["accuracy", "strict", "item", "all"]
    assert headline["value"] == pytest.approx(179 / 180)
    assert (headline["n"], headline["n_refused"], headline["n_clusters"]) == (180, 1, 40)
    assert headline["interval"] == "pigeonhole-percentile"
    assert {scope for *_, scope in scores} == {"all", "e0", "e1"}
    assert {metric for metric, *_ in scores} == set(METRICS)
    assert {unit for _, _, unit, _ in scores} == {"item", "exercise"}


def test_the_headline_unit_of_the_task_is_a_setting(tmp_path: Path) -> None:
    pairs = random_pairs(3, 90, 40, exercises=2)
    said = {(one.pair_id, order, 0): truth(one, order) for one in pairs for order in ORDERS}
    folder = write_files(tmp_path, pairs, said)
    named = {one.pair_id: one for one in pairs}
    score_cells([folder], {}, Settings("classification", 1, 100, pairs=named, compare_unit="exercise"))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["settings"]["unit"] == metrics["rows"][0]["unit"] == "exercise"


def test_a_cell_without_a_usable_answer_is_wrong_under_strict_and_undefined_else(tmp_path: Path) -> None:
    pairs = random_pairs(3, 40, 35)
    folder = write_files(tmp_path, pairs, {(one.pair_id, o, 0): None for one in pairs for o in ORDERS})
    named = {one.pair_id: one for one in pairs}
    score_cells([folder], {}, Settings("regression", 1, 100, pairs=named))
    metrics = json.loads((folder / "metrics.json").read_text())
    values = {(r["metric"], r["policy"]): r["value"] for r in metrics["rows"] if r["scope"] == "all"}
    assert values["accuracy", "strict"] == values["consistency", "strict"] == 0
    assert values["accuracy", "answered"] is values["position_bias", "strict"] is None


def test_answers_in_any_accepted_form_count_and_others_are_unparsed() -> None:
    one = pair(0, 1, 2)
    requests = [asked(one, order) for order in ORDERS]
    plain = [Asked.model_validate(request.model_dump(mode="json")) for request in requests]
    texts = ['<think>{"better": "second"}</think> {"better": "First"}', '{"better": "the second one"}']
    answers = [answer(request, text) for request, text in zip(requests, texts, strict=True)]
    rows = predict_pairs(plain, answers, {one.pair_id: one})
    assert [(row.prediction, row.outcome) for row in rows] == [("first", "ok"), (None, "unparsed")]


def test_files_that_do_not_fit_are_errors_that_say_what_to_do(tmp_path: Path) -> None:
    pairs = random_pairs(3, 40, 35)
    said = {(one.pair_id, order, 0): "first" for one in pairs for order in ORDERS}
    folder = write_files(tmp_path, pairs, said)
    named = {one.pair_id: one for one in pairs}
    with pytest.raises(UserError, match="give the file of pairs as --pairs"):
        score_cells([folder], {}, Settings("classification", 1, 100))
    del named["pair7"]
    with pytest.raises(UserError, match="pair 'pair7' is not in the file of pairs"):
        score_cells([folder], {}, Settings("classification", 1, 100, pairs=named))
    named = {one.pair_id: one for one in pairs}
    del said["pair3", "partner_first", 0]
    write_cell(folder, *exchange(pairs, said))
    with pytest.raises(UserError, match="pair 'pair3' is not asked once in each order"):
        score_cells([folder], {}, Settings("classification", 1, 100, pairs=named))
