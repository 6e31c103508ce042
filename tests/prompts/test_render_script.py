"""The command lines around prompts, as the workflow runs them: examples.py and render.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from golden_prompts import TOES, clip, fixtures

from aqa.datasets.reviewed import key
from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl
from aqa.inference.drafts import read_drafts
from aqa.records import Examples, Pair, Request

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "config" / "models" / "random.yaml"


def run(script: str, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    fixed = ("--dataset", "egoexo-fitness", "--samples", "samples.jsonl", "--evaluated", "evaluated.txt")
    command = [sys.executable, ROOT / "scripts" / script, *fixed, "--seed", 0, *arguments]
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two of four samples are asked about; everyone's clip is ready."""
    asked = fixtures()["egoexo-fitness"][0]
    samples = [
        asked.model_copy(
            update={
                "sample_id": name,
                "subject": f"person-{name}",
                "truth": {"g1": "true" if name in "ac" else "false"},
                "media": asked.media.model_copy(update={"path": name, "sha256": key(name)}),
            }
        )
        for name in "abcd"
    ]
    write_jsonl(tmp_path / "samples.jsonl", samples)
    (tmp_path / "evaluated.txt").write_text("a\nb\n")
    manifest = tmp_path / "media" / "egoexo-fitness" / "skeleton_only" / "native" / "manifest.jsonl"
    write_jsonl(manifest, [clip(name) for name in "abcd"])
    return tmp_path


def render(folder: Path, strategy: str, *arguments: object) -> tuple[Path, Any]:
    cell = Path("cells/egoexo-fitness/judge/skeleton_only") / strategy / "random"
    manifest = "media/egoexo-fitness/skeleton_only/native/manifest.jsonl"
    fixed = ("--manifest", manifest, "--media", "media", "--model", MODEL, "--cells", cell)
    return folder / cell, run("render.py", folder, *fixed, *arguments)


def test_examples_are_chosen_written_down_and_shown(folder):
    done = run("examples.py", folder, "--output", "examples.jsonl", "--shown", "shown.txt")
    assert done.returncode == 0, done.stderr
    (chosen,) = read_jsonl(folder / "examples.jsonl", Examples)
    assert (folder / "shown.txt").read_text().split() == ["a", "b", "c", "d"]
    cell, done = render(folder, "in_context", "--examples", "examples.jsonl")
    assert done.returncode == 0, done.stderr
    asked = read_jsonl(cell / "requests.jsonl", Request)
    assert [request.sample_id for request in asked] == ["a", "b"]
    assert len(chosen.samples) == 2
    for request in asked:
        answers = {message.content[0].text for message in request.messages if message.role == "assistant"}
        assert answers == {'{"g1": true}', '{"g1": false}'}
        assert "skeleton joints (COCO17 format)" in request.messages[-1].content[-1].text


def test_examples_that_are_needed_and_not_given_stop_in_one_line(folder):
    cell, done = render(folder, "in_context")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "needs examples" in done.stderr
    assert not (cell / "requests.jsonl").exists()


def test_the_cells_of_one_job_show_each_its_own_representation(folder):
    drawn = folder / "media" / "egoexo-fitness" / "skeleton_overlay" / "native" / "manifest.jsonl"
    write_jsonl(drawn, [clip(name) for name in "abcd"])
    cells = [
        Path("cells/egoexo-fitness/judge") / f"skeleton_{how}" / "base/random" for how in ("only", "overlay")
    ]
    manifests = [
        folder / "media/egoexo-fitness" / f"skeleton_{how}" / "native/manifest.jsonl"
        for how in ("overlay", "only")
    ]
    fixed = ("--media", folder / "media", "--model", MODEL, "--cells", *cells)
    done = run("render.py", folder, *fixed, "--manifest", *manifests)
    assert done.returncode == 0, done.stderr
    for cell in cells:
        for request in read_jsonl(folder / cell / "requests.jsonl", Request):
            clips = [
                part.file for message in request.messages for part in message.content if part.type != "text"
            ]
            assert clips
            assert all(file.startswith(f"egoexo-fitness/{cell.parts[3]}/native/") for file in clips)


def test_a_representation_without_a_manifest_stops_in_one_line(folder):
    cell = "cells/egoexo-fitness/judge/original/base/random"
    manifest = "media/egoexo-fitness/skeleton_only/native/manifest.jsonl"
    fixed = ("--manifest", manifest, "--media", "media", "--model", MODEL, "--cells", cell)
    done = run("render.py", folder, *fixed)
    assert done.returncode == 1
    assert "original: the manifests have no clip for 2 samples, the first a" in done.stderr


def test_a_missing_guideline_stops_the_cell_with_the_way_to_supply_it(folder):
    cell, done = render(folder, "negative_guidelines")
    assert done.returncode == 1
    assert f"sumo-squat, g1: {TOES}" in done.stderr
    assert "--wording" in done.stderr
    assert not (cell / "requests.jsonl").exists()


def test_a_draft_is_used_where_it_is_allowed_and_listed_beside_the_requests(folder):
    entry = {"sha256": key(TOES), "negative": "Not pointing your toes outwards.", "reviewed": False}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"guidelines": {"sumo-squat": [entry]}}))
    cell, done = render(folder, "negative_guidelines", "--wording", "mine.yaml")
    assert done.returncode == 1
    assert "nobody has approved" in done.stderr
    cell, done = render(folder, "negative_guidelines", "--wording", "mine.yaml", "--allow-draft")
    assert done.returncode == 0, done.stderr
    assert "1 text(s) are drafts" in done.stderr
    (draft,) = json.loads((cell / "drafts.json").read_text())["drafts"]
    assert (draft["exercise"], draft["item"], draft["polarity"]) == ("sumo-squat", "g1", "negative")
    entry["reviewed"] = True
    (folder / "mine.yaml").write_text(yaml.safe_dump({"guidelines": {"sumo-squat": [entry]}}))
    cell, done = render(folder, "negative_guidelines", "--wording", "mine.yaml")
    assert done.returncode == 0, done.stderr
    assert json.loads((cell / "drafts.json").read_text())["drafts"] == []


def test_the_positive_guideline_is_the_user_s_own_text(folder):
    cell, done = render(folder, "positive_guidelines")
    assert done.returncode == 0, done.stderr
    (request, _) = read_jsonl(cell / "requests.jsonl", Request)
    assert f"- {TOES}\n" in request.messages[-1].content[-1].text


def test_a_cell_says_which_requests_its_drafts_are_about(folder):
    entry = {"sha256": key(TOES), "negative": "Not pointing your toes outwards.", "reviewed": False}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"guidelines": {"sumo-squat": [entry]}}))
    cell, done = render(folder, "negative_guidelines", "--wording", "mine.yaml", "--allow-draft")
    assert done.returncode == 0, done.stderr
    assert read_drafts(cell) == 1
    with (cell / "requests.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(UserError, match="is about other requests"):
        read_drafts(cell)


def test_a_strategy_without_guidelines_has_no_drafts(folder):
    entry = {"sha256": key(TOES), "negative": "Not pointing your toes outwards.", "reviewed": False}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"guidelines": {"sumo-squat": [entry]}}))
    cell, done = render(folder, "base", "--wording", "mine.yaml", "--allow-draft")
    assert done.returncode == 0, done.stderr
    assert read_drafts(cell) == 0


@pytest.mark.parametrize(("state", "expected"), [("draft", 1), ("missing", 0)])
def test_a_compare_cell_counts_the_unapproved_rephrased_questions(folder, state, expected):
    pair = Pair(
        pair_id="p",
        exercise="sumo-squat",
        item="g1",
        text=TOES,
        anchor="a",
        partner="b",
        anchor_subject="person-a",
        partner_subject="person-b",
        better="anchor",
    )
    write_jsonl(folder / "pairs.jsonl", [pair])
    lacking = [{"exercise": "sumo-squat", "question": TOES, "state": state}]
    (folder / "report.json").write_text(json.dumps({"draft": True, "lacking_texts": lacking}))
    cell = Path("cells/egoexo-fitness/compare/skeleton_only/base/random")
    fixed = ("--manifest", "media/egoexo-fitness/skeleton_only/native/manifest.jsonl", "--media", "media")
    pairs = ("--pairs", "pairs.jsonl", "--pairs-report", "report.json")
    done = run("render.py", folder, *fixed, "--model", MODEL, "--cells", cell, *pairs)
    assert done.returncode == 0, done.stderr
    assert len(read_jsonl(folder / cell / "requests.jsonl", Request)) == 2
    assert read_drafts(folder / cell) == expected


def test_each_request_is_asked_as_often_as_said_and_a_useless_repeat_is_warned_of(folder):
    cell, done = render(folder, "base", "--repeats", "3")
    assert done.returncode == 0, done.stderr
    asked = read_jsonl(cell / "requests.jsonl", Request)
    assert [(one.sample_id, one.repeat) for one in asked] == [(n, r) for r in range(3) for n in "ab"]
    assert "will not differ" not in done.stderr
    _, once = render(folder, "base")
    assert once.returncode == 0
    assert read_jsonl(cell / "requests.jsonl", Request) == asked[:2]
    constant = MODEL.with_name("constant.yaml")
    _, done = render(folder, "base", "--repeats", "2", "--model", constant)
    assert done.returncode == 0, done.stderr
    assert "asked 2 times, but it draws nothing: the answers will not differ" in done.stderr
    _, done = render(folder, "base", "--repeats", "0")
    assert done.returncode == 1
    assert "--repeats: give one number above 0, or one a cell" in done.stderr
