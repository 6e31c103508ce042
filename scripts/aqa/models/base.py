"""What every backend offers: one live model that answers one request at a time, many at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, runtime_checkable

from aqa.records import Outcome, Request, Sample, Usage


@dataclass(frozen=True)
class Context:
    """What a backend may know besides its file.

    `media` is the folder that `MediaPart.file` is relative to. `training` are the samples that a
    baseline may learn from. `secrets` come from the environment and are never written anywhere. `logs` is
    where a server that the backend starts may leave its log; None: a private folder of this machine. `poses`
    is the manifest of a dataset's poses and `pairs` are files of pairs, for a backend that judges by them
    (`models.needs`).
    """

    media: Path
    seed: int
    training: Sequence[Sample] = ()
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    logs: Path | None = None
    poses: Path | None = None
    pairs: Sequence[Path] = ()


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

    `retry_after` is what the server asked for, in seconds; `throttled` says that it has too much to do:
    it said so (429, 503), or did not answer in time. `unbilled` says that nothing was generated, so that
    nothing is paid (the server answered with an error); a lost answer may have to be paid.
    """

    def __init__(
        self,
        cause: str,
        *,
        retry_after: float | None = None,
        throttled: bool = False,
        unbilled: bool = False,
    ) -> None:
        super().__init__(cause)
        self.retry_after = retry_after
        self.throttled = throttled
        self.unbilled = unbilled


class Price(Protocol):
    """What the requests of a paid provider cost, in USD."""

    def worst_case(self, request: Request) -> float:
        """Return the most that one attempt at a request can cost."""
        ...

    def cost(self, usage: Usage) -> float:
        """Return what an answer with this usage costs; at least its `prompt_tokens` are known."""
        ...

    def prompt_tokens(self, request: Request) -> int:
        """Return the tokens that a prompt is likely to have."""
        ...

    def in_batch(self) -> Price:
        """Return what the same requests cost in batches."""
        ...

    @property
    def read(self) -> str:
        """The date of the prices."""
        ...


class Backend(Protocol):
    """One live model. Used as an async context manager; `ask` is called concurrently.

    `ask` returns a `Reply`, raises `TransientError` for what is worth another attempt, and
    `aqa.errors.UserError` where no request can succeed before the user mends something (wrong model
    name, bad credentials).
    """

    remote: bool
    """Media leaves this machine's owner: datasets whose terms forbid it are refused."""

    account: str | None
    """Who is billed, or whose quota counts, as a file name (`vertex-my-project`); None: nobody's.

    One session at a time asks on an account, and the caps of `aqa.inference.ledger` count by account.
    """

    price: Price | None
    """What requests cost; None where they cost nothing, or nobody knows (`account` tells which)."""

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer, and nothing else (no URL, port, secret)."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def ask(self, request: Request) -> Reply: ...

    def facts(self) -> dict[str, Any]:
        """Return what the live model said about itself: server's version, flags, reuse of caches.

        Called once, before `__aexit__`. For the record (`session.json`): never compared, no secrets.
        """
        ...


@dataclass(frozen=True)
class Batching:
    """How batches are asked for: `enabled` in the model's file, with the provider's limits of a job.

    `failed_online`: what failed in a batch is asked online in the same session. `poll_s`: seconds between
    two looks at a job, and until a job that may have been created is surely listed.
    """

    enabled: bool
    failed_online: bool
    poll_s: float
    most_requests: int
    most_bytes: int


@dataclass(frozen=True)
class JobState:
    """What a provider says about a batch job; `detail` is its own word, and its error if there is one."""

    status: Literal["running", "paused", "ended"]
    detail: str


@dataclass(frozen=True)
class Row:
    """The result of one request of a batch: a final reply, or None and the cause."""

    label: str
    reply: Reply | None
    cause: str = ""


class BatchJobs(Protocol):
    """The batch jobs of an account. Methods raise `TransientError` and `UserError` as `Backend.ask` does.

    `place` says where jobs live: a job of another place cannot be looked after. Staged files lie in a
    folder of the provider's storage that belongs to one job.
    """

    place: str
    price: Price | None

    def folder(self, name: str) -> str:
        """Return the folder of the job of this name."""
        ...

    def size(self, request: Request, label: str) -> int:
        """Return the bytes that a request takes in a job's file."""
        ...

    async def stage(self, folder: str, requests: Iterable[tuple[str, Request]]) -> None:
        """Store media and the file of requests, each with its label; may be repeated."""
        ...

    async def find(self, name: str) -> str | None:
        """Return the id of the job of this display name, None if there is none."""
        ...

    async def create(self, name: str, folder: str) -> str:
        """Create a job for what is staged, and return its id."""
        ...

    async def state(self, job: str) -> JobState:
        """Return the state of a job."""
        ...

    def rows(self, folder: str, find: Callable[[str], Request | None]) -> AsyncIterator[Row]:
        """Yield the rows that a job has written, in any order; `find` returns the request of a label."""
        ...

    async def clear(self, folder: str) -> None:
        """Delete everything in the folder."""
        ...


@runtime_checkable
class BatchBackend(Protocol):
    """A backend whose provider also answers whole files of requests, later and cheaper."""

    @property
    def batching(self) -> Batching:
        """How batches are asked for."""
        ...

    @property
    def jobs(self) -> BatchJobs:
        """The batch jobs; only while the backend is open."""
        ...


class Unbilled:
    """The members of a backend that nobody is billed for and that has nothing to say about itself."""

    account: str | None = None
    price: Price | None = None

    def facts(self) -> dict[str, Any]:
        """Return nothing."""
        return {}
