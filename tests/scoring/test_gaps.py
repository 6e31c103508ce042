"""Accuracy by gap equals counts by hand, over the same bins for every model."""

from __future__ import annotations

import numpy as np
import pytest
from compare_answers import pair
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cells import SCORE, sample

from aqa.errors import UserError
from aqa.grid import Cell
from aqa.records import Pair, Prediction
from aqa.scoring.gaps import analyse, edges, gap_rows, place_of

CELL = Cell("dives", "compare", "original", "base", "model-a")


def gapped(number: int, gap: float | None, subjects: int = 10) -> Pair:
    anchor = number % subjects
    return pair(number, anchor, (anchor + 1 + number // subjects) % subjects).model_copy(update={"gap": gap})


def answers(pairs: list[Pair], right: list[list[bool | None]]) -> list[Prediction]:
    """Both orders of each pair; None: unparsed."""
    return [
        Prediction(
            sample_id=one.pair_id,
            item=order,
            exercise=one.exercise,
            subject=one.anchor_subject,
            truth=truth,
            prediction=None if is_right is None else truth if is_right else other,
            outcome="unparsed" if is_right is None else "ok",
            repeat=0,
        )
        for one, both in zip(pairs, right, strict=True)
        for is_right, (order, truth, other) in zip(
            both, [("anchor_first", "first", "second"), ("partner_first", "second", "first")], strict=True
        )
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=80), st.integers(2, 8))
def test_bins_of_equally_many_pairs_keep_equal_gaps_together_and_lose_none(numbers, bins):
    gaps = np.array(numbers) / 4
    limits = edges(gaps, bins, 10.0)
    places = place_of(gaps, limits)
    assert len(limits) - 1 <= bins
    for value in set(gaps):
        assert len(set(places[gaps == value])) == 1
    for gap, place in zip(gaps, places, strict=True):
        last = place == max(len(limits) - 2, 0)
        assert limits[place] <= gap <= limits[min(place + 1, len(limits) - 1)]
        assert last or gap < limits[place + 1]


def test_distinct_gaps_fall_in_bins_of_equal_size():
    gaps = np.random.default_rng(0).permutation(100) / 10
    places = place_of(gaps, edges(gaps, 5, 10.0))
    assert np.bincount(places).tolist() == [20] * 5


def test_fixed_bins_meet_at_shares_of_the_scale():
    gaps = np.array([0.5, 1.0, 2.5, 4.0, 7.0])
    limits = edges(gaps, [0.1, 0.4, 0.9], 10.0)
    assert limits.tolist() == [0.5, 1.0, 4.0, 7.0]
    assert place_of(gaps, limits).tolist() == [0, 1, 1, 2, 2]


def test_accuracy_in_a_bin_equals_a_count_by_hand_under_both_policies():
    pairs = [gapped(number, gap) for number, gap in enumerate([0.5, 0.5, 1.0, 4.0, 5.0, 6.0])]
    said = [[True, False], [False, None], [False, False], [True, True], [True, None], [True, True]]
    rows = gap_rows(CELL, answers(pairs, said), {p.pair_id: p for p in pairs}, np.array([0.5, 2.0, 6.0]))
    found = {(row.bin, row.policy): (row.accuracy, row.n_pairs, row.n, row.n_ok) for row in rows}
    assert found == {
        (1, "strict"): (1 / 6, 3, 6, 5),
        (1, "answered"): (1 / 5, 3, 6, 5),
        (2, "strict"): (5 / 6, 3, 6, 5),
        (2, "answered"): (1.0, 3, 6, 5),
    }
    assert [row.gap for row in rows] == pytest.approx([2 / 3, 2 / 3, 5.0, 5.0])


def test_cells_of_a_dataset_share_their_bins_even_if_one_lacks_pairs():
    rng = np.random.default_rng(1)
    pairs = [gapped(number, round(float(gap), 3)) for number, gap in enumerate(rng.gamma(2, 1, 60))]
    said = [[bool(a), bool(b)] for a, b in rng.integers(0, 2, (60, 2))]
    other = CELL._replace(model="model-b")
    samples = {"s": sample("s", {"": 1.0}, [SCORE], exercise="dive", subject="p")}
    rows, trends = analyse(
        {CELL: answers(pairs, said), other: answers(pairs[:40], said[:40])},
        {"dives": {one.pair_id: one for one in pairs}},
        {"dives": samples},
        4,
    )
    limits = {
        model: {(r.bin, r.gap_low, r.gap_high) for r in rows if r.model == model}
        for model in ("model-a", "model-b")
    }
    assert limits["model-b"] <= limits["model-a"]
    assert len(limits["model-a"]) == 4
    assert {(row.model, row.policy, row.n_pairs) for row in trends} == {
        ("model-a", "strict", 60),
        ("model-a", "answered", 60),
        ("model-b", "strict", 40),
        ("model-b", "answered", 40),
    }


def test_a_cell_without_a_usable_answer_has_no_number_and_says_why():
    pairs = [gapped(number, 1.0 + number) for number in range(6)]
    predictions = answers(pairs, [[None, None]] * 6)
    samples = {"s": sample("s", {"": 1.0}, [SCORE], exercise="dive", subject="p")}
    rows, trends = analyse(
        {CELL: predictions}, {"dives": {p.pair_id: p for p in pairs}}, {"dives": samples}, 2
    )
    assert {(row.policy, str(row.accuracy), row.n_ok) for row in rows} == {
        ("strict", "0.0", 0),
        ("answered", "nan", 0),
    }
    assert all(np.isnan(row.slope) and row.note for row in trends)


def test_pairs_without_a_gap_or_unknown_ones_are_named():
    pairs = [gapped(0, None)]
    with pytest.raises(UserError, match="pair 'pair0' has no gap"):
        gap_rows(CELL, answers(pairs, [[True, True]]), {"pair0": pairs[0]}, np.array([0.0, 1.0]))
    with pytest.raises(UserError, match="pair 'pair0' is not in the file"):
        gap_rows(CELL, answers(pairs, [[True, True]]), {}, np.array([0.0, 1.0]))
