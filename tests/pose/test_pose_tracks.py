"""People are followed, interrupted paths joined, and the camera's motion and cuts are found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aqa.pose.base import Person, no_joints
from aqa.pose.camera import CameraMotion, unmoved
from aqa.pose.tracks import PATIENCE, Track, alike, follow, joined_up


def person(x: float, y: float, width: float = 40.0, height: float = 100.0) -> Person:
    return Person(np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]), no_joints(), 0.9)


def centres(track: Track) -> np.ndarray:
    return (track.boxes[:, :2] + track.boxes[:, 2:]) / 2


def test_two_people_who_pass_each_other_keep_their_paths() -> None:
    seen = [[person(20 + 8 * i, 100), person(340 - 8 * i, 112)] for i in range(41)]
    tracks = follow([people[:: 1 if i % 2 else -1] for i, people in enumerate(seen)], unmoved(41).to_scene)
    assert [len(track.at) for track in tracks] == [41, 41]
    for track in tracks:
        steps = np.diff(centres(track)[:, 0])
        assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.parametrize("gap", [PATIENCE - 1, PATIENCE + 5, 40])
def test_a_path_goes_on_after_a_gap_where_its_speed_leads(gap: int) -> None:
    frames = 30 + gap + 30
    seen = [[] if 30 <= i < 30 + gap else [person(50 + 5 * i, 100)] for i in range(frames)]
    tracks = follow(seen, unmoved(frames).to_scene)
    assert [len(track.at) for track in tracks] == [60]


def test_who_appears_elsewhere_is_somebody_else() -> None:
    seen = [[person(50, 100)] if i < 30 else ([person(400, 100)] if i > 40 else []) for i in range(70)]
    assert sorted(len(track.at) for track in follow(seen, unmoved(70).to_scene)) == [29, 30]
    seen = [[person(50, 100)] if i < 30 else ([person(50, 100, 10, 25)] if i > 40 else []) for i in range(70)]
    assert sorted(len(track.at) for track in follow(seen, unmoved(70).to_scene)) == [29, 30]


def test_a_pan_does_not_interrupt_a_path() -> None:
    """The picture jumps by two body widths a frame, because the camera does; who stands, stands."""
    to_scene = unmoved(20).to_scene
    to_scene[:, 0, 2] = -90.0 * np.arange(20)
    seen = [[person(100 + 90 * i, 100), person(230 + 90 * i, 100)] for i in range(20)]
    assert [len(track.at) for track in follow(seen, to_scene)] == [20, 20]


def test_pieces_are_joined_in_the_order_of_time_and_each_once() -> None:
    def piece(first: int, last: int, x: float) -> Track:
        at = np.arange(first, last)
        boxes = np.tile([x - 20, 50.0, x + 20, 150.0], (len(at), 1))
        return Track(at, boxes, np.full((len(at), 17, 3), np.nan))

    pieces = [piece(40, 50, 104), piece(0, 10, 100), piece(20, 30, 102), piece(15, 28, 500)]
    joined = joined_up(pieces, unmoved(50).to_scene)
    assert sorted(len(track.at) for track in joined) == [13, 30]
    longest = max(joined, key=lambda track: len(track.at))
    assert longest.at.tolist() == [*range(10), *range(20, 30), *range(40, 50)]


def test_likeness_is_one_for_the_same_place_and_falls_with_distance() -> None:
    place = np.array([[100.0, 100.0, 40.0, 100.0]])
    away = place + np.array([[30.0, 0.0, 0.0, 0.0]])
    far = place + np.array([[400.0, 0.0, 0.0, 0.0]])
    values = [float(alike(place, other)[0, 0]) for other in (place, away, far)]
    assert values[0] == pytest.approx(1.0)
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(0.0, abs=1e-6)


def scenery(seed: int, size: int = 1200) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 255, (size // 20, size // 20, 3)).astype(np.uint8)
    return cv2.resize(rough, (size, size), interpolation=cv2.INTER_CUBIC)


def filmed(world: np.ndarray, to_world: np.ndarray) -> np.ndarray:
    """What a camera sees whose pixels `to_world` (2, 3) takes to the world's."""
    return cv2.warpAffine(world, to_world, (480, 270), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


@pytest.mark.parametrize(
    ("pan", "zoom", "roll"), [(0.0, 1.0, 0.0), (3.0, 1.0, 0.0), (40.0, 1.0, 0.0), (2.0, 1.01, 0.3)]
)
def test_the_cameras_motion_is_found_behind_a_moving_person(pan: float, zoom: float, roll: float) -> None:
    world, motion, truth = scenery(1), CameraMotion(), []
    for i in range(8):
        angle, scale = np.radians(roll * i), zoom**i
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        to_world = np.column_stack([turn, [300 + pan * i, 400.0]])
        picture = filmed(world, to_world)
        runner = person(240 - 4 * i, 135, 60, 160)
        left, top, right, bottom = runner.box.astype(int)
        picture[top:bottom, left:right] = (40, 200, 90)
        motion.add(picture, [runner])
        truth.append(to_world)
    steady = motion.steady()
    assert len(steady.shots) == 1
    first = cv2.invertAffineTransform(truth[0])
    corners = np.array([[0.0, 0.0, 1.0], [480.0, 0.0, 1.0], [240.0, 270.0, 1.0]])
    for found, to_world in zip(steady.to_scene, truth, strict=True):
        expected = corners @ to_world.T
        expected = np.column_stack([expected, np.ones(3)]) @ first.T
        assert np.abs(corners @ found.T - expected).max() < 3.0


def test_a_cut_ends_a_shot_and_a_flash_of_people_does_not() -> None:
    motion = CameraMotion()
    still = np.column_stack([np.eye(2), [300.0, 400.0]])
    for i in range(12):
        picture = filmed(scenery(1 if i < 5 else 2), still)
        crowd = [person(240, 135, 480, 270)] if i == 8 else []
        if crowd:
            picture[:] = 20
        motion.add(picture, crowd)
    assert motion.steady().shots == [range(5), range(5, 12)]
