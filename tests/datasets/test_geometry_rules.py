"""Geometry rules: what all of them keep, whatever they are about, and how sizes become options."""

from __future__ import annotations

import numpy as np
import pytest
from geometry_questions import NAMES, QUESTIONS, RULED
from hypothesis import given, settings
from hypothesis import strategies as st
from stick_figures import FRONT, motion, moved, pixels

from aqa.datasets.criteria import Criterion, graded
from aqa.datasets.geometry import NoRule, NotSeen, has_rules, load_rules, rules_digest
from aqa.datasets.kinematics import Motion
from aqa.errors import UserError
from aqa.records import Question

# What every rule keeps, whatever it is about.


def random_clip(seed: int, frames: int) -> Motion:
    """A person who moves at random: the joints of somebody upright, each displaced."""
    rng = np.random.default_rng(seed)
    rest = np.tile(pixels(FRONT), (frames, 1, 1)) + rng.normal(0.0, 40.0, (frames, 17, 2))
    return Motion(np.where(rng.random((frames, 17, 1)) < 0.04, np.nan, rest), 25.0)


@pytest.mark.parametrize(("dataset", "exercise", "question", "text"), QUESTIONS, ids=NAMES)
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    frames=st.sampled_from([1, 2, 7, 30]),
    scale=st.sampled_from([0.25, 0.5, 2.0, 8.0]),
    shift=st.tuples(st.integers(-512, 512), st.integers(-512, 512)),
    mirror=st.booleans(),
)
def test_moving_scaling_and_mirroring_the_picture_changes_no_answer(
    dataset: str,
    exercise: str,
    question: Question,
    text: str,
    seed: int,
    frames: int,
    scale: float,
    shift: tuple[int, int],
    mirror: bool,
) -> None:
    rules, clip = load_rules(dataset), random_clip(seed, frames)
    other = moved(clip, scale=scale, shift=shift, mirror=mirror)
    try:
        answer, merit = rules.judge(exercise, question, clip), rules.merit(exercise, text, clip)
    except NotSeen:
        with pytest.raises(NotSeen):
            rules.judge(exercise, question, other)
            rules.merit(exercise, text, other)
        return
    assert rules.merit(exercise, text, other) == pytest.approx(merit, rel=1e-6, abs=1e-6)
    if question.options is None:
        assert rules.judge(exercise, question, other) == pytest.approx(answer, abs=1e-6)
        assert question.minimum is not None and question.maximum is not None
        assert question.minimum <= float(answer) <= question.maximum
    else:
        assert answer in question.options
        assert abs(merit) < 1e-6 or rules.judge(exercise, question, other) == answer


@pytest.mark.parametrize(("dataset", "exercise", "question", "text"), QUESTIONS, ids=NAMES)
def test_a_rule_says_when_it_sees_nobody(dataset: str, exercise: str, question: Question, text: str) -> None:
    nobody = Motion(np.full((3, 17, 2), np.nan))
    with pytest.raises(NotSeen):
        load_rules(dataset).judge(exercise, question, nobody)
    with pytest.raises(NotSeen):
        load_rules(dataset).merit(exercise, text, nobody)


@pytest.mark.parametrize("dataset", RULED)
def test_what_no_rule_is_about_is_said(dataset: str) -> None:
    rules, clip = load_rules(dataset), motion(pixels(FRONT))
    colour = Question(item="colour", text="What colour is the shirt?", options=("red", "blue"))
    with pytest.raises(NoRule):
        rules.judge("other", colour, clip)
    with pytest.raises(NoRule):
        rules.merit("other", "In which of the two is the shirt redder?", clip)


def test_data_of_ones_own_have_no_rules() -> None:
    assert all(map(has_rules, RULED))
    assert not has_rules("my-gym")
    assert not has_rules("generic")
    with pytest.raises(UserError, match="my-gym: has no geometry rules"):
        load_rules("my-gym")


def test_each_dataset_has_a_digest_of_its_own_rules() -> None:
    assert len({rules_digest(dataset) for dataset in RULED}) == len(RULED)
    assert rules_digest("finefs") == rules_digest("finefs")


# Thresholds.


def test_a_size_means_the_option_between_its_cuts() -> None:
    criterion = Criterion(lambda clip: clip.rate, (10.0, 20.0), ("Low", "Equal", "High"), 5.0)
    for rate, option in ((9.9, "low"), (10.0, "equal"), (19.9, "equal"), (20.0, "high")):
        assert criterion.option(Motion(np.zeros((1, 17, 2)), rate), ("equal", "high", "low")) == option
    clip = Motion(np.zeros((1, 17, 2)), 25.0)
    assert [criterion.towards(option, clip) for option in ("Low", "equal", "HIGH")] == [-3.0, -1.0, 1.0]
    with pytest.raises(NoRule):
        criterion.option(clip, ("low", "high"))
    with pytest.raises(ValueError, match="need as many cuts"):
        Criterion(lambda clip: clip.rate, (10.0,), ("a", "b", "c"), 1.0)


def test_graded_stays_within_bad_and_good() -> None:
    assert [graded(size, 60.0, 15.0) for size in (90, 60, 37.5, 15, 0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
