"""Files of masks: what is refused, with one line, and which pixels are filled."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from masking_clips import make_clips, run, write_masks

from aqa.errors import UserError
from aqa.media.errors import MediaError
from aqa.media.masks import PADDING_S, Box, Masks, fill, load_masks

BOX = {"left": 8, "top": 8, "right": 128, "bottom": 88}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"left": -1}, "left"),
        ({"left": 1.5}, "left"),
        ({"right": 8}, "the box is empty"),
        ({"bottom": 3}, "the box is empty"),
        ({"start_s": -0.1}, "start_s"),
        ({"start_s": math.nan}, "start_s"),
        ({"end_s": math.inf}, "end_s"),
        ({"start_s": 3, "end_s": 3}, "the interval is empty"),
        ({"colour": "clear"}, "unknown key 'colour'"),
        ({"right": None}, "right"),
    ],
)
def test_a_box_that_cannot_be_meant_is_refused_with_one_line(tmp_path, change, said):
    path = write_masks(tmp_path / "masks.yaml", {"a.mp4": [{**BOX, **change}]})
    with pytest.raises(UserError) as refused:
        load_masks(path)
    assert str(path) in str(refused.value)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("status: [", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("{status: reviewed, by: me}", "'sources' is missing"),
        ("{status: reviewed, by: '', sources: {}}", "'by'"),
        ("{status: approved, by: me, sources: {}}", "'status' is 'approved'"),
        ("{status: reviewed, by: me, sources: [a.mp4]}", "'sources'"),
        ("{status: reviewed, by: me, sources: {}, stauts: x}", "unknown key 'stauts'; did you mean 'status'"),
        ("{status: proposed, by: me, sources: {}}", "nobody has approved these boxes"),
        ("{status: reviewed, by: propose_masks, sources: {}}", "nobody has approved these boxes"),
    ],
)
def test_a_file_that_nobody_approved_or_that_is_something_else_is_refused(tmp_path, text, said):
    path = tmp_path / "masks.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as refused:
        load_masks(path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_source_that_is_shown_must_be_listed_and_nothing_else():
    masks = Masks(status="reviewed", by="me", sources={"a.mp4": (), "b.mp4": ()})
    masks.check({"a.mp4"}, {"a.mp4", "b.mp4", "c.mp4"}, "masks.yaml")
    with pytest.raises(UserError, match=r"masks.yaml: sources lacks 'c.mp4' \(1 such\)"):
        masks.check({"a.mp4", "c.mp4"}, {"a.mp4", "b.mp4", "c.mp4"}, "masks.yaml")
    with pytest.raises(UserError, match=r"names 'b.mp4', of which no sample is cut; did you mean 'bb.mp4'"):
        masks.check({"a.mp4"}, {"a.mp4", "bb.mp4"}, "masks.yaml")


def test_masks_made_for_another_size_break_the_clips_they_would_miss(broadcasts, tmp_path):
    sources = {source: [] for source in broadcasts.boards}
    wide = next(iter(sorted(sources)))
    sources[wide] = [{"left": 300, "top": 0, "right": 1280, "bottom": 20}]
    masks = write_masks(tmp_path / "masks.yaml", sources)
    with pytest.raises(AssertionError, match="leaves the picture of 320x240 pixels: it was made for another"):
        make_clips(broadcasts, tmp_path / "media", masks)


def test_a_proposal_is_never_applied(broadcasts, tmp_path):
    proposal = tmp_path / "proposed.yaml"
    proposal.write_text(broadcasts.masks.read_text().replace("status: reviewed", "status: proposed"))
    done = run(
        *("media.py", "--samples", broadcasts.samples, "--data", broadcasts.data, "--target", "{}"),
        *("--masks", proposal, "--media", tmp_path / "media"),
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nobody has approved these boxes" in done.stderr
    assert not (tmp_path / "media").exists()


def test_the_embedded_data_say_where_their_boards_lie(broadcasts):
    masks = load_masks(broadcasts.masks)
    assert set(masks.sources) == set(broadcasts.boards)
    assert "embedded benchmark" in masks.by
    for source, board in broadcasts.boards.items():
        found = [
            ((box.left, box.top, box.right, box.bottom), (box.start_s, box.end_s))
            for box in masks.sources[source]
        ]
        assert found == [(board.box, times) for times in board.visible]


sides = st.integers(20, 90)


@st.composite
def boxes(draw, width, height):
    left, right = sorted(draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    top, bottom = sorted(draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    start = draw(st.none() | st.floats(0, 10))
    end = draw(st.none() | st.floats((start or 0) + 0.01, 20))
    return Box(left=left, top=top, right=right, bottom=bottom, start_s=start, end_s=end)


@given(st.data(), sides, sides, st.floats(0, 20))
def test_every_pixel_of_a_box_and_its_padding_is_black_and_no_other(data, width, height, time):
    chosen = tuple(data.draw(st.lists(boxes(width, height), max_size=3)))
    image = np.full((height, width, 3), 200, np.uint8)
    fill(image, chosen, time, (1.0, 1.0))
    pad = max(2, math.ceil(height / 120))
    y, x = np.mgrid[:height, :width]
    hidden = np.zeros((height, width), bool)
    for box in chosen:
        begun = box.start_s is None or time >= box.start_s - PADDING_S
        if begun and (box.end_s is None or time < box.end_s + PADDING_S):
            across = ((box.left - pad) // 2 * 2 <= x) & (x < math.ceil((box.right + pad) / 2) * 2)
            hidden |= across & ((box.top - pad) // 2 * 2 <= y) & (y < math.ceil((box.bottom + pad) / 2) * 2)
    assert (image == np.where(hidden, 0, 200)[..., None]).all()


@given(st.data(), st.integers(40, 400), st.integers(40, 300), st.floats(0.1, 1))
def test_in_a_scaled_picture_no_part_of_a_box_stays_visible(data, width, height, factor):
    box = data.draw(boxes(width, height)).model_copy(update={"start_s": None, "end_s": None})
    small = max(1, int(width * factor + 0.5)), max(1, int(height * factor + 0.5))
    scale = small[0] / width, small[1] / height
    image = np.full((small[1], small[0], 3), 200, np.uint8)
    fill(image, (box,), 0.0, scale)
    black = (image == 0).all(axis=2)
    rows, columns = np.nonzero(black)
    assert columns.min() <= box.left * scale[0]
    assert columns.max() + 1 >= min(small[0], box.right * scale[0]) - 1e-6
    assert rows.min() <= box.top * scale[1]
    assert rows.max() + 1 >= min(small[1], box.bottom * scale[1]) - 1e-6
    assert black[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()


@given(st.data(), sides, sides)
def test_a_box_beyond_the_picture_is_an_error_even_while_it_hides_nothing(data, width, height):
    box = data.draw(boxes(width, height))
    beyond = box.model_copy(update={"right": width + 1, "start_s": 100.0, "end_s": None})
    with pytest.raises(MediaError, match="leaves the picture"):
        fill(np.zeros((height, width, 3), np.uint8), (beyond,), 0.0, (1.0, 1.0))


def test_masks_are_plain_yaml_that_a_person_can_write(tmp_path: Path):
    path = tmp_path / "masks.yaml"
    path.write_text(
        "status: reviewed\nby: Ann\nsources:\n"
        "  video/1.mp4: &cup [{left: 0, top: 600, right: 400, bottom: 700}]\n  video/2.mp4: *cup\n"
        "  video/3.mp4: []\n"
    )
    masks = load_masks(path)
    assert masks.sources["video/1.mp4"] == masks.sources["video/2.mp4"]
    assert masks.sources["video/3.mp4"] == ()
    assert yaml.safe_load(path.read_text())["by"] == masks.by
