"""What every backend offers: one live model that answers one request at a time, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from aqa.records import Outcome, Request, Sample, Usage


@dataclass(frozen=True)
class Context:
    """What a backend may know besides its file.

    `media` is the folder that `MediaPart.file` is relative to. `training` are the samples that a
    baseline may learn from. `secrets` come from the environment and are never written anywhere.
    """

    media: Path
    seed: int
    training: Sequence[Sample] = ()
    secrets: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Reply:
    """A final answer: `outcome` is ok, truncated, refused or rejected, and is never asked again.

    `sent` is what was sent besides the messages (parameters, model name), for the record: no media,
    no secrets.
    """

    outcome: Outcome
    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None
    usage: Usage = Usage()
    model_version: str | None = None
    error: str | None = None
    sent: dict[str, Any] = field(default_factory=dict)


class TransientError(Exception):
    """The request may succeed later: overload, timeout, reset, truncated body.

    `retry_after` is what the server asked for, in seconds; `throttled` says that it asked us to slow
    down (429, 503).
    """

    def __init__(self, cause: str, *, retry_after: float | None = None, throttled: bool = False) -> None:
        super().__init__(cause)
        self.retry_after = retry_after
        self.throttled = throttled


class Backend(Protocol):
    """One live model. Used as an async context manager; `ask` is called concurrently.

    `ask` returns a `Reply`, raises `TransientError` for what is worth another attempt, and
    `aqa.errors.UserError` where no request can succeed before the user mends something (wrong model
    name, bad credentials).
    """

    remote: bool
    """Media leaves this machine's owner: datasets whose terms forbid it are refused."""

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer, and nothing else (no URL, port, secret)."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def ask(self, request: Request) -> Reply: ...
