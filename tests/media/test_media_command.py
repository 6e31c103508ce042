"""The command line: resumes, loses nothing, names what is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import cv2
import pytest
from media_videos import command, make_video, manifest, numbered, numbers_of, run_media, sample

from aqa.files import digest_file, write_jsonl
from aqa.media import clips, prepare
from aqa.media.clips import Task, Want
from aqa.media.profile import NATIVE
from aqa.records import Clip


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
    profile = ["--profile-name", "fps-5", "--profile", '{"fps": 5}', "--workers", "2"]
    out = tmp_path / "out"
    done = run_media(data, out, samples, *profile, "--log", str(tmp_path / "media.log"))
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        "INFO: 3 clips ready: 3 made, 0 were there\n",
    )
    made = manifest(out)
    assert list(made) == ["a", "m", "z"]
    assert numbers_of(out, made["z"]) == [10, 15, 20, 25]
    assert numbers_of(out, made["m"]) == [9]
    for clip in made.values():
        assert clip.file == f"clips/{clip.sample_id}.zip"
        assert digest_file(out / clip.file) == clip.sha256
        with zipfile.ZipFile(out / clip.file) as archive:
            assert archive.namelist() == [f"{i:06d}.jpg" for i in range(len(clip.frame_indices))]
    assert b"7.25" not in b"".join(path.read_bytes() for path in out.rglob("*.json*"))  # no truth

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.zip")}
    again = run_media(data, out, [*samples, sample("n", data, "broadcast.mp4", 2.0, 2.4)], *profile)
    assert "4 clips ready: 1 made, 3 were there" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in before} == before

    other = run_media(data, out, samples, "--split", "train")
    assert "1 clips ready: 1 made" in other.stderr
    assert list(manifest(out)) == ["learn"]


def test_what_was_made_otherwise_or_damaged_is_made_again(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(50))
    out = tmp_path / "out"
    samples = [sample(f"s{i}", data, "a.mp4", i * 0.4, i * 0.4 + 0.4) for i in range(4)]
    run_media(data, out, samples)
    first = manifest(out)
    samples[1] = sample("s1", data, "a.mp4", 0.4, 0.84)
    damaged = bytearray((out / "clips/s2.zip").read_bytes())
    damaged[100] ^= 255
    (out / "clips/s2.zip").write_bytes(damaged)
    (out / "clips/s3.json").unlink()
    done = run_media(data, out, samples)
    assert "3 made, 1 were there" in done.stderr
    second = manifest(out)
    assert len(second["s1"].frame_indices) == 11
    assert second["s0"] == first["s0"] and second["s2"] == first["s2"] and second["s3"] == first["s3"]
    assert (
        "4 made"
        in run_media(data, out, samples, "--profile-name", "half", "--profile", '{"scale":0.5}').stderr
    )


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
    assert not (out / "manifest.jsonl").exists()
    assert [path.name for path in (out / "clips").glob("*.zip")] == ["good.zip"]

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
    run_media(data, tmp_path / "out", samples, "--only", str(tmp_path / "ids"))
    assert list(manifest(tmp_path / "out")) == ["one", "two"]
    (tmp_path / "ids").write_text("two\nfour\n")
    done = run_media(data, tmp_path / "out", samples, "--only", str(tmp_path / "ids"))
    assert (done.returncode, "no sample 'four'" in done.stderr) == (1, True)


@pytest.mark.parametrize("path", ["../secret.mp4", "/etc/hostname", "a/../../secret.mp4"])
def test_media_outside_the_data_folder_are_refused(data: Path, tmp_path: Path, path: str) -> None:
    make_video(tmp_path / "secret.mp4", range(5))
    done = run_media(data, tmp_path / "out", [sample("a", data, path)])
    assert done.returncode == 1
    assert f"media path '{path}' leaves the data folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        (["--representation", "orginal"], "did you mean 'original'?"),
        (["--representation", "cropped"], "--representation cropped: not available"),
        (["--profile", '{"fsp": 2}'], "media profile 'native': fsp: Extra inputs"),
        (["--profile", "fps: 2"], "media profile 'native': Invalid JSON"),
        (["--profile", '{"fps": 2}'], "'native' means every frame"),
        (["--workers", "0"], "--workers 0"),
    ],
)
def test_wrong_options_get_one_clear_line(data: Path, tmp_path: Path, options: list[str], cause: str) -> None:
    done = run_media(data, tmp_path / "out", [], *options)
    assert done.returncode == 1
    assert cause in done.stderr and len(done.stderr.splitlines()) == 1


def test_after_kill_9_only_the_missing_clips_are_made(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    samples = []
    for i in range(12):
        make_video(data / f"{i:02d}.mp4", range(40), size=(960, 540))
        samples.append(sample(f"s{i:02d}", data, f"{i:02d}.mp4"))
    write_jsonl(tmp_path / "s.jsonl", samples)
    args = command(data, out, tmp_path / "s.jsonl", "--workers", "2")
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
    finished = {path.stem for path in out.rglob("*.json")}
    assert 3 <= len(finished) < 12
    stamps = {name: (out / f"clips/{name}.zip").stat().st_mtime_ns for name in finished}
    (out / "clips/.s11.zip.abandoned").write_bytes(b"half")

    done = run_media(data, out, samples, "--workers", "2")
    assert f"12 clips ready: {12 - len(finished)} made, {len(finished)} were there" in done.stderr
    assert {name: (out / f"clips/{name}.zip").stat().st_mtime_ns for name in finished} == stamps
    assert {path.name for path in (out / "clips").iterdir()} == {
        f"s{i:02d}.{kind}" for i in range(12) for kind in ("zip", "json")
    }


def children_of(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child)} | children_of(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def crash_on_purpose(task: Task) -> list[Clip]:
    """A decoder that dies of the file it reads: stands in for a fault in native code."""
    if b"crash" in task.path.read_bytes() and any(want.sample_id == "bad" for want in task.wants):
        os.abort()
    return original_make(task)


original_make = clips.make


def test_a_decoder_that_crashes_loses_one_clip(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clips, "make", crash_on_purpose)
    tasks = []
    for name in ("a", "b", "c", "d"):
        path = make_video(data / f"{name}.mp4", range(5))
        if name == "b":
            path.write_bytes(path.read_bytes() + b"\0\0\0\x0dfreecrash")
        wants = tuple(Want(want, None, None, "0" * 64) for want in ((name,) if name != "b" else ("b", "bad")))
        tasks.append(Task(path, "video", None, wants, NATIVE, tmp_path / "out"))
    done = {clip.sample_id: clip.error for part in prepare.run_tasks(tasks, 2) for clip in part}
    assert done == {"a": None, "b": None, "c": None, "d": None, "bad": "the decoder crashed on this file"}


def test_the_recipe_covers_whatever_decides_a_clips_bytes(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(5))
    one = sample("a", data, "a.mp4", 0.0, 0.1)
    order = prepare.Order(data, tmp_path, "original", NATIVE)
    recipes = {
        prepare.recipe_of(one.media, data / "a.mp4", order, "code"),
        prepare.recipe_of(one.media, data / "a.mp4", order, "other code"),
        prepare.recipe_of(one.media.model_copy(update={"end_s": 0.2}), data / "a.mp4", order, "code"),
        prepare.recipe_of(one.media.model_copy(update={"sha256": "0" * 64}), data / "a.mp4", order, "code"),
        prepare.recipe_of(
            one.media,
            data / "a.mp4",
            prepare.Order(data, tmp_path, "original", NATIVE.model_copy(update={"scale": 0.5})),
            "code",
        ),
    }
    assert len(recipes) == 5
