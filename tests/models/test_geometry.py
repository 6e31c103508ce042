"""The baseline that judges by rules on joints: what decides an answer, and what it does where it cannot."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest, write_jsonl
from aqa.models.base import Context, Reply
from aqa.pose.store import JOINTS, Poses, write_poses
from aqa.prompts.compare import question as of_pair
from aqa.records import Media, MediaPart, Message, Pair, PoseClip, Question, Request, Sample

EXERCISE = "squat"
INWARD = Question(item="knees_inward", text="?", options=("true", "false"))
FORWARD = Question(item="knees_forward", text="?", options=("true", "false"))
COLOUR = Question(item="colour", text="What colour is the floor?", options=("grey", "blue"))
SCALE = Question(item="", text="How deep?", minimum=-5.0, maximum=10.0)


def pose(apart: float) -> np.ndarray:
    """A squat seen from the front, the knees `apart` as far as the ankles."""
    points = np.full((17, 3), np.nan, np.float32)
    places = {"shoulder": (30, 100), "hip": (15, 200), "knee": (20 * apart, 220), "ankle": (20, 280)}
    for name, (x, y) in places.items():
        for side, sign in (("left", 1), ("right", -1)):
            points[JOINTS.index(f"{side}_{name}")] = (200 + sign * x, y, 1.0)
    return points


def sample(name: str, **changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "sample_id": name,
        "exercise": EXERCISE,
        "subject": "s1",
        "split": "test",
        "media": Media(path=f"{name}.mp4", kind="video"),
        "questions": (INWARD,),
        "truth": {"knees_inward": "true"},
    }
    return Sample.model_validate(fields | changes)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Poses of a clip with good knees, one with bad knees, one without a known joint, and one without any."""
    folder = tmp_path / "pose" / "fitness-aqa"
    lines = []
    clips = {"good": pose(1.3), "bad": pose(0.3), "blind": np.full((17, 3), np.nan, np.float32)}
    for name, points in clips.items():
        file = folder / "clips" / f"{name}.npz"
        n = np.arange(4)
        write_poses(file, Poses(n, np.stack([points] * 4), np.zeros((4, 4)), n < 0, 400, 300))
        lines.append(clip(name, f"clips/{name}.npz"))
    write_jsonl(folder / "manifest.jsonl", [*lines, clip("absent", None)])
    return folder / "manifest.jsonl"


def clip(name: str, file: str | None) -> PoseClip:
    found = {"coverage": 1.0, "mean_confidence": 1.0, "interpolated": 0.0, "frames": 4}
    return PoseClip(sample_id=name, file=file, sha256=digest(name) if file else None, **found)


def backend(manifest: Path | None, **changes: Any) -> Any:
    file = ModelFile.model_validate(
        {"title": "Geometry", "backend": "geometry", "session": "dataset"} | changes
    )
    samples = [sample(name) for name in ("good", "bad", "blind", "absent")]
    return models.create(file, Context(Path(), 0, samples, poses=manifest), "config/models/geometry.yaml")


def request(
    name: str, *questions: Question, shown: tuple[str, ...] = (), exercise: str = EXERCISE
) -> Request:
    parts = tuple(
        MediaPart(
            kind="video",
            file=f"fitness-aqa/original/native/clips/{one}.zip",
            sha256=digest(one),
            width=4,
            height=4,
            timestamps=(0.0,),
        )
        for one in shown or (name,)
    )
    return Request(
        key=digest([name, shown]),
        settings=digest(""),
        sample_id=name,
        subject="s1",
        exercise=exercise,
        messages=(Message(role="user", content=parts),),
        questions=questions,
    )


def ask(baseline: Any, *requests: Request) -> list[Reply]:
    async def session() -> list[Reply]:
        async with baseline as opened:
            return [await opened.ask(one) for one in requests]

    return asyncio.run(session())


def pair(first: str, second: str, text: str = "Which of the two shows the better execution?") -> Request:
    compared = Pair(
        pair_id="p",
        exercise=EXERCISE,
        item="",
        text=text,
        anchor="good",
        partner="bad",
        anchor_subject="a",
        partner_subject="b",
        better="anchor",
    )
    return request("p", of_pair(compared), shown=(first, second))


def test_the_poses_decide_by_the_rules_of_the_dataset(manifest: Path) -> None:
    good, bad = ask(backend(manifest), request("good", INWARD, FORWARD), request("bad", INWARD))
    assert json.loads(good.text) == {
        "knees_inward": False,
        "knees_forward": json.loads(good.text)["knees_forward"],
    }
    assert json.loads(bad.text) == {"knees_inward": True}
    assert (good.outcome, bad.sent) == ("ok", {"basis": {"knees_inward": "rule"}})


def test_of_a_pair_the_better_one_is_named_whatever_the_order(manifest: Path) -> None:
    replies = ask(backend(manifest), pair("good", "bad"), pair("bad", "good"), pair("good", "good"))
    assert [json.loads(reply.text) for reply in replies] == [
        {"answer": a} for a in ("first", "second", "first")
    ]


def test_where_no_rule_can_judge_the_answer_is_a_fallback_that_is_counted(
    manifest: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    baseline = backend(manifest)
    replies = ask(
        baseline,
        request("good", COLOUR),
        request("blind", INWARD),
        request("absent", INWARD),
        request("good", SCALE),
        pair("good", "blind"),
        pair("good", "bad", "Which is louder?"),
        request("good", INWARD),
    )
    answers = [json.loads(reply.text) for reply in replies]
    assert answers[:4] == [{"colour": "grey"}, {"knees_inward": True}, {"knees_inward": True}, {"score": 2.5}]
    assert answers[4:6] == [{"answer": "first"}, {"answer": "first"}]
    reasons = [next(iter(reply.sent["basis"].values())) for reply in replies]
    assert reasons == [
        *("no rule", "joints not known", "no poses", "no rule", "joints not known", "no rule", "rule"),
    ]
    facts = baseline.facts()
    assert facts["answers"] == {"joints not known": 2, "no poses": 1, "no rule": 3, "rule": 1}
    assert set(facts["without_rule"]) == {COLOUR.text, SCALE.text, "Which is louder?"}
    assert "6 of 7 answers are fallbacks: joints not known (2), no poses (1), no rule (3)" in caplog.text
    assert "no rule for: What colour is the floor? (1)" in caplog.text


def test_a_key_holds_what_decides_the_answer_and_not_the_truth(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identity(**changes: Any) -> Any:
        file = ModelFile(title="G", backend="geometry", session="dataset")
        context = Context(Path(), 0, [sample("good", **changes)], poses=manifest)
        return models.create(file, context, "g").identity()

    plain = identity()
    assert identity(truth={"knees_inward": "false"}, subject="s2", split="train") == plain
    assert identity(details={"movement": "left"}) != plain, "what was announced may matter to a rule"
    write_jsonl(manifest, [clip("good", "clips/other.npz")])
    assert identity() != plain
    monkeypatch.setattr("aqa.models.geometry.rules_digest", lambda dataset: f"other rules of {dataset}")
    assert identity()["rules"] == "other rules of fitness-aqa"


def test_the_truth_is_never_looked_at(manifest: Path) -> None:
    samples = [sample(name, truth={}) for name in ("good", "bad")]
    file = ModelFile(title="G", backend="geometry", session="dataset")
    baseline = models.create(file, Context(Path(), 0, samples, poses=manifest), "g")
    texts = [reply.text for reply in ask(baseline, request("bad", INWARD), pair("bad", "good"))]
    assert texts == [
        reply.text for reply in ask(backend(manifest), request("bad", INWARD), pair("bad", "good"))
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"session": "model"}, "a session has the poses of one dataset"),
        ({"sampling": {"temperature": 1.0}}, "takes no sampling parameters"),
        ({"options": {"kind": "random"}}, "kind"),
    ],
)
def test_what_makes_no_sense_is_refused_before_it_starts(manifest: Path, changes: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        backend(manifest, **changes)


def test_without_poses_it_says_what_to_give(manifest: Path) -> None:
    with pytest.raises(UserError, match="give --poses"):
        backend(None).identity()
    (manifest.parent / "clips" / "good.npz").write_bytes(b"half a file")
    with pytest.raises(UserError, match="not the poses of a clip"):
        ask(backend(manifest), request("good", INWARD))


def test_clips_of_a_pair_are_those_of_the_samples(manifest: Path) -> None:
    with pytest.raises(UserError, match="'stranger' is no sample; render the requests again"):
        ask(backend(manifest), pair("good", "stranger"))
