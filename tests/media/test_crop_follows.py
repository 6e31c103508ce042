"""A crop that follows the subject: one size in all frames, the joints inside."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_represent import poses, standing, unknown

from aqa.media.look import follow, look_of
from aqa.media.profile import Profile
from aqa.media.represent import crop_box, crop_boxes

SIZE = (641, 479)


@given(
    st.lists(st.tuples(st.floats(-50, 700), st.floats(-50, 500), st.floats(20, 300)), min_size=1, max_size=6),
    st.sampled_from([1.0, 0.5, 0.37]),
)
def test_boxes_have_one_size_lie_inside_and_hold_what_the_frames_own_box_holds(figures, scale: float) -> None:
    clip = poses([standing(*figure) for figure in figures], SIZE)
    kept = list(range(len(figures)))
    boxes = crop_boxes(clip, kept)
    if not boxes:
        assert all(crop_box(clip, [position]) is None for position in kept)
        return
    assert list(boxes) == kept
    assert len({(right - left, bottom - top) for left, top, right, bottom in boxes.values()}) == 1
    image = np.zeros((round(SIZE[1] * scale), round(SIZE[0] * scale), 3), dtype=np.uint8)
    shapes = set()
    for position, (left, top, right, bottom) in boxes.items():
        assert 0 <= left < right <= SIZE[0]
        assert 0 <= top < bottom <= SIZE[1]
        assert not any(edge % 2 for edge in (left, top, right, bottom))
        if own := crop_box(clip, [position]):
            assert (left <= own[0], top <= own[1], right >= own[2], bottom >= own[3]) == (True,) * 4
        shapes.add(follow(image, (left, top, right, bottom), SIZE).shape)
    assert len(shapes) == 1
    assert 0 not in shapes.pop()


def test_a_frame_without_a_subject_keeps_the_nearest_box() -> None:
    clip = poses([standing(100), unknown(), unknown(), standing(500)])
    boxes = crop_boxes(clip, range(4))
    assert boxes[1] == boxes[0] != boxes[3] == boxes[2]


def test_the_profile_chooses_between_one_box_and_boxes_that_follow() -> None:
    clip = poses([standing(100), standing(500)])
    still = look_of("cropped", Profile(), [0, 1], clip, None)
    moving = look_of("cropped", Profile(crop="frame"), [0, 1], clip, None)
    assert still.box == crop_box(clip, [0, 1])
    assert moving.box is None
    assert dict(moving.boxes) == crop_boxes(clip, [0, 1])
    assert still != moving
