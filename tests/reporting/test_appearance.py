"""The report shows a few clips of each dataset in every representation, and how well poses are known."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import reporting_study as study
import test_report_page as report_page

from aqa.config import Representation
from aqa.errors import UserError
from aqa.files import digest_file, write_jsonl
from aqa.media import draw
from aqa.media.store import write_clip
from aqa.records import Clip, Media, PoseClip, Question, Sample
from aqa.reporting import pictures
from aqa.reporting.appearance import CLIPS, NAMED, Appearance, choose, quality, read_appearances
from aqa.reporting.contact import SIDE, write_appearance

SCRIPT = Path(__file__).parents[2] / "scripts" / "appearance.py"
SHADES: dict[Representation, int] = {
    "original": 40,
    "cropped": 90,
    "skeleton_overlay": 150,
    "skeleton_only": 220,
}
HOSTILE = 'the file is damaged "><script>alert(1)</script>{{ 7*7 }}'


def sample(name: str, exercise: str) -> Sample:
    """A sample of an exercise."""
    return Sample(
        sample_id=name,
        exercise=exercise,
        subject="s",
        split="test",
        media=Media(path=f"{name}.mp4", kind="video", sha256="0" * 64),
        questions=(Question(item="knees", text="Do they cave in?", options=("true", "false")),),
        truth={"knees": "true"},
    )


def clip(name: str, indices: tuple[int, ...] = (0,), **changes: Any) -> Clip:
    """A manifest line; the file need not exist."""
    values: dict[str, Any] = {
        "sample_id": name,
        "file": f"clips/{name}.zip",
        "sha256": "0" * 64,
        "width": 4,
        "height": 4,
        "frame_indices": indices,
        "timestamps": tuple(index / 10 for index in indices),
    }
    return Clip(**(values | changes))


def write_manifest(
    folder: Path, representation: Representation, names: list[str], indices: tuple[int, ...]
) -> Path:
    """Write clips whose frames have the representation's shade plus the source position."""
    place = folder / "media" / study.FITNESS / representation / "native"
    width, height = (200, 300) if representation == "cropped" else (640, 360)
    lines = []
    for name in names:
        frames = [np.full((height, width, 3), SHADES[representation] + index, np.uint8) for index in indices]
        path = place / "clips" / f"{name}.zip"
        write_clip(path, [cv2.imencode(".jpg", frame)[1].tobytes() for frame in frames])
        size = {"width": width, "height": height, "sha256": digest_file(path)}
        lines.append(clip(name, indices, **size))
    write_jsonl(place / "manifest.jsonl", lines)
    return place / "manifest.jsonl"


def write_samples(folder: Path, names: list[str]) -> Path:
    """Write samples of two exercises in turn."""
    path = folder / "samples.jsonl"
    write_jsonl(path, [sample(name, ("squat", "overhead_press")[i % 2]) for i, name in enumerate(names)])
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> dict[str, Any]:
    """Five clips in four representations, and poses."""
    names = [f"c{number}" for number in range(5)]
    manifests = [write_manifest(tmp_path, "original", names, (0, 10, 20))]
    manifests += [write_manifest(tmp_path, shown, names, (0, 5, 12, 20)) for shown in list(SHADES)[1:]]
    poses = tmp_path / "poses.jsonl"
    write_jsonl(poses, [pose(name) for name in names])
    return {
        "dataset": study.FITNESS,
        "samples": write_samples(tmp_path, names),
        "manifests": manifests[::-1],
        "poses": poses,
        "output": tmp_path / "appearance.json",
        "seed": 0,
    }


def pose(name: str, **changes: Any) -> PoseClip:
    """A line of the pose manifest."""
    values: dict[str, Any] = {
        "sample_id": name,
        "file": f"{name}.npz",
        "sha256": "0" * 64,
        "frames": 20,
        "coverage": 1.0,
        "mean_confidence": 0.9,
        "interpolated": 0.0,
    }
    return PoseClip(**(values | changes))


def written(dataset: dict[str, Any], **changes: Any) -> Appearance:
    """Write the file and read it back."""
    write_appearance(**(dataset | changes))
    return read_appearances([dataset["output"]])[0]


def shade(uri: str) -> tuple[int, tuple[int, int]]:
    """The mean brightness of a picture, and its (width, height)."""
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"), validate=True)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return round(float(picture.mean())), (picture.shape[1], picture.shape[0])


def test_each_clip_is_shown_in_every_representation_at_the_same_moment(dataset):
    found = written(dataset)
    assert found.representations == tuple(SHADES), "in the paper's order, whatever the order of the manifests"
    assert len(found.rows) == CLIPS
    for row in found.rows:
        original, *others = row.shown
        assert (original.number, original.total, original.time_s) == (2, 3, 1.0)
        level, size = shade(original.uri)
        assert level == pytest.approx(SHADES["original"] + 10, abs=1)
        assert size == (SIDE, SIDE * 9 // 16)
        for shown in others:
            assert (shown.number, shown.total, shown.time_s) == (3, 4, 1.2), "the frame nearest to 1.0 s"
            assert shade(shown.uri)[0] == pytest.approx(SHADES[shown.representation] + 12, abs=1)
        assert shade(row.shown[1].uri)[1] == (SIDE * 2 // 3, SIDE)
        assert (row.shown[1].width, row.shown[1].height) == (200, 300), "the size that models receive"


def test_the_same_inputs_give_the_same_bytes_and_another_seed_other_clips(dataset):
    written(dataset)
    first = dataset["output"].read_bytes()
    written(dataset)
    assert dataset["output"].read_bytes() == first
    picks = {tuple(row.sample_id for row in written(dataset, seed=seed).rows) for seed in range(8)}
    assert len(picks) > 1


def test_the_colours_of_the_legend_are_those_that_are_drawn(dataset):
    assert written(dataset).colours == {"left": draw.LEFT, "right": draw.RIGHT, "neither": draw.CENTRE}


def test_where_frames_may_not_be_published_no_pixel_enters_the_file(dataset):
    found = written(dataset, placeholders=True)
    assert not found.publish
    assert all(shown.uri == "" for row in found.rows for shown in row.shown)
    assert "data:image" not in dataset["output"].read_text()
    assert {shown.total for row in found.rows for shown in row.shown} == {3, 4}


def test_exercises_take_turns_and_whole_clips_come_first():
    samples = {f"c{i}": sample(f"c{i}", "abc"[i % 3]) for i in range(12)}
    every = {name: clip(name) for name in samples}
    gone = {name: clip(name, file=None, sha256=None, error="damaged") for name in list(samples)[:9]}
    for seed in range(20):
        chosen = choose({"original": every}, samples, seed)
        assert sorted(samples[name].exercise for name in chosen) == ["a", "b", "c"]
        assert choose({"original": every, "cropped": every | gone}, samples, seed) == ["c10", "c11", "c9"]
        assert len(choose({"original": every, "cropped": gone}, samples, seed)) == CLIPS


def test_a_clip_that_was_not_made_says_why_and_is_counted(dataset, tmp_path):
    bad = dataset["manifests"][0]
    names = [f"c{number}" for number in range(5)]
    write_jsonl(bad, [clip(name, (), file=None, sha256=None, error="no joints") for name in names])
    found = written(dataset)
    assert {row.shown[-1].problem for row in found.rows} == {"no joints"}
    assert [(item.representation, item.count, item.of, item.first) for item in found.broken] == [
        ("skeleton_only", 5, 5, "c0: no joints")
    ]


def test_a_clip_of_another_profile_stands_in(dataset, tmp_path):
    """A model may see an exercise in a profile of its own."""
    path = dataset["manifests"][-1]
    lines = path.read_text().splitlines()
    other = path.parents[1] / "half" / "manifest.jsonl"
    other.parent.mkdir()
    (path.parent / "clips").rename(other.parent / "clips")
    other.write_text("\n".join(lines[1:]) + "\n")
    path.write_text("")
    found = written(dataset, manifests=[*dataset["manifests"], other])
    assert all(row.shown[0].uri for row in found.rows if row.sample_id != "c0")


def test_a_clip_that_changed_behind_the_manifest_is_refused(dataset):
    for file in dataset["manifests"][0].parent.glob("clips/*.zip"):
        write_clip(file, [cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes()])
    with pytest.raises(UserError, match=r"changed since its manifest was written; run the media stage again"):
        written(dataset)


def test_the_poses_of_a_dataset_in_numbers():
    lines = [
        pose("a", coverage=1.0, mean_confidence=0.9, interpolated=0.0),
        pose("b", coverage=0.5, mean_confidence=0.6, interpolated=0.25, margin=1.1, low_margin=True),
        pose("c", file=None, sha256=None, coverage=0.0, mean_confidence=0.0, error="nobody"),
    ]
    found = quality(lines)
    assert (found.clips, found.missing, found.low_margin, found.look_at) == (3, 1, 1, ("b",))
    assert found.coverage == pytest.approx(0.75)
    assert found.lowest == 0.5
    assert found.confidence == pytest.approx(0.75)
    assert found.interpolated == pytest.approx(0.125)
    nobody = quality(lines[2:])
    assert (nobody.clips, nobody.missing, nobody.coverage, nobody.lowest) == (1, 1, None, None)
    many = quality([pose(f"p{number:02}", low_margin=True) for number in range(30)])
    assert (many.low_margin, len(many.look_at)) == (30, NAMED)


def appearance_page(folder: Path, *files: Path) -> str:
    """Write a report with these appearances."""
    return report_page.make(folder, appearances=files)


def test_the_page_shows_the_pictures_with_words_for_who_cannot_see_them(dataset, tmp_path):
    written(dataset)
    text = appearance_page(tmp_path / "page", dataset["output"])
    page = report_page.Page(text)
    shown = [attributes for tag, attributes in page.tags if tag == "img" and "jpeg" in attributes["src"]]
    assert len(shown) == CLIPS * len(SHADES)
    assert len({attributes["alt"] for attributes in shown}) == len(shown)
    assert any(
        attributes["alt"].startswith("Original: Fitness-AQA, ") and attributes["alt"].endswith(", at 1.00 s")
        for attributes in shown
    )
    assert "640×360 frame 2 of 3, 1.00 s" in page.words
    assert "the subject's left" in page.words
    for colour in (draw.LEFT, draw.RIGHT, draw.CENTRE):
        assert any(attributes.get("fill") == colour for _, attributes in page.tags)
    report_page.test_nothing_is_loaded_from_anywhere(text)
    report_page.test_every_link_inside_the_page_has_its_target(text)
    report_page.test_the_policy_allows_only_the_page_s_own_style(text)


def test_the_page_says_how_well_poses_are_known(dataset, tmp_path):
    lines = [pose(f"p{number:02}", coverage=0.8, low_margin=number < 14) for number in range(20)]
    write_jsonl(dataset["poses"], lines)
    written(dataset)
    words = report_page.Page(appearance_page(tmp_path / "page", dataset["output"])).words
    assert "How well poses are known" in words
    assert "20 0 80.0 % 80.0 % 0.90 0.0 % 14 p00, p01" in words
    assert "p11 and 2 more" in words


def test_without_poses_or_pictures_the_page_does_not_speak_of_them(dataset, tmp_path):
    written(dataset, poses=None)
    assert "How well poses are known" not in appearance_page(tmp_path / "one", dataset["output"])
    assert "How clips are shown" not in appearance_page(tmp_path / "two")


def test_placeholders_say_why_and_keep_the_facts(dataset, tmp_path):
    written(dataset, placeholders=True)
    text = appearance_page(tmp_path / "page", dataset["output"])
    assert "data:image/jpeg" not in text
    words = report_page.Page(text).words
    assert words.count("frame not shown") == CLIPS * len(SHADES)
    assert "do not let anyone publish its frames" in words
    assert "640×360 frame 2 of 3, 1.00 s" in words


def test_what_a_manifest_says_cannot_become_part_of_the_page(dataset, tmp_path):
    names = [f"c{number}" for number in range(5)]
    write_jsonl(
        dataset["manifests"][0], [clip(name, (), file=None, sha256=None, error=HOSTILE) for name in names]
    )
    written(dataset)
    text = appearance_page(tmp_path / "page", dataset["output"])
    assert "<script>" not in text and "{{ 7*7 }}" in report_page.Page(text).words
    report_page.test_nothing_is_loaded_from_anywhere(text)


def test_a_dataset_that_the_labels_do_not_name_is_left_out(dataset):
    other = written(dataset | {"dataset": "unheard-of"})
    assert pictures.sheets([other], study.labels()) == []
    assert pictures.pose_rows([other], study.labels()) == []


def test_the_script_writes_the_file_and_says_in_one_line_what_is_wrong(dataset):
    arguments = [
        *("--dataset", dataset["dataset"], "--samples", dataset["samples"], "--poses", dataset["poses"]),
        *("--manifests", *dataset["manifests"], "--output", dataset["output"]),
    ]

    def run(*more: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, SCRIPT, *arguments, *more]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0, done.stderr
    assert len(read_appearances([dataset["output"]])[0].rows) == CLIPS
    dataset["manifests"][0].write_text("{}\n")
    failed = run()
    assert failed.returncode == 1
    assert "manifest.jsonl" in failed.stderr and "Traceback" not in failed.stderr
    misplaced = run("--manifests", dataset["samples"])
    assert misplaced.returncode == 1 and "folder of a representation" in misplaced.stderr


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "appearance.json"
    with pytest.raises(UserError, match=r"appearance\.json: cannot be read"):
        read_appearances([path])
    path.write_text('{"dataset": 5}')
    with pytest.raises(UserError, match=r"appearance\.json: "):
        read_appearances([path])
