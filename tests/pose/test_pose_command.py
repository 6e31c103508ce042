"""The command line of the pose stage: poses of the embedded data, overrides, resuming, and what is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pose_files import (
    SCRIPT,
    clips,
    command,
    environment,
    make_video,
    painted,
    pose_here,
    run_pose,
)

from aqa.datasets.index import index
from aqa.datasets.llm_fms import embedded as keyframes
from aqa.datasets.mtl_aqa import embedded as dives
from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, write_jsonl
from aqa.media.poses import gather
from aqa.pose.store import read_poses
from aqa.pose.subjects import read_subjects
from aqa.records import PoseClip, Sample
from aqa.synthetic.track import Track
from processes import alive, children_of
from scored_samples import sample

PRECOMPUTED: dict[str, Any] = {}
NETWORK = {"backend": "ultralytics", "weights": "net.onnx", "device": "cpu"}


@pytest.fixture
def network(tmp_path: Path) -> dict[str, Any]:
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"numbers")
    return {**NETWORK, "weights": str(weights)}


def track(media: str, first: int, frames: int, x: float = 60.0, **more: Any) -> dict[str, Any]:
    """Somebody who walks to the right by a pixel a frame."""
    keypoints = [[[x + i + k, 40.0 + 8 * k, 0.9] for k in range(17)] for i in range(frames)]
    line = {"media": media, "first_frame": first, "width": 320, "height": 240, "keypoints": keypoints}
    return line | more


def walking(i: int) -> list[tuple[int, int, int, int]]:
    return [(60 + 2 * i, 60, 100 + 2 * i, 180)]


def test_the_embedded_datas_poses_are_taken_as_they_are(tmp_path: Path) -> None:
    dives.write(tmp_path / "dives", 5, 1, dives.Size(train=1, test=1, train_dives=1, test_dives=1))
    keyframes.write(tmp_path / "keyframes", 5, 1)
    for dataset, folder in (("mtl-aqa", "dives"), ("llm-fms", "keyframes")):
        data, out = tmp_path / folder, tmp_path / f"poses-{folder}"
        samples = index(dataset, data, {})
        done = run_pose(data, out, samples, PRECOMPUTED, "--workers", "2")
        assert (done.returncode, done.stderr) == (
            0,
            f"INFO: {len(samples)} clips have poses: {len(samples)} made, 0 were there\n",
        )
        lines = {line.media: line for line in read_jsonl(data / "poses.jsonl", Track)}
        found = clips(out)
        assert list(found) == sorted(sample.sample_id for sample in samples)
        for one in samples:
            clip = found[one.sample_id]
            truth = lines[one.media.path]
            assert clip.file == f"clips/{one.sample_id}.npz"
            assert digest_file(out / clip.file) == clip.sha256
            assert (clip.margin, clip.low_margin, clip.error, clip.interpolated) == (None, False, None, 0.0)
            poses = read_poses(out / clip.file)
            assert (poses.width, poses.height) == (truth.width, truth.height)
            assert poses.indices.tolist() == [truth.first_frame + i for i in range(len(truth.keypoints))]
            expected = np.array(truth.keypoints)
            gone = expected[..., 2] == 0
            assert np.isnan(poses.keypoints[gone][:, :2]).all()
            assert np.allclose(poses.keypoints[~gone], expected[~gone], atol=1e-4)
            assert clip.mean_confidence == pytest.approx(expected[~gone][:, 2].mean(), abs=1e-5)
            assert clip.coverage == pytest.approx((~gone).any(axis=1).mean(), abs=1e-5)


def test_gaps_are_filled_only_when_asked(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", walking, 30)
    line = track("a.mp4", 0, 30)
    line["keypoints"][10:14] = [None] * 4
    write_jsonl(data / "poses.jsonl", [line])
    one = [sample("a", data, "a.mp4")]
    pose_here(data, tmp_path / "plain", one, PRECOMPUTED)
    plain = clips(tmp_path / "plain")["a"]
    assert (plain.frames, plain.interpolated) == (30, 0.0)
    assert plain.coverage == pytest.approx(26 / 30, abs=1e-6)
    pose_here(data, tmp_path / "filled", one, {"fill_gaps": 4})
    filled = clips(tmp_path / "filled")["a"]
    assert filled.interpolated == pytest.approx(4 / 30, abs=1e-6)
    assert filled.coverage == plain.coverage
    poses = read_poses(tmp_path / "filled" / str(filled.file))
    assert np.flatnonzero(poses.interpolated).tolist() == [10, 11, 12, 13]
    assert poses.keypoints[12, 0].tolist() == pytest.approx([72.0, 40.0, 0.9])


def test_clips_images_and_folders_of_images(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", walking, 50)
    cv2.imwrite(str(data / "still.png"), painted(walking(0)))
    (data / "frames").mkdir()
    for number in range(1, 31):
        cv2.imwrite(str(data / "frames" / f"{number:05d}.jpg"), painted(walking(number)))
    samples = [
        sample("late", data, "a.mp4", 1.0, 1.4),
        sample("still", data, "still.png", kind="image"),
        sample("folder", data, "frames", 0.5, 0.9, kind="frames"),
        sample("unknown", data, "a.mp4", 0.0, 0.2),
    ]
    lines = [track("a.mp4", 20, 30), track("still.png", 0, 1), track("frames", 0, 30)]
    write_jsonl(data / "poses.jsonl", lines)
    done = run_pose(data, tmp_path / "out", samples, PRECOMPUTED)
    assert done.returncode == 0
    assert (
        "WARNING: 1 of 4 clips have no poses:\n  unknown (a.mp4): nobody was found in 5 frames" in done.stderr
    )
    found = clips(tmp_path / "out")
    indices = {
        name: read_poses(tmp_path / "out" / clip.file).indices.tolist()
        for name, clip in found.items()
        if clip.file
    }
    assert indices == {"late": [*range(25, 35)], "still": [0], "folder": [*range(15, 27)]}
    assert found["unknown"].error == "nobody was found in 5 frames"


def test_poses_that_do_not_fit_the_file_are_an_error_of_its_clips(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", walking, 20)
    make_video(data / "b.mp4", walking, 20)
    write_jsonl(data / "poses.jsonl", [track("a.mp4", 10, 15), track("b.mp4", 0, 20)])
    samples = [sample("a", data, "a.mp4"), sample("b", data, "b.mp4")]
    done = pose_here(data, tmp_path / "out", samples, PRECOMPUTED)
    assert [(clip.sample_id, clip.error) for clip in done.unreadable] == [
        ("a", "poses.jsonl, line 1: frames up to 24, but the file has only 20 (from 0)")
    ]


def test_the_one_who_is_judged_and_a_persons_word_on_it(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", walking, 40)
    coach = track("a.mp4", 0, 40, x=250)
    coach["keypoints"] = [coach["keypoints"][0]] * 40
    write_jsonl(data / "poses.jsonl", [track("a.mp4", 0, 40, x=120), coach])
    one = [sample("a", data, "a.mp4"), sample("b", data, "a.mp4")]
    pose_here(data, tmp_path / "out", one, {"low_margin": 1.5})
    chosen = clips(tmp_path / "out")
    assert chosen["a"].margin is not None and chosen["a"].margin > 1.5 and not chosen["a"].low_margin
    assert read_poses(tmp_path / "out" / "clips/a.npz").keypoints[0, 0, 0] == 120
    unsure = run_pose(data, tmp_path / "out", one, {"low_margin": 1000})
    assert "a (a.mp4): who is judged is not clear" in unsure.stderr
    assert clips(tmp_path / "out")["a"].low_margin

    word = tmp_path / "subjects.yaml"
    word.write_text("b: {frame: 3, point: [258, 100]}\n")
    done = run_pose(data, tmp_path / "out", one, {"low_margin": 1000}, "--subjects", str(word))
    assert "1 made, 1 were there" in done.stderr
    assert read_poses(tmp_path / "out" / "clips/b.npz").keypoints[0, 0, 0] == 250
    assert (clips(tmp_path / "out")["b"].margin, clips(tmp_path / "out")["b"].low_margin) == (None, False)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("c: {frame: 3, point: [1, 2]}", "no sample 'c'"),
        ("a: {frame: 3}", "a: 0: either a point or a box is needed"),
        ("a: {frame: -1, point: [1, 2]}", "a: 0.frame: "),
        ("a: {frame: 1, point: [1, 2], who: me}", "a: 0.who: "),
        ("[1, 2]", "a mapping from sample ids to places is needed"),
        ("a: {frame: 1, point: [.inf, 2]}", "a: 0.point.0: "),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_word_gets_one_clear_line(tmp_path: Path, text: str, cause: str) -> None:
    path = tmp_path / "subjects.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_subjects(path, ["a", "b"])
    assert str(error.value).startswith(str(path))
    assert cause in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "more", "cause"),
    [
        ({"backend": "openpose"}, [], "--settings: backend: "),
        ({}, ["--workers", "0"], "--workers 0"),
        ({}, [], "poses.jsonl is missing"),
    ],
)
def test_wrong_options_get_one_clear_line(
    data: Path, tmp_path: Path, settings: dict[str, Any], more: list[str], cause: str
) -> None:
    done = run_pose(data, tmp_path / "out", [], settings, *more)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert cause in done.stderr


def test_broken_clips_are_named_and_all_others_made(data: Path, tmp_path: Path) -> None:
    make_video(data / "good.mp4", walking, 20)
    (data / "text.mp4").write_text("gone")
    names = ("good", "text", "missing")
    write_jsonl(data / "poses.jsonl", [track(f"{name}.mp4", 0, 20) for name in names])
    samples = [sample(name, data, f"{name}.mp4") for name in names]
    samples.append(sample("late", data, "good.mp4", 5.0, 6.0))
    out = tmp_path / "out"
    done = run_pose(data, out, samples, PRECOMPUTED, "--workers", "2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:-1] == [
        "ERROR: 3 of 4 clips cannot be read:",
        "  late (good.mp4): the clip starts at 5.000 s but the frames end at 0.800 s",
        "  missing (missing.mp4): the file is missing",
        "  text (text.mp4): not a video that can be opened (Invalid data found when processing input)",
    ]
    assert not (out / "manifest.jsonl").exists()
    assert [path.name for path in (out / "clips").glob("*.npz")] == ["good.npz"]
    accepted = run_pose(data, out, samples, PRECOMPUTED, "--accept-broken")
    assert accepted.returncode == 0
    assert "1 clips have poses: 0 made, 1 were there" in accepted.stderr
    found = clips(out)
    assert found["text"].file is None and found["good"].error is None
    (data / "good.mp4").write_bytes(b"another")
    again = pose_here(data, tmp_path / "again", [samples[0]], PRECOMPUTED)
    assert "the file has changed since samples.jsonl was made" in str(again.clips[0].error)


def test_only_what_changed_is_made_again(data: Path, tmp_path: Path) -> None:
    samples: list[Sample] = []
    for name in "abcd":
        make_video(data / f"{name}.mp4", walking, 10)
        samples.append(sample(name, data, f"{name}.mp4"))
    lines = [track(f"{name}.mp4", 0, 10) for name in "abcd"]
    write_jsonl(data / "poses.jsonl", lines)
    out = tmp_path / "out"
    pose_here(data, out, samples, PRECOMPUTED)
    first = clips(out)
    lines[1] = track("b.mp4", 0, 10, x=90)
    write_jsonl(data / "poses.jsonl", lines)
    (out / "clips" / "c.npz").write_bytes(b"damaged")
    (out / "clips" / ".d.npz.half").write_bytes(b"half")
    assert pose_here(data, out, samples, PRECOMPUTED).made == 2
    second = clips(out)
    assert second["b"] != first["b"]
    assert all(second[name] == first[name] for name in "acd")
    assert not list((out / "clips").glob(".*"))
    assert pose_here(data, out, samples, PRECOMPUTED).made == 0
    assert pose_here(data, out, samples, {"fill_gaps": 3}).made == 4


def test_shards_share_the_sources_and_are_gathered(data: Path, tmp_path: Path) -> None:
    samples = []
    for name in "abc":
        make_video(data / f"{name}.mp4", walking, 25)
        samples += [sample(f"{name}{k}", data, f"{name}.mp4", k * 0.2, k * 0.2 + 0.2) for k in range(3)]
    write_jsonl(data / "poses.jsonl", [track(f"{name}.mp4", 0, 25) for name in "abc"])
    out = tmp_path / "out"
    for shard in ("1-of-2", "2-of-2"):
        assert run_pose(data, out, samples, PRECOMPUTED, "--shard", shard).returncode == 0
    parts = [set(clips(out, f"shards/{shard}")) for shard in ("1-of-2", "2-of-2")]
    assert parts[0] and parts[1] and not parts[0] & parts[1]
    files = [str(out / "shards" / f"{shard}.jsonl") for shard in ("1-of-2", "2-of-2")]
    manifest = out / "manifest.jsonl"
    gathered = subprocess.run(
        [sys.executable, str(SCRIPT), "gather", "--shards", *files, "--output", str(manifest)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert gathered.stderr == "INFO: 9 clips\n"
    lines = read_jsonl(manifest, PoseClip)
    assert [clip.sample_id for clip in lines] == sorted(one.sample_id for one in samples)
    assert list(pose_here(data, tmp_path / "whole", samples, PRECOMPUTED).clips) == lines
    with pytest.raises(UserError, match="is in two shards"):
        gather([Path(files[0]), Path(files[0])], manifest)


def test_after_kill_9_only_the_missing_poses_are_made(
    data: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    samples = []
    for i in range(8):
        make_video(data / f"{i}.mp4", walking, 6)
        samples.append(sample(f"s{i}", data, f"{i}.mp4"))
    out = tmp_path / "out"
    args = command(data, out, samples, network, "--workers", "2")
    process = subprocess.Popen(args, stderr=subprocess.DEVNULL, env=environment(AQA_DOUBLE_SECONDS="0.05"))
    while len(list(out.rglob("*.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    family = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in family):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.02)
    finished = {path.stem for path in out.rglob("*.json")}
    assert 2 <= len(finished) < 8
    stamps = {name: (out / f"clips/{name}.npz").stat().st_mtime_ns for name in finished}
    done = run_pose(data, out, samples, network, env=environment())
    assert f"8 clips have poses: {8 - len(finished)} made, {len(finished)} were there" in done.stderr
    assert {name: (out / f"clips/{name}.npz").stat().st_mtime_ns for name in finished} == stamps


def test_a_library_that_crashes_loses_one_clip(data: Path, tmp_path: Path, network: dict[str, Any]) -> None:
    samples = []
    for name in "abc":
        make_video(data / f"{name}.mp4", walking, 4, green_corner=name == "b")
        samples.append(sample(name, data, f"{name}.mp4"))
    env = environment(AQA_DOUBLE_CRASH="1")
    done = run_pose(data, tmp_path / "out", samples, network, "--workers", "2", "--accept-broken", env=env)
    assert done.returncode == 0
    errors = {name: clip.error for name, clip in clips(tmp_path / "out").items()}
    assert errors == {"a": None, "b": "the process that looked at this clip crashed", "c": None}
