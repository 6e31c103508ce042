"""The embedded FineFS data: the release's files, marks that follow from faults, a legible board."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.datasets.finefs import embedded
from aqa.datasets.finefs.embedded_video import element_of
from aqa.datasets.index import index
from aqa.files import read_jsonl
from aqa.synthetic import panel, scoreboard
from aqa.synthetic.body import Joint
from aqa.synthetic.skating import JumpFaults, SpinFaults, StepFaults
from aqa.synthetic.track import Track

SMALL = embedded.Size(competitions=4, programs=1, elements=8)
SEED = 5


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finefs")
    embedded.write(folder, SEED, 2, SMALL)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def annotations(folder: Path) -> dict[int, dict]:
    return {int(p.stem): json.loads(p.read_text()) for p in sorted((folder / "annotation").iterdir())}


def test_files_lie_as_in_the_release(data):
    videos = [program.video for program in embedded.plan(SEED, SMALL)]
    assert len(set(videos)) == 4
    assert all(0 <= video < 729 for video in videos), "ids of short programs"
    expected = {f"annotation/{video}.json" for video in videos} | {f"video/{video}.mp4" for video in videos}
    ours = {"poses.jsonl", "faults.jsonl", "scoreboards.jsonl", "masks.yaml"}
    assert set(tree(data)) == expected | ours


def test_annotations_have_the_releases_fields_and_add_up_but_for_the_planted_faults(data):
    odd = {"total": 0, "class": 0, "time": 0}
    for program in embedded.plan(SEED, SMALL):
        found = annotations(data)[program.video]
        assert set(found) == {
            "competition",
            "total_segment_score",
            "total_element_score",
            "total_program_component_score(factored)",
            "factor",
            "deductions",
            "element_score",
            "executed_element",
            "program_component",
        }
        assert list(found["executed_element"]) == [f"element{k + 1}" for k in range(len(program.items))]
        for item, element in zip(program.items, found["executed_element"].values(), strict=True):
            marks = element["judge_score"]
            assert len(marks) == 9
            assert all(isinstance(mark, int) and -5 <= mark <= 5 for mark in marks)
            grade = sum(sorted(marks)[1:-1]) / 7
            assert element["goe"] == pytest.approx(0.1 * element["bv"] * grade, abs=0.0051)
            total = 100 * (element["bv"] + element["goe"]) if item.blemish == "total" else None
            assert element["score_of_pannel"] == pytest.approx(total or element["bv"] + element["goe"])
            assert element["coarse_class"] == (None if item.blemish == "class" else item.kind)
            if item.blemish != "none":
                odd[item.blemish] += 1
        assert found["total_element_score"] == pytest.approx(sum(found["element_score"]))
        parts = found["total_element_score"] + found["total_program_component_score(factored)"]
        assert found["total_segment_score"] == pytest.approx(parts + found["deductions"])
    assert odd == {"total": 1, "class": 1, "time": 1}


def test_the_adapter_reads_every_element_but_the_one_without_a_valid_time(data):
    found = index("finefs", data, {}, require_media=True)
    expected = {
        program.clip_id(item): item
        for program in embedded.plan(SEED, SMALL)
        for item in program.items
        if item.blemish != "time"
    }
    assert {sample.sample_id for sample in found} == set(expected)
    assert len(found) == SMALL.elements - 1
    for sample in found:
        item = expected[sample.sample_id]
        assert sample.exercise == item.kind
        plain = item.code if item.kind == "jump" else item.code.rstrip("01234B")
        assert sample.details["element"] == plain, "the panel's marks and levels are not announced"
        assert sample.truth[""] == pytest.approx(panel.grade(item.judges))
        assert (sample.media.start_s, sample.media.end_s) == (item.start, item.end)


def test_an_elements_seconds_are_its_frames_in_videos_of_25_and_of_30_frames_a_second(data):
    programs = {program.media: program for program in embedded.plan(SEED, SMALL)}
    assert sorted(program.rate for program in programs.values()) == [25, 25, 25, 30]
    lengths = {}
    for media, program in programs.items():
        with av.open(str(data / media)) as container:
            stream = container.streams.video[0]
            assert [s.type for s in container.streams] == ["video"]
            assert stream.average_rate == program.rate
            assert (stream.width, stream.height) == (320, 240)
            lengths[media] = sum(1 for _ in container.decode(stream))
        assert lengths[media] == (program.items[-1].end + 1) * program.rate
    tracks = read_jsonl(data / "poses.jsonl", Track)
    items = {
        program.clip_id(item): (program, item) for program in programs.values() for item in program.items
    }
    assert {track.clip_id for track in tracks} == set(items)
    for track in tracks:
        program, item = items[track.clip_id]
        assert track.first_frame == item.start * program.rate
        assert len(track.keypoints) == len(track.boxes) == (item.end - item.start) * program.rate


def test_the_skater_stays_in_the_picture(data):
    for track in read_jsonl(data / "poses.jsonl", Track):
        inside = [confidence > 0.0 for frame in track.keypoints for *_, confidence in frame]
        assert np.mean(inside) > 0.999
        tall = [box[3] - box[1] for box in track.boxes if box is not None]
        assert len(tall) == len(track.boxes)
        assert 50 < np.median(tall) < 150


@pytest.mark.thorough
def test_one_worker_writes_the_same_bytes(data, tmp_path):
    embedded.write(tmp_path, SEED, 1, SMALL)
    assert tree(tmp_path) == tree(data)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_grades_are_spread_over_both_signs_in_each_type_and_types_are_equal(seed):
    programs = embedded.plan(seed, embedded.Size())
    assert 12 <= len(programs) <= 20
    assert {len(program.items) for program in programs} == {3, 4}
    assert len({program.media for program in programs}) == len({program.name for program in programs}) == 16
    usable = [item for program in programs for item in program.items if item.blemish != "time"]
    assert len(usable) >= 48
    for kind in panel.KINDS:
        grades = np.array([panel.grade(item.judges) for item in usable if item.kind == kind])
        assert len(grades) == 18
        assert grades.min() < -4.0
        assert grades.max() > 3.8
        assert 6 <= (grades > 0.0).sum() <= 12
        assert len(set(np.round(grades, 2))) > 14
    for program in programs:
        ends = [item.end for item in program.items]
        assert [item.start for item in program.items] == [1, *(end + 1 for end in ends[:-1])]
        assert all(3 <= item.end - item.start <= 5 for item in program.items)
        assert program.name.startswith("SKATER ")


@given(kind=st.sampled_from(panel.KINDS), target=st.floats(-5.0, 4.9), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_drawn_faults_are_worth_the_quality_that_was_asked_for(kind, target, seed):
    faults = panel.draw_faults(np.random.default_rng(seed), kind, target)
    assert panel.kind_of(faults) == kind
    assert panel.quality(faults) == pytest.approx(target, abs=1.1 if target < -2.5 else 0.6)


@given(under=st.floats(0, 140), height=st.floats(0.21, 0.5), lean=st.floats(0, 45), worse=st.floats(0.1, 1.0))
def test_a_larger_fault_never_has_a_better_quality(under, height, lean, worse):
    faults = JumpFaults(under, height, lean, "clean")
    for other in (
        replace(faults, under_deg=under + 10 * worse),
        replace(faults, height_m=height - 0.01 * worse),
        replace(faults, lean_deg=lean + 5 * worse),
        replace(faults, landing="two-footed"),
        replace(faults, landing="fall"),
    ):
        assert panel.quality(other) < panel.quality(faults)


def test_marks_follow_the_documented_formula():
    faults = SpinFaults(1.9, 0.75, 0.0, 0.0)
    assert panel.quality(faults) == pytest.approx(4.9 - 1.8 - 1.4)
    assert panel.quality(StepFaults(5.2, 1.0, 2, 30.0)) == pytest.approx(4.9 - 1.8)
    assert panel.quality(JumpFaults(150.0, 0.5, 0.0, "two-footed")) == pytest.approx(4.9 - 3.0 - 2.2)
    assert panel.grade([-5, 1, 1, 1, 1, 2, 2, 2, 5]) == pytest.approx(10 / 7)
    assert panel.points([3] * 9, 5.9) == 1.77
    assert panel.base_value("3Lz", JumpFaults(100.0, 0.4, 0.0, "clean")) == 4.72
    marks = np.array([panel.marks(np.random.default_rng(k), panel.LEANINGS, faults) for k in range(200)])
    assert marks.mean() == pytest.approx(1.7, abs=0.1)
    assert marks[:, 0].mean() < marks[:, 4].mean() < marks[:, 8].mean()


def test_true_joints_of_the_planned_elements_carry_their_faults():
    falls = 0
    for program in embedded.plan(1, embedded.Size()):
        for item in program.items:
            if isinstance(item.faults, JumpFaults):
                pelvis = element_of(program, item).pose.at(Joint.PELVIS)
                fallen = bool(pelvis[-1, 1] < 0.4)
                assert fallen == (item.faults.landing == "fall")
                falls += fallen
    assert 2 <= falls <= 8


def test_boards_lie_in_one_place_a_competition_and_each_in_another():
    programs = embedded.plan(1, embedded.Size())
    assert len({program.competition for program in programs}) == len(scoreboard.DESIGNS) >= 3
    boxes = [scoreboard.box(design, 320, 240) for design in scoreboard.DESIGNS]
    assert len(set(boxes)) == len(boxes)
    assert scoreboard.GLYPH_PX >= 12
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 320
        assert 0 <= top < bottom <= 240
        assert (right - left) * (bottom - top) < 0.2 * 320 * 240


GLYPHS = "0123456789+-.GOETSLAa"


def bitmaps() -> dict[str, np.ndarray]:
    """Draw the glyphs that a reader of the board must tell apart, as `ink` finds them."""
    scale, fine = scoreboard.GLYPH_PX * 4 / 21.0, {}
    for glyph in GLYPHS:
        image = np.zeros((17 * 4, 30 * 4), np.uint8)
        cv2.putText(image, glyph, (12, 60), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 6, cv2.LINE_AA)
        small = cv2.resize(image, (30, 17), interpolation=cv2.INTER_AREA)
        fine[glyph] = letters(small)[0]
    return fine


def letters(row: np.ndarray) -> list[np.ndarray]:
    """Cut a line of text, light on dark [height, width], into its letters at empty columns."""
    light = row.astype(float) - np.median(row)
    light /= max(light.max(), 1.0)
    full = np.concatenate([[False], light.max(axis=0) > 0.42, [False]])
    edges = np.flatnonzero(full[1:] != full[:-1])
    return [light[:, a:b].clip(0.0) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return how alike two letters are at the best shift of two pixels: 1 the same."""
    size = (32, 24)
    best = -1.0
    base = np.zeros(size)
    base[3 : 3 + first.shape[0], 3 : 3 + min(first.shape[1], 18)] = first[:, :18]
    for down in range(0, 7):
        for right in range(2, 5):
            other = np.zeros(size)
            part = second[:, :18]
            other[down : down + part.shape[0], right : right + part.shape[1]] = part
            norm = np.sqrt((base**2).sum() * (other**2).sum())
            best = max(best, float((base * other).sum() / norm))
    return best


def read(picture: np.ndarray, lines: int) -> list[str]:
    """Read a board [height, width, 3] of so many lines by comparing its letters with drawn ones."""
    known = bitmaps()
    grey = picture.mean(axis=2)
    rows = np.linspace(0, len(grey), lines + 1).round().astype(int)
    found = []
    for top, bottom in pairwise(rows):
        parts = letters(grey[top:bottom])
        found.append("".join(max(known, key=lambda glyph: likeness(p, known[glyph])) for p in parts))
    return found


def test_the_goe_of_every_clip_is_legible_in_its_frames_and_gone_when_the_board_is(data):
    boards = {shown.media: shown for shown in read_jsonl(data / "scoreboards.jsonl", scoreboard.Shown)}
    assert {shown.design for shown in boards.values()} == set(scoreboard.DESIGNS)
    for program in embedded.plan(SEED, SMALL):
        shown = boards[program.media]
        left, top, right, bottom = shown.box
        with av.open(str(data / program.media)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        for item in program.items:
            (says,) = [s for s in shown.says if s.goe and item.start <= s.start_s < item.end]
            assert says.goe == f"{item.points:+.2f}"
            assert says.element == item.called
            assert item.end - says.start_s >= 0.6, "it can be read within the clip"
            last = frames[item.end * program.rate - 1][top:bottom, left:right]
            lines = {"lower-bar": 2, "upper-strip": 1}.get(shown.design, 4)
            assert any(says.goe in line for line in read(last, lines)), (shown.design, says.goe)
        seen = [
            any(start <= (k + 0.5) / program.rate < end for start, end in shown.visible)
            for k in range(len(frames))
        ]
        assert any(seen)
        if shown.design in ("upper-left", "lower-right"):
            assert not all(seen)
            item = program.items[-1]
            board = frames[item.end * program.rate - 1][top:bottom, left:right].astype(float)
            away = [np.abs(frame[top:bottom, left:right] - board).mean() for frame in frames]
            assert max(away[round(shown.visible[-1][0] * program.rate) : item.end * program.rate]) < 6.0
            assert min(far for far, there in zip(away, seen, strict=True) if not there) > 25.0


def test_a_boards_text_stays_inside_it_for_the_longest_entry():
    for design in scoreboard.DESIGNS:
        style = scoreboard.random_style(np.random.default_rng(0), design)
        long = scoreboard.Entry("SKATER 16", "CCoSp4", -1.75, 104.44)
        picture = scoreboard.board(style, long, 320, 240).astype(float).mean(axis=2)
        ink = picture > 150.0
        assert ink.any()
        assert not ink[:, :3].any()
        assert not ink[:, -3:].any()
