"""Angles, lengths and turns of joints in the picture: what all geometry rules are made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stick_figures import FRONT, SIDE, motion, moved, pixels

from aqa.datasets import kinematics as k
from aqa.datasets.geometry import NotSeen
from aqa.pose.store import JOINTS

degrees = st.floats(0.0, 180.0)


def at(x: float, y: float) -> k.Array:
    return np.array([[x, y]])


def test_joints_are_those_of_the_pose_store_in_its_order() -> None:
    assert tuple(joint.name.lower() for joint in k.Joint) == JOINTS


@given(inside=degrees, turn=st.floats(-180, 180), length=st.floats(1, 500))
def test_an_angle_is_what_it_was_drawn_with(inside: float, turn: float, length: float) -> None:
    first, last = math.radians(turn), math.radians(turn + inside)
    one = at(10 + 7 * math.cos(first), 20 + 7 * math.sin(first))
    other = at(10 + length * math.cos(last), 20 + length * math.sin(last))
    assert k.angle(one, at(10, 20), other)[0] == pytest.approx(inside, abs=1e-4)
    assert k.bend(one, at(10, 20), other)[0] == pytest.approx(180 - inside, abs=1e-4)


@given(lean=degrees, right=st.booleans())
def test_lean_is_measured_from_straight_up_to_either_side(lean: float, right: bool) -> None:
    x = math.sin(math.radians(lean)) * (1 if right else -1)
    assert k.lean(at(0, 0), at(x, -math.cos(math.radians(lean))))[0] == pytest.approx(lean, abs=1e-4)


def test_slope_is_that_of_a_line_whichever_way_it_is_named() -> None:
    assert k.slope(at(0, 0), at(10, 10))[0] == pytest.approx(45)
    assert k.slope(at(10, -10), at(0, 0))[0] == pytest.approx(45)


@given(tilted=st.floats(0, 90), round_=st.floats(0, 360))
def test_a_tilt_does_not_depend_on_where_around_the_person_the_camera_stands(
    tilted: float, round_: float
) -> None:
    bone = np.array(
        [math.sin(math.radians(tilted)) * math.cos(math.radians(round_)), math.cos(math.radians(tilted))]
    )
    assert k.tilt(bone[1], 1.0) == pytest.approx(tilted, abs=1e-4)


def test_a_stature_is_read_from_trunk_thighs_and_shanks() -> None:
    for pose in (FRONT, SIDE):
        assert k.stature(motion(pixels(pose, stature=300))) == pytest.approx(300, rel=0.02)
    squatting = pixels(FRONT, left_hip=(0.06, 0.30), right_hip=(-0.06, 0.30))
    assert k.stature(motion(pixels(FRONT), pixels(FRONT), squatting)) == pytest.approx(300, rel=0.02)


def test_the_middle_of_a_pair_is_the_one_that_is_known() -> None:
    clip = motion(pixels(FRONT), pixels(FRONT, left_hip=None), pixels(FRONT, left_hip=None, right_hip=None))
    x = clip.middle(k.HIP)[:, 0]
    assert x[0] == pytest.approx(400)
    assert x[1] == pytest.approx(400 - 0.06 * 300)
    assert np.isnan(x[2])


def test_summaries_leave_out_what_is_not_known_and_say_if_nothing_is() -> None:
    assert k.typical([1.0, np.nan, 3.0]) == 2.0
    assert k.most([np.nan, 5.0]) == k.least([5.0]) == 5.0
    for summary in (k.typical, k.most, k.least, k.where_largest):
        with pytest.raises(NotSeen):
            summary(np.array([np.nan, np.nan]))  # type: ignore[operator]


def test_the_frames_with_the_largest_values_are_never_none() -> None:
    assert k.where_largest(np.array([1.0, 5.0, np.nan, 2.0])).tolist() == [False, True, False, False]
    assert k.where_largest(np.arange(20.0)).sum() == 3


def test_running_medians_drop_a_jump_and_fill_a_gap() -> None:
    values = np.array([1.0, 1.0, 9.0, 1.0, np.nan, 2.0, 2.0])
    assert k.steady(values).tolist() == [1.0, 1.0, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert np.isnan(k.steady(np.full(3, np.nan))).all()


@given(first=st.floats(0, 1), last=st.floats(0, 1), n=st.integers(1, 9))
def test_a_part_of_a_clip_has_a_frame(first: float, last: float, n: int) -> None:
    clip = motion(*[pixels(FRONT)] * n)
    assert 1 <= len(clip.between(min(first, last), max(first, last)).points) <= n


def test_a_turned_clip_has_the_same_lengths() -> None:
    clip = motion(pixels(FRONT, left_wrist=(0.4, 0.9)), pixels(SIDE))
    for other in (moved(clip, mirror=True), moved(clip, shift=(-50, 30))):
        assert k.stature(other) == pytest.approx(k.stature(clip))
    assert k.stature(moved(clip, scale=3)) == pytest.approx(3 * k.stature(clip))
