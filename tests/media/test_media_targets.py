"""All representations and profiles of a clip come from one decoding, masks first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from media_videos import CELL, frames_of, make_video, manifest, numbered, run_media

from aqa.files import digest_file, write_jsonl
from aqa.media import decode, passes, represent
from aqa.media.clips import PoseFile, Task, Want
from aqa.media.masks import Box
from aqa.media.picture import to_jpeg
from aqa.media.profile import Profile
from aqa.media.store import read_frames
from aqa.media.target import Target
from aqa.pose.store import Poses, write_poses
from aqa.records import PoseClip, Sample
from scored_samples import sample

REPRESENTATIONS = ("original", "cropped", "skeleton_overlay", "skeleton_only")
WIDTH, HEIGHT = 176, 96


def standing(indices: Sequence[int], width: int = WIDTH, height: int = HEIGHT) -> Poses:
    """A person who walks to the right, two pixels a frame, all joints known."""
    n = len(indices)
    rows = np.linspace(0.35, 0.85, 17) * height
    keypoints = np.ones((n, 17, 3), np.float32)
    keypoints[:, :, 1] = rows
    for row, index in enumerate(indices):
        keypoints[row, :, 0] = 40 + 2 * index + 8 * (np.arange(17) % 2)
    boxes = np.zeros((n, 4), np.float32)
    return Poses(np.array(indices), keypoints, boxes, np.zeros(n, np.bool_), width, height)


def posed(folder: Path, poses: dict[str, Poses | str]) -> Path:
    """The pose stage's manifest, with files beside it; a text is the cause why there are no poses."""
    lines = []
    for name, found in poses.items():
        file = None
        if isinstance(found, Poses):
            file = f"clips/{name}.npz"
            write_poses(folder / file, found)
        lines.append(
            PoseClip(
                sample_id=name,
                file=file,
                sha256=digest_file(folder / file) if file else None,
                frames=10,
                coverage=1.0,
                mean_confidence=1.0,
                interpolated=0.0,
                error=None if file else str(found),
            )
        )
    write_jsonl(folder / "manifest.jsonl", lines)
    return folder / "manifest.jsonl"


def targets(names: Sequence[str] = REPRESENTATIONS, **profile: float) -> list[dict[str, Any]]:
    name = "-".join(f"{key}-{value:g}" for key, value in profile.items()) or "native"
    return [{"representation": shown, "name": name, "profile": profile} for shown in names]


def masked(path: Path, sources: dict[str, list[dict[str, float]]]) -> list[str]:
    path.write_text(yaml.safe_dump({"status": "reviewed", "by": "someone", "sources": sources}))
    return ["--masks", str(path)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_each_representation_shows_what_it_says(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(20))
    poses = standing(range(20))
    line = ["--poses", str(posed(tmp_path / "pose", {"a": poses}))]
    out = tmp_path / "out"
    done = run_media(data, out, [sample("a", data, "a.mp4")], *line, targets=targets())
    assert done.stderr == "INFO: 4 clips ready: 4 made, 0 were there\n"
    clips = {name: manifest(out, f"{name}/native")["a"] for name in REPRESENTATIONS}
    shown = {name: frames_of(out, clips[name], f"{name}/native") for name in REPRESENTATIONS}
    assert len({(clip.frame_indices, clip.timestamps) for clip in clips.values()}) == 1
    left, top, right, bottom = represent.crop_box(poses, range(20)) or (0, 0, 0, 0)
    unit = represent.subject_height(poses, range(20))
    assert (clips["cropped"].width, clips["cropped"].height) == (right - left, bottom - top)
    for index in range(20):
        original = shown["original"][index].astype(int)
        cut = shown["cropped"][index].astype(int)
        assert cut.shape == (bottom - top, right - left, 3)
        assert np.abs(cut - original[top:bottom, left:right]).mean() < 3
        joints = represent.joints_at(poses, index)
        alone = represent.draw_skeleton((WIDTH, HEIGHT), joints, unit)
        assert np.abs(shown["skeleton_only"][index].astype(int) - alone).mean() < 4
        overlay = original.astype(np.uint8)
        represent.draw_overlay(overlay, joints, unit)
        assert np.abs(shown["skeleton_overlay"][index].astype(int) - overlay).mean() < 4
        assert np.abs(shown["skeleton_overlay"][index].astype(int) - original).mean() > 2


@pytest.mark.parametrize("kind", ["image", "frames"])
def test_stills_and_folders_of_images_have_all_representations_too(
    data: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "image":
        path, count = "a.png", 1
        cv2.imwrite(str(data / path), numbered(1))
    else:
        path, count = "images", 6
        (data / path).mkdir()
        for number in range(1, count + 1):
            cv2.imwrite(str(data / path / f"{number:04d}.png"), numbered(number))
    line = ["--poses", str(posed(tmp_path / "pose", {"a": standing(range(count))}))]
    line += masked(tmp_path / "masks.yaml", {path: [{"left": 0, "top": 0, "right": 32, "bottom": 16}]})
    done = run_media(data, tmp_path / "out", [sample("a", data, path, kind=kind)], *line, targets=targets())
    assert "4 clips ready: 4 made" in done.stderr
    for name in REPRESENTATIONS:
        frames = frames_of(
            tmp_path / "out", manifest(tmp_path / "out", f"{name}/native")["a"], f"{name}/native"
        )
        assert len(frames) == count
        if name in ("original", "skeleton_overlay"):
            assert all(frame[:16, :32].max() < 20 for frame in frames)


def test_every_frame_is_decoded_converted_and_encoded_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(data / "a.mp4", range(50))
    write_poses(tmp_path / "a.npz", standing(range(50)))
    file = PoseFile(tmp_path / "a.npz", digest_file(tmp_path / "a.npz"))
    profiles = {
        "native": Profile(),
        "fps-5": Profile(fps=5),
        "half": Profile(scale=0.5),
        "few": Profile(max_frames=3),
    }
    wants = [
        Want(sample_id, 0.0, 1.0, "0" * 64, Target(representation=shown, name=name, profile=profile), file)  # type: ignore[arg-type]
        for sample_id in ("a", "b")  # two questions about one clip
        for shown in REPRESENTATIONS
        for name, profile in profiles.items()
    ]
    counts = {"passes": 0, "frames": 0, "converted": 0, "encoded": 0}

    def counted(name: str, function: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            counts[name] += 1
            return function(*args, **named)

        return call

    def frames(self: Any, *args: Any, **named: Any) -> Any:
        for item in whole(self, *args, **named):
            counts["frames"] += 1
            yield item

    whole = decode.Video.frames
    monkeypatch.setattr(passes, "_pass", counted("passes", passes._pass))
    monkeypatch.setattr(decode.Video, "frames", frames)
    monkeypatch.setattr(passes, "to_image", counted("converted", passes.to_image))
    monkeypatch.setattr("aqa.media.look.to_jpeg", counted("encoded", to_jpeg))
    made = passes.make(Task(path, "video", None, tuple(wants), tmp_path / "out"))
    assert [clip.error for clip in made] == [None] * len(wants)
    # 25 frames in two sizes. Under one look a frame is one picture, whichever profile keeps it: the originals
    # and the two with skeletons in two sizes; of crops only fps-5 ends earlier and has a box of its own.
    assert counts["passes"] == 1 and counts["frames"] == 25 and counts["converted"] == 50
    assert counts["encoded"] == 3 * 50 + (50 + 5)


def test_the_skeleton_alone_converts_no_frame(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(data / "a.mp4", range(10))
    write_poses(tmp_path / "a.npz", standing(range(10)))
    file = PoseFile(tmp_path / "a.npz", digest_file(tmp_path / "a.npz"))

    def never(*_: Any) -> Any:
        raise AssertionError("a frame was converted")

    monkeypatch.setattr(passes, "to_image", never)
    want = Want("a", None, None, "0" * 64, Target(representation="skeleton_only"), file)
    (clip,) = passes.make(Task(path, "video", None, (want,), tmp_path / "out"))
    assert (clip.error, len(clip.frame_indices), clip.width, clip.height) == (None, 10, WIDTH, HEIGHT)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_masks_hide_the_same_place_in_every_picture_of_the_source(
    tmp_path: Path, rotation: int, scale: float
) -> None:
    path = make_video(tmp_path / "a.mp4", range(12), rotation=rotation)
    width, height = (WIDTH, HEIGHT) if rotation == 0 else (HEIGHT, WIDTH)
    poses = standing(range(12), width, height)
    write_poses(tmp_path / "a.npz", poses)
    file = PoseFile(tmp_path / "a.npz", digest_file(tmp_path / "a.npz"))
    shown = ("original", "cropped", "skeleton_overlay")
    wants = tuple(
        Want("a", None, None, "0" * 64, Target.model_validate({**target, "name": "sized"}), file)
        for target in targets(shown, scale=scale)
    )
    out = tmp_path / "out"
    boxes = (Box(left=10, top=20, right=70, bottom=60),)
    made = passes.make(Task(path, "video", None, wants, out, boxes))
    original, cropped, overlay = (
        frames_of(out, clip, f"{name}/sized") for name, clip in zip(shown, made, strict=True)
    )
    left, top, right, bottom = (int(edge * scale) for edge in (10, 20, 70, 60))
    for frame in original:
        assert frame[top:bottom, left:right].max() < 20
        assert frame[: top - 4].max() > 60 and frame[bottom + 5 :].max() > 60
    crop = represent.crop_box(poses, range(12)) or (0, 0, 0, 0)
    x, y = int(crop[0] * scale), int(crop[1] * scale)
    inside = cropped[0][max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)]
    assert inside.size and inside.max() < 20
    for frame in overlay:
        assert frame[top, left].max() < 20 < frame[top:bottom, left:right].max()


def test_a_mask_of_some_seconds_hides_only_them(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(100))
    box = {"left": 0, "top": 0, "right": 2 * CELL, "bottom": CELL, "start_s": 1.0, "end_s": 2.0}
    line = masked(tmp_path / "masks.yaml", {"a.mp4": [box]})
    samples = [sample("a", data, "a.mp4"), sample("b", data, "a.mp4", 1.6, 2.4)]
    run_media(data, tmp_path / "out", samples, *line)
    clips = manifest(tmp_path / "out")
    for name, first in (("a", 0), ("b", 40)):
        frames = frames_of(tmp_path / "out", clips[name])
        hidden = [first + i for i, frame in enumerate(frames) if frame[:CELL, : 2 * CELL].max() < 20]
        shown = [first + i for i in range(len(frames)) if 0.88 <= (first + i) / 25 < 2.1]
        black = [first + i for i in range(len(frames)) if numbered(first + i)[:CELL, : 2 * CELL].max() < 20]
        assert set(hidden) - set(black) == {i for i in shown if i >= 23} - set(black)
        assert set(range(25, 50)) & set(range(first, first + len(frames))) <= set(hidden)


def test_a_changed_box_makes_only_its_own_clips_again(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_video(data / f"{name}.mp4", range(50))
    samples = [
        sample("a1", data, "a.mp4", 0.0, 0.8),
        sample("a2", data, "a.mp4", 1.2, 2.0),
        sample("b", data, "b.mp4"),
    ]
    box = {"left": 0, "top": 0, "right": 16, "bottom": 16, "end_s": 0.9}
    line = masked(tmp_path / "masks.yaml", {"a.mp4": [box], "b.mp4": []})
    walks: dict[str, Poses | str] = dict.fromkeys(("a1", "a2", "b"), standing(range(50)))
    line += ["--poses", str(posed(tmp_path / "pose", walks))]
    run_media(data, tmp_path / "out", samples, *line, targets=targets())
    masked(tmp_path / "masks.yaml", {"a.mp4": [{**box, "right": 32}], "b.mp4": []})
    again = run_media(data, tmp_path / "out", samples, *line, targets=targets())
    assert "12 clips ready: 3 made, 9 were there" in again.stderr, "the skeleton alone shows no pixel of it"


def test_proposed_masks_and_sources_nobody_looked_at_stop_the_job(data: Path, tmp_path: Path) -> None:
    make_video(data / "a.mp4", range(5))
    samples = [sample("a", data, "a.mp4")]
    line = masked(tmp_path / "masks.yaml", {})
    done = run_media(data, tmp_path / "out", samples, *line)
    assert done.returncode == 1 and "sources lacks 'a.mp4'" in done.stderr
    text = (tmp_path / "masks.yaml").read_text().replace("reviewed", "proposed")
    (tmp_path / "masks.yaml").write_text(text)
    done = run_media(data, tmp_path / "out", samples, *line)
    assert done.returncode == 1 and "nobody has approved these boxes" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_box_outside_the_picture_is_an_error_and_hides_nothing_silently(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(5))
    box = Box(left=150, top=0, right=400, bottom=20)
    want = Want("a", None, None, "0" * 64, Target())
    (clip,) = passes.make(Task(path, "video", None, (want,), tmp_path / "out", boxes=(box,)))
    assert clip.error and "leaves the picture of 176x96" in clip.error


def test_a_clip_without_poses_is_named_where_it_needs_them_and_nowhere_else(
    data: Path, tmp_path: Path
) -> None:
    samples: list[Sample] = []
    for name in ("good", "nobody", "absent", "few", "other_size", "changed"):
        make_video(data / f"{name}.mp4", range(12))
        samples.append(sample(name, data, f"{name}.mp4"))
    few = standing(range(12))
    few.keypoints[3:] = np.nan
    poses: dict[str, Poses | str] = {"good": standing(range(12)), "nobody": "no person in any frame"}
    poses["few"] = few
    poses |= {"other_size": standing(range(12), 320, 240), "changed": standing(range(12))}
    line = ["--poses", str(posed(tmp_path / "pose", poses))]
    write_poses(tmp_path / "pose/clips/changed.npz", standing(range(11)))
    out = tmp_path / "out"
    done = run_media(data, out, samples, *line, targets=targets())
    assert done.returncode == 1
    assert "15 of 24 clips could not be prepared" in done.stderr
    assert not list(out.rglob("manifest.jsonl"))
    where = "cropped/native, skeleton_overlay/native, skeleton_only/native"
    assert f"  nobody (nobody.mp4) {where}: no poses: no person in any frame\n" in done.stderr

    accepted = run_media(data, out, samples, *line, "--accept-broken", targets=targets())
    assert accepted.returncode == 0 and "9 clips ready: 0 made, 9 were there" in accepted.stderr
    assert all(clip.error is None for clip in manifest(out).values())
    for name in REPRESENTATIONS[1:]:
        causes = {key: clip.error for key, clip in manifest(out, f"{name}/native").items()}
        assert causes == {
            "good": None,
            "nobody": "no poses: no person in any frame",
            "absent": "the pose stage's manifest has no such clip; run the pose stage again",
            "few": f"the subject's joints are known in 3 of 12 frames; {name} needs at least 50%",
            "other_size": "the poses were found in a picture of 320x240 pixels, this one has 176x96; run the "
            "pose stage again",
            "changed": "the poses have changed since their manifest was made; run the pose stage again",
        }
        assert [path.stem for path in (out / name).rglob("*.zip")] == ["good"]


def test_new_poses_make_only_what_shows_them_again(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_video(data / f"{name}.mp4", range(12))
    samples = [sample(name, data, f"{name}.mp4") for name in ("a", "b")]
    line = ["--poses", str(posed(tmp_path / "pose", {name: standing(range(12)) for name in ("a", "b")}))]
    run_media(data, tmp_path / "out", samples, *line, targets=targets())
    moved = standing(range(12))
    moved.keypoints[..., 0] += 3
    posed(tmp_path / "pose", {"a": standing(range(12)), "b": moved})
    again = run_media(data, tmp_path / "out", samples, *line, targets=targets())
    assert "8 clips ready: 3 made, 5 were there" in again.stderr


def test_a_clip_is_the_same_bytes_whatever_else_is_made_of_it(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(30))
    write_poses(tmp_path / "a.npz", standing(range(30)))
    file = PoseFile(tmp_path / "a.npz", digest_file(tmp_path / "a.npz"))
    box = Box(left=0, top=0, right=16, bottom=16)
    chosen = [*targets(), *targets(scale=0.5), *targets(fps=5, scale=0.5)]
    wants = [Want("a", 0.2, 1.0, "0" * 64, Target.model_validate(target), file) for target in chosen]
    whole = Task(path, "video", None, tuple(wants), tmp_path / "all", boxes=(box,))
    for want, clip in zip(wants, passes.make(whole), strict=True):
        (alone,) = passes.make(replace(whole, wants=(want,), folder=tmp_path / "one"))
        assert alone == clip
        assert len(read_frames(tmp_path / "one" / want.target.path / str(clip.file))) == len(clip.timestamps)
