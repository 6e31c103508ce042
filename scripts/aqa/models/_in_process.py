"""What models in this process share: one thread that answers one request after another."""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import orjson
from pydantic import Field

from aqa.config import ModelFile, Section
from aqa.errors import UserError
from aqa.models._chat import ThinkTags, split_thinking
from aqa.models._clips import Clips
from aqa.models._frames import Frames, pack, unpack
from aqa.models.base import Reply, Unbilled
from aqa.records import MediaPart, Outcome, Request, Usage

_MOST_AT_ONCE = 4


class Size(Section):
    """Fewest and most pixels of a picture after resizing; of a video, over all frames together."""

    shortest_edge: int = Field(ge=1, description="Fewest pixels.")
    longest_edge: int = Field(ge=1, description="Most pixels.")


class Shared(Section):
    """Settings of every model in this process."""

    video: Literal["frames", "video"] = Field(
        "frames",
        description="How a video is given: `frames` (each frame an image) or `video` (Qwen3-VL: one video of "
        "exactly these frames, with their times).",
    )
    context: int | None = Field(
        None, ge=1, description="Longest prompt and answer together, in tokens; null takes the model's own."
    )
    frame_times: bool = Field(
        False, description="With `frames`: write `<t seconds>` before each frame of a video."
    )
    video_size: Size | None = Field(
        None, description="With `video`: pixels of a whole video; null takes the weights' own."
    )
    chat_template_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="Variables for the chat template (enable_thinking, ...)."
    )
    think_tags: ThinkTags = Field(
        "pair",
        description="Reasoning in the text: `pair` takes out a leading <think>…</think>, `closing` also "
        "everything before a lone </think>, `none` nothing.",
    )
    reuse_prefix: bool = Field(
        True, description="Compute what two requests in a row begin with only once; changes no answer."
    )
    cache_mb: int = Field(256, ge=1, description="Memory for decoded clips, in MiB.")


class Cancelled(Exception):
    """Nobody waits for this answer any more."""


@dataclass(frozen=True)
class Generated:
    """A text, its tokens counted; `cut`: the token limit was reached before the end."""

    text: str
    cut: bool
    prompt_tokens: int
    completion_tokens: int
    reused_tokens: int


class Engine(Protocol):
    """A loaded model. Not thread-safe: one request at a time."""

    version: str
    """What the answers are recorded under."""

    sent: dict[str, Any]
    """Everything that decides an answer besides the messages, for the record."""

    def answer(
        self, request: Request, clips: Sequence[Frames], cancelled: Callable[[], bool]
    ) -> Generated | str:
        """Answer one request, or return why it can never be answered.

        Raises:
            UserError: memory is short, or the prompt cannot be built.
            Cancelled: `cancelled` said so; asked between any two layers.
        """
        ...

    def facts(self) -> dict[str, Any]:
        """Return what runs here, and how much of the prompts did not have to be computed again."""
        ...


def check(model: ModelFile, options: Shared, place: str, **written: Any) -> None:
    """Refuse settings that contradict each other, or that cannot be recorded with the answers.

    `written`: further options that are free in form.

    Raises:
        UserError: as said, or a concurrency under which requests would wait into their deadlines.
    """
    if options.video == "video" and options.frame_times:
        raise UserError(f"{place}: options.frame_times is for video: frames; a video has its times already")
    if model.concurrency > _MOST_AT_ONCE:
        raise UserError(
            f"{place}: concurrency is {model.concurrency}, but this backend answers one request at a time "
            f"and the others would wait into their deadline; set concurrency: 2 (at most {_MOST_AT_ONCE})"
        )
    try:
        orjson.dumps({"chat_template_kwargs": options.chat_template_kwargs, **written})
    except TypeError as error:
        raise UserError(f"{place}: options cannot be written as JSON ({error})") from None


class InProcess(Unbilled):
    """One model in this process. Requests are answered one after another, in the order of `ask`.

    An answer depends on the request alone: not on what was asked before, nor on how many wait.
    """

    remote = False

    def __init__(self, place: str, folder: Path, think_tags: ThinkTags, cache_mb: int) -> None:
        """Prepare; nothing is loaded yet.

        Args:
            place: names the model's file in errors.
            folder: of all media.
            think_tags: what of the text is reasoning.
            cache_mb: memory for decoded clips, in MiB.
        """
        self._place = place
        self._folder = folder
        self._think_tags = think_tags
        self._cache_mb = cache_mb
        self._stopping = threading.Event()
        self._clips: Clips
        self._worker: ThreadPoolExecutor
        self._engine: Engine | None = None

    @abstractmethod
    def _load(self) -> Engine:
        """Load the model.

        Raises:
            UserError: a package is missing, the weights cannot be had or loaded, or there is no such device.
        """

    async def __aenter__(self) -> Self:
        """Load the model; see `_load`."""
        self._stopping.clear()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")
        try:
            self._engine = await self._work(self._load)
        except BaseException:
            self._worker.shutdown(wait=False, cancel_futures=True)
            raise
        self._clips = Clips(self._folder, pack, limit=self._cache_mb << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._clips.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._engine = None

    async def ask(self, request: Request) -> Reply:
        """Ask once; see `Backend`. A cancelled request ends within one layer of the network."""
        engine = self._engine
        assert engine is not None
        media = [
            part for message in request.messages for part in message.content if isinstance(part, MediaPart)
        ]
        cancelled = threading.Event()

        def generate() -> Generated | str:
            clips = [unpack(raw) for raw in held]
            return engine.answer(request, clips, lambda: cancelled.is_set() or self._stopping.is_set())

        async with self._clips.hold(media) as held:
            try:
                result = await self._work(generate)
            except asyncio.CancelledError:
                cancelled.set()
                raise
            except UserError as error:
                raise UserError(f"{self._place}: {error}") from None
        if isinstance(result, str):
            return Reply(outcome="rejected", error=result, sent=engine.sent, model_version=engine.version)
        return self._reply(engine, result)

    def facts(self) -> dict[str, Any]:
        """Return versions, device, size of the model and how much of the prompts was reused."""
        return {} if self._engine is None else self._engine.facts()

    def _reply(self, engine: Engine, result: Generated) -> Reply:
        reasoning, text = split_thinking(result.text, self._think_tags, cut=result.cut)
        outcome: Outcome = "truncated" if result.cut else "ok"
        return Reply(
            outcome=outcome,
            text=text,
            reasoning=reasoning,
            finish_reason="length" if result.cut else "stop",
            usage=Usage(
                prompt_tokens=result.prompt_tokens,
                completion_tokens=result.completion_tokens,
                cached_tokens=result.reused_tokens,
            ),
            model_version=engine.version,
            error="the answer was cut at the token limit" if result.cut else None,
            sent=engine.sent,
        )

    async def _work(self, task: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, task)
