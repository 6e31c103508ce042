"""Skeletons as pictures: where, how wide, in which colours."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aqa.media import draw
from aqa.media.draw import (
    CENTRE,
    CONFIDENCE,
    LEFT,
    LIMBS,
    RIGHT,
    bgr,
    draw_overlay,
    draw_skeleton,
    line_width,
)
from aqa.pose.store import JOINTS

SIZE = (320, 240)
COLOURS = {side: bgr(colour) for side, colour in (("left", LEFT), ("right", RIGHT), ("nose", CENTRE))}


def apart() -> np.ndarray:
    """Seventeen joints, none near another: (17, 3) on a grid of the picture."""
    joints = np.ones((17, 3), dtype=np.float32)
    joints[:, 0] = 30 + 60 * (np.arange(17) % 5)
    joints[:, 1] = 30 + 55 * (np.arange(17) // 5)
    return joints


def only(*names: str) -> np.ndarray:
    """The same joints, all but the named ones unknown."""
    joints = apart()
    gone = [i for i, name in enumerate(JOINTS) if name not in names]
    joints[gone] = (np.nan, np.nan, 0)
    return joints


def coloured(image: np.ndarray) -> set[tuple[int, int, int]]:
    """The colours of an image that are exactly of the palette."""
    found = {tuple(int(v) for v in pixel) for pixel in image.reshape(-1, 3)}
    return found & set(COLOURS.values())


def pure(image: np.ndarray) -> np.ndarray:
    """Which pixels have exactly a colour of the palette: (height, width)."""
    return np.any([(image == colour).all(axis=2) for colour in COLOURS.values()], axis=0)


@pytest.mark.parametrize("joint", JOINTS)
def test_a_joint_has_its_side_s_colour_at_its_pixel(joint: str) -> None:
    image = draw_skeleton(SIZE, only(joint), 100)
    x, y, _ = apart()[JOINTS.index(joint)]
    assert tuple(image[int(y), int(x)]) == COLOURS[joint.partition("_")[0]]
    drawn = np.argwhere((image != 255).any(axis=2))
    assert drawn.mean(axis=0).tolist() == pytest.approx([y, x], abs=0.01), "a dot lies round about its joint"


@pytest.mark.parametrize(("x", "middle"), [(100.0, 100.0), (100.25, 100.25), (100.5, 100.5), (99.75, 99.75)])
def test_fractions_of_a_pixel_are_kept(x: float, middle: float) -> None:
    joints = only("nose")
    joints[0, :2] = x, 120
    ink = 255.0 - draw_skeleton(SIZE, joints, 100)[..., 2].astype(float)
    assert (ink.sum(axis=0) * np.arange(SIZE[0])).sum() / ink.sum() == pytest.approx(middle, abs=0.08)


@pytest.mark.parametrize("limb", LIMBS)
def test_a_limb_runs_from_joint_to_joint_in_the_colour_of_its_side(limb: tuple[str, str]) -> None:
    image = draw_skeleton(SIZE, only(*limb), 100)
    first, second = (apart()[JOINTS.index(name)][:2] for name in limb)
    x, y = np.rint((first + second) / 2).astype(int)
    sides = {name.partition("_")[0] for name in limb}
    wanted = COLOURS[sides.pop()] if len(sides) == 1 else COLOURS["nose"]
    assert tuple(int(v) for v in image[y, x]) == wanted


def test_every_joint_but_none_twice_is_connected_as_coco_connects_it() -> None:
    assert len(LIMBS) == len({frozenset(limb) for limb in LIMBS}) == 19
    assert {name for limb in LIMBS for name in limb} == set(JOINTS)


def test_a_limb_needs_both_of_its_joints() -> None:
    for limb in LIMBS:
        whole = (draw_skeleton(SIZE, only(*limb), 100) != 255).any(axis=2)
        dots = [(draw_skeleton(SIZE, only(joint), 100) != 255).any(axis=2) for joint in limb]
        assert not (dots[0] & dots[1]).any()
        assert whole.sum() > (dots[0] | dots[1]).sum() + 20
    both = draw_skeleton(SIZE, only("left_hip", "right_knee"), 100)
    apart_from_each_other = [draw_skeleton(SIZE, only(joint), 100) for joint in ("left_hip", "right_knee")]
    assert np.array_equal(both, np.minimum(*apart_from_each_other)), "no line where there is no limb"


def test_left_and_right_change_places_in_a_mirror() -> None:
    names = ("left_elbow", "left_wrist")
    left = draw_skeleton(SIZE, only(*names), 100)
    mirrored = only(*names)
    mirrored[:, 0] = SIZE[0] - 1 - mirrored[:, 0]
    swapped = np.full_like(mirrored, np.nan)
    for name in names:
        swapped[JOINTS.index(name.replace("left", "right"))] = mirrored[JOINTS.index(name)]
    right = draw_skeleton(SIZE, swapped, 100)
    assert coloured(left) == {COLOURS["left"]}
    assert coloured(right) == {COLOURS["right"]}
    shape = (left != 255).any(axis=2)
    assert ((right != 255).any(axis=2) ^ shape[:, ::-1]).mean() < 0.001, "the shape alone is mirrored"


@pytest.mark.parametrize(("unit", "width"), [(0, 2), (50, 2), (200, 3), (400, 6), (1000, 15)])
def test_lines_are_as_wide_as_the_subject_is_tall(unit: float, width: int) -> None:
    assert line_width(unit) == width
    joints = only("left_shoulder", "left_elbow")
    joints[JOINTS.index("left_shoulder"), :2] = 40, 120
    joints[JOINTS.index("left_elbow"), :2] = 280, 120
    ink = (255.0 - draw_skeleton(SIZE, joints, unit)[:, 160, 2]) / (255 - COLOURS["left"][2])
    assert width <= ink.sum() <= width + 2.5, "with the soft edges that OpenCV adds"


def test_no_height_is_no_reason_to_fail() -> None:
    assert line_width(float("nan")) == line_width(0) == draw.MIN_WIDTH


def test_a_doubtful_joint_is_not_drawn() -> None:
    joints = only("nose")
    joints[0, 2] = CONFIDENCE
    assert coloured(draw_skeleton(SIZE, joints, 100)) == {COLOURS["nose"]}
    joints[0, 2] = CONFIDENCE - 0.01
    assert coloured(draw_skeleton(SIZE, joints, 100)) == set()


def test_an_overlay_changes_the_picture_where_the_skeleton_is_and_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    drawn = picture.copy()
    draw_overlay(drawn, apart(), 100)
    touched = (draw_skeleton(SIZE, apart(), 100) != 255).any(axis=2)
    assert np.array_equal(drawn[~touched], picture[~touched])
    full = (
        (draw_skeleton(SIZE, apart(), 100)[..., None, :] == list(COLOURS.values())).all(axis=-1).any(axis=-1)
    )
    assert np.array_equal(drawn[full], draw_skeleton(SIZE, apart(), 100)[full])


def test_an_overlay_of_nothing_leaves_the_picture_as_it_is() -> None:
    picture = np.full((SIZE[1], SIZE[0], 3), 77, dtype=np.uint8)
    draw_overlay(picture, only(), 100)
    assert (picture == 77).all()


def test_a_skeleton_is_white_palette_and_what_lies_between() -> None:
    image = draw_skeleton(SIZE, apart(), 300)
    assert coloured(image) == set(COLOURS.values())
    assert (image[:5] == 255).all(), "the background is white"
    mixed = ~pure(image) & (image != 255).any(axis=2)
    near = cv2.dilate(pure(image).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    assert (mixed & ~near).sum() == 0, "other colours are only the smooth edges of lines"
    assert mixed.sum() < pure(image).sum()


def test_a_picture_without_joints_says_so_in_grey_and_is_never_empty() -> None:
    for size in (SIZE, (64, 48), (1280, 720), (200, 900)):
        image = draw_skeleton(size, only(), 0)
        assert (image != 255).any(), size
        assert (image.max(axis=2) == image.min(axis=2)).all(), "in grey, which no joint has"
        ink = np.argwhere((image != 255).any(axis=2))
        assert (ink.min(axis=0) > 0).all() and (ink.max(axis=0) < np.array(image.shape[:2]) - 1).all()


def test_a_skeleton_outside_the_picture_says_so_too() -> None:
    joints = apart()
    joints[:, 0] += 400
    assert coloured(draw_skeleton(SIZE, joints, 10)) == set()
    assert (draw_skeleton(SIZE, joints, 10) != 255).any()


anything = st.one_of(
    st.floats(-1000, 1000, width=32),
    st.floats(width=32),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.9, 1e30, -1e30]),
)


@given(
    hnp.arrays(np.float32, (17, 3), elements=anything),
    st.integers(1, 200),
    st.integers(1, 200),
    st.one_of(st.floats(0, 500), st.sampled_from([float("nan"), float("inf")])),
)
def test_whatever_the_joints_drawing_neither_fails_nor_leaves_the_picture(
    joints: np.ndarray, width: int, height: int, unit: float
) -> None:
    around = np.full((height + 40, width + 40, 3), 9, dtype=np.uint8)
    inside = np.ascontiguousarray(around[20:-20, 20:-20])
    draw_overlay(inside, joints, unit)
    assert inside.shape == (height, width, 3)
    view = around[20:-20, 20:-20]
    draw_overlay(view, joints, unit)
    assert np.array_equal(view, inside)
    view[:] = 9
    assert (around == 9).all(), "nothing was drawn beside the picture"
    assert draw_skeleton((width, height), joints, unit).shape == (height, width, 3)


# What people see who lack one kind of cone, in linear RGB (Machado, Oliveira and Fernandes 2009).
VISION = {
    "all cones": np.eye(3),
    "no long cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no middle cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no short cones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def seen(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of `#RRGGBB` as seen with other cones."""
    code = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(vision @ linear, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_the_colours_can_be_told_apart_whatever_cones_one_has(vision: str) -> None:
    """A difference of 2.3 is just noticeable; left and right must be far beyond it."""

    def difference(first: str, second: str) -> float:
        return float(np.linalg.norm(seen(first, VISION[vision]) - seen(second, VISION[vision])))

    assert difference(LEFT, RIGHT) > 80
    for first, second in itertools.combinations((LEFT, RIGHT, CENTRE, "#FFFFFF"), 2):
        assert difference(first, second) > 15
    assert difference("#FF0000", "#FF0000") == 0
