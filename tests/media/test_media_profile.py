"""Which frames a profile keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aqa.media.profile import NATIVE, Profile, clip_times, select, thin, within

AT_25 = np.arange(250) / 25


def kept(times: np.ndarray, profile: Profile, start: float = 0.0, end: float | None = None) -> list[int]:
    return list(select(times, within(times, start, end), start, profile))


@given(n=st.integers(1, 90_000), length=st.integers(1, 500), clock_ms=st.booleans())
def test_frame_numbers_of_a_25_fps_broadcast_give_exactly_these_frames(
    n: int, length: int, clock_ms: bool
) -> None:
    m = n + length - 1
    times = np.arange(n + length + 50) / 25
    times = np.round(times, 3) if clock_ms else times
    assert within(times, (n - 1) / 25, m / 25) == range(n - 1, m)


@pytest.mark.parametrize("rate", [24000 / 1001, 30000 / 1001, 30, 60000 / 1001, 120, 240])
def test_a_millisecond_clock_does_not_move_frames_over_an_intervals_edge(rate: float) -> None:
    times = np.round(np.arange(2000) / rate + 0.0334, 3)
    times -= times[0]
    for n in range(0, 1900, 7):
        assert within(times, n / rate, (n + 13) / rate) == range(n, n + 13)


def test_the_native_profile_keeps_every_frame() -> None:
    assert kept(AT_25, NATIVE) == list(range(250))


def test_fps_keeps_the_first_frame_at_or_after_each_multiple() -> None:
    assert kept(AT_25, Profile(fps=2), end=3.0) == [0, 13, 25, 38, 50, 63]
    assert kept(AT_25, Profile(fps=2), start=1.0, end=2.1) == [25, 38, 50]


def test_the_last_frame_is_kept_only_if_it_is_the_first_after_a_multiple() -> None:
    assert kept(AT_25, Profile(fps=1), end=1.0) == [0]
    assert kept(AT_25, Profile(fps=1), end=1.04) == [0, 25]
    assert kept(AT_25, Profile(fps=2), end=0.52) == [0]  # the first frame after 0.5 s is at 0.52 s: outside
    assert kept(AT_25, Profile(fps=2), end=0.56) == [0, 13]


def test_a_source_slower_than_fps_keeps_all_its_frames_once() -> None:
    assert kept(AT_25, Profile(fps=60), end=0.4) == list(range(10))


def test_multiples_are_counted_from_the_clips_start_also_where_its_first_frame_is_later() -> None:
    times = np.array([0.0, 0.3, 0.35, 0.8, 1.3, 1.4])
    assert kept(times, Profile(fps=2), start=0.1) == [1, 3, 4]  # targets 0.1, 0.6, 1.1


def test_max_frames_keeps_both_ends_and_even_distances() -> None:
    assert thin(range(10), 4) == (0, 3, 6, 9)
    assert thin(range(6), 3) == (0, 3, 5)  # 2.5 rounds up
    assert thin(range(5), 1) == (2,)
    assert thin(range(3), 3) == thin(range(3), 7) == (0, 1, 2)


@given(n=st.integers(2, 400), most=st.integers(2, 120))
def test_max_frames_never_keeps_more_or_the_same_frame_twice(n: int, most: int) -> None:
    some = thin(range(n), most)
    assert len(set(some)) == len(some) == min(n, most)
    assert some[0] == 0 and some[-1] == n - 1
    gaps = np.diff(some)
    assert gaps.max() - gaps.min() <= 1


@given(
    gaps=st.lists(st.floats(0.005, 0.5), min_size=1, max_size=80),
    fps=st.floats(0.2, 60),
    start=st.floats(0, 3),
)
def test_sampling_of_any_times_follows_the_stated_rule(gaps: list[float], fps: float, start: float) -> None:
    times = np.concatenate([[0.0], np.cumsum(gaps)])
    inside = within(times, start, None)
    expected = set()
    k = 0
    while inside and start + k / fps <= times[-1] + 0.002:
        after = [i for i in inside if times[i] >= start + k / fps - 0.002]
        expected.update(after[:1])
        k += 1
    assert set(select(times, inside, start, Profile(fps=fps))) == expected


def test_fps_comes_before_max_frames() -> None:
    assert kept(AT_25, Profile(fps=5, max_frames=3), end=2.0) == [0, 25, 45]


def test_timestamps_are_seconds_from_the_clips_start() -> None:
    assert clip_times(AT_25, [25, 26, 38], 1.0) == (0.0, 0.04, 0.52)
    assert clip_times(np.array([0.999]), [0], 1.0) == (0.0,)


@pytest.mark.parametrize("bad", [{"fps": 0}, {"max_frames": 0}, {"scale": 0}, {"scale": 2}, {"frames": 3}])
def test_an_impossible_profile_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Profile.model_validate(bad)
