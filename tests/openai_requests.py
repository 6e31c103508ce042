"""Requests for tests of backends: clips on disk, messages, and one way to ask."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aqa import models
from aqa.config import ModelFile
from aqa.files import digest_file
from aqa.media.store import write_clip
from aqa.models import Context
from aqa.records import MediaPart, Message, Request, TextPart
from openai_faults import Fault
from openai_server import Server

KEY = "0" * 64
SECRET = "sk-test-0123456789abcdef"
"""An API key; not one of anybody."""


def jpeg(seed: int, size: int = 48) -> bytes:
    """One JPEG; different for every seed."""
    import cv2

    base = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    picture = cv2.resize(base, (size, size), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", picture)[1])


def clip(folder: Path, name: str, frames: Sequence[bytes], kind: Any = "video") -> MediaPart:
    """Write a clip at 4 frames a second and return the part that names it."""
    path = folder / f"{name}.zip"
    write_clip(path, frames)
    times = tuple(0.25 * number for number in range(len(frames)))
    return MediaPart(
        kind=kind, file=path.name, sha256=digest_file(path), width=48, height=48, timestamps=times
    )


def request(*parts: MediaPart | str, system: str | None = None) -> Request:
    """A request of one user turn, media and text in the given order."""
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    messages = [Message(role="user", content=content)]
    if system:
        messages.insert(0, Message(role="system", content=(TextPart(text=system),)))
    return Request(
        key=KEY,
        settings=KEY,
        sample_id="s1",
        subject="p1",
        exercise="squat",
        messages=tuple(messages),
        questions=(),
    )


def model_file(url: str | None, sampling: dict[str, Any] | None = None, **options: Any) -> ModelFile:
    """A model's file for the test server."""
    settings = {"model": "test-model", "base_url": url, **options}
    return ModelFile(title="Test", backend="openai", sampling=sampling or {}, options=settings)


def ask_all(
    model: ModelFile, media: Path, requests: Sequence[Request], secrets: dict[str, str] | None = None
) -> list[Any]:
    """Ask all at once; an exception stands in the place of its reply."""

    async def run() -> list[Any]:
        context = Context(media=media, seed=1, secrets=secrets or {})
        async with models.create(model, context, "test.yaml") as backend:
            return await asyncio.gather(*map(backend.ask, requests), return_exceptions=True)

    return asyncio.run(run())


def ask(model: ModelFile, media: Path, one: Request, secrets: dict[str, str] | None = None) -> Any:
    """Ask once; exceptions are raised."""
    [reply] = ask_all(model, media, [one], secrets)
    if isinstance(reply, BaseException):
        raise reply
    return reply


def faulty(server: Server, media: Path, kind: str = "status", **fault: Any) -> Any:
    """Ask once a server that answers with a fault."""
    server.script = [Fault(kind=kind, **fault)]
    return ask(model_file(server.url, timeout_s=5), media, request("How deep is the squat?"))


def digests(frames: Sequence[bytes]) -> list[str]:
    """The sha256 of every frame."""
    return [hashlib.sha256(frame).hexdigest() for frame in frames]
