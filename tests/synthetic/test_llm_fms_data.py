"""The embedded LLM-FMS data: the release's layout, options that the true joints decide, equal bytes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets.index import index
from aqa.datasets.llm_fms import embedded
from aqa.datasets.llm_fms.embedded_rules import MOVEMENTS, Criterion, texts
from aqa.files import read_jsonl
from aqa.records import Sample
from aqa.synthetic import screen
from aqa.synthetic.body import Joint, random_body
from aqa.synthetic.placing import turned
from aqa.synthetic.track import Track

SEED = 7
SIZE = embedded.Size()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fms")
    embedded.write(folder, SEED, 1)
    return folder


@pytest.fixture(scope="module")
def samples(data) -> list[Sample]:
    return index("llm-fms", data, {}, require_media=True)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def facts(folder: Path) -> dict[str, dict]:
    lines = (folder / "faults.jsonl").read_text().splitlines()
    return {fact["clip_id"]: fact for fact in map(json.loads, lines)}


def test_files_lie_as_in_the_release_with_one_label_an_image(data):
    names = {keyframe.name for keyframe in embedded.plan(SEED, SIZE)}
    expected = {"FMSRules.json", "poses.jsonl", "faults.jsonl"}
    expected |= {f"FMS-Keyframes/{name}.jpg" for name in names}
    expected |= {f"FMS-FineGrainedLabelInfo/{name}.json" for name in names}
    assert set(tree(data)) == expected
    assert len(names) == 5 * SIZE.subjects


def test_the_rules_have_the_fields_of_the_release_and_all_three_types():
    types = set()
    for movement in embedded.rules().values():
        assert set(movement) == {"actionName", "view", "rules"}
        for rule in movement["rules"].values():
            assert set(rule) == {"ruleType", "ruleName", "ruleQuestion", "ruleOptions", "bodyParts"}
            types.add((rule["ruleType"], len(rule["ruleOptions"])))
    assert {kind for kind, _ in types} == {"angle", "distance", "position"}
    assert {count for _, count in types} == {2, 3}


def test_the_adapter_reads_every_keyframe_with_the_planted_options(data, samples):
    assert len(samples) == 70
    assert len({sample.subject for sample in samples}) == SIZE.subjects
    assert len({sample.exercise for sample in samples}) == 5
    planted = {k.name.replace("/", "-"): k.options for k in embedded.plan(SEED, SIZE)}
    for sample in samples:
        assert sample.truth == planted[sample.sample_id] == facts(data)[sample.sample_id]["truth"]
        assert sample.media.sha256 is not None


@pytest.mark.parametrize("seed", [1, 2])
def test_every_option_of_every_question_is_true_for_at_least_four_subjects(seed):
    shown: dict[tuple[str, str, str], set[str]] = {}
    for keyframe in embedded.plan(seed, SIZE):
        for rule, option in keyframe.options.items():
            shown.setdefault((keyframe.exercise, rule, option), set()).add(keyframe.subject)
    every = {(e["exercise"], e["rule"], option) for e in texts() for option in e["options"]}
    assert set(shown) == every
    assert min(len(subjects) for subjects in shown.values()) >= 4


def test_left_and_right_movements_of_an_exercise_ask_the_same(samples):
    asked: dict[str, set] = {}
    for sample in samples:
        asked.setdefault(sample.exercise, set()).add(sample.questions)
    assert all(len(questions) == 1 for questions in asked.values())
    assert {sample.details["movement"] for sample in samples} >= {
        "Inline Lunge (Left)",
        "Inline Lunge (Right)",
    }


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_true_joints_decide_every_question_with_a_margin(seed):
    sizes: dict[tuple[str, str], dict[str, list[float]]] = {}
    for keyframe in embedded.plan(seed, SIZE):
        _, measured = embedded.pose_at(keyframe, embedded.person_of(keyframe))
        assert embedded.truth_of(keyframe, measured) == keyframe.options
        for rule, option in keyframe.options.items():
            found = sizes.setdefault((keyframe.exercise, rule), {})
            found.setdefault(option, []).append(measured[rule])
    for (exercise, rule), found in sizes.items():
        criterion = next(m for m in MOVEMENTS if m.exercise == exercise).criteria[rule]
        gap = 10.0 if criterion.quantity.endswith("_deg") else 0.03
        spans = sorted((min(values), max(values)) for values in found.values())
        for (_, below), (above, _) in pairwise(spans):
            assert above - below > gap, (exercise, rule)


@given(size=st.floats(-1.0, 1.0))
def test_an_option_is_the_one_with_the_nearest_range(size):
    criterion = Criterion(
        "x_m", lambda pose, side: 0.0, {"Low": (-0.6, -0.4), "Equal": (-0.1, 0.1), "High": (0.4, 0.6)}
    )
    expected = "Low" if size < -0.25 else "High" if size > 0.25 else "Equal"
    assert criterion.option(size) == expected or abs(abs(size) - 0.25) < 1e-9


def test_bones_keep_their_lengths_and_nobody_sinks_into_the_floor():
    for keyframe in embedded.plan(3, SIZE):
        person = embedded.person_of(keyframe)
        pose, _ = embedded.pose_at(keyframe, person)
        body, joints = person.body, pose.joints[0]
        for side in (0, 1):
            for first, second, length in (
                (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, body.upper_arm),
                (Joint.LEFT_ELBOW, Joint.LEFT_WRIST, body.forearm),
                (Joint.LEFT_HIP, Joint.LEFT_KNEE, body.thigh),
                (Joint.LEFT_KNEE, Joint.LEFT_ANKLE, body.shank),
            ):
                assert np.linalg.norm(joints[first + side] - joints[second + side]) == pytest.approx(length)
        assert 0.01 < joints[:, 1].min() < 0.08
        assert joints[[Joint.LEFT_HIP, Joint.RIGHT_HIP], 1].min() > 0.10


def test_turning_a_pose_keeps_its_shape():
    pose = screen.push_up(random_body(np.random.default_rng(1)), sag=20.0, elbow=10.0, knees_down=False)
    turn = turned(pose, 1.2)
    assert turn.joints[..., 1] == pytest.approx(pose.joints[..., 1])
    for frame in (turn.pelvis_rotation, turn.chest_rotation, turn.head_rotation):
        assert frame[0] @ frame[0].T == pytest.approx(np.eye(3), abs=1e-12)
    apart = np.linalg.norm(np.diff(turn.joints[0], axis=0), axis=1)
    assert apart == pytest.approx(np.linalg.norm(np.diff(pose.joints[0], axis=0), axis=1))


def test_the_score_counts_the_faults(data):
    correct = {(e["exercise"], e["rule"]): e["correct"] for e in texts()}
    scores = set()
    for keyframe in embedded.plan(SEED, SIZE):
        label = json.loads((data / "FMS-FineGrainedLabelInfo" / f"{keyframe.name}.json").read_text())
        wrong = sum(o != correct[keyframe.exercise, r] for r, o in label["ruleResults"].items())
        assert label["score"] == (3, 2, 1, 1)[wrong]
        scores.add(label["score"])
    assert scores == {1, 2, 3}


def test_every_question_has_its_texts():
    asked = {(m.exercise, rule): list(c.ranges) for m in MOVEMENTS for rule, c in m.criteria.items()}
    assert {(e["exercise"], e["rule"]) for e in texts()} == set(asked)
    for entry in texts():
        options = entry["options"]
        assert set(options) == set(asked[entry["exercise"], entry["rule"]])
        first, second = entry["compare"]["options"]
        assert {first, second} <= set(options)
        assert first == entry["correct"] != second
        assert ("Equal" in options) == (len(options) == 3)
        assert "Equal" not in (first, second)
        assert entry["compare"]["question"].startswith("In which image ")
        assert entry["positive"] != entry["negative"]
    assert len({entry["question"] for entry in texts() if entry["exercise"] == "deep-squat"}) == 3


def test_keypoints_lie_inside_their_image(data):
    for track in read_jsonl(data / "poses.jsonl", Track):
        image = cv2.imread(str(data / track.media))
        assert image.shape == (track.height, track.width, 3)
        assert sorted(image.shape[:2]) == [320, 400]
        points = np.array(track.keypoints[0])
        assert (points[:, :2] > 0).all()
        assert (points[:, :2] < [track.width, track.height]).all()
        assert (points[:, 2] == 1.0).sum() >= 8
        left, top, right, bottom = track.boxes[0]
        assert (right - left) * (bottom - top) > 0.15 * track.width * track.height


def test_two_workers_write_the_same_bytes(tmp_path):
    embedded.write(tmp_path / "one", SEED, 1, embedded.Size(3))
    embedded.write(tmp_path / "two", SEED, 2, embedded.Size(3))
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_keyframe_can_be_rendered_alone_and_another_seed_gives_another(data, tmp_path):
    keyframe = embedded.plan(SEED, SIZE)[-1]
    embedded.render(tmp_path, keyframe, embedded.person_of(keyframe))
    assert (tmp_path / keyframe.media).read_bytes() == (data / keyframe.media).read_bytes()
    other = [k.options for k in embedded.plan(SEED + 1, SIZE)]
    assert other != [k.options for k in embedded.plan(SEED, SIZE)]
