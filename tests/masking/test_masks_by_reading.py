"""The embedded broadcasts read by a real OCR program: before masking the score is read, after it never is."""

from __future__ import annotations

from pathlib import Path

import pytest
from masking_clips import DATASET, clips_of, make_clips, run, write_masks

from aqa.files import read_jsonl
from aqa.masking.propose import Job, propose
from aqa.masking.reader import find_reader
from aqa.masking.verdicts import Verification, load_verification
from aqa.records import Sample

pytestmark = pytest.mark.ocr


def read(broadcasts, manifests, masks: Path, output: Path) -> Verification:
    done = run(
        *("verify_masks.py", "read", "--dataset", DATASET, "--data", broadcasts.data, "--samples"),
        *(broadcasts.samples, "--masks", masks, "--manifest", *manifests, "--workers", 2, "--output", output),
    )
    assert done.returncode == 0, done.stderr
    return load_verification(output)


def said(broadcasts) -> dict[str, str]:
    """The grade in points that the board shows while a sample's element is on: its digits."""
    shown = {}
    for sample in read_jsonl(broadcasts.samples, Sample):
        media = sample.media
        (goe,) = {
            saying.goe
            for saying in broadcasts.boards[media.path].says
            if saying.goe is not None and media.start_s <= saying.start_s < media.end_s
        }
        shown[sample.sample_id] = goe.lstrip("+-")
    return shown


def test_the_score_is_read_before_masking_in_nearly_all_clips_and_after_it_in_none(
    broadcasts, masked, tmp_path
):
    found = read(broadcasts, masked, broadcasts.masks, tmp_path / "v.json")
    truth = said(broadcasts)
    assert set(truth) == {verdict.sample_id for verdict in found.verdicts}
    right = [
        any(truth[verdict.sample_id] in word.replace(",", ".") for word in verdict.control)
        for verdict in found.verdicts
    ]
    assert sum(right) >= 0.95 * len(right)
    assert not any(verdict.read for verdict in found.verdicts)
    assert {verdict.verdict for verdict in found.verdicts} <= {"pass", "inconclusive"}


def test_planted_boards_that_no_box_covers_fail_by_what_is_read(broadcasts, tmp_path):
    """A person overlooked every board: the files say that the sources show nothing."""
    masks = write_masks(tmp_path / "masks.yaml", {source: [] for source in broadcasts.boards})
    manifests = make_clips(broadcasts, tmp_path / "media", masks)
    found = read(broadcasts, manifests, masks, tmp_path / "v.json")
    truth = said(broadcasts)
    for verdict in found.verdicts:
        assert verdict.verdict == "fail"
        assert verdict.read
    seen = [any(truth[v.sample_id] in word.replace(",", ".") for word in v.read) for v in found.verdicts]
    assert sum(seen) >= 0.95 * len(seen)


def test_a_box_over_half_a_board_fails(broadcasts, tmp_path):
    sources = {}
    for source, board in broadcasts.boards.items():
        left, top, right, bottom = board.box
        sources[source] = [{"left": left, "top": top, "right": left + (right - left) // 5, "bottom": bottom}]
    masks = write_masks(tmp_path / "masks.yaml", sources)
    manifests = make_clips(broadcasts, tmp_path / "media", masks)
    assert {
        verdict.verdict for verdict in read(broadcasts, manifests, masks, tmp_path / "v.json").verdicts
    } == {"fail"}


def test_proposed_boxes_approved_as_they_are_hide_the_score(broadcasts, tmp_path):
    samples = read_jsonl(broadcasts.samples, Sample)
    sources = {}
    for source in broadcasts.boards:
        intervals = tuple((s.media.start_s, s.media.end_s) for s in samples if s.media.path == source)
        found = propose(Job(source, broadcasts.data / source, "video", intervals, find_reader()))
        names = ("left", "top", "right", "bottom")
        sources[source] = [dict(zip(names, box, strict=True)) for box in found.boxes]
    masks = write_masks(tmp_path / "masks.yaml", sources)
    manifests = make_clips(broadcasts, tmp_path / "media", masks)
    verdicts = read(broadcasts, manifests, masks, tmp_path / "v.json").verdicts
    assert len(verdicts) == len(clips_of(manifests[0]))
    assert {verdict.verdict for verdict in verdicts} == {"pass"}
