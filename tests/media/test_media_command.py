"""The command line: resumes, loses nothing, names what is broken."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import pytest
from media_videos import SCRIPT, command, make_video, manifest, numbered, numbers_of, run_media

from aqa.files import digest_file, write_jsonl
from aqa.media import passes, prepare
from aqa.media.clips import PoseFile, Task, Want
from aqa.media.masks import Box
from aqa.media.profile import Profile
from aqa.media.recipe import Recipes
from aqa.media.target import Target
from aqa.records import Clip
from processes import alive, children_of
from scored_samples import sample

FPS_5 = {"name": "fps-5", "profile": {"fps": 5}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_clips_of_several_sources_with_their_manifest(data: Path, tmp_path: Path) -> None:
    make_video(data / "broadcast.mp4", range(120))
    cv2.imwrite(str(data / "still.png"), numbered(9))
    samples = [
        sample("z", data, "broadcast.mp4", 0.4, 1.2),
        sample("a", data, "broadcast.mp4", 3.0, 3.4),
        sample("m", data, "still.png", kind="image"),
        sample("learn", data, "broadcast.mp4", split="train"),
    ]
    out, place = tmp_path / "out", "original/fps-5"
    log = ["--log", str(tmp_path / "media.log")]
    done = run_media(data, out, samples, "--workers", "2", *log, targets=[FPS_5])
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        "INFO: 3 clips ready: 3 made, 0 were there\n",
    )
    made = manifest(out, place)
    assert list(made) == ["a", "m", "z"]
    assert numbers_of(out, made["z"], place) == [10, 15, 20, 25]
    assert numbers_of(out, made["m"], place) == [9]
    for clip in made.values():
        assert clip.file == f"clips/{clip.sample_id}.zip"
        assert digest_file(out / place / clip.file) == clip.sha256
        with zipfile.ZipFile(out / place / clip.file) as archive:
            assert archive.namelist() == [f"{i:06d}.jpg" for i in range(len(clip.frame_indices))]
    assert b"7.25" not in b"".join(path.read_bytes() for path in out.rglob("*.json*"))  # no truth

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.zip")}
    again = run_media(data, out, [*samples, sample("n", data, "broadcast.mp4", 2.0, 2.4)], targets=[FPS_5])
    assert "4 clips ready: 1 made, 3 were there" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before

    other = run_media(data, out, samples, "--split", "train")
    assert "1 clips ready: 1 made" in other.stderr
    assert list(manifest(out)) == ["learn"]


def test_what_was_made_otherwise_or_damaged_is_made_again(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(50))
    out = tmp_path / "out"
    clips = out / "original/native/clips"
    samples = [sample(f"s{i}", data, "a.mp4", i * 0.4, i * 0.4 + 0.4) for i in range(4)]
    run_media(data, out, samples)
    first = manifest(out)
    samples[1] = sample("s1", data, "a.mp4", 0.4, 0.84)
    damaged = bytearray((clips / "s2.zip").read_bytes())
    damaged[100] ^= 255
    (clips / "s2.zip").write_bytes(damaged)
    (clips / "s3.json").unlink()
    done = run_media(data, out, samples)
    assert "3 made, 1 were there" in done.stderr
    second = manifest(out)
    assert len(second["s1"].frame_indices) == 11
    assert second["s0"] == first["s0"] and second["s2"] == first["s2"] and second["s3"] == first["s3"]
    half = {"name": "half", "profile": {"scale": 0.5}}
    assert "8 clips ready: 4 made, 4 were there" in run_media(data, out, samples, targets=[{}, half]).stderr
    quarter = {"name": "half", "profile": {"scale": 0.25}}
    assert "4 made" in run_media(data, out, samples, targets=[{}, quarter]).stderr


def test_broken_clips_are_named_and_all_others_made(data: Path, tmp_path: Path) -> None:
    make_video(data / "good.mp4", range(50))
    (data / "empty.mp4").touch()
    (data / "text.mp4").write_text("gone")
    samples = [sample(name, data, f"{name}.mp4") for name in ("text", "good", "empty", "missing")]
    samples.append(sample("late", data, "good.mp4", 5.0, 6.0))
    out = tmp_path / "out"
    done = run_media(data, out, samples, "--workers", "2")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[:-1] == [
        "ERROR: 4 of 5 clips could not be prepared:",
        "  empty (empty.mp4): the file is empty",
        "  late (good.mp4): the clip starts at 5.000 s but the frames end at 2.000 s",
        "  missing (missing.mp4): the file is missing",
        "  text (text.mp4): not a video that can be opened (Invalid data found when processing input)",
    ]
    assert "accept_broken_clips: true" in done.stderr.splitlines()[-1]
    assert not list(out.rglob("manifest.jsonl"))
    assert [path.name for path in out.rglob("*.zip")] == ["good.zip"]

    accepted = run_media(data, out, samples, "--accept-broken")
    assert accepted.returncode == 0
    assert "WARNING: 4 of 5 clips" in accepted.stderr
    assert "1 clips ready: 0 made, 1 were there" in accepted.stderr
    lines = manifest(out)
    assert lines["empty"] == Clip(
        sample_id="empty", file=None, sha256=None, width=0, height=0,
        frame_indices=(), timestamps=(), error="the file is empty",
    )  # fmt: skip
    assert lines["good"].error is None


def test_a_file_that_changed_after_indexing_is_not_used(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(10))
    samples = [sample("a", data, "a.mp4")]
    make_video(data / "a.mp4", range(20))
    done = run_media(data, tmp_path / "out", samples)
    assert "the file has changed since samples.jsonl was made; run the index stage again" in done.stderr


def test_only_the_ids_of_a_file_are_prepared(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(10))
    samples = [sample(name, data, "a.mp4") for name in ("one", "two", "three")]
    (tmp_path / "ids").write_text("two\none\n")
    (tmp_path / "more").write_text("three\n")
    listed = {"only": [str(tmp_path / "ids")]}
    both = {**FPS_5, "only": [str(tmp_path / "ids"), str(tmp_path / "more")]}
    run_media(data, tmp_path / "out", samples, targets=[listed, both])
    assert list(manifest(tmp_path / "out")) == ["one", "two"]
    assert list(manifest(tmp_path / "out", "original/fps-5")) == ["one", "three", "two"]
    (tmp_path / "ids").write_text("two\nfour\n")
    done = run_media(data, tmp_path / "out", samples, targets=[listed])
    assert (done.returncode, "no sample 'four'" in done.stderr) == (1, True)


@pytest.mark.parametrize("path", ["../secret.mp4", "/etc/hostname", "a/../../secret.mp4"])
def test_media_outside_the_data_folder_are_refused(data: Path, tmp_path: Path, path: str) -> None:
    make_video(tmp_path / "secret.mp4", range(5))
    done = run_media(data, tmp_path / "out", [sample("a", data, path)])
    assert done.returncode == 1
    assert f"media path '{path}' leaves the data folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "target", "cause"),
    [
        ([], '{"representation": "orginal"}', "'representation' is 'orginal'; did you mean 'original'?"),
        ([], '{"representation": "cropped"}', "--target cropped/native: needs --poses"),
        ([], '{"profile": {"fsp": 2}}', "--target: unknown key 'fsp' in 'profile'; did you mean 'fps'?"),
        ([], "fps: 2", "not valid JSON"),
        ([], '{"profile": {"fps": 2}}', "'native' means every frame"),
        (["--workers", "0"], "{}", "--workers 0"),
        (["--shard", "3-of-2"], "{}", "--shard 3-of-2: write I-of-N"),
        (["--shard", "0-of-2"], "{}", "--shard 0-of-2: write I-of-N"),
        (["--target", "{}", "{}"], "{}", "original/native is there twice"),
        (["--masks", "none.yaml"], "{}", "none.yaml: cannot be read"),
        (["--poses", "none.jsonl"], "{}", "none.jsonl: cannot be read"),
    ],
)
def test_wrong_options_get_one_clear_line(
    data: Path, tmp_path: Path, options: list[str], target: str, cause: str
) -> None:
    write_jsonl(tmp_path / "s.jsonl", [])
    line = command(data, tmp_path / "out", tmp_path / "s.jsonl")
    line[line.index("--target") + 1] = target
    done = subprocess.run([*line, *options], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert cause in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "shard",
    [
        pytest.param([], id="whole", marks=pytest.mark.thorough),
        pytest.param(["--shard", "2-of-2"], id="shard"),
    ],
)
def test_after_kill_9_only_the_missing_clips_are_made(data: Path, tmp_path: Path, shard: list[str]) -> None:
    out = tmp_path / "out"
    samples = []
    for i in range(12):
        make_video(data / f"{i:02d}.mp4", range(40), size=(960, 540))
        samples.append(sample(f"s{i:02d}", data, f"{i:02d}.mp4"))
    write_jsonl(tmp_path / "s.jsonl", samples)
    mine = {f"s{i:02d}" for i in range(12) if not shard or i % 2}
    targets = [{}, {"name": "half", "profile": {"scale": 0.5}}]
    args = command(data, out, tmp_path / "s.jsonl", "--workers", "2", *shard, targets=targets)
    process = subprocess.Popen(args, stderr=subprocess.DEVNULL)
    while len(list(out.rglob("*.json"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    family = children_of(process.pid)
    assert family
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in family):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.02)
    finished = {path.with_suffix(".zip") for path in out.rglob("*.json")}
    total = 2 * len(mine)
    assert 3 <= len(finished) < total
    stamps = {path: path.stat().st_mtime_ns for path in finished}
    clips = out / "original/native/clips"
    (clips / ".s11.zip.abandoned").write_bytes(b"half")
    (clips / ".other.zip.at-work").write_bytes(b"of another shard")

    done = run_media(data, out, samples, "--workers", "2", *shard, targets=targets)
    counts = f"{total - len(finished)} made, {len(finished)} were there"
    assert f"{total} clips ready: {counts}" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == stamps
    names = {f"{name}.{kind}" for name in mine for kind in ("zip", "json")}
    assert {path.name for path in clips.iterdir()} == {*names, ".other.zip.at-work"}
    assert {path.name for path in (out / "original/half/clips").iterdir()} == names


def crash_on_purpose(task: Task) -> list[Clip]:
    """A decoder that dies of the file it reads: stands in for a fault in native code."""
    if b"crash" in task.path.read_bytes() and any(want.sample_id == "bad" for want in task.wants):
        os.abort()
    return original_make(task)


original_make = passes.make


def test_a_decoder_that_crashes_loses_one_clip(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "make", crash_on_purpose)
    tasks = []
    for name in ("a", "b", "c", "d"):
        path = make_video(data / f"{name}.mp4", range(5))
        if name == "b":
            path.write_bytes(path.read_bytes() + b"\0\0\0\x0dfreecrash")
        names = (name,) if name != "b" else ("b", "bad")
        targets = (Target(), Target(name="half", profile=Profile(scale=0.5)))
        wants = tuple(Want(want, None, None, "0" * 64, target) for want in names for target in targets)
        tasks.append(Task(path, "video", None, wants, tmp_path / "out"))
    done = {
        (clip.sample_id, want.target.name): clip.error
        for task, made in prepare.run_tasks(tasks, 2)
        for want, clip in zip(task.wants, made, strict=True)
    }
    crashed = "the decoder crashed on this file"
    assert done == {
        (name, target): crashed if name == "bad" else None
        for name in ("a", "b", "bad", "c", "d")
        for target in ("native", "half")
    }


def test_the_recipe_covers_whatever_decides_a_clips_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(data / "a.mp4", range(5))
    media = sample("a", data, "a.mp4", 1.0, 2.0).media
    box = Box(left=0, top=0, right=8, bottom=8)
    poses = PoseFile(tmp_path / "a.npz", "1" * 64)
    recipes = Recipes()

    def recipe(representation: str = "original", **changed: object) -> str:
        profile = changed.pop("profile", Profile(fps=5))
        boxes, posed = changed.pop("boxes", (box,)), changed.pop("poses", poses)
        shown = Target(representation=representation, name="p", profile=profile)  # type: ignore[arg-type]
        return recipes.of(media.model_copy(update=changed), path, shown, boxes, posed)  # type: ignore[arg-type]

    other_poses = PoseFile(tmp_path / "a.npz", "2" * 64)
    wider, later = box.model_copy(update={"right": 10}), box.model_copy(update={"start_s": 3.0})
    posed = ("cropped", "skeleton_overlay", "skeleton_only")
    distinct = [recipe(name) for name in ("original", *posed)]
    distinct += [recipe(end_s=2.1), recipe(start_s=0.9), recipe(sha256="0" * 64), recipe(kind="image")]
    distinct += [recipe(profile=Profile(fps=5, scale=0.5)), recipe(profile=Profile(fps=6))]
    distinct += [recipe(boxes=()), recipe(boxes=(wider,)), recipe("cropped", boxes=(wider,))]
    distinct += [recipe(name, poses=other_poses) for name in posed]
    assert len(set(distinct)) == len(distinct)

    # What cannot change a clip's bytes makes nothing again.
    assert recipe(boxes=(later,)) == recipe(boxes=()), "the box is shown after the clip"
    assert recipe("skeleton_only", boxes=(wider,)) == recipe("skeleton_only"), "no pixel of the source"
    assert recipe(poses=other_poses) == recipe(poses=None) == recipe(), "no joint is shown"
    before = {name: recipe(name) for name in ("original", *posed)}
    bare = recipe(boxes=())
    monkeypatch.setattr(recipes, "code", {**recipes.code, "draw": "changed"}, raising=False)
    assert [name for name in before if recipe(name) != before[name]] == list(posed)
    monkeypatch.setattr(recipes, "code", {**recipes.code, "masks": "changed"}, raising=False)
    assert recipe() != before["original"] and recipe(boxes=()) == bare
    monkeypatch.setattr(recipes, "code", {**recipes.code, "av": "changed"}, raising=False)
    assert recipe(boxes=()) != bare


def test_the_modules_that_decide_bytes_are_all_in_the_recipe() -> None:
    here = Path(passes.__file__).parent
    found, unread = set(), ["passes"]
    while unread:
        name = unread.pop()
        found.add(name)
        text = (here / f"{name}.py").read_text()
        used = {other.stem for other in here.glob("*.py") if f"aqa.media.{other.stem} import" in text}
        used |= {other.stem for other in here.glob("*.py") if f"aqa.media import {other.stem}\n" in text}
        unread += sorted(used - found)
    counted = {name for name in Recipes().code if "/" not in name} - {"av", "opencv"}
    assert counted == found - {"errors", "target"}


def test_shards_together_make_what_one_job_makes(data: Path, tmp_path: Path) -> None:
    samples = []
    for i, count in enumerate((5, 1, 2, 4, 1)):
        make_video(data / f"{i}.mp4", range(30))
        samples += [sample(f"v{i}-{k}", data, f"{i}.mp4", k * 0.2, k * 0.2 + 0.2) for k in range(count)]
    targets = [{}, {**FPS_5, "exercises": ["dive"]}]
    run_media(data, tmp_path / "one", samples, targets=targets)
    parts = [f"{number}-of-3" for number in (1, 2, 3)]
    for part in parts:
        done = run_media(data, tmp_path / "many", samples, "--shard", part, targets=targets)
        assert done.returncode == 0, done.stderr
        assert re.match(r"INFO: (8|10) clips ready", done.stderr)
    shards = [tmp_path / f"many/shards/{part}.jsonl" for part in parts]
    manifests = [tmp_path / f"many/original/{name}/manifest.jsonl" for name in ("native", "fps-5")]
    sources = [set(re.findall(r'"v(\d)-', shard.read_text())) for shard in shards]
    assert sum(map(len, sources)) == 5, "a source is in two shards"
    assert gather_shards(shards, manifests).returncode == 0
    for name in ("native", "fps-5"):
        path = f"original/{name}/manifest.jsonl"
        assert (tmp_path / "many" / path).read_bytes() == (tmp_path / "one" / path).read_bytes()

    twice = gather_shards([*shards, shards[0]], manifests)
    assert twice.returncode == 1 and "is there twice or not wanted" in twice.stderr
    unwanted = gather_shards(shards, manifests[:1])
    assert unwanted.returncode == 1 and len(unwanted.stderr.splitlines()) == 1


def gather_shards(shards: list[Path], manifests: list[Path]) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, SCRIPT.with_name("gather.py"), "--shards", *shards, "--manifests", *manifests]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_a_shard_without_sources_is_an_empty_file(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(5))
    done = run_media(data, tmp_path / "out", [sample("a", data, "a.mp4")], "--shard", "2-of-2")
    assert done.returncode == 0
    assert (tmp_path / "out/shards/2-of-2.jsonl").read_bytes() == b""
