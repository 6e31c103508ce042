"""What guessing scores equals direct computation and simulation, in both forms and units."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_cells import SCORE, sample

from aqa.scoring.distance import Truth, constant, distance_rows, evaluated_truth, uniform


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=40).filter(lambda values: np.ptp(values) > 0.1))
def test_no_constant_comes_below_the_mean(values):
    truth = np.array(values)
    floor = constant(truth, float(truth.mean()))
    assert floor[0] == pytest.approx(truth.var() / np.ptp(truth) ** 2)
    assert floor[1] ** 2 == pytest.approx(floor[0])
    for guess in (0.0, 5.0, 8.0, 10.0):
        assert constant(truth, guess)[0] >= floor[0] - 1e-12


def test_uniform_guessing_equals_a_simulation_in_both_units():
    rng = np.random.default_rng(0)
    truth = Truth({"jump": rng.normal(1, 1, 40), "spin": rng.normal(-1, 2, 60)}, -5.0, 5.0)
    rows = {(row.unit, row.guess): row for row in distance_rows("skating", truth)}
    assert set(rows) == {
        (unit, guess) for unit in ("item", "exercise") for guess in ("constant_mean", "uniform")
    }
    guesses = rng.uniform(-5, 5, (4000, 100))
    whole = truth.all
    pooled = (((guesses - whole) / np.ptp(whole)) ** 2).mean(axis=1)
    assert rows["item", "uniform"].relative_l2 == pytest.approx(pooled.mean(), rel=0.01)
    parts = [
        (((guesses[:, at] - part) / np.ptp(part)) ** 2).mean(axis=1)
        for at, part in ((slice(0, 40), truth.exercises["jump"]), (slice(40, 100), truth.exercises["spin"]))
    ]
    assert rows["exercise", "uniform"].relative_l2 == pytest.approx(np.mean(parts), rel=0.01)
    roots = np.sqrt(pooled)
    assert rows["item", "uniform"].relative_l2_root == pytest.approx(roots.mean(), rel=0.01)


def test_the_truth_is_that_of_the_evaluated_samples():
    samples = [sample(f"s{k}", {"": float(k)}, [SCORE], exercise=f"e{k % 2}", subject="p") for k in range(6)]
    truth = evaluated_truth(samples, ["s1", "s2", "s5"])
    assert {name: values.tolist() for name, values in truth.exercises.items()} == {
        "e0": [2.0],
        "e1": [1.0, 5.0],
    }
    assert (truth.minimum, truth.maximum) == (0, 10)
    assert evaluated_truth(samples, []) is None


def test_one_exercise_has_one_unit_and_a_constant_truth_no_distance():
    rows = distance_rows("d", Truth({"dive": np.array([1.0, 2.0])}, 0.0, 10.0))
    assert {row.unit for row in rows} == {"item"}
    assert np.isnan(uniform(np.array([3.0, 3.0]), 0, 10)[0])


def test_an_exercise_of_constant_truth_is_left_out_as_scores_leave_it_out():
    jump, spin = np.array([1.0, 4.0, 9.0]), np.array([5.0])
    both = {
        (row.unit, row.guess): row for row in distance_rows("d", Truth({"j": jump, "s": spin}, 0.0, 10.0))
    }
    alone = {row.guess: row for row in distance_rows("d", Truth({"j": jump}, 0.0, 10.0))}
    for guess, row in alone.items():
        assert both["exercise", guess].relative_l2 == pytest.approx(row.relative_l2)
    flat = distance_rows("d", Truth({"j": spin, "s": spin}, 0.0, 10.0))
    assert {row.unit for row in flat} == {"item"}
