"""A limit gives a seeded, stratified, nested subset."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets.subset import evaluated
from aqa.records import Media, Question, Sample


def sample(number: int, exercise: str, truth: str | float, split: str = "test") -> Sample:
    return Sample(
        sample_id=f"s{number:04d}",
        exercise=exercise,
        subject=f"p{number % 7}",
        split=split,
        media=Media(path="x.mp4", kind="video"),
        questions=(Question(item="q", text="?"),),
        truth={"q": truth},
    )


SAMPLES = [
    *(sample(i, "squat", "true" if i % 4 == 0 else "false") for i in range(80)),
    *(sample(100 + i, "press", "true" if i % 2 else "false") for i in range(40)),
    *(sample(200 + i, "squat", "true", "train") for i in range(9)),
]


def test_no_limit_is_the_whole_evaluated_split():
    assert evaluated(SAMPLES, "test", None, 0) == SAMPLES[:120]
    assert evaluated(SAMPLES, "test", 10_000, 0) == SAMPLES[:120]


@given(st.integers(1, 120), st.integers(1, 120), st.integers(0, 5))
def test_a_larger_limit_keeps_every_earlier_sample(small, large, seed):
    small, large = sorted((small, large))
    few = evaluated(SAMPLES, "test", small, seed)
    assert len(few) == small
    assert {s.sample_id for s in few} <= {s.sample_id for s in evaluated(SAMPLES, "test", large, seed)}


@given(st.permutations(SAMPLES), st.integers(1, 120))
def test_the_choice_does_not_depend_on_the_order_of_the_file(shuffled, limit):
    chosen = {s.sample_id for s in evaluated(shuffled, "test", limit, 3)}
    assert chosen == {s.sample_id for s in evaluated(SAMPLES, "test", limit, 3)}


@given(st.integers(12, 120), st.integers(0, 20))
def test_strata_keep_their_shares(limit, seed):
    chosen = Counter((s.exercise, s.truth["q"]) for s in evaluated(SAMPLES, "test", limit, seed))
    whole = Counter((s.exercise, s.truth["q"]) for s in SAMPLES if s.split == "test")
    for stratum, count in whole.items():
        assert abs(chosen[stratum] - limit * count / 120) <= 1.5


def test_scores_are_stratified_by_rank():
    dives = [sample(i, "diving", float(i)) for i in range(90)]
    chosen = evaluated(dives, "test", 30, 1)
    assert Counter(int(s.truth["q"] // 30) for s in chosen) == {0: 10, 1: 10, 2: 10}


def test_another_seed_is_another_subset():
    assert evaluated(SAMPLES, "test", 20, 1) != evaluated(SAMPLES, "test", 20, 2)
