"""A body's bones keep their lengths, and inverse kinematics puts hands and feet where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.synthetic.body import Joint, Pose, random_body
from aqa.synthetic.diving import DiveFaults, DivePlan, dive
from aqa.synthetic.exercises import Press, Squat, Stance, press, squat
from aqa.synthetic.geometry import angle_at, rotation, two_bone_ik
from aqa.synthetic.motion import intervals

coordinate = st.floats(-2.0, 2.0)
point = st.tuples(coordinate, coordinate, coordinate)


@given(root=point, target=point, pole=point, upper=st.floats(0.1, 0.6), lower=st.floats(0.1, 0.6))
def test_two_bone_ik_keeps_bone_lengths_and_reaches_what_is_in_reach(root, target, pole, upper, lower):
    root, target, pole = (np.array(p) for p in (root, target, pole))
    middle, end = two_bone_ik(root, target, upper, lower, pole)
    bend = pole - (pole @ (target - root)) * (target - root) / max((target - root) @ (target - root), 1e-12)
    distance = float(np.linalg.norm(target - root))
    if np.linalg.norm(bend) < 1e-3 or distance < 1e-3:
        return
    assert np.linalg.norm(middle - root) == pytest.approx(upper, abs=1e-6)
    assert np.linalg.norm(end - middle) == pytest.approx(lower, abs=1e-6)
    if abs(upper - lower) + 1e-3 < distance < (upper + lower) * 0.999:
        assert end == pytest.approx(target, abs=1e-6)


@given(angle=st.floats(-7.0, 7.0), axis=st.sampled_from("xyz"))
def test_rotations_are_right_handed_and_orthonormal(angle, axis):
    matrix = rotation(axis, angle)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert rotation("z", np.pi / 2) @ np.array([1.0, 0.0, 0.0]) == pytest.approx([0.0, 1.0, 0.0])


def movements() -> list[Pose]:
    rng = np.random.default_rng(4)
    stance = Stance(0.18, 0.2)
    found = []
    for _ in range(4):
        body = random_body(rng)
        found.append(squat(body, Squat(stance, 0.7, 1.55, 0.4), 30).pose)
        found.append(press(body, Press(stance, 1.2, 0.9), 30).pose)
        for plan in (
            DivePlan(10.0, False, "forward", "pike", False, 5, 0),
            DivePlan(3.0, True, "reverse", "tuck", False, 3, 0),
            DivePlan(10.0, False, "back", "free", False, 3, 3),
            DivePlan(10.0, False, "back", "tuck", True, 4, 0),
        ):
            faults = DiveFaults(12.0, 20.0, 15.0, 1.0)
            found.append(dive(body, plan, faults, rate=25, before=0.4, after=0.3).pose)
    return found


def test_every_movement_keeps_the_lengths_of_arms_and_legs():
    for pose in movements():
        body = pose.body
        for side in (0, 1):
            for first, second, length in (
                (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, body.upper_arm),
                (Joint.LEFT_ELBOW, Joint.LEFT_WRIST, body.forearm),
                (Joint.LEFT_HIP, Joint.LEFT_KNEE, body.thigh),
                (Joint.LEFT_KNEE, Joint.LEFT_ANKLE, body.shank),
            ):
                found = np.linalg.norm(pose.at(first + side) - pose.at(second + side), axis=1)
                assert found == pytest.approx(length, abs=1e-6)


def test_no_joint_jumps_between_two_frames():
    for pose in movements():
        steps = np.linalg.norm(np.diff(pose.joints, axis=0), axis=2)
        assert steps.max() < 1.0  # a limb in a dive of three and a half somersaults, 40 ms


def test_feet_stay_planted_during_barbell_exercises():
    stance = Stance(0.19, 0.2)
    body = random_body(np.random.default_rng(0))
    for pose in (
        squat(body, Squat(stance, 0.75, 1.55, 0.45), 40).pose,
        press(body, Press(stance, 0.2, 1.0), 40).pose,
    ):
        for joint in (Joint.LEFT_HEEL, Joint.RIGHT_TOE, Joint.LEFT_ANKLE):
            assert np.ptp(pose.at(joint), axis=0) == pytest.approx(np.zeros(3), abs=2e-3)
        assert pose.at(Joint.LEFT_TOE)[:, 1].min() > 0.0


@pytest.mark.parametrize("dip", [0.0, 0.5, 1.0])
def test_the_dip_of_a_press_is_the_bend_of_the_knees(dip):
    pose = press(random_body(np.random.default_rng(1)), Press(Stance(0.14, 0.2), 0.2, dip), 60).pose
    bend = 180.0 - angle_at(pose.at(Joint.LEFT_HIP), pose.at(Joint.LEFT_KNEE), pose.at(Joint.LEFT_ANKLE))
    assert bend.max() == pytest.approx(np.degrees(dip), abs=8.0)


@pytest.mark.parametrize("entry", [-25.0, 0.0, 25.0])
@pytest.mark.parametrize("turns", [3, 5])
def test_a_diver_reaches_the_water_at_the_planned_angle(entry, turns):
    body = random_body(np.random.default_rng(2))
    plan = DivePlan(10.0, False, "forward", "pike", False, turns, 0)
    movement = dive(body, plan, DiveFaults(entry, 0.0, 0.0, 0.3), rate=100, before=0.4, after=0.3)
    at = int(np.argmin(np.abs(movement.time - movement.entry)))
    pose = movement.pose
    axis = pose.at(Joint.LEFT_ANKLE)[at] - pose.at(Joint.NECK)[at]
    tilt = np.degrees(
        np.arctan2(axis[0], axis[1])
    )  # forward turns take the feet towards +x past the vertical
    assert tilt == pytest.approx(entry, abs=6.0)
    assert pose.at(Joint.LEFT_HAND)[at, 1] == pytest.approx(0.0, abs=0.45)


def test_intervals_are_runs_of_frames_in_seconds():
    amount = np.array([1, 1, 0, 0, 1, 0, 1], float)
    assert intervals(amount, 0.5, 10.0) == [[0.0, 0.2], [0.4, 0.5], [0.6, 0.7]]
    assert intervals(np.zeros(3), 0.5, 10.0) == []
