"""The embedded Fitness-AQA data: the release's layout, measurable faults, equal bytes."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from aqa.datasets.fitness_aqa import embedded
from aqa.files import read_jsonl
from aqa.synthetic.body import Joint
from aqa.synthetic.geometry import angle_at, unit
from aqa.synthetic.track import Track

SMALL = embedded.Size(train=2, val=2, test=3, unlabeled=2)
SEED = 7


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fitness")
    embedded.write(folder, SEED, 2, SMALL)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def labelled(folder: Path, exercise: str) -> Path:
    return folder / "Fitness-AQA_dataset_release" / exercise / "Labeled_Dataset"


def test_files_lie_as_in_the_release(data):
    names = set(tree(data))
    videos = {clip.media for clip in embedded.plan(SEED, SMALL)}
    expected = {"poses.jsonl", "faults.jsonl", *videos}
    for exercise, errors in (("Squat", ("knees_inward", "knees_forward")), ("OHP", ("elbows", "knees"))):
        base = f"Fitness-AQA_dataset_release/{exercise}/Labeled_Dataset"
        expected |= {f"{base}/Labels/error_{error}.json" for error in errors}
        expected |= {f"{base}/Splits/{part}_keys.json" for part in ("train", "val", "test")}
    assert names == expected
    assert len(videos) == 7 + 7 + 2


def test_labels_hold_seconds_within_the_clip_for_every_labelled_clip_and_no_other(data):
    tracks = {track.clip_id: track for track in read_jsonl(data / "poses.jsonl", Track)}
    for exercise in ("Squat", "OHP"):
        base = labelled(data, exercise)
        keys = [
            json.loads((base / "Splits" / f"{p}_keys.json").read_text()) for p in ("train", "val", "test")
        ]
        ids = {key for part in keys for key in part}
        assert [len(part) for part in keys] == [2, 2, 3]
        for path in (base / "Labels").iterdir():
            labels = json.loads(path.read_text())
            assert set(labels) == ids
            for clip_id, found in labels.items():
                for start, end in found:
                    assert 0.0 <= start < end <= len(tracks[clip_id].keypoints) / 30 + 1e-3
            for part in keys:
                assert {bool(labels[key]) for key in part} == {True, False}
    videos = {p.stem for p in (labelled(data, "Squat") / "videos").iterdir()}
    splits = labelled(data, "Squat") / "Splits"
    listed = {key for path in splits.iterdir() for key in json.loads(path.read_text())}
    assert len(videos - listed) == SMALL.unlabeled


def test_labels_agree_with_the_planted_faults(data):
    for line in (data / "faults.jsonl").read_text().splitlines():
        fault = json.loads(line)
        if fault["part"] == "unlabeled":
            continue
        for name, present in fault["present"].items():
            labels = json.loads(
                (labelled(data, fault["exercise"]) / "Labels" / f"error_{name}.json").read_text()
            )
            assert bool(labels[fault["clip_id"]]) is present


def test_videos_have_as_many_frames_as_poses_at_30_a_second(data):
    for track in read_jsonl(data / "poses.jsonl", Track):
        with av.open(str(data / track.media)) as container:
            stream = container.streams.video[0]
            assert stream.average_rate == 30
            assert (stream.width, stream.height) == (track.width, track.height) == (256, 320)
            assert sum(1 for _ in container.decode(stream)) == len(track.keypoints) == len(track.boxes)
        assert 36 <= len(track.keypoints) <= 60
        assert {len(frame) for frame in track.keypoints} == {17}


@pytest.mark.thorough
def test_one_worker_writes_the_same_bytes(data, tmp_path):
    embedded.write(tmp_path, SEED, 1, SMALL)
    assert tree(tmp_path) == tree(data)


def test_a_clip_can_be_rendered_alone_and_another_seed_gives_another_clip(data, tmp_path):
    clip = embedded.plan(SEED, SMALL)[-1]
    embedded.render(tmp_path, clip, embedded.source_of(clip))
    assert (tmp_path / clip.media).read_bytes() == (data / clip.media).read_bytes()
    assert embedded.plan(SEED + 1, SMALL) != embedded.plan(SEED, SMALL)


def test_no_source_lies_in_two_parts_and_each_has_two_to_four_repetitions():
    clips = embedded.plan(3, embedded.Size())
    parts, counts = {}, {}
    for clip in clips:
        parts.setdefault(clip.source, set()).add((clip.exercise, clip.part))
        counts[clip.source] = counts.get(clip.source, 0) + 1
    assert all(len(found) == 1 for found in parts.values())
    assert set(counts.values()) <= {2, 3, 4}
    assert len({clip.clip_id for clip in clips}) == len(clips)


@pytest.mark.parametrize("seed", [1, 2])
def test_each_fault_shows_in_a_quarter_to_a_half_of_the_clips_of_either_split(seed):
    clips = embedded.plan(seed, embedded.Size())
    assert sum(clip.part == "test" for clip in clips) >= 48
    for exercise in ("Squat", "OHP"):
        for part in ("train", "test"):
            flags = np.array([c.faults for c in clips if c.exercise == exercise and c.part == part])
            assert (flags.mean(axis=0) >= 0.25).all()
            assert (flags.mean(axis=0) <= 0.50).all()


def measures(clip: embedded.ClipPlan) -> tuple[float, float]:
    """Measure both errors of a clip on its true joints alone, in degrees."""
    pose = embedded.lift_of(clip, embedded.source_of(clip))[0].pose
    hip, knee, ankle, toe, heel = (
        pose.at(j)
        for j in (Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE, Joint.LEFT_TOE, Joint.LEFT_HEEL)
    )
    knee_angle = angle_at(hip, knee, ankle)
    if clip.exercise == "Squat":
        bottom = int(np.argmin(knee_angle))
        axis = unit(hip - ankle)
        out = (knee - ankle) - ((knee - ankle) * axis).sum(1, keepdims=True) * axis
        toes = (toe - heel)[bottom]
        heading = np.degrees(np.arctan2(out[bottom, 0], out[bottom, 2]) - np.arctan2(toes[0], toes[2]))
        shin = (knee - ankle)[bottom]
        return -heading, float(np.degrees(np.arctan2(shin[2], shin[1])))
    elbow, wrist = pose.at(Joint.LEFT_ELBOW)[0], pose.at(Joint.LEFT_WRIST)[0]
    forearm = unit(wrist - elbow)
    return float(np.degrees(np.arccos(forearm[1]))), float(180.0 - knee_angle.min())


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("exercise", ["Squat", "OHP"])
def test_planted_faults_separate_the_classes_without_exception_on_the_true_joints(seed, exercise):
    clips = [clip for clip in embedded.plan(seed, embedded.Size()) if clip.exercise == exercise]
    found = np.array([measures(clip) for clip in clips])
    flags = np.array([clip.faults for clip in clips])
    for error in (0, 1):
        present, absent = found[flags[:, error], error], found[~flags[:, error], error]
        assert present.min() > absent.max() + 8.0, embedded.FAULTS[exercise][error].name


def test_knees_inward_brings_the_knees_nearer_to_each_other_than_the_ankles():
    for clip in embedded.plan(1, embedded.Size()):
        if clip.exercise != "Squat":
            continue
        pose = embedded.lift_of(clip, embedded.source_of(clip))[0].pose
        bottom = int(np.argmin(pose.at(Joint.PELVIS)[:, 1]))
        apart = pose.joints[bottom, Joint.LEFT_KNEE] - pose.joints[bottom, Joint.RIGHT_KNEE]
        stance = pose.joints[bottom, Joint.LEFT_ANKLE] - pose.joints[bottom, Joint.RIGHT_ANKLE]
        assert (apart[0] < 0.65 * stance[0]) == clip.faults[0]
        assert apart[0] > 0.05  # the knees never pass through each other
