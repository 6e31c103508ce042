"""Baselines: what can be had without looking."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest
from aqa.models.base import Context
from aqa.records import Media, Question, Request, Sample

KNEES = Question(item="knees in", text="?", options=("true", "false"))
DEPTH = Question(item="depth", text="?", options=("too high", "good", "too low"))
SCORE = Question(item="", text="?", minimum=-5, maximum=5)


def sample(sample_id, truth, subject="s1", split="train", exercise="squat"):
    return Sample(
        sample_id=sample_id,
        exercise=exercise,
        subject=subject,
        split=split,
        media=Media(path="x.mp4", kind="video"),
        questions=(),
        truth=truth,
    )


def request(*questions, number=0, subject="s9", exercise="squat"):
    return Request(
        key=digest(number),
        settings=digest(""),
        sample_id="a",
        subject=subject,
        exercise=exercise,
        messages=(),
        questions=questions,
    )


def backend(kind="random", seed=1, training=(), **fields):
    file = ModelFile(title="B", backend="baseline", options={"kind": kind}, **fields)
    return models.create(file, Context(Path(), seed, training), "config/models/b.yaml")


def ask(baseline, *questions, **fields):
    async def ask():
        async with baseline as opened:
            return await opened.ask(request(*questions, **fields))

    reply = asyncio.run(ask())
    assert reply.outcome == "ok"
    return json.loads(reply.text)


def test_answers_are_the_json_that_prompts_ask_for():
    answer = ask(backend(), KNEES, DEPTH)
    assert set(answer) == {"knees in", "depth"}
    assert answer["knees in"] in (True, False)
    assert answer["depth"] in DEPTH.options
    assert isinstance(ask(backend(), SCORE)["score"], float)
    assert ask(backend(), DEPTH.model_copy(update={"item": ""})).keys() == {"answer"}


def test_random_is_uniform_over_options_and_over_the_scale():
    baseline = backend()
    depths = [ask(baseline, DEPTH, number=i)["depth"] for i in range(900)]
    for option in DEPTH.options:
        assert 240 <= depths.count(option) <= 360, "300 expected, standard deviation 14"
    scores = np.array([ask(baseline, SCORE, number=i)["score"] for i in range(900)])
    assert scores.min() >= -5
    assert scores.max() <= 5
    assert abs(scores.mean()) < 0.4
    assert 2.7 < scores.std() < 3.1, "10 / sqrt(12) = 2.89"


def test_questions_of_one_request_are_drawn_independently():
    twin = KNEES.model_copy(update={"item": "elbows"})
    answers = [ask(backend(), KNEES, twin, number=i) for i in range(400)]
    agree = sum(a["knees in"] == a["elbows"] for a in answers)
    assert 150 <= agree <= 250


def test_random_depends_on_seed_and_key_and_on_nothing_else():
    one, other = backend(seed=1), backend(seed=2)
    forward = [ask(one, SCORE, number=i) for i in range(20)]
    assert [ask(backend(seed=1), SCORE, number=i, subject="x") for i in reversed(range(20))] == forward[::-1]
    assert [ask(other, SCORE, number=i) for i in range(20)] != forward
    assert one.identity() != other.identity()
    assert one.identity() == backend(seed=1, training=[sample("a", {"": 1.0})]).identity()


def test_constant_is_the_majority_of_the_training_split():
    training = [
        *(sample(f"t{i}", {"knees in": "true", "depth": "too low"}) for i in range(3)),
        *(sample(f"u{i}", {"knees in": "false", "depth": "good"}) for i in range(2)),
        *(sample(f"v{i}", {"knees in": "false", "depth": "good"}, split="test") for i in range(9)),
        *(sample(f"w{i}", {"knees in": "false", "depth": "good"}, exercise="press") for i in range(9)),
    ]
    baseline = backend("constant", training=training)
    assert ask(baseline, KNEES, DEPTH) == {"knees in": True, "depth": "too low"}
    assert ask(baseline, KNEES, subject="s1") == {"knees in": True}, "training subjects count as they are"


def test_constant_is_the_mean_score_of_the_training_split():
    training = [sample("a", {"": 1.0}), sample("b", {"": 4.5}), sample("c", {"": -5.0}, split="test")]
    assert ask(backend("constant", training=training), SCORE) == {"score": 2.75}


def test_without_a_training_split_constant_learns_from_other_subjects_only():
    training = [
        *(sample(f"a{i}", {"knees in": "true"}, "s1", "test") for i in range(9)),
        *(sample(f"b{i}", {"knees in": "false"}, "s2", "test") for i in range(3)),
        *(sample(f"c{i}", {"knees in": "true"}, "s3", "test") for i in range(2)),
        sample("d", {"knees in": "true"}, "s1", "train", exercise="press"),
    ]
    baseline = backend("constant", training=training)
    assert ask(baseline, KNEES, subject="s1") == {"knees in": False}
    assert ask(baseline, KNEES, subject="s2") == {"knees in": True}


def test_ties_and_items_never_seen_go_to_the_first_option():
    training = [sample("a", {"depth": "good"}), sample("b", {"depth": "too high"})]
    baseline = backend("constant", training=training)
    assert ask(baseline, DEPTH, KNEES) == {"depth": "too high", "knees in": True}


def test_a_score_that_nobody_else_has_is_the_middle_and_is_reported(caplog):
    baseline = backend("constant", training=[sample("a", {"": 5.0}, "s1", "test")])
    assert ask(baseline, SCORE, subject="s1") == {"score": 0.0}
    assert "no other subject" in caplog.text


def test_the_identity_of_constant_follows_what_it_learns_from_in_any_order():
    training = [sample("a", {"": 1.0}), sample("b", {"": 2.0}), sample("c", {"": 3.0}, split="test")]
    identity = backend("constant", training=training).identity()
    assert backend("constant", seed=2, training=training[::-1]).identity() == identity
    assert backend("constant", training=training[:2]).identity() == identity, "c teaches nothing"
    assert backend("constant", training=[*training[1:], sample("a", {"": 9.0})]).identity() != identity


def test_what_makes_no_sense_is_refused_with_its_place():
    with pytest.raises(UserError, match=r"b\.yaml: a baseline takes no sampling parameters"):
        backend(sampling={"temperature": 0})
    with pytest.raises(UserError, match="needs samples to learn from"):
        backend("constant").identity()
    with pytest.raises(UserError, match=r"b\.yaml: options: 'kind' is 'randon'; did you mean 'random'"):
        backend("randon")
    file = ModelFile(title="B", backend="baseline", options={"kind": "random", "sead": 1})
    with pytest.raises(UserError, match="unknown key 'sead'"):
        models.create(file, Context(Path(), 1), "b.yaml")
    with pytest.raises(UserError, match="no minimum and maximum"):
        ask(backend(), Question(item="", text="?"))


def test_only_a_model_that_draws_is_worth_asking_again():
    def why(**fields):
        return models.deterministic(ModelFile(title="B", **fields))

    assert why(backend="baseline", options={"kind": "random"}) is None
    assert why(backend="baseline", options={"kind": "constant"}) == "it draws nothing"
    served = {"backend": "openai", "options": {"model": "m", "base_url": "http://127.0.0.1:1/v1"}}
    assert why(**served) is None
    assert why(**served, sampling={"temperature": 0.7}) is None
    assert why(**served, sampling={"temperature": 0}) == "it is sampled at temperature 0"
