"""Verdicts on the clips that models receive: pass, fail, inconclusive, and what each does to the cells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from masking_clips import DATASET, Beholder, clips_of, run, write_masks

from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, write_jsonl
from aqa.masking.verdicts import Verdict, Verification, load_verification, require
from aqa.masking.verify import NO_BOX, NO_CONTROL, NO_READER, Check, Job, Stored, verify
from aqa.media.masks import load_masks
from aqa.media.store import read_frames, write_clip
from aqa.records import Sample

BLIND = Beholder((), blind=True)


def jobs(broadcasts, manifests, reader, boxes=None) -> list[Job]:
    """One job a source; `boxes` replace those of the masks."""
    masks = load_masks(broadcasts.masks)
    clips = {manifest: clips_of(manifest) for manifest in manifests}
    made = []
    for source, board in sorted(broadcasts.boards.items()):
        checks = []
        for sample in read_jsonl(broadcasts.samples, Sample):
            if sample.media.path == source:
                stored = tuple(
                    Stored(
                        manifest.parent, "original", manifest.parent.name, clips[manifest][sample.sample_id]
                    )
                    for manifest in manifests
                )
                checks.append(Check(sample.sample_id, sample.media.start_s, stored))
        eyes = Beholder((board.box,)) if reader == "sees" else reader
        chosen = masks.sources[source] if boxes is None else boxes
        made.append(Job(broadcasts.data / source, "video", None, chosen, tuple(checks), eyes))
    return made


def verdicts(*arguments, **named) -> list[Verdict]:
    return [verdict for job in jobs(*arguments, **named) for verdict in verify(job)]


def test_clips_pass_whose_boxes_are_solid_and_whose_board_is_read_before_and_not_after(broadcasts, masked):
    found = verdicts(broadcasts, masked, "sees")
    assert {verdict.sample_id for verdict in found} == set(clips_of(masked[0]))
    assert {verdict.verdict for verdict in found} == {"pass"}
    assert all(verdict.control == ("+1.23",) and verdict.read == () for verdict in found)


def test_a_clip_without_masks_fails_with_and_without_a_reader(broadcasts, unmasked):
    for reader in (None, BLIND, "sees"):
        for verdict in verdicts(broadcasts, unmasked, reader):
            assert verdict.verdict == "fail"
            assert "is not filled in the box" in verdict.why


def test_one_planted_unmasked_clip_fails_and_no_other(broadcasts, masked, unmasked, tmp_path):
    names = list(clips_of(masked[0]))
    planted = names[1]
    manifests = []
    for good, bad in zip(masked, unmasked, strict=True):
        folder = tmp_path / good.parent.name
        shutil.copytree(good.parent, folder)
        shutil.copy(bad.parent / "clips" / f"{planted}.zip", folder / "clips" / f"{planted}.zip")
        lines = [clips_of(bad)[name] if name == planted else clip for name, clip in clips_of(good).items()]
        write_jsonl(folder / "manifest.jsonl", lines)
        manifests.append(folder / "manifest.jsonl")
    for reader in (None, "sees"):
        found = {verdict.sample_id: verdict.verdict for verdict in verdicts(broadcasts, manifests, reader)}
        assert found.pop(planted) == "fail"
        assert "fail" not in found.values()


def test_a_single_frame_whose_box_is_not_solid_fails(broadcasts, masked, unmasked, tmp_path):
    name, clip = next(iter(clips_of(masked[0]).items()))
    bare = read_frames(unmasked[0].parent / str(clip.file))
    frames = read_frames(masked[0].parent / str(clip.file))
    last = len(frames) - 1
    write_clip(tmp_path / "native" / str(clip.file), [*frames[:last], bare[last]])
    changed = clip.model_copy(update={"sha256": digest_file(tmp_path / "native" / str(clip.file))})
    write_jsonl(tmp_path / "native" / "manifest.jsonl", [changed])
    (job,) = [
        one for one in jobs(broadcasts, masked, None) if name in {check.sample_id for check in one.checks}
    ]
    start = next(check.start_s for check in job.checks if check.sample_id == name)
    check = Check(name, start, (Stored(tmp_path / "native", "original", "native", changed),))
    (verdict,) = verify(Job(job.path, "video", None, job.boxes, (check,), None))
    assert verdict.verdict == "fail"
    assert f"the frame at {clip.timestamps[last]:.3f} s" in verdict.why


def test_a_board_that_no_box_covers_fails_if_the_reader_sees_it(broadcasts, unmasked):
    """The file says that the source shows nothing, and the reader says otherwise."""
    for verdict in verdicts(broadcasts, unmasked, "sees", boxes=()):
        assert verdict.verdict == "fail"
        assert verdict.read == ("+1.23",)
        assert "the reader reads +1.23" in verdict.why


def test_without_a_positive_control_nothing_is_proven(broadcasts, masked, unmasked):
    assert {(v.verdict, v.why) for v in verdicts(broadcasts, masked, None)} == {("inconclusive", NO_READER)}
    assert {(v.verdict, v.why) for v in verdicts(broadcasts, masked, BLIND)} == {("inconclusive", NO_CONTROL)}
    shows_nothing = verdicts(broadcasts, unmasked, BLIND, boxes=())
    assert {(v.verdict, v.why) for v in shows_nothing} == {("inconclusive", NO_BOX)}


def test_a_clip_that_is_not_the_manifests_stops_the_verification(broadcasts, masked, unmasked, tmp_path):
    shutil.copytree(masked[0].parent, tmp_path / "native")
    name = next(iter(clips_of(masked[0])))
    shutil.copy(unmasked[0].parent / "clips" / f"{name}.zip", tmp_path / "native" / "clips" / f"{name}.zip")
    with pytest.raises(UserError, match="not the clip that the manifest names"):
        verdicts(broadcasts, [tmp_path / "native" / "manifest.jsonl"], None)


def verification(outcomes: dict[str, str], why: str = NO_READER) -> Verification:
    return Verification(
        dataset="skating",
        masks_sha256="0" * 64,
        by="a test",
        reader="beholder 1",
        clips=("original/native",),
        verdicts=tuple(
            Verdict(sample_id=name, verdict=outcome, why=why) for name, outcome in outcomes.items()
        ),
    )


ids = st.from_regex(r"[a-z]{1,4}", fullmatch=True)


@given(st.dictionaries(ids, st.sampled_from(["pass", "fail", "inconclusive"])), st.data())
def test_cells_run_if_and_only_if_every_failed_clip_is_accepted_by_name(outcomes, data):
    accepted = data.draw(st.lists(st.sampled_from(sorted(outcomes) or ["none"]), unique=True))
    failed = {name for name, outcome in outcomes.items() if outcome == "fail"}
    if set(accepted) <= set(outcomes) and failed <= set(accepted):
        assert set(require(verification(outcomes), accepted, "v.json")) == failed
    else:
        with pytest.raises(UserError) as stopped:
            require(verification(outcomes), accepted, "v.json")
        assert "\n" not in str(stopped.value)
        assert "datasets.skating.accept_unmasked" in str(stopped.value)


def test_the_sentence_counts_every_verdict():
    said = verification({"a": "pass", "b": "pass", "c": "inconclusive", "d": "fail"}).sentence(["d"])
    assert "in 2 of 4 clips beholder 1 reads a score before masking and none after" in said
    assert f"in 1 of 4 clips the masks are filled but not proven to hide it ({NO_READER})" in said
    assert "1 of 4 clips failed the verification and count all the same" in said
    assert "fail the verification" not in said


def verify_script(broadcasts, manifests, output: Path, masks: Path | None = None, path="/nonexistent"):
    return run(
        *("verify_masks.py", "read", "--dataset", DATASET, "--data", broadcasts.data, "--samples"),
        *(broadcasts.samples, "--masks", masks or broadcasts.masks, "--manifest", *manifests),
        *("--workers", 1, "--output", output),
        path=path,
    )


def media(manifests: list[Path]) -> list[str]:
    return sorted("/".join(manifest.parts[-3:-1]) for manifest in manifests)


def test_the_command_without_a_reader_is_inconclusive_and_lets_cells_run(broadcasts, masked, tmp_path):
    output = tmp_path / "verification.json"
    done = verify_script(broadcasts, masked, output)
    assert done.returncode == 0, done.stderr
    found = load_verification(output)
    assert found.reader is None
    assert list(found.clips) == media(masked)
    assert [v.verdict for v in found.verdicts] == ["inconclusive"] * len(clips_of(masked[0]))
    assert f"({NO_READER})" in done.stderr
    stamp = tmp_path / "verified.txt"
    done = run("verify_masks.py", "require", "--verification", output, "--accept", "--output", stamp)
    assert done.returncode == 0
    assert stamp.read_text() == "verified\n"


def test_the_command_stops_the_cells_of_unmasked_clips_until_they_are_accepted(
    broadcasts, unmasked, tmp_path
):
    output, stamp = tmp_path / "verification.json", tmp_path / "verified.txt"
    assert verify_script(broadcasts, unmasked, output).returncode == 0
    names = sorted(clips_of(unmasked[0]))

    def require_them(*accepted: str):
        return run(
            "verify_masks.py", "require", "--verification", output, "--accept", *accepted, "--output", stamp
        )

    for accepted in ([], names[1:]):
        done = require_them(*accepted)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert names[0] in done.stderr
        assert f"datasets.{DATASET}.accept_unmasked" in done.stderr
        assert not stamp.exists()
    assert "no clip of '0000-e99' was verified" in require_them("0000-e99").stderr
    done = require_them(*names)
    assert done.returncode == 0
    assert stamp.read_text().split() == [word for name in names for word in ("accepted", name)]


def test_the_command_refuses_masks_that_do_not_fit_the_samples(broadcasts, masked, tmp_path):
    sources = {source: [] for source in broadcasts.boards}
    missing = dict(list(sources.items())[1:])
    for wrong, said in (
        (missing, "lacks"),
        ({**sources, "video/none.mp4": []}, "names 'video/none.mp4', of which no sample is cut"),
    ):
        masks = write_masks(tmp_path / "masks.yaml", wrong)
        done = verify_script(broadcasts, masked, tmp_path / "v.json", masks)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "v.json").exists()


def test_a_verification_that_is_something_else_is_refused(tmp_path):
    (tmp_path / "v.json").write_text(json.dumps({"dataset": "x"}))
    with pytest.raises(UserError, match="run the verification again"):
        load_verification(tmp_path / "v.json")
    with pytest.raises(UserError, match="cannot be read"):
        load_verification(tmp_path / "none.json")
