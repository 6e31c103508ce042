"""Data of which only some frames are drawn: those that a media profile keeps, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets.fitness_aqa import embedded
from aqa.media.profile import thin
from aqa.synthetic.video import drawn


@given(st.integers(1, 200), st.one_of(st.none(), st.integers(2, 12)))
def test_the_frames_are_those_of_a_profile_with_as_many(count: int, most: int | None) -> None:
    assert sorted(drawn(count, most)) == list(thin(range(count), most))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    made = []
    for most in (None, 4):
        folder = tmp_path_factory.mktemp("data")
        embedded.write(folder, 3, 1, embedded.Size(train=2, val=0, test=0, unlabeled=0, drawn=most))
        made.append(folder)
    return made[0], made[1]


def test_labels_and_poses_of_the_drawn_frames_are_the_same(folders: tuple[Path, Path]) -> None:
    full, sparse = (
        [json.loads(line) for line in (folder / "poses.jsonl").read_text().splitlines()] for folder in folders
    )
    for one, other in zip(full, sparse, strict=True):
        for index in drawn(len(one["keypoints"]), 4):
            assert one["keypoints"][index] == other["keypoints"][index]
    assert (folders[0] / "faults.jsonl").read_bytes() == (folders[1] / "faults.jsonl").read_bytes()


def test_the_drawn_pictures_are_the_same(folders: tuple[Path, Path]) -> None:
    path = sorted(folders[0].rglob("*.mp4"))[0].relative_to(folders[0])
    pictures = []
    for folder in folders:
        with av.open(str(folder / path)) as video:
            pictures.append([frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)])
    assert len(pictures[0]) == len(pictures[1])
    for index in drawn(len(pictures[0]), 4):
        assert np.abs(pictures[0][index] - pictures[1][index]).mean() < 4  # Both are lossy.
