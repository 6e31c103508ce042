"""A chat completions server for tests: real HTTP, the rules and the words of vLLM, faults on demand.

It decodes all media, counts tokens and answers 400 and 404 as vLLM does. Tokens: text ceil(bytes / 4);
an image ceil(width / 32) * ceil(height / 32); a video the same for every second frame, rounded up;
plus 4 a message. As a process: `python tests/openai_server.py --port 0 --delay 0.05 --log FILE` prints
its port. `POST /control/script` takes a list of faults (see `openai_faults.Fault`), one a request from
then on; `GET /control/received` returns what came.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import contextlib
import hashlib
import io
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson
import pytest
from aiohttp import web

from openai_faults import FAULTS, Fault

Answer = Callable[[dict[str, Any]], str]
"""From a request's body to the text of the answer."""

MAX_VIDEO_FRAMES = 32


@dataclass
class Rules:
    """What the server is."""

    model: str = "test-model"
    api_key: str | None = None
    context: int = 32_768
    max_images: int = 256
    max_videos: int = 4
    trust_request_mm_kwargs: bool = False
    video_frames: int = MAX_VIDEO_FRAMES
    delay: float = 0.0
    decode: bool = True
    keep_media: bool = True
    reasoning: str | None = None


@dataclass
class Received:
    """A request as it came. `digest` is the sha256 of its body."""

    number: int
    digest: str
    headers: dict[str, str]
    parameters: dict[str, Any]
    roles: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    frames: list[list[str]] = field(default_factory=list)
    media: list[bytes] = field(default_factory=list, repr=False)
    prompt_tokens: int = 0
    status: int | None = None


class BadRequest(Exception):
    """An error that vLLM answers with a JSON body."""

    def __init__(
        self, message: str, status: int = 400, kind: str = "BadRequestError", param: str = ""
    ) -> None:
        super().__init__(message)
        self.body = {"error": {"message": message, "type": kind, "param": param or None, "code": status}}
        self.status = status


class Server:
    """The server. As a context manager it runs in a thread of its own, on a free port of 127.0.0.1."""

    def __init__(
        self, rules: Rules | None = None, answer: Answer | None = None, log: Path | None = None
    ) -> None:
        self.rules = rules or Rules()
        self.answer: Answer = answer or (lambda body: '{"answer": "A"}')
        self.received: list[Received] = []
        self.script: list[Fault] = []
        self.choose: Callable[[str], Fault | None] = lambda text: None
        """Which fault, if any, meets a request whose last text is this; asked where the script has none."""
        self.in_flight = 0
        self.most_in_flight = 0
        self.port = 0
        self._log = log.open("ab", buffering=0) if log else None

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.start(0), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def start(self, port: int) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        app = web.Application(client_max_size=2**30)
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, backlog=512)
        await site.start()
        self.port = self._runner.addresses[0][1]

    def add_routes(self, app: web.Application) -> None:
        """Say what is served."""
        app.router.add_post("/v1/chat/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_post("/control/script", self._set_script)
        app.router.add_get("/control/received", self._list_received)

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _models(self, _: web.Request) -> web.Response:
        card = {"id": self.rules.model, "object": "model", "created": 0, "max_model_len": self.rules.context}
        return web.json_response({"object": "list", "data": [card]})

    async def _set_script(self, request: web.Request) -> web.Response:
        self.script = [Fault(**fault) for fault in orjson.loads(await request.read())]
        return web.json_response({"faults": len(self.script)})

    async def _list_received(self, _: web.Request) -> web.Response:
        plain = [{**asdict(received), "media": len(received.media)} for received in self.received]
        return web.json_response(plain)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._respond(request)
        finally:
            self.in_flight -= 1

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        received = Received(
            number=len(self.received),
            digest=hashlib.sha256(raw).hexdigest(),
            headers=dict(request.headers),
            parameters={},
        )
        self.received.append(received)
        fault = self.script.pop(0) if self.script else None
        try:
            self._authorize(request)
            body = _parse(raw)
            received.parameters = {name: value for name, value in body.items() if name != "messages"}
            self._check(body, received)
            self._write("received", received)
            fault = fault or self.choose(received.texts[-1])
            if self.rules.delay:
                await asyncio.sleep(self.rules.delay)
            if fault is not None:
                received.status = fault.status
                self._write(fault.kind, received)
                return await FAULTS[fault.kind](request, fault, self._completion(body, received))
            reply: web.StreamResponse = web.json_response(body=orjson.dumps(self._completion(body, received)))
        except BadRequest as error:
            reply = web.json_response(error.body, status=error.status)
        received.status = reply.status
        self._write("answered", received)
        return reply

    def _write(self, event: str, received: Received) -> None:
        if self._log:
            text = received.texts[-1][:2000] if received.texts else ""
            line = {"event": event, "number": received.number, "digest": received.digest, "text": text}
            self._log.write(orjson.dumps({**line, "status": received.status}) + b"\n")

    def _authorize(self, request: web.Request) -> None:
        if self.rules.api_key and request.headers.get("Authorization") != f"Bearer {self.rules.api_key}":
            raise BadRequest("Unauthorized", 401, "AuthenticationError")

    def _check(self, body: dict[str, Any], received: Received) -> None:
        rules = self.rules
        if body.get("model") != rules.model:
            message = f"The model `{body.get('model')}` does not exist."
            raise BadRequest(message, 404, "NotFoundError", "model")
        if not rules.trust_request_mm_kwargs:
            for name in ("mm_processor_kwargs", "media_io_kwargs"):
                if body.get(name):
                    message = (
                        f"Request-level `{name}` is not allowed. Set --trust-request-mm-kwargs to allow it."
                    )
                    raise BadRequest(message, param=name)
        if not body.get("temperature", 1.0) >= 0:
            raise BadRequest(
                f"temperature must be non-negative, got {body['temperature']}.", param="temperature"
            )
        if not 0 < body.get("top_p", 1.0) <= 1:
            raise BadRequest(f"top_p must be in (0, 1], got {body['top_p']}.", param="top_p")
        received.prompt_tokens = self._count(body, received)
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if received.prompt_tokens + asked > rules.context:
            raise BadRequest(
                f"This model's maximum context length is {rules.context} tokens. However, you requested "
                f"{asked} output tokens and your prompt contains {received.prompt_tokens} input tokens. "
                "Please reduce the length of the input prompt or the number of requested output tokens.",
                param="input_tokens",
            )

    def _count(self, body: dict[str, Any], received: Received) -> int:
        """Record and decode every part; return the prompt's tokens."""
        tokens = 0
        keep = self.rules.video_frames
        if "num_frames" in body.get("media_io_kwargs", {}).get("video", {}):
            keep = body["media_io_kwargs"]["video"]["num_frames"]
        for message in body["messages"]:
            received.roles.append(message["role"])
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            tokens += 4
            for part in parts:
                received.parts.append(part["type"])
                tokens += self._part(part, keep, received)
        for name, limit in (("image", self.rules.max_images), ("video", self.rules.max_videos)):
            if received.parts.count(f"{name}_url") > limit:
                raise BadRequest(f"At most {limit} {name}(s) may be provided in one prompt.", param=name)
        return tokens

    def _part(self, part: dict[str, Any], keep: int, received: Received) -> int:
        if part["type"] == "text":
            received.texts.append(part["text"])
            return math.ceil(len(part["text"].encode()) / 4)
        if part["type"] not in ("image_url", "video_url"):
            raise BadRequest(f"Unknown part type: {part['type']}")
        head, _, data = part[part["type"]]["url"].partition(",")
        media_type = head.removeprefix("data:").removesuffix(";base64")
        if not self.rules.decode:
            return 256
        try:
            files = [base64.b64decode(piece, validate=True) for piece in data.split(",")]
        except binascii.Error as error:
            raise BadRequest(f"Failed to load {part['type']}: {error}") from None
        if media_type == "video/jpeg" and keep != -1:
            files = files[:keep]
        received.frames.append([hashlib.sha256(file).hexdigest() for file in files])
        if self.rules.keep_media:
            received.media += files
        if media_type == "video/mp4":
            count, width, height = _decode_video(files[0])
        else:
            count = len(files)
            width, height = [_decode_image(file) for file in files][-1]
        patches = math.ceil(width / 32) * math.ceil(height / 32)
        return patches * (math.ceil(count / 2) if part["type"] == "video_url" else 1)

    def _completion(self, body: dict[str, Any], received: Received) -> dict[str, Any]:
        text = self.answer(body)
        tokens = math.ceil(len(text.encode()) / 4)
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or tokens
        cut = tokens > limit
        message = {"role": "assistant", "content": text[: limit * 4] if cut else text}
        usage: dict[str, Any] = {
            "prompt_tokens": received.prompt_tokens,
            "completion_tokens": min(tokens, limit),
            "total_tokens": received.prompt_tokens + min(tokens, limit),
            "prompt_tokens_details": None,
        }
        if self.rules.reasoning is not None:
            message["reasoning"] = self.rules.reasoning
            usage["completion_tokens_details"] = {"reasoning_tokens": len(self.rules.reasoning) // 4}
            usage["prompt_tokens_details"] = {"cached_tokens": 3}
        return {
            "id": f"chatcmpl-{received.number}",
            "object": "chat.completion",
            "created": 0,
            "model": self.rules.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}],
            "usage": usage,
        }


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"JSON decode error: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise BadRequest("messages: Field required", param="messages")
    return body


def _decode_image(data: bytes) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.load()
            return image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise BadRequest(f"Failed to load image: {error}") from None


def _decode_video(data: bytes) -> tuple[int, int, int]:
    import av

    try:
        with av.open(io.BytesIO(data), "r") as container:
            frames = list(container.decode(video=0))
    except (av.FFmpegError, IndexError) as error:
        raise BadRequest(f"Failed to load video: {error}") from None
    if not frames:
        raise BadRequest("Failed to load video: no frames")
    return len(frames), frames[0].width, frames[0].height


@pytest.fixture(name="server")
def server_fixture() -> Iterator[Server]:
    """A server in this process, in a thread of its own."""
    with Server() as server:
        yield server


def echo(body: dict[str, Any]) -> str:
    """Answer with the last text of the last message."""
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


class ServerProcess:
    """The server as a process of its own; a context manager that gives its base URL.

    `arguments` are those of the command line, for example `"--delay", "0.05", "--log", path`.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> str:
        command = [sys.executable, str(Path(__file__)), *self._arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return f"http://127.0.0.1:{int(self._process.stdout.readline())}/v1"

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


async def serve(args: argparse.Namespace) -> None:
    """Run until the process is ended."""
    rules = Rules(model=args.model, delay=args.delay, decode=not args.no_decode, keep_media=False)
    server = Server(rules, echo if args.answer == "@echo" else lambda body: args.answer, args.log)
    await server.start(args.port)
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--model", default="test-model")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument(
        "--answer", default='{"answer": "A"}', help="the text of each answer; @echo: the prompt's"
    )
    parser.add_argument("--no-decode", action="store_true", help="take media as they are")
    parser.add_argument("--log", type=Path, help="file for one JSON line a request received or answered")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(parser.parse_args()))
