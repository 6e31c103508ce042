"""Samples, requests and answers of small cells, on disk as the workflow has them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from aqa.files import write_jsonl
from aqa.records import Media, Message, Question, Request, Response, Sample, TextPart, Value

SCORE = Question(item="", text="How well?", minimum=0, maximum=10)
ERRORS = tuple(Question(item=item, text=item, options=("true", "false")) for item in ("inward", "forward"))


def sample(
    sample_id: str, truth: dict[str, Value], questions: Sequence[Question], *, exercise: str, subject: str
) -> Sample:
    return Sample(
        sample_id=sample_id,
        exercise=exercise,
        subject=subject,
        split="test",
        media=Media(path=f"{sample_id}.mp4", kind="video"),
        questions=tuple(questions),
        truth=truth,
    )


def request(
    of: Sample, questions: Sequence[Question] | None = None, item: str = "", repeat: int = 0
) -> Request:
    return Request(
        key=hashlib.sha256(f"{of.sample_id}/{item}/{repeat}".encode()).hexdigest(),
        settings="0" * 64,
        sample_id=of.sample_id,
        subject=of.subject,
        exercise=of.exercise,
        item=item,
        repeat=repeat,
        messages=(Message(role="user", content=(TextPart(text="Judge."),)),),
        questions=of.questions if questions is None else tuple(questions),
    )


def answer(to: Request, text: str, version: str | None = "v1") -> Response:
    return Response(
        key=to.key,
        sample_id=to.sample_id,
        item=to.item,
        repeat=to.repeat,
        outcome="ok",
        text=text,
        model_version=version,
    )


def failure(to: Request, outcome: str) -> Response:
    return Response.model_validate(
        {"key": to.key, "sample_id": to.sample_id, "outcome": outcome, "error": "why", "repeat": to.repeat}
    )


def write_cell(folder: Path, requests: Sequence[Request], responses: Sequence[Response]) -> Path:
    write_jsonl(folder / "requests.jsonl", requests)
    write_jsonl(folder / "responses.jsonl", responses)
    return folder
