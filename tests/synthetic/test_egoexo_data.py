"""The embedded EgoExo-Fitness data: the release's layout and traps, measurable faults, equal bytes."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from aqa.config import load_yaml
from aqa.datasets.egoexo_fitness import embedded, embedded_plan
from aqa.datasets.egoexo_fitness.adapter import guideline_id
from aqa.datasets.index import index
from aqa.files import read_jsonl
from aqa.synthetic import workouts
from aqa.synthetic.body import Joint, Pose, random_body
from aqa.synthetic.geometry import angle_at, unit
from aqa.synthetic.track import Track

SEED = 7
SIZE = embedded_plan.Size()
SMALL = embedded_plan.Size(persons=2, entries=2)
FAULTS = embedded_plan.FAULTS


@pytest.fixture(scope="module")
def few() -> list[embedded_plan.RecordPlan]:
    return embedded_plan.plan(SEED, SMALL)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("egoexo")
    embedded.write(folder, SEED, 2, SMALL)
    return folder


@pytest.fixture(scope="module")
def annotations(tmp_path_factory) -> Path:
    """Return the whole data's annotations beside folders of empty frames: what the adapter needs."""
    folder = tmp_path_factory.mktemp("annotations")
    records = embedded_plan.plan(SEED, SIZE)
    rendered = []
    for record in records:
        (folder / record.media).mkdir(parents=True)
        ranges, count = [], 0
        for _ in record.entries:
            ranges.append((count + 4, count + 45))
            count += 45
        for number in range(1, count + 1):
            (folder / record.media / f"frame_{number:010d}.jpg").write_bytes(record.record.encode())
        rendered.append(embedded.Rendered(count, tuple(ranges), (), ()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "run_jobs", lambda *_: rendered)
        embedded.write(folder, SEED, 1)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def judged(folder: Path) -> dict:
    return json.loads((folder / "raw_annotations" / "interpretable_action_judgement.json").read_text())


def planted(seed: int) -> dict[tuple[str, str], bool]:
    """Return (sample's record and entry, guideline's item) -> kept, of the records in the frontal view."""
    return {
        (f"{record.record}-a{index:02d}", guideline_id(text)): not broken
        for record in embedded_plan.plan(seed, SIZE)[:-1]
        for index, entry in enumerate(record.entries)
        for text, broken in zip(embedded_plan.guidelines(entry.exercise), entry.broken, strict=True)
    }


def test_files_lie_as_in_the_release_with_frames_numbered_from_one(data, few):
    frames: dict[str, list[str]] = {}
    rest = set()
    for name in tree(data):
        if name.startswith("frames_open/"):
            frames.setdefault(name.rpartition("/")[0], []).append(name.rpartition("/")[2])
        else:
            rest.add(name)
    raw = ("meta_records", "action_level_annotations", "interpretable_action_judgement")
    assert rest == {"poses.jsonl", "faults.jsonl", *(f"raw_annotations/{name}.json" for name in raw)}
    assert set(frames) == {record.media for record in few}
    for names in frames.values():
        assert sorted(names) == [f"frame_{number:010d}.jpg" for number in range(1, len(names) + 1)]
    meta = json.loads((data / "raw_annotations" / "meta_records.json").read_text())
    for position, record in enumerate(few):
        assert meta["record_index"][record.record] == position
        assert meta["records"][position]["frames"][record.view]["num_frames"] == len(frames[record.media])


def test_the_adapter_reads_the_rendered_frames_and_reports_the_record_without_the_frontal_view(
    data, few, caplog
):
    samples = index("egoexo-fitness", data, {}, require_media=True)
    assert len(samples) == 3 * sum(len(record.entries) for record in few[:-1])
    assert f"1 of {len(few)} records lack the frontal view exo_m: their 1 of" in caplog.text
    assert all(sample.media.sha256 for sample in samples)


def test_an_entry_may_end_after_the_last_frame_and_is_clipped(data, few):
    first = few[0]
    key = first.key(len(first.entries) - 1)
    count = len(list((data / first.media).iterdir()))
    assert judged(data)[key]["st_ed_frame"][1] == count + embedded.BEYOND
    samples = index("egoexo-fitness", data, {}, require_media=True)
    ends = [sample.media.end_s for sample in samples if sample.sample_id.startswith(first.record)]
    assert max(ends) == pytest.approx(count / 30)


@pytest.mark.parametrize("tie", ["fail", "pass", "drop"])
def test_the_majority_is_what_was_planted_but_for_one_tie_that_the_setting_decides(annotations, tie):
    samples = index("egoexo-fitness", annotations, {"tie": tie}, require_media=True)
    truth = {
        (sample.sample_id.rpartition("-")[0], item): value == "true"
        for sample in samples
        for item, value in sample.truth.items()
    }
    kept = planted(SEED)
    differing = {key for key in kept if truth.get(key) != kept[key]}
    assert len(kept) == 96
    assert len(differing) == (0 if tie == "fail" else 1)
    assert len(truth) == (95 if tie == "drop" else 96)
    assert len({sample.subject for sample in samples}) == SIZE.persons


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_guideline_is_kept_and_broken_by_at_least_two_persons(seed):
    shown: dict[tuple[str, str, bool], set[int]] = {}
    for record in embedded_plan.plan(seed, SIZE)[:-1]:
        for entry in record.entries:
            for fault, broken in zip(FAULTS[entry.exercise], entry.broken, strict=True):
                shown.setdefault((entry.exercise, fault.name, broken), set()).add(entry.person)
    assert len(shown) == 2 * 12
    assert min(map(len, shown.values())) == 2
    kept = [len(persons) for (_, _, broken), persons in shown.items() if not broken]
    assert sum(kept) / 96 == 0.75


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_annotators_disagree_about_as_often_as_in_the_real_data(seed):
    agree: Counter[bool] = Counter()
    counts: Counter[int] = Counter()
    ties = 0
    for record in embedded_plan.plan(seed, SIZE)[:-1]:
        for entry in record.entries:
            counts[len(entry.votes)] += 1
            for label in zip(*entry.votes, strict=True):
                ties += len(label) == 2 and label[0] != label[1]
                agree.update(first == second for first, second in combinations(label, 2))
    assert counts == {1: 8, 2: 12, 3: 12}
    assert ties == 1
    assert agree[True] / agree.total() == pytest.approx(0.83, abs=0.02)


def test_two_persons_come_on_two_dates_and_nobody_does_an_exercise_twice():
    records = embedded_plan.plan(SEED, SIZE)
    actors = Counter(record.actor.partition("-")[2] for record in records)
    assert sorted(actors.values()) == [1] * 11 + [2, 2]
    assert len({record.actor for record in records}) == len(records) == 15
    done = Counter((entry.person, entry.exercise) for record in records for entry in record.entries)
    assert max(done.values()) == 1


def test_booleans_are_strings_and_one_exercise_is_named_otherwise_in_the_judgements(annotations):
    entries = judged(annotations)
    values = {
        pair[1] for e in entries.values() for a in e["annotations"] for pair in a["key_point_verification"]
    }
    assert values == {"True", "False"}
    actions = json.loads((annotations / "raw_annotations" / "action_level_annotations.json").read_text())
    renamed = 0
    for key, entry in entries.items():
        record, _, number = key.partition("_action_")
        name = actions[record]["action_names"][int(number)]
        renamed += name != entry["annotations"][0]["action_name"]
        assert len(actions[record]["action_info"][int(number)]) == 3
    assert renamed == SIZE.entries


def bends(pose: Pose, first: int, joint: int, last: int) -> np.ndarray:
    return 180.0 - angle_at(pose.at(first), pose.at(joint), pose.at(last))


def from_vertical(bone: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(unit(bone)[..., 1], -1.0, 1.0)))


def measures(exercise: str, pose: Pose) -> tuple[float, float, float]:
    """Measure the three faults of an exercise on the true joints alone, at the peak of the movement."""
    thighs = [from_vertical(pose.at(Joint.LEFT_HIP + s) - pose.at(Joint.LEFT_KNEE + s)) for s in (0, 1)]
    knees = [bends(pose, Joint.LEFT_HIP + s, Joint.LEFT_KNEE + s, Joint.LEFT_ANKLE + s) for s in (0, 1)]
    elbow = bends(pose, Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST)
    trunk = from_vertical(pose.at(Joint.NECK) - pose.at(Joint.PELVIS))
    if exercise == "sumo-squat":
        low = int(np.argmin(pose.at(Joint.PELVIS)[:, 1]))
        hip, knee, ankle, toe, heel = (
            pose.joints[low, j]
            for j in (Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE, Joint.LEFT_TOE, Joint.LEFT_HEEL)
        )
        axis = unit(hip - ankle)
        out, toes = (knee - ankle) - ((knee - ankle) @ axis) * axis, toe - heel
        heading = np.degrees(np.arctan2(toes[0], toes[2]) - np.arctan2(out[0], out[2]))
        return float(heading), float(trunk[low]), float(thighs[0][low])
    if exercise == "jumping-jacks":
        arm = 180.0 - from_vertical(pose.at(Joint.LEFT_WRIST) - pose.at(Joint.LEFT_SHOULDER))
        apart = np.linalg.norm(pose.at(Joint.LEFT_ANKLE) - pose.at(Joint.RIGHT_ANKLE), axis=1)
        return float(arm.max()), float(apart.max()), float(elbow[int(np.argmax(arm))])
    if exercise == "high-knee":
        return float(max(thighs[0].max(), thighs[1].max())), float(np.median(elbow)), float(np.median(trunk))
    top = int(np.argmax(thighs[0]))
    across = pose.joints[top, Joint.LEFT_SHOULDER] - pose.joints[top, Joint.RIGHT_SHOULDER]
    return float(thighs[0][top]), float(knees[1][top]), float(-np.degrees(np.arctan2(across[1], across[0])))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("exercise", list(FAULTS))
def test_planted_faults_separate_the_classes_without_exception_on_the_true_joints(seed, exercise):
    found, flags = [], []
    for record in embedded_plan.plan(seed, SIZE)[:-1]:
        for number, entry in enumerate(record.entries):
            if entry.exercise == exercise:
                body = embedded.scene_of(record).body
                pose, sizes = embedded.movement_of(record, number, body)
                found.append(measures(exercise, pose))
                flags.append(entry.broken)
                for size, measured in zip(sizes.items(), found[-1], strict=True):
                    tolerance = 0.03 if size[0] == "feet_m" else 5.0
                    assert measured == pytest.approx(size[1], abs=tolerance), size[0]
    sizes, broken = np.array(found), np.array(flags)
    for number, fault in enumerate(FAULTS[exercise]):
        kept, faulty = sizes[~broken[:, number], number], sizes[broken[:, number], number]
        gap = 18.0 if fault.quantity.endswith("_deg") else 0.4
        assert faulty.min() > kept.max() + gap or kept.min() > faulty.max() + gap, fault.name


def test_every_exercise_keeps_the_lengths_of_arms_and_legs_without_jumps_or_sinking():
    body = random_body(np.random.default_rng(3))
    for pose in (
        workouts.sumo_squat(body, knee_in=0.6, lean=0.9, thigh=1.5, frames=44),
        workouts.jumping_jacks(body, arms=2.9, feet=0.9, elbow=1.4, frames=44),
        workouts.high_knee(body, lift=1.7, elbow=1.5, lean=0.6, frames=44),
        workouts.side_knee_raise(body, lift=1.8, support=1.0, bend=0.5, frames=50),
    ):
        for side in (0, 1):
            for first, second, length in (
                (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, body.upper_arm),
                (Joint.LEFT_ELBOW, Joint.LEFT_WRIST, body.forearm),
                (Joint.LEFT_HIP, Joint.LEFT_KNEE, body.thigh),
                (Joint.LEFT_KNEE, Joint.LEFT_ANKLE, body.shank),
            ):
                found = np.linalg.norm(pose.at(first + side) - pose.at(second + side), axis=1)
                assert found == pytest.approx(length, abs=1e-6)
        assert np.linalg.norm(np.diff(pose.joints, axis=0), axis=2).max() < 0.35
        assert 0.0 < pose.joints[..., 1].min() < 0.08


def test_keypoints_are_those_of_the_entry_s_frames(data):
    entries = judged(data)
    for track in read_jsonl(data / "poses.jsonl", Track):
        start, end = entries[track.clip_id]["st_ed_frame"]
        assert track.first_frame == start - 1
        assert len(track.keypoints) in (end - start + 1, end - start + 1 - embedded.BEYOND)
        assert 40 <= len(track.keypoints) <= 60
        points = np.array(track.keypoints)
        assert (points[..., :2] > 0).all()
        assert (points[..., :2] < [track.width, track.height]).all()
        image = cv2.imread(str(data / track.media / f"frame_{start:010d}.jpg"))
        assert image.shape == (track.height, track.width, 3) == (192, 256, 3)


def test_guidelines_have_both_polarities_and_belong_to_faults():
    entries = load_yaml(embedded_plan.HERE / embedded_plan.TEXTS)
    known = [(exercise, fault.name) for exercise, faults in FAULTS.items() for fault in faults]
    assert [(entry["exercise"], entry["fault"]) for entry in entries] == known
    texts = [entry[polarity] for entry in entries for polarity in ("positive", "negative")]
    assert len(set(texts)) == 2 * len(known)


@pytest.mark.thorough
def test_one_worker_writes_the_same_bytes(data, tmp_path):
    embedded.write(tmp_path, SEED, 1, SMALL)
    assert tree(tmp_path) == tree(data)
