"""Backend `openai`: any endpoint that speaks OpenAI's chat completions protocol (vLLM, OpenAI, ...)."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit, urlunsplit

import orjson
from pydantic import Field

from aqa.config import ModelFile, Section, parse
from aqa.errors import UserError
from aqa.media.codec import X264
from aqa.models import _sampling
from aqa.models._chat import ThinkTags, read
from aqa.models._clips import Clips
from aqa.models._encodings import Encoder, VideoForm
from aqa.models.base import Context, Reply, Unbilled
from aqa.records import MediaPart, Message, Request

if TYPE_CHECKING:
    from aqa.models._transport import Transport

_RESERVED = {"messages", "model", "stream", "stream_options"}
_SECRET_LENGTH = 16
"""Shorter keys are placeholders such as EMPTY, words that an answer may contain."""

_KEEP_ALL = {"video": {"num_frames": -1}}


class ClientOptions(Section):
    """Settings of every model that is asked by chat completions."""

    model: str = Field(min_length=1, description="The model's name on the server.")
    video: VideoForm = Field(
        "frames",
        description="How a video is sent: `frames` (each frame an image), `video_url_jpeg` (vLLM: one "
        "video of JPEG frames) or `video_url` (an mp4 of exactly these frames at their times).",
    )
    frame_times: bool = Field(
        False, description="With `frames`: write `<t seconds>` before each frame of a video."
    )
    detail: Literal["low", "high", "auto"] | None = Field(
        None, description="`detail` of every image, for servers that know it."
    )
    think_tags: ThinkTags = Field(
        "pair",
        description="Reasoning that the server leaves in the text: `pair` takes out a leading "
        "<think>…</think>, `closing` also everything before a lone </think>, `none` nothing.",
    )
    timeout_s: float = Field(900, gt=0, description="Seconds for one request, the answer included.")
    cache_mb: int = Field(256, ge=1, description="Memory for encoded media, in MiB.")
    revision: str | None = Field(None, description="Revision of the weights that the server has loaded.")
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields of every request's body (chat_template_kwargs, mm_processor_kwargs, "
        "structured_outputs, response_format, ...).",
    )


class Options(ClientOptions):
    """Settings of the backend: `options` of a model's file."""

    base_url: str | None = Field(
        None, description="Address up to and including /v1; null takes OPENAI_BASE_URL from the environment."
    )
    api_key_env: str | None = Field(
        None,
        min_length=1,
        description="Environment variable that holds the API key, which must then be set; null takes "
        "OPENAI_API_KEY where it is set. The key itself belongs in no file.",
    )
    remote: bool | None = Field(
        None, description="Media leaves your machines; null means yes, unless the host is this machine."
    )
    keep_frames: Literal["request", "server"] = Field(
        "request",
        description="Who tells vLLM to keep every frame of a `video_url_jpeg`: each request (the server "
        "runs with --trust-request-mm-kwargs), or the server (it runs with --media-io-kwargs "
        '\'{"video": {"num_frames": -1}}\').',
    )
    serve: dict[str, Any] = Field(
        default_factory=dict,
        description="Facts of the server that change numbers (dtype, quantization, ...), for the record.",
    )


def create(model: ModelFile, context: Context, place: str = "model") -> OpenAI:
    """Return the backend of a model's file; nothing is opened, and no environment is needed yet.

    Raises:
        UserError: an option is wrong, or a sampling parameter is not known.
    """
    options = parse(Options, model.options, f"{place}: options")
    check(model, options, place)
    frames = options.extra_body.get("media_io_kwargs", _KEEP_ALL)
    if options.video == "video_url_jpeg" and _num_frames(frames) != -1:
        raise UserError(
            f"{place}: options.extra_body.media_io_kwargs: video.num_frames must be -1 with video_url_jpeg, "
            "since the media profile chooses the frames"
        )
    return OpenAI(model, options, context, place)


def check(model: ModelFile, options: ClientOptions, place: str) -> None:
    """Refuse parameters that are unknown, ours to set, or no JSON.

    Raises:
        UserError: there is one.
    """
    _sampling.check(model.sampling, place)
    for name in options.extra_body:
        if name in _RESERVED:
            raise UserError(f"{place}: options.extra_body.{name} is ours to set; remove it")
        if name in _sampling.PARAMETERS:
            raise UserError(
                f"{place}: options.extra_body.{name} is a sampling parameter; move it to `sampling`"
            )
    try:
        orjson.dumps([model.sampling, options.model_dump()])
    except TypeError as error:
        raise UserError(f"{place}: sampling or options cannot be written as JSON ({error})") from None


def _num_frames(media_io_kwargs: Any) -> Any:
    video = media_io_kwargs.get("video", {}) if isinstance(media_io_kwargs, dict) else {}
    return video.get("num_frames", -1) if isinstance(video, dict) else None


class OpenAI(Unbilled):
    """One model behind a chat completions endpoint."""

    def __init__(self, model: ModelFile, options: Options, context: Context, place: str) -> None:
        self._options = options
        self._place = place
        self._sampling = dict(model.sampling)
        self._secrets = context.secrets
        self._url = _endpoint(options.base_url or self._variable("OPENAI_BASE_URL"), place)
        self.remote = (
            not (self._url and _is_loopback(self._url)) if options.remote is None else options.remote
        )
        if self.remote and self._url:
            self.account = f"openai-{(self._url.hostname or '').replace(':', '_')}"
        encoder = Encoder(options.video, times=options.frame_times, detail=options.detail)
        self._clips = Clips(context.media, encoder, limit=options.cache_mb << 20)
        self._sent = {video: self._parameters(video=video) for video in (False, True)}
        self._heads = {video: _head(sent) for video, sent in self._sent.items()}
        self._key = b""
        self._transport: Transport | None = None
        self._stack = AsyncExitStack()

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer; the system prompt is in the messages."""
        options = self._options
        return {
            "backend": "openai",
            "model": options.model,
            "revision": options.revision,
            "serve": options.serve,
            "sampling": self._sampling,
            "extra_body": options.extra_body,
            "video": options.video,
            "keep_frames": options.keep_frames,
            "frame_times": options.frame_times,
            "detail": options.detail,
            "think_tags": options.think_tags,
            **({"x264": X264} if options.video == "video_url" else {}),
        }

    @property
    def encodings(self) -> int:
        """How many clips have been encoded so far."""
        return self._clips.encodings

    async def __aenter__(self) -> Self:
        """Open the connections.

        Raises:
            UserError: no address is configured, or the API key is not in the environment.
        """
        from aqa.models._transport import Transport

        if self._url is None:
            raise UserError(f"{self._place}: no address; set options.base_url, or OPENAI_BASE_URL")
        name = self._options.api_key_env
        key = self._variable(name or "OPENAI_API_KEY")
        if name and not key:
            raise UserError(
                f"{self._place}: the environment variable {name} is not set; put the API key there"
            )
        if not key.isascii() or not key.isprintable():
            raise UserError(f"{self._place}: {name or 'OPENAI_API_KEY'} holds no valid key; set it again")
        self._key = key.encode()
        self._stack.callback(self._clips.close)
        self._transport = await self._stack.enter_async_context(
            Transport(
                urlunsplit(self._url),
                {"Authorization": f"Bearer {key}"} if key else {},
                timeout_s=self._options.timeout_s,
                direct=_is_loopback(self._url),
            )
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def ask(self, request: Request) -> Reply:
        """Ask once; see `Backend`."""
        media = [
            part for message in request.messages for part in message.content if isinstance(part, MediaPart)
        ]
        video = any(part.kind == "video" for part in media)
        sent, head = self._sent[video], self._heads[video]
        if own := {**self.fields(request), **_sampling.of_repeat(self._sampling, request.repeat)}:
            sent = {**sent, **own}
            head = _head(sent)
        assert self._transport is not None
        async with self._clips.hold(media) as encoded:
            answer = await self._transport.post(_body(head, request.messages, encoded))
        if len(self._key) >= _SECRET_LENGTH and self._key in answer.body:
            answer = replace(answer, body=answer.body.replace(self._key, b"***"))
        try:
            return read(answer, think_tags=self._options.think_tags, sent=sent)
        except UserError as error:
            where = f"model '{self._options.model}' at {self._shown()}"
            raise UserError(f"{self._place}: {where}: {error}") from None

    def fields(self, request: Request) -> dict[str, Any]:  # noqa: ARG002 - for backends built on this one
        """Return further fields of one request's body."""
        return {}

    def move(self, base_url: str) -> None:
        """Send all further requests to another address: the same server came back elsewhere."""
        self._url = _endpoint(base_url, self._place)
        if self._transport is not None and self._url is not None:
            self._transport.url = urlunsplit(self._url)

    def _variable(self, name: str) -> str:
        return (self._secrets.get(name) or os.environ.get(name, "")).strip()

    def _shown(self) -> str:
        url = self._url
        return f"{url.scheme}://{url.netloc}{url.path}" if url else "no address"

    def _parameters(self, *, video: bool) -> dict[str, Any]:
        """Return everything that is sent besides the messages."""
        options = self._options
        extra = dict(options.extra_body)
        if video and options.video == "video_url_jpeg" and options.keep_frames == "request":
            given = extra.get("media_io_kwargs", {})
            extra["media_io_kwargs"] = {**given, "video": {**given.get("video", {}), **_KEEP_ALL["video"]}}
        return {"model": options.model, **self._sampling, **extra}


def _head(sent: dict[str, Any]) -> bytes:
    """Return how a request's body begins."""
    return orjson.dumps(sent)[:-1] + b',"messages":['


def _body(head: bytes, messages: Sequence[Message], media: Sequence[bytes]) -> list[bytes]:
    """Return the pieces of a request's body: media as they are, the text between them joined."""
    pieces: list[bytes] = []
    between = bytearray(head)
    encoded = iter(media)
    for number, message in enumerate(messages):
        between += b"," if number else b""
        between += b'{"role":"%b","content":' % message.role.encode()
        if len(message.content) == 1 and not isinstance(message.content[0], MediaPart):
            between += orjson.dumps(message.content[0].text) + b"}"
            continue
        for position, part in enumerate(message.content):
            between += b"," if position else b"["
            if isinstance(part, MediaPart):
                pieces += (bytes(between), next(encoded))
                between.clear()
            else:
                between += orjson.dumps({"type": "text", "text": part.text})
        between += b"]}" if message.content else b"[]}"
    between += b"]}"
    return [*pieces, bytes(between)]


def _endpoint(base_url: str | None, place: str) -> SplitResult | None:
    """Return the address of chat completions below `base_url`, None where there is none."""
    if not base_url:
        return None
    try:
        url = urlsplit(base_url.strip())
        url.port  # noqa: B018 - raises on a port that is not a number
    except ValueError as error:
        raise UserError(f"{place}: options.base_url is not an address ({error})") from None
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise UserError(f"{place}: options.base_url '{base_url}' must look like https://host/v1")
    if "@" in url.netloc:
        raise UserError(f"{place}: options.base_url holds a password; put it into the environment instead")
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return url._replace(path=f"{path}/chat/completions", fragment="")


def _is_loopback(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
