"""Fitness-AQA as its owners distribute it, with every trap of the real files."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import (
    PRESS_LABELS,
    PRESS_SPLITS,
    SQUAT_LABELS,
    SQUAT_SPLITS,
    write_exercise,
    write_fitness,
    write_json,
)

from aqa.datasets import load_adapter
from aqa.datasets.index import index
from aqa.errors import UserError
from aqa.records import Sample


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    logger = logging.getLogger("aqa")
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.INFO, logger="aqa")
    return caplog


def read(folder: Path, **settings: Any) -> list[Sample]:
    return index("fitness-aqa", folder, settings)


def by_id(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in samples}


def test_every_labelled_clip_of_a_split_is_a_sample_and_val_counts_as_train(tmp_path: Path) -> None:
    write_fitness(tmp_path)
    samples = read(tmp_path)
    assert [(sample.sample_id, sample.split) for sample in samples] == [
        ("overhead-press-100_1", "test"),
        ("overhead-press-400_1", "train"),
        ("overhead-press-500_3", "test"),
        ("squat-100_1", "train"),
        ("squat-100_2", "test"),
        ("squat-200_1", "train"),
        ("squat-300_1", "test"),
    ]


def test_an_error_is_true_if_it_has_an_interval(tmp_path: Path) -> None:
    write_fitness(tmp_path)
    samples = by_id(read(tmp_path))
    assert samples["squat-100_2"].truth == {"knees_inward": "true", "knees_forward": "false"}
    assert samples["squat-300_1"].truth == {"knees_inward": "true", "knees_forward": "true"}
    assert samples["overhead-press-500_3"].truth == {"elbows": "false", "knees": "true"}
    for sample in samples.values():
        assert [question.item for question in sample.questions] == list(sample.truth)
        assert {question.options for question in sample.questions} == {("true", "false")}
        assert {question.correct for question in sample.questions} == {"false"}
        assert len({question.text for question in sample.questions}) == 2


def test_clips_of_one_source_video_share_a_subject(tmp_path: Path) -> None:
    write_fitness(tmp_path)
    samples = by_id(read(tmp_path))
    assert samples["squat-100_1"].subject == samples["squat-100_2"].subject == "100"
    assert samples["squat-300_1"].subject == "300"


def test_what_a_model_may_see_does_not_depend_on_the_truth(tmp_path: Path) -> None:
    write_fitness(tmp_path)
    before = read(tmp_path)
    for path in tmp_path.rglob("error_*.json"):
        labels = json.loads(path.read_text())
        path.write_text(json.dumps({clip: [] if times else [[0, 1]] for clip, times in labels.items()}))
    after = read(tmp_path)
    assert [sample.model_dump(exclude={"truth"}) for sample in before] == [
        sample.model_dump(exclude={"truth"}) for sample in after
    ]
    assert all(left.truth != right.truth for left, right in zip(before, after, strict=True))


def test_the_same_files_give_the_same_samples(tmp_path: Path) -> None:
    write_fitness(tmp_path / "one")
    write_fitness(tmp_path / "two")
    assert read(tmp_path / "one") == read(tmp_path / "two")


def test_videos_without_a_label_are_no_samples(tmp_path: Path) -> None:
    release = write_fitness(tmp_path)
    for number in range(5):
        (release / "Squat" / "Labeled_Dataset" / "videos" / f"7{number}_1.mp4").write_bytes(b"x")
    assert not [sample for sample in read(tmp_path) if sample.sample_id.startswith(("squat-7", "squat-999"))]


def as_parent(root: Path) -> Path:
    write_fitness(root)
    return root


def as_release(root: Path) -> Path:
    return write_fitness(root)


def as_wrapped_download(root: Path) -> Path:
    write_fitness(root / "Fitness-AQA_dataset_release-20260518T073812Z-3-001")
    return root


def as_exercise_folders(root: Path) -> Path:
    write_exercise(root / "Squat", SQUAT_LABELS, SQUAT_SPLITS)
    write_exercise(root / "OHP", PRESS_LABELS, PRESS_SPLITS)
    return root


def as_lower_case(root: Path) -> Path:
    for name in ("Squat", "OHP"):
        labelled = write_fitness(root) / name / "Labeled_Dataset"
        (labelled / "Labels").rename(labelled / "labels")
        (labelled / "Splits").rename(labelled / "splits")
    return root


def as_nested_videos(root: Path) -> Path:
    release = write_fitness(root)
    for name in ("Squat", "OHP"):
        videos = release / name / "Labeled_Dataset" / "videos"
        videos.rename(videos.with_name("moved"))
        videos.mkdir()
        videos.with_name("moved").rename(videos / "videos")
        (videos / "._100_1.mp4").write_bytes(b"resource fork")
    return root


def as_videos_one_level_up(root: Path) -> Path:
    release = write_fitness(root)
    for name in ("Squat", "OHP"):
        (release / name / "Labeled_Dataset" / "videos").rename(release / name / "videos")
    return root


@pytest.mark.parametrize(
    "layout",
    [
        as_parent,
        as_release,
        as_wrapped_download,
        as_exercise_folders,
        as_lower_case,
        as_nested_videos,
        as_videos_one_level_up,
    ],
)
def test_the_layouts_that_users_have_are_all_read(tmp_path: Path, layout: Any) -> None:
    expected = read(as_parent(tmp_path / "expected"))
    folder = layout(tmp_path / "layout")
    samples = read(folder)
    assert [sample.model_dump(exclude={"media"}) for sample in samples] == [
        sample.model_dump(exclude={"media"}) for sample in expected
    ]
    for sample in samples:
        assert sample.media.sha256 is not None
        assert (folder / sample.media.path).is_file()


def test_two_releases_are_not_guessed_between(tmp_path: Path) -> None:
    write_fitness(tmp_path, "one")
    write_fitness(tmp_path, "two")
    with pytest.raises(UserError, match=r"more than one release below .*one.*two; name one of them"):
        read(tmp_path)


def test_clips_in_traj_nan_are_left_out_and_counted(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    labelled = write_fitness(tmp_path) / "Squat" / "Labeled_Dataset"
    write_json(labelled / "Splits" / "traj_nan.json", ["100_2.json", "12345_0.json"])
    assert "squat-100_2" not in by_id(read(tmp_path))
    assert "squat: left out: 1 clip(s) of a split that are in traj_nan.json" in logged.text
    assert "squat-100_2" in by_id(read(tmp_path, drop_traj_nan=False))


def test_a_clip_of_a_split_without_a_label_is_left_out_and_counted(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    labelled = write_fitness(tmp_path) / "Squat" / "Labeled_Dataset"
    write_json(labelled / "Splits" / "test_keys.json", ["100_2", "300_1", "31_1"])
    assert len(by_id(read(tmp_path))) == 7
    assert "squat: left out: 1 clip(s) of a split that lack a label in" in logged.text
    assert "31_1" in logged.text


def test_a_clip_of_two_splits_counts_in_test_only(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    labelled = write_fitness(tmp_path) / "Squat" / "Labeled_Dataset"
    write_json(labelled / "Splits" / "train_keys.json", ["100_1", "300_1", "100_1"])
    samples = by_id(read(tmp_path))
    assert samples["squat-300_1"].split == "test"
    assert "1 clip(s) are also in the test split and count there only: 300_1" in logged.text
    assert "1 id(s) occur more than once and count once: 100_1" in logged.text


def test_the_same_content_in_both_splits_is_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    videos = write_fitness(tmp_path) / "Squat" / "Labeled_Dataset" / "videos"
    shutil.copy(videos / "100_2.mp4", videos / "200_1.mp4")
    read(tmp_path)
    assert "the same content is in both splits: squat-100_2, squat-200_1" in logged.text


def test_a_test_split_of_another_size_than_the_papers_is_accepted_and_logged(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    clips = [f"{number}_1" for number in range(1, 245)]
    labels: dict[str, Any] = {item: {clip: [] for clip in clips} for item in SQUAT_LABELS}
    write_fitness(tmp_path)
    write_exercise(
        tmp_path / "Fitness-AQA_dataset_release" / "Squat" / "Labeled_Dataset",
        labels,
        {"train": [], "val": [], "test": clips},
    )
    samples = read(tmp_path)
    assert sum(sample.exercise == "squat" for sample in samples) == 244
    assert "squat: the paper reports 224 samples in test, the files hold 244" in logged.text


def test_videos_that_are_still_packed_are_pointed_at(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    labelled = write_fitness(tmp_path) / "Squat" / "Labeled_Dataset"
    shutil.rmtree(labelled / "videos")
    (labelled / "videos.zip").write_bytes(b"PK")
    samples = by_id(read(tmp_path))
    assert samples["squat-100_2"].media.sha256 is None
    assert samples["squat-100_2"].media.path.endswith("Squat/Labeled_Dataset/videos/100_2.mp4")
    assert "videos.zip is not unpacked: unpack it where it is" in logged.text
    assert "4 of 7 media files are missing" in logged.text


@pytest.mark.parametrize(
    ("remove", "what"),
    [
        ("Squat", r"the folder Squat \(Squat\) not found in .*found there: OHP/\)"),
        ("OHP/Labeled_Dataset/Labels", "the folders Labels and Splits of Overhead press not found"),
        (
            "OHP/Labeled_Dataset/Labels/error_knees.json",
            r"error_knees\.json not found in .*error_elbows\.json",
        ),
        ("Squat/Labeled_Dataset/Splits/val_keys.json", r"val_keys\.json not found in .*test_keys\.json"),
    ],
)
def test_a_missing_file_says_what_where_and_how_to_get_it(tmp_path: Path, remove: str, what: str) -> None:
    path = write_fitness(tmp_path) / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError, match=what) as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "https://forms.gle/PbPTX1eVxGpa3QG88" in message
    assert "<data>/Fitness-AQA_dataset_release/" in message
    assert "\n" not in message


LABELS = "Squat/Labeled_Dataset/Labels/error_knees_inward.json"
SPLIT = "Squat/Labeled_Dataset/Splits/test_keys.json"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (LABELS, "{", "not valid JSON"),
        (LABELS, b"\xff\xfe\x00", "not valid JSON"),
        (LABELS, "[" * 100_000, "nested too deep"),
        (LABELS, "[]", "must map clip ids to lists of intervals, but is a list"),
        (LABELS, '{"100_1": true}', "clip '100_1' must have a list of"),
        (LABELS, '{"100_1": [[1]]}', "clip '100_1' must have a list of"),
        (LABELS, '{"100_1": [[0, NaN]]}', "clip '100_1' must have a list of"),
        (LABELS, '{"100_1": [["0", "1"]]}', "clip '100_1' must have a list of"),
        (LABELS, '{"100_1": [[false, true]]}', "clip '100_1' must have a list of"),
        (LABELS, '{"100_1": [], "100_1": [[0, 1]]}', "key '100_1' occurs twice"),
        (SPLIT, '{"100_1": 1}', "must be a list of clip ids, but is a dict"),
        (SPLIT, "[100]", "entry 0 must be a clip id like '45823_6', but is 100"),
        (SPLIT, '["100_1", "../secret"]', "entry 1 must be a clip id"),
        (SPLIT, '[""]', "entry 0 must be a clip id"),
    ],
)
def test_a_file_that_holds_something_else_is_one_clear_line(
    tmp_path: Path, file: str, content: str | bytes, message: str
) -> None:
    path = write_fitness(tmp_path) / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_splits_without_any_labelled_clip_are_an_error(tmp_path: Path) -> None:
    release = write_fitness(tmp_path)
    for path in release.rglob("error_*.json"):
        path.write_text("{}")
    with pytest.raises(UserError, match="the files name no usable sample of the test split"):
        read(tmp_path)


def test_the_adapter_leaves_digests_to_the_indexer(tmp_path: Path) -> None:
    write_fitness(tmp_path)
    samples = load_adapter("fitness-aqa").samples(tmp_path, {"drop_traj_nan": True})
    assert {sample.media.sha256 for sample in samples} == {None}
