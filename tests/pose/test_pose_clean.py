"""Gaps are interpolated and joints smoothed: properties, and a one-euro filter written out for one number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.pose.clean import CUTOFF_PER_SPEED, LOWEST_CUTOFF_HZ, SPEED_CUTOFF_HZ, fill_gaps, smooth


def with_gap(n: int, start: int, length: int) -> np.ndarray:
    values = np.stack([np.arange(n) * 2.0, 100 - np.arange(n) * 1.0], axis=1)[:, None, :].repeat(3, axis=1)
    values[start : start + length] = np.nan
    return values


@given(st.integers(1, 15), st.integers(1, 20), st.integers(1, 20))
def test_a_gap_within_the_limit_is_filled_on_the_straight_line(length: int, before: int, after: int) -> None:
    n = before + length + after
    values = with_gap(n, before, length)
    filled, done = fill_gaps(values, 15)
    assert np.allclose(filled, with_gap(n, 0, 0))
    assert np.flatnonzero(done).tolist() == list(range(before, before + length))


def test_longer_gaps_and_the_ends_stay_unknown() -> None:
    values = with_gap(60, 20, 16)
    values[:3] = values[-4:] = np.nan
    filled, done = fill_gaps(values, 15)
    assert not done.any()
    assert np.array_equal(filled, values, equal_nan=True)
    assert fill_gaps(with_gap(60, 20, 16), 16)[1].sum() == 16
    assert not fill_gaps(with_gap(9, 4, 1), 0)[1].any()


def test_a_joint_that_one_side_of_a_gap_does_not_know_stays_unknown_in_it() -> None:
    values = with_gap(10, 4, 2)
    values[6, 1] = np.nan
    filled, done = fill_gaps(values, 15)
    assert done.tolist() == [False] * 4 + [True] * 2 + [False] * 4
    assert np.isnan(filled[4:6, 1]).all()
    assert np.isfinite(filled[4:6, [0, 2]]).all()


def test_nothing_known_stays_nothing() -> None:
    nothing = np.full((5, 17, 3), np.nan)
    filled, done = fill_gaps(nothing, 15)
    assert np.isnan(filled).all() and not done.any()


def one_euro(values: list[float], times: list[float], unit: float) -> list[float]:
    """The filter for one number, as its authors describe it."""

    def alpha(cutoff: float, passed: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / passed)

    out, speed = [values[0]], 0.0
    for i in range(1, len(values)):
        passed = times[i] - times[i - 1]
        a = alpha(SPEED_CUTOFF_HZ, passed)
        speed = a * (values[i] - out[-1]) / passed + (1 - a) * speed
        b = alpha(LOWEST_CUTOFF_HZ + CUTOFF_PER_SPEED * abs(speed) / unit, passed)
        out.append(b * values[i] + (1 - b) * out[-1])
    return out


@settings(max_examples=30)
@given(
    st.lists(st.floats(-1000, 1000), min_size=2, max_size=20),
    st.lists(st.floats(0.005, 0.2), min_size=20, max_size=20),
    st.floats(10, 500),
)
def test_smoothing_is_the_one_euro_filter_in_both_directions(
    values: list[float], steps: list[float], unit: float
) -> None:
    times = np.cumsum(steps)[: len(values)].tolist()
    forward = one_euro(values, times, unit)
    backward = one_euro(values[::-1], [-t for t in times[::-1]], unit)[::-1]
    expected = [(a + b) / 2 for a, b in zip(forward, backward, strict=True)]
    found = smooth(np.array(values)[:, None, None], np.array(times), unit)[:, 0, 0]
    assert np.allclose(found, expected, atol=1e-6)


TIMES = np.arange(200) / 25


def test_a_still_joint_is_untouched_and_jitter_is_reduced() -> None:
    still = np.full((200, 17, 2), 37.5)
    assert np.allclose(smooth(still, TIMES, 100.0), still)
    noise = np.random.default_rng(3).normal(0, 1.0, (200, 17, 2))
    assert smooth(still + noise, TIMES, 100.0).std() < 0.6 * noise.std()


def test_a_fast_joint_neither_lags_nor_is_blunted() -> None:
    swing = 60.0 * np.sin(2 * np.pi * 1.5 * TIMES)
    places = np.repeat(swing[:, None, None], 2, axis=2)
    found = smooth(places, TIMES, 100.0)[:, 0, 0]
    lags = [np.corrcoef(found[20:-20], swing[20 + lag : 180 + lag])[0, 1] for lag in range(-3, 4)]
    assert int(np.argmax(lags)) == 3
    assert np.abs(found[20:-20]).max() > 0.93 * 60.0


def test_an_unknown_joint_stays_unknown_and_the_others_do_not_notice() -> None:
    rng = np.random.default_rng(1)
    places = rng.normal(100, 5, (40, 2, 2))
    gone = places.copy()
    gone[10:14, 0] = np.nan
    found, whole = smooth(gone, TIMES[:40], 100.0), smooth(places, TIMES[:40], 100.0)
    assert np.isnan(found[10:14, 0]).all()
    assert np.isfinite(np.delete(found[:, 0], slice(10, 14), axis=0)).all()
    assert np.array_equal(found[:, 1], whole[:, 1])
    assert found[14:, 0] == pytest.approx(smooth(places[14:], TIMES[14:40], 100.0)[:, 0])
