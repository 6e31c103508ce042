"""MTL-AQA as its owners distribute it: pickles, frame numbers, broadcasts; and the real annotations."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import DIVES, REAL_MTL_AQA, dive, write_dives, write_pickle

from aqa.datasets import safe_pickle
from aqa.datasets.index import index
from aqa.errors import UserError
from aqa.records import Sample

SPLIT_0 = "Ready_2_Use/MTL-AQA_split_0_data"


def read(folder: Path, **settings: Any) -> list[Sample]:
    return index("mtl-aqa", folder, settings)


def by_id(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in samples}


def test_every_dive_of_a_split_is_a_sample(tmp_path: Path) -> None:
    samples = read(write_dives(tmp_path))
    assert [(sample.sample_id, sample.split, sample.subject) for sample in samples] == [
        ("v01-d001", "train", "broadcast-01"),
        ("v01-d002", "test", "broadcast-01"),
        ("v02-d010", "test", "broadcast-02"),
        ("v14-d007", "train", "broadcast-14"),
    ]
    assert {sample.exercise for sample in samples} == {"diving"}


def test_the_truth_is_the_execution_score(tmp_path: Path) -> None:
    samples = by_id(read(write_dives(tmp_path)))
    assert samples["v01-d001"].truth[""] == pytest.approx(88.0 / 3.2 / 3)
    assert samples["v02-d010"].truth == {"": 9.5}
    assert samples["v14-d007"].truth == {"": 5.0}
    question = samples["v01-d001"].questions[0]
    assert (question.item, question.minimum, question.maximum, question.options) == ("", 0, 10, None)


def test_equal_marks_are_equal_truths_whatever_the_difficulty(tmp_path: Path) -> None:
    difficulties = [1.9, 2.7, 2.9, 3.2, 3.3, 3.6, 3.7]
    dives = {
        (1, n): dive(difficulty=d, final_score=round(28.5 * d, 2)) for n, d in enumerate(difficulties, 1)
    }
    assert len({value["final_score"] / value["difficulty"] / 3 for value in dives.values()}) > 1
    samples = read(write_dives(tmp_path, dives, {"train": [], "test": list(dives)}))
    assert {sample.truth[""] for sample in samples} == {9.5}


def test_frame_numbers_become_seconds_at_25_frames_from_1_both_ends_included(tmp_path: Path) -> None:
    media = by_id(read(write_dives(tmp_path)))["v01-d001"].media
    assert (media.start_s, media.end_s) == (1.0, 5.0)
    shown = [frame for frame in range(1, 1000) if 1.0 <= (frame - 1) / 25 < 5.0]
    assert (shown[0], shown[-1], len(shown)) == (26, 125, 100)


def test_details_name_the_dive_and_not_its_score(tmp_path: Path) -> None:
    samples = by_id(read(write_dives(tmp_path)))
    assert samples["v01-d001"].details == {
        "position": "tuck",
        "rotation": "inward",
        "armstand": "no",
        "somersaults": 3.5,
        "twists": 0.0,
        "difficulty": 3.2,
    }
    assert samples["v02-d010"].details["twists"] == 1.5
    assert samples["v02-d010"].details["armstand"] == "yes"


def test_what_a_model_may_see_does_not_depend_on_the_truth(tmp_path: Path) -> None:
    before = read(write_dives(tmp_path / "before"))
    changed = {key: value | {"final_score": 30.0} for key, value in DIVES.items()}
    after = read(write_dives(tmp_path / "after", changed))
    assert [sample.model_dump(exclude={"truth"}) for sample in before] == [
        sample.model_dump(exclude={"truth"}) for sample in after
    ]


def test_failed_dives_can_be_left_out(tmp_path: Path) -> None:
    folder = write_dives(tmp_path)
    assert by_id(read(folder))["v01-d002"].truth == {"": 0.0}
    assert "v01-d002" not in by_id(read(folder, drop_failed_dives=True))


@pytest.mark.parametrize(
    "place",
    [
        ".",
        "MTL-AQA_split_0_data",
        SPLIT_0,
        f"MTL-AQA_dataset_release/{SPLIT_0}",
        f"MTL-AQA/MTL-AQA_dataset_release/{SPLIT_0}",
    ],
)
def test_the_annotations_are_found_wherever_the_release_has_them(tmp_path: Path, place: str) -> None:
    other = tmp_path / place / ".." / "UNLV_Dive_split_4"
    if place != ".":
        write_dives(other, {(1, 1): dive()}, {"train": [], "test": [(1, 1)]})
    write_dives(tmp_path / place)
    assert len(read(tmp_path)) == 4


def test_annotations_in_two_places_are_not_guessed_between(tmp_path: Path) -> None:
    write_dives(tmp_path)
    write_dives(tmp_path / SPLIT_0)
    with pytest.raises(UserError, match=r"lies in more than one place: .*name one of them"):
        read(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "videos/01.mp4",
        "videos/1.mp4",
        "videos/01.mkv",
        "videos/video_01.webm",
        "whole_videos/01.MP4",
        "01.mp4",
        "MTL-AQA_dataset_release/videos/01.mp4",
        f"MTL-AQA_dataset_release/{SPLIT_0}/videos/1.mov",
    ],
)
def test_broadcasts_are_found_by_number(tmp_path: Path, name: str) -> None:
    write_dives(tmp_path / "MTL-AQA_dataset_release" / SPLIT_0, videos=(tmp_path / name,))
    samples = by_id(read(tmp_path))
    expected = hashlib.sha256(Path(name).name.encode()).hexdigest()
    for sample in (samples["v01-d001"], samples["v01-d002"]):
        assert (sample.media.path, sample.media.sha256) == (name, expected)
    assert samples["v02-d010"].media.path == "videos/02.mp4"
    assert samples["v02-d010"].media.sha256 is None


def test_other_files_beside_the_broadcasts_are_no_broadcasts(tmp_path: Path) -> None:
    names = (
        "videos/01.mp4.part",
        "videos/01.srt",
        "videos/01-preview.mp4",
        "videos/2019.mp4",
        "videos/.01.mp4",
    )
    write_dives(tmp_path, videos=tuple(tmp_path / name for name in names))
    assert {sample.media.sha256 for sample in read(tmp_path)} == {None}


def test_the_reencoded_file_wins_over_the_download_beside_it(tmp_path: Path) -> None:
    write_dives(tmp_path, videos=(tmp_path / "videos/01.webm", tmp_path / "videos/01.mp4"))
    assert by_id(read(tmp_path))["v01-d001"].media.path == "videos/01.mp4"


def test_two_other_files_of_one_broadcast_are_not_guessed_between(tmp_path: Path) -> None:
    write_dives(tmp_path, videos=(tmp_path / "videos/1.mkv", tmp_path / "videos/01.webm"))
    with pytest.raises(UserError, match=r"more than one file for broadcast 1: .*named 01\.mp4"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"difficulty": 0.0}, "difficulty: Input should be greater than or equal to 0.5"),
        ({"difficulty": float("nan")}, "difficulty: "),
        ({"final_score": -1.0}, "final_score: "),
        ({"final_score": float("inf")}, "final_score: "),
        ({"final_score": "88"}, "final_score: Input should be a valid number"),
        ({"final_score": 97.0}, "final_score 97.0 is more than 30 times difficulty 3.2"),
        ({"start_frame": 0}, "start_frame: "),
        ({"start_frame": 1.5}, "start_frame: "),
        ({"end_frame": 25}, "end_frame 25 lies before start_frame 26"),
        ({"position": 3}, "position: "),
        ({"rotation_type": 4}, "rotation_type: "),
        ({"armstand": True}, "armstand: "),
        ({"ss_no": -1}, "ss_no: "),
        ({"tw_no": None}, "tw_no: "),
    ],
)
def test_a_wrong_value_names_the_dive_and_the_field(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write_dives(tmp_path, DIVES | {(2, 10): dive(**changes)})
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert f"final_annotations_dict.pkl: dive (2, 10): {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_field_names_the_dive_and_the_field(tmp_path: Path) -> None:
    incomplete = dive()
    del incomplete["difficulty"]
    write_dives(tmp_path, DIVES | {(2, 10): incomplete})
    with pytest.raises(UserError, match=r"dive \(2, 10\): difficulty: Field required"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([1, 2], "must map (video, dive) to annotations, but is a list"),
        ({}, "but is empty"),
        ({"01_01": dive()}, "a dive is named by (video, dive), two numbers from 1, but here by '01_01'"),
        ({(1, 0): dive()}, "but here by (1, 0)"),
        ({(1, True): dive()}, "but here by (1, True)"),
        ({(1, 1): 5}, "dive (1, 1): "),
    ],
)
def test_annotations_of_another_shape_are_one_clear_line(
    tmp_path: Path, annotations: Any, message: str
) -> None:
    write_dives(tmp_path)
    write_pickle(tmp_path / "final_annotations_dict.pkl", annotations)
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": [(1, 1)], "test": [(9, 9)]}, r"1 dive\(s\) of a split are not in .*: \(9, 9\)"),
        ({"train": [(1, 1)], "test": [(1, 1)]}, r"dive \(1, 1\) is listed twice, or in both splits"),
        ({"train": [(1, 1)], "test": {(1, 1): 1}}, r"must be a list of \(video, dive\), but is a dict"),
        ({"train": [(1, 1)], "test": ["a"]}, "but here by 'a'"),
        ({"train": [(1, 1)], "test": []}, "no usable sample of the test split"),
        ({"train": []}, r"test_split_0\.pkl not found in .*train_split_0\.pkl"),
    ],
)
def test_wrong_splits_are_one_clear_line(tmp_path: Path, splits: dict[str, Any], message: str) -> None:
    write_dives(tmp_path, splits=splits)
    with pytest.raises(UserError, match=message):
        read(tmp_path)


class Hostile:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('executed')",)


def test_a_pickle_that_names_code_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    write_dives(tmp_path)
    write_pickle(tmp_path / "test_split_0.pkl", [(1, 2), Hostile()])
    with pytest.raises(UserError, match=r"test_split_0\.pkl: refused: it asks for the code '.*exec'"):
        read(tmp_path)


real = pytest.mark.skipif(not REAL_MTL_AQA.is_dir(), reason=f"the real annotations are not at {REAL_MTL_AQA}")


@real
@pytest.mark.parametrize("name", ["final_annotations_dict.pkl", "train_split_0.pkl", "test_split_0.pkl"])
def test_the_real_files_read_as_pickle_reads_them(name: str) -> None:
    with (REAL_MTL_AQA / name).open("rb") as stream:
        assert safe_pickle.load(REAL_MTL_AQA / name) == pickle.load(stream)


@real
def test_the_real_annotations_hold_1412_dives_353_of_them_in_test() -> None:
    samples = read(REAL_MTL_AQA)
    test = [sample for sample in samples if sample.split == "test"]
    assert (len(samples), len(test)) == (1412, 353)
    truths = [float(sample.truth[""]) for sample in test]
    assert (min(truths), max(truths)) == (0.0, 9.5)
    assert sum(truths) / 353 == pytest.approx(7.00, abs=0.005)
    assert len({sample.subject for sample in samples}) == 15
    assert len(read(REAL_MTL_AQA, drop_failed_dives=True)) == 1410
    frames = [round((s.media.end_s or 0) * 25) - round((s.media.start_s or 0) * 25) for s in test]
    assert (min(frames), max(frames)) == (67, 190)


@real
def test_every_real_truth_is_final_score_by_difficulty_by_three() -> None:
    samples = by_id(read(REAL_MTL_AQA))
    annotations: Any = safe_pickle.load(REAL_MTL_AQA / "final_annotations_dict.pkl")
    for (video, number), row in annotations.items():
        sample = samples[f"v{video:02d}-d{number:03d}"]
        assert sample.truth[""] == pytest.approx(row["final_score"] / row["difficulty"] / 3, abs=1e-9)
        assert sample.media.start_s == (row["start_frame"] - 1) / 25
        assert sample.media.end_s == row["end_frame"] / 25
