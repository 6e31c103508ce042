"""Pairs for the compare task: who is compared with whom, in what, and what is reported."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pair_samples import BOTH, ERRORS, HIP, HIP_TEXT, KNEE, KNEE_TEXT, SCORE, ids, sample, texts

from aqa.datasets.pairs import BOUNDARY, NO_PARTNER, NO_TEXT, make_pairs
from aqa.errors import UserError
from aqa.records import Question, Sample


@st.composite
def dives(draw: st.DrawFn) -> list[Sample]:
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 4),
                st.sampled_from(["dive", "jump"]),
                st.integers(0, 4),
                st.sampled_from(["test", "test", "train"]),
                st.integers(0, 3),
            ),
            min_size=1,
            max_size=25,
        )
    )
    return [
        sample(
            f"d{number:02d}",
            {"": float(score)},
            (SCORE,),
            subject=f"p{subject}",
            exercise=exercise,
            split=split,
            sha256=str(content) * 64 if content else None,
        )
        for number, (subject, exercise, score, split, content) in enumerate(rows)
    ]


@st.composite
def keyframes(draw: st.DrawFn) -> list[Sample]:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 4), st.sampled_from(HIP.options), st.sampled_from(KNEE.options)),
            min_size=1,
            max_size=20,
        )
    )
    return [
        sample(f"k{n:02d}", {"r1": hip, "r2": knee}, (HIP, KNEE), subject=f"p{subject}", exercise="lunge")
        for n, (subject, hip, knee) in enumerate(rows)
    ]


def eligible(anchor: Sample, other: Sample) -> bool:
    """The rule, said anew: same exercise, test split, another subject, truth and content."""
    twin = anchor.media.sha256 is not None and anchor.media.sha256 == other.media.sha256
    return (
        anchor.exercise == other.exercise
        and other.split == "test"
        and anchor.subject != other.subject
        and anchor.truth != other.truth
        and not twin
    )


@given(dives(), st.integers(0, 3))
def test_partners_share_the_exercise_and_differ_in_subject_truth_and_content(
    samples: list[Sample], seed: int
) -> None:
    pairing = make_pairs(samples, ids(samples), split="test", seed=seed)
    named = {one.sample_id: one for one in samples}
    for pair in pairing.pairs:
        anchor, partner = named[pair.anchor], named[pair.partner]
        assert eligible(anchor, partner)
        assert (pair.exercise, pair.item) == (anchor.exercise, "")
        assert (pair.anchor_subject, pair.partner_subject) == (anchor.subject, partner.subject)
        difference = float(anchor.truth[""]) - float(partner.truth[""])
        assert (pair.better == "anchor") == (difference > 0)
        assert pair.gap == abs(difference) > 0


@given(dives(), st.integers(0, 3))
def test_every_anchor_has_one_pair_or_no_eligible_partner(samples: list[Sample], seed: int) -> None:
    pairing = make_pairs(samples, ids(samples), split="test", seed=seed)
    paired = [pair.anchor for pair in pairing.pairs]
    alone = [name for names in pairing.alone.values() for name in names]
    assert sorted(paired + alone) == sorted(ids(samples))
    named = {one.sample_id: one for one in samples}
    for name in alone:
        assert not any(eligible(named[name], other) for other in samples)


@given(dives(), st.randoms(use_true_random=False), st.integers(0, 3))
def test_pairs_depend_on_no_order_and_a_larger_limit_keeps_every_pair(
    samples: list[Sample], random, seed: int
) -> None:
    everyone = ids(samples)
    whole = make_pairs(samples, everyone, split="test", seed=seed)
    few = random.sample(everyone, len(everyone) // 2)
    shuffled = random.sample(samples, len(samples))
    part = make_pairs(shuffled, few, split="test", seed=seed)
    assert part.pairs == [pair for pair in whole.pairs if pair.anchor in few]


@given(keyframes(), st.integers(0, 3), st.sampled_from(["one", "all"]))
def test_rephrased_questions_compare_opposite_options_and_never_a_boundary(
    samples: list[Sample], seed: int, per_anchor: str
) -> None:
    named = {one.sample_id: one for one in samples}
    pairing = make_pairs(
        samples, ids(samples), split="test", seed=seed, contrastive=BOTH, per_anchor=per_anchor
    )
    for pair in pairing.pairs:
        first, others = {"r1": ("Lower", {"Higher"}), "r2": ("Near", {"Far"})}[pair.item]
        answers = {
            "anchor": named[pair.anchor].truth[pair.item],
            "partner": named[pair.partner].truth[pair.item],
        }
        assert answers.pop(pair.better) == first
        assert set(answers.values()) <= others
        assert pair.text == {"r1": HIP_TEXT, "r2": KNEE_TEXT}[pair.item].rephrased
        assert pair.gap is None
    assert len({pair.pair_id for pair in pairing.pairs}) == len(pairing.pairs)


@given(keyframes(), st.integers(0, 3))
def test_one_pair_an_anchor_is_one_of_its_pairs_of_all_questions(samples: list[Sample], seed: int) -> None:
    one = make_pairs(samples, ids(samples), split="test", seed=seed, contrastive=BOTH)
    every = make_pairs(samples, ids(samples), split="test", seed=seed, contrastive=BOTH, per_anchor="all")
    anchors = [pair.anchor for pair in one.pairs]
    assert len(set(anchors)) == len(anchors)
    assert set(anchors) == {pair.anchor for pair in every.pairs}
    assert {pair.pair_id for pair in one.pairs} <= {pair.pair_id for pair in every.pairs}
    assert one.alone == every.alone


def test_an_execution_without_error_is_compared_with_one_that_has_at_least_one() -> None:
    truths = [("false", "false"), ("true", "false"), ("false", "true"), ("true", "true")] * 4
    samples = [sample(f"s{n:02d}", {"in": a, "forward": b}, ERRORS) for n, (a, b) in enumerate(truths)]
    flawless = {one.sample_id for one in samples if set(one.truth.values()) == {"false"}}
    pairing = make_pairs(samples, ids(samples), split="test", seed=1)
    assert len(pairing.pairs) == len(samples)
    for pair in pairing.pairs:
        better, worse = (
            (pair.anchor, pair.partner) if pair.better == "anchor" else (pair.partner, pair.anchor)
        )
        assert better in flawless
        assert worse not in flawless
        assert pair.item == ""


def test_a_guideline_is_compared_with_the_opposite_label_of_the_same_guideline() -> None:
    guidelines = [Question(item=i, text=f"Keep {i}", options=("true", "false"), correct="true") for i in "ab"]
    samples = [
        sample(f"s{n:02d}", {guidelines[n % 2].item: ("true", "false")[n // 2 % 2]}, (guidelines[n % 2],))
        for n in range(16)
    ]
    named = {one.sample_id: one for one in samples}
    for pair in make_pairs(samples, ids(samples), split="test", seed=1).pairs:
        assert set(named[pair.anchor].truth) == set(named[pair.partner].truth) == {pair.item}
        assert named[{"anchor": pair.anchor, "partner": pair.partner}[pair.better]].truth[pair.item] == "true"
        assert pair.text == f"Keep {pair.item}"


def test_every_eligible_partner_is_equally_likely() -> None:
    samples = [sample(f"d{n}", {"": float(n > 0)}, (SCORE,)) for n in range(6)]
    drawn = [make_pairs(samples, ["d0"], split="test", seed=seed).pairs[0].partner for seed in range(1000)]
    for name in ids(samples)[1:]:
        assert 160 <= drawn.count(name) <= 240  # 200 expected, standard deviation 12.6


def test_other_seconds_of_the_same_file_are_other_content_and_the_same_seconds_are_not() -> None:
    def dive(name: str, score: float, seconds: tuple[float, float]) -> Sample:
        return sample(name, {"": score}, (SCORE,), sha256="a" * 64, seconds=seconds)

    copies = [dive("a", 1, (0, 2)), dive("b", 2, (0, 2))]
    assert make_pairs(copies, ["a"], split="test", seed=0).alone == {NO_PARTNER: ["a"]}
    (pair,) = make_pairs([*copies, dive("c", 3, (2, 4))], ["a"], split="test", seed=0).pairs
    assert pair.partner == "c"


def test_anchors_without_a_pair_are_listed_with_the_reason() -> None:
    samples = [
        sample("edge", {"r1": "Equal"}, (HIP,), exercise="lunge"),
        sample("mute", {"r2": "Near"}, (KNEE,), exercise="lunge"),
        sample("low", {"r1": "Lower"}, (HIP,), exercise="lunge"),
    ]
    pairing = make_pairs(samples, ids(samples), split="test", seed=0, contrastive=texts(HIP_TEXT))
    assert pairing.alone == {BOUNDARY: ["edge"], NO_PARTNER: ["low"], NO_TEXT: ["mute"]}
    assert [(lacking.question, lacking.state) for lacking in pairing.lacking.values()] == [(KNEE, "missing")]


def test_a_text_that_nobody_approved_is_used_only_on_request() -> None:
    samples = [
        sample("a", {"r1": "Lower"}, (HIP,), exercise="lunge"),
        sample("b", {"r1": "Higher"}, (HIP,), exercise="lunge"),
    ]
    unapproved = texts(HIP_TEXT.model_copy(update={"reviewed": False}))
    without = make_pairs(samples, ["a"], split="test", seed=0, contrastive=unapproved)
    assert (without.pairs, without.alone) == ([], {NO_TEXT: ["a"]})
    used = make_pairs(samples, ["a"], split="test", seed=0, contrastive=unapproved, drafts=True)
    assert [(pair.partner, pair.better) for pair in used.pairs] == [("b", "anchor")]
    assert [lacking.state for lacking in used.lacking.values()] == ["draft"]


def test_choices_that_nothing_orders_are_an_error_that_says_what_to_write() -> None:
    with pytest.raises(UserError, match=r"which option of 'r1' is correct.*contrastive\.yaml"):
        make_pairs([sample("a", {"r1": "Lower"}, (HIP,))], ["a"], split="test", seed=0)


def test_an_anchor_outside_the_evaluated_split_is_an_error() -> None:
    samples = [sample("a", {"": 1.0}, (SCORE,), split="train")]
    with pytest.raises(UserError, match="no samples of the split test, the first 'a'"):
        make_pairs(samples, ["a"], split="test", seed=0)
