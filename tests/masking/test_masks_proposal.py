"""Boxes proposed for a person: where the boards are, never too much, and a sheet that is safe to open."""

from __future__ import annotations

import html
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from masking_clips import DATASET, run

from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl
from aqa.masking.boxes import area, common, inside, merged, overlap, share
from aqa.masking.propose import MAX_SHARE, Job, Proposal, propose
from aqa.masking.reader import Word
from aqa.masking.sheet import contact_sheet, proposal_file
from aqa.media.masks import load_masks, read_masks
from aqa.records import Sample
from aqa.synthetic.video import write_video

RATE = 25


def job(path: Path, reader=None, end: float = 4.0) -> Job:
    return Job(source="a.mp4", path=path, kind="video", intervals=((0.0, end),), reader=reader)


def film(path: Path, pictures) -> Path:
    write_video(path, pictures, RATE)
    return path


def scenery(width: int, height: int) -> np.ndarray:
    """A wide scene full of edges."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 255, (height // 8, width // 8, 3)).astype(np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)


def with_board(picture: np.ndarray, text: str = "GOE +1.23") -> np.ndarray:
    picture = picture.copy()
    picture[180:220, 20:220] = (40, 20, 20)
    cv2.putText(picture, text, (28, 208), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (250, 250, 250), 2)
    return picture


BOARD = (20, 180, 220, 220)


@dataclass(frozen=True)
class Repeating:
    """Reads the same words in every picture."""

    words: tuple[Word, ...]
    name: str = "repeating 1"

    def read(self, pictures):
        return [list(self.words) for _ in pictures]


def test_the_boards_of_four_designs_are_found_by_edges_alone(broadcasts):
    samples = read_jsonl(broadcasts.samples, Sample)
    designs = set()
    for source, board in broadcasts.boards.items():
        intervals = tuple((s.media.start_s, s.media.end_s) for s in samples if s.media.path == source)
        found = propose(Job(source, broadcasts.data / source, "video", intervals, None))
        assert found.problem is None
        best = max(found.boxes, key=lambda box: overlap(box, board.box))
        assert overlap(best, board.box) >= 0.7, (source, found)
        assert inside(best, board.box) >= 0.85, "hardly more than the board"
        assert share(found.boxes, board.width, board.height) <= MAX_SHARE
        assert len(found.stills) == len(found.stills[:4]) > 0
        designs.add(board.design)
    assert len(designs) == 4


def test_a_board_before_a_panning_camera_is_found_where_the_scene_is_full_of_edges(tmp_path):
    wide = scenery(960, 240)
    pictures = [with_board(wide[:, 4 * i : 4 * i + 320]) for i in range(4 * RATE)]
    found = propose(job(film(tmp_path / "a.mp4", pictures)))
    assert len(found.boxes) == 1
    assert inside(BOARD, found.boxes[0]) >= 0.7
    assert overlap(BOARD, found.boxes[0]) >= 0.7


def test_before_a_camera_that_stands_still_edges_are_not_believed_and_words_are(tmp_path):
    scene = with_board(scenery(320, 240))
    pictures = []
    for i in range(4 * RATE):
        picture = scene.copy()
        cv2.circle(picture, (60 + i, 90), 14, (0, 0, 255), -1)
        pictures.append(picture)
    path = film(tmp_path / "a.mp4", pictures)
    blind = propose(job(path))
    assert blind.boxes == ()
    assert any("the camera stands still" in remark for remark in blind.remarks)
    words = (Word("GOE", 90.0, (28, 186, 90, 210)), Word("+1.23", 80.0, (100, 186, 190, 210)))
    seeing = propose(job(path, Repeating(words)))
    assert seeing.found_by == ("words",)
    assert inside((28, 186, 190, 210), seeing.boxes[0]) == 1.0
    assert inside(seeing.boxes[0], BOARD) >= 0.9


def test_words_count_only_if_sure_lasting_and_near_a_figure(tmp_path):
    path = film(tmp_path / "a.mp4", [scenery(320, 240)] * (4 * RATE))
    place = (100, 100, 160, 116)
    assert propose(job(path, Repeating((Word("+1.23", 90.0, place),)))).boxes
    assert not propose(job(path, Repeating((Word("+1.23", 20.0, place),)))).boxes
    assert not propose(job(path, Repeating((Word("SPONSOR", 90.0, place),)))).boxes

    @dataclass(frozen=True)
    class Jumping(Repeating):
        def read(self, pictures):
            return [[Word("+1.23", 90.0, (40 * i, 100, 40 * i + 30, 116))] for i, _ in enumerate(pictures)]

    assert not propose(job(path, Jumping(()))).boxes


def test_no_proposal_hides_more_than_the_stated_share_and_says_what_it_left_out(tmp_path):
    path = film(tmp_path / "a.mp4", [scenery(320, 240)] * (4 * RATE))
    words = (Word("2018", 90.0, (0, 0, 318, 120)), Word("+1.23", 90.0, (20, 190, 120, 220)))
    found = propose(job(path, Repeating(words)))
    assert share(found.boxes, 320, 240) <= MAX_SHARE
    assert any("would hide more than 35% of the picture" in remark for remark in found.remarks)
    assert inside((20, 190, 120, 220), found.boxes[0]) == 1.0


def test_a_shot_of_a_few_frames_and_a_source_that_is_no_video_are_said_so(tmp_path):
    short = propose(job(film(tmp_path / "a.mp4", [scenery(320, 240)] * 6)))
    assert short.boxes == ()
    assert short.remarks == ("too few frames to see what persists",)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    assert "not a video" in str(propose(job(tmp_path / "b.mp4")).problem)
    assert propose(job(tmp_path / "c.mp4")).problem == "the file is missing"


rectangles = st.builds(
    lambda left, top, wide, tall: (left, top, left + wide, top + tall),
    *(st.integers(0, 60), st.integers(0, 60), st.integers(1, 30), st.integers(1, 30)),
)


@given(st.lists(rectangles, max_size=8))
def test_merged_boxes_hold_all_that_was_given_and_overlap_nowhere(boxes):
    result = merged(boxes)
    assert all(any(inside(box, one) == 1.0 for one in result) for box in boxes)
    assert not any(area(common(a, b)) for i, a in enumerate(result) for b in result[i + 1 :])
    assert merged(reversed(boxes)) == result or len(boxes) > 2
    covered = sum(area(box) for box in result) / (90 * 90)
    assert share(result, 90, 90) == pytest.approx(covered)


HOSTILE = "<img src=x onerror=alert(1)>\n'\"{{ 7 * 7 }}.mp4"


def test_the_sheet_and_the_file_escape_names_and_say_what_to_do(tmp_path):
    found = [
        Proposal(HOSTILE, 320, 240, ((1, 2, 30, 40),), ("edges",), ("<b>remark</b>",), (b"\xff\xd8",)),
        Proposal("broken.mp4", problem="<script>"),
    ]
    page = contact_sheet(found, title="A<B", target="<data>/masks.yaml", reader=None, publish=False)
    assert "<img src=x" not in page
    assert "<script" not in page
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;").replace('"', "&#34;") in page
    assert "{{ 7 * 7 }}" in page, "a name is no template"
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "it stays on this machine" in page
    assert "do not allow to publish" in " ".join(page.split())
    assert "status: reviewed" in page
    path = tmp_path / "proposed.yaml"
    path.write_text(proposal_file(found, "proposed.html", "data\nstatus: reviewed"))
    masks = read_masks(path)
    assert masks.status == "proposed"
    assert [(b.left, b.top, b.right, b.bottom) for b in masks.sources[HOSTILE]] == [(1, 2, 30, 40)]
    assert list(masks.sources) == [HOSTILE], "a source that could not be read is left to the person"
    with pytest.raises(UserError, match="nobody has approved"):
        load_masks(path)


def test_the_command_proposes_a_source_each_the_same_with_any_number_of_workers(broadcasts, tmp_path):
    def proposed(workers: int) -> tuple[bytes, bytes]:
        out = tmp_path / str(workers)
        done = run(
            *("propose_masks.py", "--dataset", DATASET, "--data", broadcasts.data, "--target", "masks.yaml"),
            *("--samples", broadcasts.samples, "--workers", workers, "--output", out / "proposed.yaml"),
            *("--sheet", out / "proposed.html"),
            path="/nonexistent",
        )
        assert done.returncode == 0, done.stderr
        assert "no OCR reader" in done.stderr
        return (out / "proposed.yaml").read_bytes(), (out / "proposed.html").read_bytes()

    text, page = proposed(1)
    assert (text, page) == proposed(2)
    assert set(yaml.safe_load(text)["sources"]) == set(broadcasts.boards)
    assert b"No OCR reader is installed" in page
    assert page.count(b"data:image/jpeg;base64,") >= 4


def test_the_command_looks_only_at_listed_samples_and_names_what_it_could_not_read(broadcasts, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(broadcasts.data, data)
    samples = read_jsonl(broadcasts.samples, Sample)
    first, second = sorted({sample.media.path for sample in samples})[:2]
    (data / second).write_bytes(b"damaged")
    wanted = [sample for sample in samples if sample.media.path in (first, second)]
    (tmp_path / "only.txt").write_text("".join(f"{sample.sample_id}\n" for sample in wanted))
    write_jsonl(tmp_path / "samples.jsonl", samples)
    done = run(
        *("propose_masks.py", "--dataset", DATASET, "--data", data, "--target", "m", "--only"),
        *(tmp_path / "only.txt", "--samples", tmp_path / "samples.jsonl"),
        *("--output", tmp_path / "p.yaml", "--sheet", tmp_path / "p.html"),
        path="/nonexistent",
    )
    assert done.returncode == 0, done.stderr
    assert f"{second}: not a video" in done.stderr
    assert list(read_masks(tmp_path / "p.yaml").sources) == [first]
    assert "Not looked at" in (tmp_path / "p.html").read_text()
