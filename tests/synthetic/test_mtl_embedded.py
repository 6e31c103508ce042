"""The embedded MTL-AQA data: the release's files and types, scores that follow from faults, equal bytes."""

from __future__ import annotations

import json
import pickle
import pickletools
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets.mtl_aqa import embedded
from aqa.files import read_jsonl
from aqa.synthetic.diving import DiveFaults
from aqa.synthetic.track import Track

SMALL = embedded.Size(train=1, test=1, train_dives=2, test_dives=2)
SEED = 5
FILES = ("final_annotations_dict.pkl", "train_split_0.pkl", "test_split_0.pkl")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mtl")
    embedded.write(folder, SEED, 2, SMALL)
    return folder


def load(folder: Path, name: str):
    return pickle.loads((folder / "Ready_2_Use" / "MTL-AQA_split_0_data" / name).read_bytes())


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_files_lie_as_in_the_release(data):
    annotations = {f"Ready_2_Use/MTL-AQA_split_0_data/{name}" for name in FILES}
    assert set(tree(data)) == {*annotations, "videos/01.mp4", "videos/02.mp4", "poses.jsonl", "faults.jsonl"}


def test_pickles_have_the_releases_fields_and_types(data):
    annotations = load(data, FILES[0])
    train, test = load(data, FILES[1]), load(data, FILES[2])
    assert type(annotations) is dict
    assert type(train) is list
    assert set(train).isdisjoint(test)
    assert set(train) | set(test) == set(annotations)
    assert len(train) + len(test) == len(annotations) == 4
    for key, fields in annotations.items():
        assert (type(key), *map(type, key)) == (tuple, int, int)
        assert {name: type(value) for name, value in fields.items()} == {
            "primary_view": int,
            "start_frame": int,
            "end_frame": int,
            "position": int,
            "difficulty": float,
            "armstand": int,
            "rotation_type": int,
            "ss_no": int,
            "tw_no": int,
            "final_score": float,
        }
        assert fields["position"] in (0, 1, 2)
        assert fields["rotation_type"] in (0, 1, 2, 3)
        assert fields["armstand"] in (0, 1)


def test_pickles_name_no_global(data):
    for name in FILES:
        content = (data / "Ready_2_Use" / "MTL-AQA_split_0_data" / name).read_bytes()
        opcodes = {opcode.name for opcode, _, _ in pickletools.genops(content)}
        assert opcodes.isdisjoint({"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ"})


def test_dives_are_cut_by_frames_counted_from_one(data):
    annotations = load(data, FILES[0])
    tracks = {track.clip_id: track for track in read_jsonl(data / "poses.jsonl", Track)}
    for video in (1, 2):
        with av.open(str(data / "videos" / f"{video:02d}.mp4")) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == 25
            total = sum(1 for _ in container.decode(stream))
        last = 0
        for dive in (1, 2):
            fields, track = annotations[video, dive], tracks[f"{video}_{dive}"]
            assert fields["start_frame"] > last + 7, "frames of the empty pool lie between two dives"
            assert track.first_frame == fields["start_frame"] - 1
            assert len(track.keypoints) == fields["end_frame"] - fields["start_frame"] + 1
            assert 36 <= len(track.keypoints) <= 80
            last = fields["end_frame"]
        assert total > last


def test_the_diver_is_in_view_until_the_water_and_gone_at_the_end(data):
    for track in read_jsonl(data / "poses.jsonl", Track):
        seen = [sum(confidence > 0 for *_, confidence in frame) for frame in track.keypoints]
        assert all(count == 17 for count in seen[: int(0.7 * len(seen))])
        assert seen[-1] <= 4


def test_final_scores_give_back_the_execution_that_the_faults_are_worth(data):
    annotations = load(data, FILES[0])
    for line in (data / "faults.jsonl").read_text().splitlines():
        fault = json.loads(line)
        video, dive = map(int, fault["clip_id"].split("_"))
        fields = annotations[video, dive]
        expected = embedded.execution(DiveFaults(**fault["sizes"]))
        assert fields["final_score"] / fields["difficulty"] / 3 == pytest.approx(expected, abs=1e-9)
        assert fault["execution"] == pytest.approx(expected)


@pytest.mark.thorough
def test_one_worker_writes_the_same_bytes(data, tmp_path):
    embedded.write(tmp_path, SEED, 1, SMALL)
    assert tree(tmp_path) == tree(data)


@given(
    entry=st.floats(-30, 30),
    knees=st.floats(0, 45),
    apart=st.floats(0, 30),
    splash=st.floats(0.25, 1.75),
    worse=st.floats(0.5, 5.0),
)
def test_awards_are_half_points_and_a_larger_fault_never_scores_higher(entry, knees, apart, splash, worse):
    faults = DiveFaults(entry, knees, apart, splash)
    given_awards = embedded.awards(faults)
    assert len(given_awards) == 7
    assert all(0.0 <= award <= 10.0 and (2.0 * award).is_integer() for award in given_awards)
    for other in (
        DiveFaults(entry + np.copysign(worse, entry), knees, apart, splash),
        DiveFaults(entry, knees + worse, apart, splash),
        DiveFaults(entry, knees, apart + worse, splash),
        DiveFaults(entry, knees, apart, splash + worse),
    ):
        assert embedded.execution(other) <= embedded.execution(faults)


def test_scores_follow_the_documented_formula():
    assert embedded.awards(DiveFaults(0.0, 0.0, 0.0, 0.25)) == [9.0, 9.5, 9.5, 9.5, 10.0, 10.0, 10.0]
    assert embedded.execution(DiveFaults(15.0, 22.5, 0.0, 0.25)) == pytest.approx((6.5 + 7.0 + 7.0) / 3)
    assert embedded.execution(DiveFaults(80.0, 0.0, 0.0, 0.25)) == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_are_spread_like_the_real_ones_and_one_dive_of_each_split_fails(seed):
    broadcasts = embedded.plan(seed, embedded.Size())
    assert len(broadcasts) >= 6
    scores = {"train": [], "test": []}
    for broadcast in broadcasts:
        for performance in embedded.performances(broadcast):
            scores[broadcast.split].append(embedded.execution(performance.faults))
    assert len(scores["test"]) >= 48
    assert len(scores["train"]) >= 32
    for found in scores.values():
        assert found.count(0.0) == 1
        assert 6.0 < np.mean(found) < 8.0
        assert 8.5 < max(found) <= 9.67
    assert len({round(score, 3) for score in scores["test"]}) > 15
