"""The model in the box, asked again through another engine than the default run's (backend numpy).

`AQA_RUN` names the folder of the results of a `make run`: its requests go to the other engine, its answers
are what the other engine's are compared with.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from aqa import models
from aqa.config import ModelFile
from aqa.files import read_jsonl
from aqa.models import Context
from aqa.records import MediaPart, Request, Response

MODEL = "tiny-qwen3-vl"
WEIGHTS = Path(__file__).parents[1] / "resources" / MODEL
SHARE = 0.99
"""Least share of equal answers (issue 8); numbers are rounded differently in each engine."""

AT_ONCE = 4


def results() -> Path:
    """Return the folder of a finished default run."""
    if "AQA_RUN" not in os.environ:
        pytest.fail("AQA_RUN must name the results of a `make run`")
    return Path(os.environ["AQA_RUN"])


def answered(most: int) -> Iterator[tuple[Request, str]]:
    """Yield requests and answers of every cell of the model, at most so many of a cell."""
    folder = results()
    cells = sorted(folder.glob(f"cells/*/*/*/*/{MODEL}"))
    assert len(cells) >= 5, f"{folder}: no answers of {MODEL}"
    for cell in cells:
        answers = {one.key: one for one in read_jsonl(cell / "responses.jsonl", Response)}
        for request in read_jsonl(cell / "requests.jsonl", Request)[:most]:
            yield request, answers[request.key].text


def ask_again(file: ModelFile, asked: list[Request]) -> list[str]:
    """Return another engine's answers to requests of the default run."""

    async def run() -> list[str]:
        turn = asyncio.Semaphore(AT_ONCE)
        async with models.create(file, Context(media=results() / "media", seed=0), MODEL) as backend:

            async def one(request: Request) -> str:
                async with turn:
                    reply = await backend.ask(request)
                assert reply.outcome in ("ok", "truncated"), reply.error
                return reply.text

            return await asyncio.gather(*map(one, asked))

    return asyncio.run(run())


def on_the_second(request: Request) -> Request:
    """Return a request whose frames are a second apart: what vLLM takes a sequence of JPEG frames for."""
    messages = []
    for message in request.messages:
        parts = [
            part.model_copy(update={"timestamps": tuple(map(float, range(len(part.timestamps))))})
            if isinstance(part, MediaPart)
            else part
            for part in message.content
        ]
        messages.append(message.model_copy(update={"content": tuple(parts)}))
    return request.model_copy(update={"messages": tuple(messages)})


def share_equal(ours: list[str], theirs: list[str]) -> float:
    """Return the share of equal answers, and print it with some that differ."""
    unequal = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    share = 1 - len(unequal) / len(ours)
    print(f"{share:.4f} of {len(ours)} answers are equal", *unequal[:5], sep="\n")
    return share
