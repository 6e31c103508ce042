"""Which frames can be shown how, where a clip is cut, and how joints follow a scaled picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aqa.media.draw import CONFIDENCE
from aqa.media.represent import (
    MARGIN,
    MIN_JOINTS,
    MIN_SIDE,
    crop_box,
    joints_at,
    problem,
    subject_height,
)
from aqa.pose.store import Poses

WIDTH, HEIGHT = 640, 480


def standing(x: float = 320.0, top: float = 100.0, height: float = 200.0) -> np.ndarray:
    """Joints of an upright figure: (17, 3), `height` pixels tall, a quarter of that wide."""
    joints = np.ones((17, 3), dtype=np.float32)
    joints[:, 0] = x + np.where(np.arange(17) % 2, 1, -1) * height / 8
    joints[:, 1] = top + np.linspace(0, height, 17)
    return joints


def poses(
    frames: Sequence[np.ndarray],
    size: tuple[int, int] = (WIDTH, HEIGHT),
    indices: Sequence[int] | None = None,
) -> Poses:
    """The poses of a clip with these joints."""
    n = len(frames)
    return Poses(
        np.array(range(n) if indices is None else indices, dtype=np.int64),
        np.stack(frames).astype(np.float32),
        np.zeros((n, 4), dtype=np.float32),
        np.zeros(n, dtype=np.bool_),
        *size,
    )


def unknown() -> np.ndarray:
    """A frame in which nobody was found, as the pose stage writes it."""
    joints = np.full((17, 3), np.nan, dtype=np.float32)
    joints[:, 2] = 0
    return joints


def test_joints_are_found_by_source_position_and_a_frame_that_was_not_looked_at_has_none() -> None:
    clip = poses([standing(100), standing(200)], indices=[30, 45])
    assert joints_at(clip, 45)[0, 0] == pytest.approx(175)
    for absent in (0, 31, 44, 46, 10_000):
        assert np.isnan(joints_at(clip, absent)).all()


@pytest.mark.parametrize("scale", [0.5, 0.25])
def test_joints_follow_the_picture_when_it_is_scaled(scale: float) -> None:
    """A bright patch and a joint in its middle stay together when the picture is shrunk by areas."""
    picture = np.zeros((HEIGHT, WIDTH, 1), dtype=np.float32)
    picture[96:112, 304:336] = 1
    joints = standing()
    joints[0, :2] = (304 + 335) / 2, (96 + 111) / 2
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = np.indices(small.shape)
    centre = [float((axis * small).sum() / small.sum()) for axis in (columns, rows)]
    assert joints_at(poses([joints]), 0, scale)[0, :2].tolist() == pytest.approx(centre, abs=1e-4)


def test_reading_a_frame_leaves_the_poses_as_they_are() -> None:
    clip = poses([standing()])
    before = clip.keypoints.copy()
    joints_at(clip, 0, 0.5)[:] = 0
    assert np.array_equal(clip.keypoints, before)


def test_one_box_holds_the_joints_of_all_kept_frames_with_the_margin_and_no_others() -> None:
    clip = poses([standing(200), standing(300), standing(600, top=0)])
    box = crop_box(clip, [0, 1])
    space = MARGIN * 200
    wanted = (175 - space, 100 - space, 326 + space, 301 + space)
    assert box is not None
    assert box == pytest.approx(wanted, abs=2)
    assert box[0] <= wanted[0] and box[1] <= wanted[1] and box[2] >= wanted[2] and box[3] >= wanted[3]
    assert crop_box(clip, [0, 1, 2]) != box


def test_the_margin_can_be_chosen() -> None:
    clip = poses([standing()])
    assert crop_box(clip, [0], margin=0) == (294, 100, 346, 302)


def test_the_box_ends_at_the_borders_of_the_picture() -> None:
    box = crop_box(poses([standing(0, top=-5, height=480)]), [0])
    assert box is not None
    assert (box[0], box[1], box[3]) == (0, 0, HEIGHT)
    right = crop_box(poses([standing(610)]), [0])
    assert right is not None
    assert right[2] == WIDTH


def test_an_odd_last_column_and_row_are_left_out() -> None:
    assert crop_box(poses([standing(320, top=0, height=480)], (641, 481)), [0], margin=2) == (0, 0, 640, 480)


def test_a_box_around_hardly_anything_still_is_a_picture() -> None:
    joints = unknown()
    joints[3] = (638, 2, 1)
    box = crop_box(poses([joints]), [0])
    assert box == (WIDTH - MIN_SIDE, 0, WIDTH, MIN_SIDE)


def test_doubtful_joints_do_not_widen_the_box() -> None:
    sure = standing()
    doubtful = sure.copy()
    doubtful[9] = (5, 5, CONFIDENCE - 0.01)
    with_gap = sure.copy()
    with_gap[9] = (np.nan, np.nan, 0)
    assert crop_box(poses([doubtful]), [0]) == crop_box(poses([with_gap]), [0])
    doubtful[9, 2] = CONFIDENCE
    assert crop_box(poses([doubtful]), [0]) != crop_box(poses([with_gap]), [0])


def test_there_is_no_box_without_joints() -> None:
    assert crop_box(poses([unknown()]), [0]) is None
    assert crop_box(poses([standing()]), []) is None
    assert crop_box(poses([standing()]), [7]) is None
    assert crop_box(poses([standing(-400)]), [0]) is None


joints = hnp.arrays(
    np.float32,
    (3, 17, 3),
    elements=st.one_of(st.floats(-2000, 2000, width=32), st.sampled_from([np.nan, np.inf, 0.0, 0.9, 1e30])),
)


@given(joints, st.integers(1, 1500), st.integers(1, 900), st.floats(0, 3))
def test_any_box_is_even_inside_the_picture_and_holds_every_joint_that_it_can(
    frames: np.ndarray, width: int, height: int, margin: float
) -> None:
    clip = poses(list(frames), (width, height))
    box = crop_box(clip, [0, 1, 2], margin)
    known = frames[np.isfinite(frames).all(axis=2) & (frames[..., 2] >= CONFIDENCE)]
    known = known[np.all((known[:, :2] >= -0.5) & (known[:, :2] <= [width - 0.5, height - 0.5]), axis=1)]
    assert (box is None) == (len(known) == 0)
    if box is None:
        return
    for low, high, size, axis in ((box[0], box[2], width, 0), (box[1], box[3], height, 1)):
        whole = max(1, size - size % 2)
        assert 0 <= low < high <= whole
        assert high - low >= min(MIN_SIDE, whole)
        assert size == 1 or (low % 2, high % 2) == (0, 0)
        pixels = np.floor(known[:, axis] + 0.5).clip(0, whole - 1)
        assert (low <= pixels).all() and (pixels < high).all()


def test_the_subject_is_as_tall_as_the_joints_reach_in_most_frames() -> None:
    clip = poses([standing(height=200), standing(height=210), unknown(), standing(height=900)])
    assert subject_height(clip, [0, 1, 2, 3]) == pytest.approx(210)
    assert subject_height(clip, [0, 1, 2, 3], 0.5) == pytest.approx(105)
    lying = standing()
    lying[:, [0, 1]] = lying[:, [1, 0]]
    assert subject_height(poses([lying]), [0]) == pytest.approx(200)
    assert subject_height(poses([unknown()]), [0]) == 0.0


@pytest.mark.parametrize("representation", ["cropped", "skeleton_overlay", "skeleton_only"])
def test_half_of_the_kept_frames_must_be_known(representation: str) -> None:
    clip = poses([standing(), unknown(), standing(), unknown(), unknown()])
    assert problem(representation, clip, [0, 1, 2, 3]) is None
    assert problem(representation, clip, [0, 1, 2, 3, 4]) == (
        f"the subject's joints are known in 2 of 5 frames; {representation} needs at least 50%"
    )
    assert problem(representation, clip, [0, 9, 10]) is not None, "frames without poses count as unknown"
    assert problem(representation, clip, [1]) is not None
    assert problem("original", clip, [1, 3, 4]) is None


def test_a_few_joints_are_no_body() -> None:
    few = unknown()
    few[: MIN_JOINTS - 1] = (100, 100, 1)
    assert problem("skeleton_only", poses([few]), [0]) is not None
    few[MIN_JOINTS - 1] = (100, 100, 1)
    assert problem("skeleton_only", poses([few]), [0]) is None


@pytest.mark.parametrize("representation", ["cropped", "skeleton_overlay", "skeleton_only"])
def test_a_body_outside_the_picture_cannot_be_shown(representation: str) -> None:
    assert problem(representation, poses([standing(-200)]), [0]) is not None
    assert problem(representation, poses([standing(-5000)]), [0]) is not None


def test_poses_of_another_picture_are_refused() -> None:
    clip = poses([standing()])
    assert problem("cropped", clip, [0], (WIDTH, HEIGHT)) is None
    assert problem("cropped", clip, [0], (HEIGHT, WIDTH)) == (
        "the poses were found in a picture of 640x480 pixels, this one has 480x640; run the pose stage again"
    )
    assert problem("original", clip, [0], (1, 1)) is None
    assert problem("cropped", clip, (), (WIDTH, HEIGHT)) is None, "no frames: the size alone is compared"
