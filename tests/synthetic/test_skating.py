"""Skated elements: possible movements, whose faults can be measured on the true joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqa.synthetic import skating
from aqa.synthetic.body import Joint, Pose, centre_of_mass, random_body
from aqa.synthetic.geometry import unit
from aqa.synthetic.skater import BLADE_M
from aqa.synthetic.skating import JumpFaults, SpinFaults, StepFaults

RATE = 100.0
BODY = random_body(np.random.default_rng(3))
FEET = (Joint.LEFT_HEEL, Joint.LEFT_TOE, Joint.RIGHT_HEEL, Joint.RIGHT_TOE)


def heading(pose: Pose) -> np.ndarray:
    """Return the way the hips face [frames], radians, continuous over time."""
    across = pose.at(Joint.LEFT_HIP) - pose.at(Joint.RIGHT_HIP)
    return np.unwrap(np.arctan2(-across[:, 2], across[:, 0]))


def trunk_deg(pose: Pose) -> np.ndarray:
    """Return the angle of the trunk from the vertical [frames]."""
    return np.degrees(np.arccos(unit(pose.at(Joint.NECK) - pose.at(Joint.PELVIS))[:, 1]))


def blades(pose: Pose) -> np.ndarray:
    """Return the height of each foot's lower end above the ice [frames, left and right]."""
    low = pose.joints[:, FEET, 1] - BLADE_M
    return low.reshape(-1, 2, 2).min(axis=2)


def jump(turns: float = 3.0, take_off="toe", **changes) -> skating.Element:
    faults = replace(JumpFaults(0.0, 0.45, 0.0, "clean"), **changes)
    return skating.jump(BODY, turns, take_off, faults, heading=1.4, rate=RATE)


def spin(positions=("upright",), change=False, **changes) -> skating.Element:
    faults = replace(SpinFaults(2.4, 0.0, 0.0, 0.0), **changes)
    return skating.spin(BODY, positions, change, faults, heading=0.3, rate=RATE)


def steps(**changes) -> skating.Element:
    faults = replace(StepFaults(4.5, 1.0, 0, 0.0), **changes)
    return skating.steps(BODY, faults, heading=1.5, rate=RATE, rng=np.random.default_rng(8))


ELEMENTS = {
    "toe jump": lambda: jump(),
    "edge jump": lambda: jump(2.0, "edge", lean_deg=40.0),
    "axel": lambda: jump(2.5, "forward", landing="two-footed"),
    "fall": lambda: jump(landing="fall"),
    "combination spin": lambda: spin(("camel", "sit"), True),
    "layback": lambda: spin(("layback",), wobble_deg=12.0, travel_m=1.2),
    "steps": lambda: steps(stumbles=2, trip_deg=55.0),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_skaters_keep_their_bones_touch_the_ice_and_never_sink_into_it(name):
    pose = ELEMENTS[name]().pose
    for upper, lower, length in (
        (Joint.LEFT_HIP, Joint.LEFT_KNEE, BODY.thigh),
        (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, BODY.shank),
        (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, BODY.upper_arm),
    ):
        found = np.linalg.norm(pose.at(upper) - pose.at(lower), axis=1)
        assert found == pytest.approx(length, abs=1e-6)
    lowest = blades(pose).min(axis=1)
    assert lowest.min() > -0.03
    if "jump" not in name and name not in ("axel", "fall"):
        assert np.abs(lowest).max() < 0.03
    speed = np.linalg.norm(np.diff(centre_of_mass(pose), axis=0), axis=1) * RATE
    assert speed.max() < 9.0, "nothing jumps from one place to another"


def test_the_centre_of_mass_flies_on_a_parabola_whose_height_is_the_planted_one():
    for height in (0.2, 0.35, 0.5):
        element = jump(height_m=height)
        start, end = skating.TAKE_OFF, skating.TAKE_OFF + np.sqrt(8.0 * height / 9.81)
        flying = (element.time > start + 0.02) & (element.time < end - 0.02)
        mass = centre_of_mass(element.pose)[flying]
        assert np.diff(mass[:, 1], 2) * RATE**2 == pytest.approx(-9.81, abs=0.2)
        assert blades(element.pose)[flying].min() > 0.0
        ends = [np.interp(when, element.time, centre_of_mass(element.pose)[:, 1]) for when in (start, end)]
        chord = np.interp(element.time[flying], (start, end), ends)
        assert (mass[:, 1] - chord).max() == pytest.approx(height, rel=0.1)


@pytest.mark.parametrize("under", [0.0, 60.0, 150.0])
@pytest.mark.parametrize("take_off, turns", [("toe", 3.0), ("edge", 2.0), ("forward", 2.5)])
def test_what_is_missing_of_the_turn_shows_in_the_direction_of_the_landing(under, take_off, turns):
    element = jump(turns, take_off, under_deg=under)
    end = skating.TAKE_OFF + np.sqrt(8.0 * 0.45 / 9.81)
    landed = int(np.argmax(element.time >= end))
    mass = centre_of_mass(element.pose)
    away = np.arctan2(*(mass[landed + 12] - mass[landed])[[0, 2]])
    short = np.degrees(away + np.pi - heading(element.pose)[landed] + np.pi) % 360.0 - 180.0
    assert short == pytest.approx(under, abs=22.0)
    ready = int(np.argmax(element.time >= skating.TAKE_OFF - 0.3))
    turned = np.degrees(heading(element.pose)[landed] - heading(element.pose)[ready])
    assert turned == pytest.approx(360.0 * turns - under, abs=40.0)


def test_bad_landings_differ_from_a_clean_one_as_their_names_say():
    clean, thrown, both, fall = (
        jump(), jump(lean_deg=45.0), jump(landing="two-footed"), jump(landing="fall")
    )  # fmt: skip
    after = clean.time > skating.TAKE_OFF + np.sqrt(8.0 * 0.45 / 9.81) + 0.15
    assert trunk_deg(thrown.pose)[after].max() > trunk_deg(clean.pose)[after].max() + 25.0
    assert blades(clean.pose)[after][:, 0].min() > 0.1, "the free foot stays off the ice"
    assert blades(both.pose)[after].max(axis=1).max() < 0.05, "both feet are on the ice"
    assert fall.pose.at(Joint.PELVIS)[-1, 1] < 0.3
    assert clean.pose.at(Joint.PELVIS)[after][:, 1].min() > 0.6


def spinning(element: skating.Element) -> np.ndarray:
    return (element.time > skating.SPIN_FROM + 0.4) & (element.time < skating.SPIN_TO - 0.1)


def test_speed_travel_and_wobble_of_a_spin_are_the_planted_ones():
    for speed in (1.2, 2.6):
        element = spin(rev_per_s=speed)
        turned = heading(element.pose)[spinning(element)]
        length = spinning(element).sum() / RATE
        assert (turned[-1] - turned[0]) / (2.0 * np.pi) / length == pytest.approx(speed, rel=0.05)
    for travel in (0.0, 1.2):
        element = spin(travel_m=travel)
        ankle = element.pose.at(Joint.LEFT_ANKLE)[spinning(element)][:, [0, 2]]
        share = spinning(element).sum() / RATE / (skating.SPIN_TO - skating.SPIN_FROM)
        assert np.linalg.norm(ankle[-1] - ankle[0]) == pytest.approx(travel * share, abs=0.03)
    for wobble in (0.0, 12.0):
        element = spin(wobble_deg=wobble)
        lean = (centre_of_mass(element.pose) - element.pose.at(Joint.LEFT_ANKLE))[spinning(element)]
        assert np.degrees(np.arccos(unit(lean)[:, 1])).max() == pytest.approx(wobble, abs=3.0)


def test_a_poor_position_is_higher_or_less_level_than_a_good_one():
    low = [spin(("sit",), shortfall=s).pose.at(Joint.LEFT_KNEE) for s in (0.0, 1.0)]
    hips = [spin(("sit",), shortfall=s).pose.at(Joint.PELVIS) for s in (0.0, 1.0)]
    assert hips[0][200, 1] < low[0][200, 1] + 0.1
    assert hips[1][200, 1] > hips[0][200, 1] + 0.15
    camel = [spin(("camel",), shortfall=s).pose for s in (0.0, 1.0)]
    assert camel[0].at(Joint.RIGHT_ANKLE)[200, 1] > camel[1].at(Joint.RIGHT_ANKLE)[200, 1] + 0.3
    assert trunk_deg(camel[0])[200] > trunk_deg(camel[1])[200] + 20.0


def test_speed_reach_and_stumbles_of_steps_are_the_planted_ones():
    for speed in (1.8, 5.0):
        way = centre_of_mass(steps(speed=speed).pose)[:, [0, 2]]
        pace = np.linalg.norm(way[50:] - way[:-50], axis=1).mean() * RATE / 50
        assert pace == pytest.approx(speed, rel=0.2)
    spread = []
    for reach in (0.25, 1.0):
        pose = steps(reach=reach).pose
        spread.append(np.linalg.norm(pose.at(Joint.LEFT_ANKLE) - pose.at(Joint.RIGHT_ANKLE), axis=1).max())
    assert spread[1] > spread[0] + 0.35
    plain = trunk_deg(steps(reach=0.4).pose).max()
    for count in (1, 2):
        bent = trunk_deg(steps(reach=0.4, stumbles=count, trip_deg=55.0).pose) > plain + 15.0
        assert (np.diff(bent.astype(int)) == 1).sum() == count
