"""In-context examples: every answer shown, nothing shared with what is asked, nothing left to chance."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.datasets.cover import cover
from aqa.datasets.examples import choose, group_of, origins, usable
from aqa.datasets.reviewed import key
from aqa.errors import UserError
from aqa.records import Examples, Question, Sample

YES_NO = ("true", "false")
SCORE = (Question(item="", text="How well?", minimum=0, maximum=10),)


def choices(**options: tuple[str, ...]) -> tuple[Question, ...]:
    return tuple(Question(item=item, text=item, options=allowed) for item, allowed in options.items())


def sample(name: str, truth: dict[str, Any], questions: tuple[Question, ...], **facts: Any) -> Sample:
    path = facts.get("path", f"{name}.mp4")
    return Sample(
        sample_id=name,
        exercise=facts.get("exercise", "squat"),
        subject=facts.get("subject", f"p-{name}"),
        split=facts.get("split", "test"),
        media={
            "path": path,
            "kind": "video",
            "sha256": None if facts.get("absent") else key(facts.get("content", path)),
        },
        questions=questions,
        truth=truth,
        details=facts.get("details", {}),
    )


def binary(truths: str, **facts: Any) -> list[Sample]:
    """Return one sample a letter: t for true, f for false, each of its own subject."""
    return [
        sample(f"s{number}", {"q": "true" if letter == "t" else "false"}, choices(q=YES_NO), **facts)
        for number, letter in enumerate(truths)
    ]


def one(
    samples: list[Sample], asked: list[Sample] | None = None, train: Any = None, seed: int = 1
) -> Examples:
    (found,) = choose(samples, samples if asked is None else asked, train_split=train, seed=seed)
    return found


def truths(names: tuple[str, ...], samples: list[Sample], item: str) -> list[Any]:
    by_id = {known.sample_id: known for known in samples}
    return [by_id[name].truth[item] for name in names]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    caplog.set_level(logging.INFO, logger="aqa")
    return caplog


def test_a_choice_is_shown_with_one_example_of_each_answer(logged):
    samples = binary("ttttffff")
    found = one(samples)
    assert sorted(truths(found.samples, samples, "q")) == ["false", "true"]
    assert sorted(truths(found.alternate, samples, "q")) == ["false", "true"]
    assert not set(found.samples) & set(found.alternate)
    assert not logged.records


def test_several_questions_get_a_smallest_set_that_shows_every_option_of_each():
    questions = choices(a=YES_NO, b=YES_NO, c=("low", "middle", "high"))
    combinations = itertools.product(YES_NO, YES_NO, ("low", "middle", "high"))
    samples = [
        sample(f"s{number}{copy}", dict(zip("abc", answers, strict=True)), questions)
        for number, answers in enumerate(combinations)
        for copy in "xyz"
    ]
    found = one(samples)
    for names in (found.samples, found.alternate):
        assert len(names) == 3
        for question in questions:
            assert set(truths(names, samples, question.item)) == set(question.options or ())


def test_a_score_is_shown_by_a_low_and_a_high_one_of_the_same_action():
    samples = [
        sample(
            f"s{number:03d}",
            {"": float(number % 50)},
            SCORE,
            details={"position": ("tuck", "pike")[number % 2], "armstand": "no", "turns": number % 3},
        )
        for number in range(100)
    ]
    found = one(samples)
    for names in (found.samples, found.alternate):
        low, high = sorted(truths(names, samples, ""))
        assert low <= 10
        assert high >= 39
        shown = [known for known in samples if known.sample_id in names]
        assert shown[0].details == shown[1].details


def test_where_no_two_agree_in_all_details_they_agree_in_as_many_as_possible():
    samples = [
        sample(
            f"s{number}",
            {"": float(number)},
            SCORE,
            details={"position": "tuck" if number in (0, 9) else f"other-{number}", "turns": number},
        )
        for number in range(10)
    ]
    assert set(one(samples).samples) == {"s0", "s9"}


def test_equal_scores_show_neither_low_nor_high():
    samples = [sample(f"s{number}", {"": 5.0}, SCORE) for number in range(6)]
    with pytest.raises(UserError, match="none of the 6 samples"):
        one(samples)


def test_examples_come_from_the_training_split_where_there_is_one():
    train = [
        known.model_copy(update={"sample_id": f"t-{known.sample_id}", "subject": f"t-{known.subject}"})
        for known in binary("ttff", split="train", path="t.mp4")
    ]
    train = [
        known.model_copy(
            update={
                "media": known.media.model_copy(
                    update={"path": known.sample_id, "sha256": key(known.sample_id)}
                )
            }
        )
        for known in train
    ]
    samples = [*binary("ttff"), *train]
    found = one(samples, binary("ttff"), train="train")
    assert all(name.startswith("t-") for name in (*found.samples, *found.alternate))


def test_what_shares_nothing_with_the_evaluated_split_is_taken_first():
    evaluated = binary("tf")
    twins = [
        known.model_copy(update={"sample_id": f"a-{known.sample_id}", "split": "train"})
        for known in evaluated
    ]
    clean = [
        sample(f"z{number}", {"q": answer}, choices(q=YES_NO), split="train")
        for number, answer in enumerate(YES_NO * 2)
    ]
    for seed in range(20):
        found = one([*evaluated, *twins, *clean], evaluated, train="train", seed=seed)
        assert all(name.startswith("z") for name in (*found.samples, *found.alternate))


def test_a_sample_without_its_file_is_no_example():
    samples = [*binary("tf"), sample("gone", {"q": "true"}, choices(q=YES_NO), absent=True)]
    for seed in range(20):
        found = one(samples, samples[:2], seed=seed)
        assert "gone" not in (*found.samples, *found.alternate)


def test_one_question_samples_have_examples_of_their_own_guideline():
    back, feet = choices(back=YES_NO), choices(feet=YES_NO)
    samples = [
        sample(f"{item}{number}", {item: YES_NO[number % 2]}, questions)
        for item, questions in (("back", back), ("feet", feet))
        for number in range(6)
    ]
    found = choose(samples, samples, train_split=None, seed=0)
    assert [(entry.exercise, entry.items) for entry in found] == [("squat", ("back",)), ("squat", ("feet",))]
    for entry in found:
        assert all(name.startswith(entry.items[0]) for name in (*entry.samples, *entry.alternate))


def test_an_answer_that_nobody_else_shows_is_reported_with_its_number(logged):
    samples = binary("tttttf")
    found = one(samples)
    by_id, origin = {known.sample_id: known for known in samples}, origins(samples)
    for known in samples:
        names = usable(known, found, by_id, origin)
        assert names
        assert set(truths(names, samples, "q")) == ({"true"} if known.sample_id == "s5" else set(YES_NO))
    (record,) = logged.records
    assert "squat q 'false': 1" in record.getMessage()


def test_a_sample_with_nobody_else_is_reported_and_has_no_examples(logged):
    lonely = sample("lonely", {"other": "true"}, choices(other=YES_NO), exercise="press")
    samples = [*binary("tfft"), lonely]
    found = choose(samples, samples, train_split=None, seed=0)
    press = next(entry for entry in found if entry.exercise == "press")
    assert usable(lonely, press, {known.sample_id: known for known in samples}, origins(samples)) is None
    assert "1 of 5 samples have none of another subject and source" in logged.text


def test_nobody_with_an_example_is_an_error():
    samples = [known.model_copy(update={"subject": "same"}) for known in binary("tftf")]
    with pytest.raises(UserError, match=r"none of the 4 samples .* leave out the strategies"):
        one(samples)


def test_other_seeds_choose_other_examples():
    samples = binary("tf" * 20)
    assert len({one(samples, seed=seed).samples for seed in range(10)}) > 5


def test_sharing_is_followed_from_sample_to_sample():
    samples = [
        sample("a", {}, (), subject="p1", path="1", content="x"),
        sample("b", {}, (), subject="p2", path="2", content="x"),
        sample("c", {}, (), subject="p2", path="3", content="y"),
        sample("d", {}, (), subject="p3", path="3", content="z"),
        sample("e", {}, (), subject="p4", path="4", content="w"),
    ]
    origin = origins(samples)
    assert len({origin[name] for name in "abcd"}) == 1
    assert origin["e"] != origin["a"]


small = st.integers(0, 3)
people = st.lists(
    st.tuples(small, small, small, st.sampled_from(YES_NO), st.sampled_from(("x", "y", "z")), st.booleans()),
    min_size=1,
    max_size=14,
)


def drawn(rows: list[tuple[Any, ...]]) -> list[Sample]:
    questions = choices(q=YES_NO, r=("x", "y", "z"))
    return [
        sample(
            f"s{number:02d}",
            {"q": q, "r": r},
            questions,
            subject=f"p{person}",
            path=f"{file}-{person}",
            content=f"c{content}-{number % 3}",
            split="train" if train else "test",
        )
        for number, (person, file, content, q, r, train) in enumerate(rows)
    ]


@settings(max_examples=150, deadline=None)
@given(rows=people, seed=st.integers(0, 5), training=st.booleans())
def test_no_example_shares_subject_source_or_content_with_what_is_asked(rows, seed, training):
    samples = drawn(rows)
    asked = [known for known in samples if known.split == "test"]
    by_id = {known.sample_id: known for known in samples}
    try:
        found = choose(samples, asked, train_split="train" if training else None, seed=seed)
    except UserError:
        return
    entries = {(entry.exercise, entry.items): entry for entry in found}
    for known in asked:
        names = usable(known, entries[group_of(known)], by_id, origins(samples))
        for name in names or ():
            other = by_id[name]
            assert other.subject != known.subject
            assert other.media.path != known.media.path
            assert other.media.sha256 != known.media.sha256
            assert other.split == ("train" if training else "test")


@settings(max_examples=60, deadline=None)
@given(rows=people, seed=st.integers(0, 5), keep=st.integers(1, 14), data=st.randoms(use_true_random=False))
def test_neither_the_subset_that_is_asked_nor_the_order_of_the_file_changes_the_examples(
    rows, seed, keep, data
):
    samples = drawn([(*row[:-1], False) for row in rows])
    try:
        part = choose(samples, samples[:keep], train_split=None, seed=seed)
    except UserError:
        return
    shuffled = list(samples)
    data.shuffle(shuffled)
    try:
        assert choose(shuffled, samples, train_split=None, seed=seed) == part
    except UserError:
        raise AssertionError("a larger subset has examples where a smaller one has") from None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("abc"), st.sampled_from("ab")),
        min_size=1,
        max_size=8,
    )
)
def test_a_cover_is_as_small_as_any(rows):
    offered = [frozenset((str(place), value) for place, value in enumerate(row)) for row in rows]
    wanted = frozenset().union(*offered)
    found = cover(offered, wanted)
    assert frozenset().union(*(offered[place] for place in found)) == wanted
    for size in range(len(found)):
        for tried in itertools.combinations(offered, size):
            assert frozenset().union(*tried) != wanted


def test_a_cover_of_nothing_is_nothing_and_of_the_impossible_an_error():
    assert cover([], frozenset()) == []
    with pytest.raises(ValueError, match="nothing offered"):
        cover([frozenset({("a", "x")})], frozenset({("a", "y")}))
