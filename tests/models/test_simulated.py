"""Simulated judges answer what is planted in them, and can be taken for nothing else."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import norm

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest, write_jsonl
from aqa.models.base import Context
from aqa.records import Media, Message, Pair, Question, Request, Sample, TextPart

ROOT = Path(__file__).parents[2]
DEPTH = Question(item="depth", text="?", options=("high", "good", "low"), correct="good")
GRIP = Question(item="grip", text="?", options=("wide", "narrow"))
SCORE = Question(item="", text="?", minimum=0, maximum=10)
TRUTH = {"depth": "low", "grip": "wide", "": 6.0}
MANY = 4000


def sample(sample_id="s", truth=TRUTH):
    return Sample(
        sample_id=sample_id,
        exercise="squat",
        subject="p1",
        split="test",
        media=Media(path="x.mp4", kind="video"),
        questions=(),
        truth=truth,
    )


def judge(seed=1, title="Simulated judge", truth=TRUTH, pairs=(), **planted):
    file = ModelFile(title=title, backend="simulated", options=planted)
    return models.create(file, Context(Path(), seed, [sample(truth=truth)], pairs=pairs), "simulated-x.yaml")


def request(*questions, number=0, text="Judge.", item="", repeat=0, sample_id="s"):
    return Request(
        key=digest([number, repeat]),
        settings=digest(""),
        sample_id=sample_id,
        subject="p1",
        exercise="squat",
        item=item,
        repeat=repeat,
        messages=(Message(role="user", content=(TextPart(text=text),)),),
        questions=questions,
    )


def replies(backend, *questions, times=MANY, **fields):
    async def ask():
        async with backend as opened:
            return [await opened.ask(request(*questions, number=n, **fields)) for n in range(times)]

    return asyncio.run(ask())


def answers(backend, *questions, **fields):
    return [json.loads(reply.text) for reply in replies(backend, *questions, **fields)]


def rates(values):
    return {value: count / len(values) for value, count in Counter(values).items()}


def near(rate, times=MANY):
    """Within 4.5 standard errors of a share of so many draws."""
    return pytest.approx(rate, abs=4.5 * np.sqrt(rate * (1 - rate) / times) + 1e-12)


def test_a_choice_is_right_as_often_as_planted_and_wrong_answers_are_spread_evenly():
    found = rates([answer["depth"] for answer in answers(judge(accuracy=0.7), DEPTH)])
    assert found == {"low": near(0.7), "high": near(0.15), "good": near(0.15)}


def test_the_always_correct_rate_is_on_top_and_only_where_an_option_means_correct():
    said = answers(judge(accuracy=0.7, always_correct=0.4), DEPTH, GRIP)
    assert rates([answer["depth"] for answer in said]) == {
        "good": near(0.4 + 0.6 * 0.15),
        "low": near(0.6 * 0.7),
        "high": near(0.6 * 0.15),
    }
    assert rates([answer["grip"] for answer in said]) == {"wide": near(0.7), "narrow": near(0.3)}


def test_a_phrase_in_the_prompt_shifts_the_rate_and_the_score():
    phrases = {"describes a correct": 0.2, "describes an incorrect": -0.2}
    for text, shift in (("It describes a correct squat.", 0.2), ("It describes an incorrect squat.", -0.2)):
        backend = judge(accuracy=1, always_correct=0.3, phrases=phrases)
        said = rates([answer["depth"] for answer in answers(backend, DEPTH, text=text)])
        assert said["good"] == near(0.3 + shift)
        (score,) = answers(judge(phrases=phrases), SCORE, text=text, times=1)
        assert score == {"score": 6.0 + 10 * shift}


def test_a_score_is_the_truth_with_normal_noise_cut_at_the_scale():
    said = np.array([answer["score"] for answer in answers(judge(noise=2.0), SCORE)])
    assert (said.min(), said.max()) == (pytest.approx(0, abs=1), 10)
    assert np.mean(said < 6) == near(0.5)
    assert np.mean(said == 10) == near(norm.sf(2))
    always = np.array([answer["score"] for answer in answers(judge(always_correct=0.3), SCORE)])
    assert rates(always.tolist()) == {10.0: near(0.3), 6.0: near(0.7)}


@pytest.fixture
def pairs(tmp_path):
    pair = Pair(
        pair_id="pair", exercise="squat", item="", text="?", anchor="a", partner="b",
        anchor_subject="p1", partner_subject="p2", better="partner",
    )  # fmt: skip
    write_jsonl(tmp_path / "pairs.jsonl", [pair])
    return [tmp_path / "pairs.jsonl"]


def test_a_comparison_is_right_as_planted_and_prefers_a_position(pairs):
    question = Question(item="answer", text="?", options=("first", "second"))
    backend = judge(accuracy=0.7, position_preference=0.2, pairs=pairs)
    shown = {
        item: rates([a["answer"] for a in answers(backend, question, item=item, sample_id="pair")])
        for item in ("anchor_first", "partner_first")
    }
    assert shown["anchor_first"] == {"second": near(0.5), "first": near(0.5)}
    assert shown["partner_first"] == {"first": near(0.9), "second": near(0.1)}


def test_unusable_answers_come_at_their_rates_and_never_with_a_value():
    planted = {"unparsed": 0.2, "truncated": 0.1, "refused": 0.05, "rejected": 0.1}
    said = replies(judge(unusable=planted, accuracy=1), GRIP)
    shown = rates([(r.outcome, bool(r.text), "wide" in r.text) for r in said])
    assert shown == {
        ("ok", True, True): near(0.55),
        ("ok", True, False): near(0.2),
        ("truncated", False, False): near(0.1),
        ("refused", False, False): near(0.05),
        ("rejected", False, False): near(0.1),
    }


def test_answers_follow_from_seed_key_and_repeat_alone():
    def said(seed=1, **fields):
        return [reply.text for reply in replies(judge(seed, noise=3), SCORE, times=20, **fields)]

    assert said() == said()
    assert said() != said(seed=2)
    assert said() != said(repeat=1)
    assert judge(1, noise=3).identity() == judge(1, noise=3).identity()
    other = [judge(2, noise=3), judge(1, noise=2), judge(1, noise=3, truth={"": 5.0})]
    assert all(one.identity() != judge(1, noise=3).identity() for one in other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": "GPT"}, "must begin with 'Simulated'"),
        ({"accuracy": 0.9, "position_preference": 0.2}, "position_preference"),
        ({"unusable": {"refused": 0.6, "unparsed": 0.6}}, "more than 1"),
        ({"acuracy": 0.9}, "acuracy"),
    ],
)
def test_what_cannot_be_planted_is_one_line(fields, message):
    with pytest.raises(UserError, match=message):
        judge(**fields)


def test_a_sample_or_pair_without_truth_is_no_answer():
    with pytest.raises(UserError, match="no truth"):
        replies(judge(), SCORE, times=1, sample_id="other")
    question = Question(item="answer", text="?", options=("first", "second"))
    with pytest.raises(UserError, match="pair 'pair' is unknown; give its file with --pairs"):
        replies(judge(), question, times=1, item="anchor_first", sample_id="pair")


def test_no_simulated_judge_is_among_the_models_and_each_says_what_it_is():
    for path in (ROOT / "config").rglob("*.yaml"):
        assert "simulated" not in path.read_text().casefold(), f"{path} names a simulated judge"
    for path in ROOT.rglob("tests/**/simulated/*.yaml"):
        assert path.name.startswith("simulated-")
        assert yaml.safe_load(path.read_text())["title"].startswith("Simulated")
