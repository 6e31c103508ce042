"""The file of poses: what it may say, what is refused, and who is who in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.pose.precomputed import read_lines, tracks_of
from aqa.synthetic.track import Track as Embedded


def joints(x: float = 100.0, confidence: float = 0.9) -> list[list[float]]:
    return [[x + k, 50.0 + 3 * k, confidence] for k in range(17)]


def entry(**changes: Any) -> dict[str, Any]:
    line = {
        "media": "a.mp4",
        "first_frame": 10,
        "width": 320,
        "height": 240,
        "keypoints": [joints(), None, joints(110)],
        "boxes": [[90, 40, 130, 120], None, None],
    }
    return {name: value for name, value in (line | changes).items() if value is not ...}


def write(path: Path, *entries: Any) -> Path:
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in entries))
    return path


def test_a_line_is_one_person_in_consecutive_frames(tmp_path: Path) -> None:
    path = write(tmp_path / "poses.jsonl", entry(), entry(media="b.mp4"), entry(first_frame=20))
    lines = read_lines(path, ["a.mp4", "c.mp4"])
    assert list(lines) == ["a.mp4"]
    first, second = lines["a.mp4"]
    assert (first.number, first.frames, second.frames) == (1, range(10, 13), range(20, 23))
    assert first.boxes[0].tolist() == [90, 40, 130, 120]
    assert np.isnan(first.boxes[1]).all() and np.isnan(first.keypoints[1, :, :2]).all()
    assert first.boxes[2].tolist() == [110, 50, 126, 98], "follows from the joints"
    assert first.digest != second.digest
    assert first.digest == read_lines(path, ["b.mp4"])["b.mp4"][0].digest


def test_a_joint_without_confidence_was_not_found(tmp_path: Path) -> None:
    frame = joints()
    frame[3][2] = 0
    (line,) = read_lines(write(tmp_path / "p", entry(keypoints=[frame], boxes=...)), ["a.mp4"])["a.mp4"]
    assert np.isnan(line.keypoints[0, 3, :2]).all() and line.keypoints[0, 3, 2] == 0
    assert np.isfinite(np.delete(line.keypoints[0], 3, axis=0)).all()
    nobody = entry(keypoints=[joints(confidence=0.0), joints()], boxes=[[1, 1, 9, 9], [1, 1, 9, 9]])
    (line,) = read_lines(write(tmp_path / "p", nobody), ["a.mp4"])["a.mp4"]
    assert [bool(there) for there in np.isfinite(line.boxes[:, 0])] == [False, True]


def test_boxes_alone_do_for_a_network_that_finds_the_joints(tmp_path: Path) -> None:
    alone = entry(keypoints=..., boxes=[[1, 2, 30, 40], None])
    (line,) = read_lines(write(tmp_path / "p", alone), ["a.mp4"])["a.mp4"]
    assert line.boxes[0].tolist() == [1, 2, 30, 40]
    assert np.isnan(line.keypoints[..., :2]).all()


def test_the_embedded_datas_own_lines_are_read(tmp_path: Path) -> None:
    track = Embedded(
        clip_id="1", media="a.mp4", first_frame=3, width=64, height=48,
        keypoints=(tuple((1.0 + k, 2.0, 1.0) for k in range(17)),), boxes=((0.0, 0.0, 20.0, 9.0),),
    )  # fmt: skip
    (line,) = read_lines(write(tmp_path / "p", track.model_dump(mode="json")), ["a.mp4"])["a.mp4"]
    assert line.frames == range(3, 4)
    assert line.keypoints[0, 16].tolist() == [17.0, 2.0, 1.0]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ([1], "not an object that names its `media`"),
        ({"media": 3}, "not an object that names its `media`"),
        (entry(first_frame=-1), "first_frame: a whole number from 0"),
        (entry(first_frame=1.5), "first_frame: a whole number from 0"),
        (entry(first_frame=True), "first_frame: a whole number from 0"),
        (entry(first_frame=10**12), "first_frame: a whole number from 0"),
        (entry(width=0), "width: a whole number from 1"),
        (entry(height=...), "height: a whole number from 1"),
        (entry(keypoints=..., boxes=...), "neither keypoints nor boxes"),
        (entry(keypoints=[]), "keypoints: a list with an entry a frame"),
        (entry(keypoints="[[0]]"), "keypoints: a list with an entry a frame"),
        (entry(keypoints=[joints()[:16]], boxes=...), "numbers of the shape (17, 3), or null"),
        (entry(keypoints=[joints(), joints()[:16]], boxes=...), "do not all have the shape (17, 3)"),
        (entry(keypoints=[[["1", "2", "3"]] * 17], boxes=...), "numbers of the shape (17, 3), or null"),
        (entry(keypoints=[[[True] * 3] * 17], boxes=...), "numbers of the shape (17, 3), or null"),
        (entry(keypoints=[joints(confidence=1.2)], boxes=...), "a confidence is not between 0 and 1"),
        (entry(keypoints=[joints(confidence=-0.1)], boxes=...), "a confidence is not between 0 and 1"),
        (entry(keypoints=[joints(x=1e9)], boxes=...), "a number beyond 100000 pixels"),
        (entry(boxes=[[1, 1, 2, 2]]), "3 frames of keypoints but 1 of boxes"),
        (entry(boxes=[[9, 1, 2, 2], None, None]), "a box is not left, top, right, bottom"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: Any, cause: str) -> None:
    path = write(tmp_path / "poses.jsonl", entry(), line)
    with pytest.raises(UserError) as error:
        read_lines(path, ["a.mp4"])
    assert str(error.value).startswith(f"{path}, line 2: ")
    assert cause in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b'{"media": "a.mp4", "width": NaN}', b"[" * 100_000])
def test_what_is_not_json_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "p").write_bytes(text)
    with pytest.raises(UserError, match="line 1"):
        read_lines(tmp_path / "p", ["a.mp4"])


def test_a_missing_file_says_where_the_format_is_described(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"own-data\.md"):
        read_lines(tmp_path / "poses.jsonl", ["a.mp4"])


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=150)
@given(st.sampled_from(["first_frame", "width", "height", "keypoints", "boxes", "person"]), anything)
def test_hostile_values_are_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: Any
) -> None:
    path = write(tmp_path_factory.mktemp("hostile") / "p", entry(**{name: value}))
    try:
        lines = read_lines(path, ["a.mp4"])["a.mp4"]
    except UserError as error:
        assert str(error).startswith(f"{path}, line 1: ")
    else:
        assert lines[0].keypoints.shape == (len(lines[0].boxes), 17, 3)


def people(tmp_path: Path, *entries: dict[str, Any], inside: range = range(100)) -> list[list[int]]:
    lines = read_lines(write(tmp_path / "p", *entries), ["a.mp4"])["a.mp4"]
    return [track.at.tolist() for track in tracks_of(lines, inside)]


def test_lines_one_after_the_other_are_one_person(tmp_path: Path) -> None:
    later = entry(first_frame=20, keypoints=[joints()] * 2, boxes=...)
    assert people(tmp_path, entry(), later) == [[10, 12, 20, 21]]
    assert people(tmp_path, later, entry(), inside=range(12, 21)) == [[0, 8]]
    assert people(tmp_path, entry(), inside=range(50, 60)) == []


def test_lines_of_the_same_frames_are_several_people(tmp_path: Path) -> None:
    other = entry(first_frame=11, keypoints=[joints(200)] * 3, boxes=...)
    assert people(tmp_path, entry(), other) == [[10, 12], [11, 12, 13]]
    ann, bob = {"person": "ann"}, {"person": "bob"}
    later = entry(first_frame=20, keypoints=[joints()], boxes=..., **ann)
    assert people(tmp_path, entry(**ann), other | bob, later) == [[10, 12, 20], [11, 12, 13]]
