"""A local Vertex AI for tests: real HTTP, Google's JSON and words, faults and batch jobs on demand.

It takes camel and snake case, standard and URL-safe base64, refuses unknown fields as Google does, decodes
every image and video (from the request or from the storage emulator), and samples a video at its `fps`.
Tokens: text ceil(bytes / 4), an image 1120, a frame 70. `paid` lists the text of every request that was
answered, online or in a batch: what Google would bill.
"""

from __future__ import annotations

import asyncio
import base64
import math
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web
from vertex_wire import Fault, Refused, camel, known, picture, raise_for, sampled, send, shape

TOKEN = "ya29.test-token-0123456789abcdef"
"""The access token that the server gives out; not one of anybody."""

MODEL = "gemini-3.1-pro-preview"
PROJECT = "test-project"

_BODY = {"contents", "generationConfig", "systemInstruction", "labels", "safetySettings"}
_CONFIG = {
    *("temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "thinkingConfig", "seed"),
    *("mediaResolution", "presencePenalty", "frequencyPenalty"),
}
_PART = {"text", "inlineData", "fileData", "videoMetadata", "thought"}


@dataclass
class Received:
    """A request as it came: its parameters, and of every clip the type, where it was, and its frames."""

    config: dict[str, Any]
    roles: list[str]
    texts: list[str]
    system: str
    clips: list[tuple[str, str, int]]
    tokens: Counter[str]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """A batch job: `state` is reported once `looks` is used up; until then it is running."""

    name: str
    display_name: str
    source: str
    destination: str
    looks: int
    state: str
    rows: int = 0
    written: bool = False


class Vertex:
    """The server, in a thread of its own, on a free port of 127.0.0.1."""

    def __init__(self, bucket: Any = None) -> None:
        self.bucket = bucket
        self.answer: Callable[[Received], str] = lambda received: f"answer to {received.texts[-1]}"
        self.frames_seen: Callable[[int], int] = lambda frames: frames
        self.version = "gemini-3.1-pro-preview-2026-10"
        self.script: list[Fault] = []
        self.received: list[Received] = []
        self.paid: Counter[str] = Counter()
        self.paid_online = 0
        self.tokens_given = 0
        self.jobs: list[Job] = []
        self.created = 0
        self.job_script: list[Fault] = []
        self.job_looks = 1
        self.job_state = "JOB_STATE_SUCCEEDED"
        self.bad_rows: dict[str, str] = {}
        self.lost_rows: set[str] = set()
        self.delay = 0.0
        self.on_create: Callable[[], None] | None = None
        self.listed_late = 0
        self._draw = random.Random(3)

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**30)
        home = f"/v1beta1/projects/{PROJECT}/locations/global"
        app.router.add_post("/token", self._token)
        app.router.add_post(f"{home}/publishers/google/models/{{model}}:generateContent", self._generate)
        app.router.add_post(f"{home}/batchPredictionJobs", self._guarded(self._create))
        app.router.add_get(f"{home}/batchPredictionJobs", self._guarded(self._list))
        app.router.add_get(f"{home}/batchPredictionJobs/{{id}}", self._guarded(self._get))
        app.router.add_route("*", "/{rest:.*}", self._nothing)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512).start()
        self.port = self._runner.addresses[0][1]

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        self.tokens_given += 1
        return web.json_response({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    async def _nothing(self, request: web.Request) -> web.Response:
        message = f"Publisher Model `{request.path}` was not found or your project does not have access."
        return web.json_response(Refused(404, message, "NOT_FOUND").body, status=404)

    # One request at a time

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        fault = self.script.pop(0) if self.script else None
        try:
            self._authorize(request)
            if request.match_info["model"] != MODEL:
                return await self._nothing(request)
            received = await asyncio.to_thread(self._understand, orjson.loads(raw))
            received.headers = dict(request.headers)
            self.received.append(received)
            if fault is not None and fault.kind == "status":
                raise_for(fault)
        except Refused as error:
            headers = fault.headers if fault is not None else {}
            return web.json_response(error.body, status=error.status, headers=headers)
        if self.delay:
            await asyncio.sleep(self.delay)
        answered = shape(fault.kind if fault else "", self._answered(received))
        self._pay(received)
        self.paid_online += 1
        return await send(request, fault, orjson.dumps(answered))

    def _authorize(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED")

    def _pay(self, received: Received) -> None:
        self.paid[received.texts[-1]] += 1

    def _understand(self, given: dict[str, Any]) -> Received:
        body = camel(given)
        known(body, _BODY, "")
        config = body.get("generationConfig", {})
        known(config, _CONFIG, " at 'generation_config'")
        system = "".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", []))
        received = Received(config, [], [], system, [], Counter(TEXT=0))
        for content in body["contents"]:
            received.roles.append(content["role"])
            if content["role"] not in ("user", "model"):
                raise Refused(400, "Please use a valid role: user, model.", "INVALID_ARGUMENT")
            for part in content["parts"]:
                known(part, _PART, " at 'contents[0].parts[0]'")
                self._part(part, received)
        return received

    def _part(self, part: dict[str, Any], received: Received) -> None:
        if "text" in part:
            received.texts.append(part["text"])
            received.tokens["TEXT"] += math.ceil(len(part["text"].encode()) / 4)
            return
        if "inlineData" in part:
            kind, where = part["inlineData"]["mimeType"], "inline"
            data = base64.b64decode(part["inlineData"]["data"].replace("-", "+").replace("_", "/"))
        else:
            kind, where = part["fileData"]["mimeType"], part["fileData"]["fileUri"]
            data = self.bucket.read(where)
        if kind == "video/mp4":
            frames = sampled(data, part.get("videoMetadata", {}).get("fps", 1.0))
            received.tokens["VIDEO"] += 70 * self.frames_seen(frames)
        else:
            frames = 1
            picture(data)
            received.tokens["IMAGE"] += 1120
        received.clips.append((kind, where, frames))

    def _answered(self, received: Received) -> dict[str, Any]:
        text = self.answer(received)
        thoughts = "I look at the knees. " * 4
        prompt = sum(received.tokens.values())
        answer, thinking = math.ceil(len(text) / 4), math.ceil(len(thoughts) / 4)
        details = [{"modality": name, "tokenCount": count} for name, count in received.tokens.items()]
        half = len(text) // 2
        return {
            "candidates": [
                {
                    "content": {
                        "role": "model",
                        "parts": [
                            {"text": thoughts, "thought": True},
                            {"text": text[:half]},
                            {"text": text[half:], "thoughtSignature": "c2lnbmF0dXJl"},
                        ],
                    },
                    "finishReason": "STOP",
                    "avgLogprobs": -0.1,
                    "aFieldThatIsNewNextYear": {},
                }
            ],
            "usageMetadata": {
                "promptTokenCount": prompt,
                "candidatesTokenCount": answer,
                "thoughtsTokenCount": thinking,
                "cachedContentTokenCount": 3,
                "totalTokenCount": prompt + answer + thinking,
                "promptTokensDetails": details,
                "trafficType": "ON_DEMAND",
            },
            "modelVersion": self.version,
            "responseId": "r1",
        }

    # Batch jobs

    def _guarded(self, handle: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            fault = self.job_script.pop(0) if self.job_script else None
            try:
                self._authorize(request)
                if fault is not None and fault.kind == "status":
                    raise_for(fault)
                return await send(request, fault, orjson.dumps(await handle(request)))
            except Refused as error:
                return web.json_response(error.body, status=error.status)

        return guarded

    async def _create(self, request: web.Request) -> dict[str, Any]:
        body = orjson.loads(await request.read())
        assert body["model"] == f"publishers/google/models/{MODEL}", body["model"]
        assert body["inputConfig"]["instancesFormat"] == "jsonl"
        self.created += 1
        self.jobs.append(
            Job(
                name=f"projects/987654/locations/global/batchPredictionJobs/{1000 + len(self.jobs)}",
                display_name=body["displayName"],
                source=body["inputConfig"]["gcsSource"]["uris"][0],
                destination=body["outputConfig"]["gcsDestination"]["outputUriPrefix"],
                looks=self.job_looks,
                state=self.job_state,
            )
        )
        if self.on_create is not None:
            self.on_create()
        return self._shown(self.jobs[-1], "JOB_STATE_PENDING")

    async def _list(self, request: web.Request) -> dict[str, Any]:
        wanted = re.fullmatch(r'display_name="(\w+)"', request.query["filter"])
        assert wanted
        if self.listed_late:
            self.listed_late -= 1
            return {}
        found = [job for job in self.jobs if job.display_name == wanted[1]]
        return {"batchPredictionJobs": [self._shown(job, job.state) for job in found]}

    async def _get(self, request: web.Request) -> dict[str, Any]:
        found = [job for job in self.jobs if job.name.endswith(f"/{request.match_info['id']}")]
        if not found:
            raise Refused(404, "The BatchPredictionJob does not exist.", "NOT_FOUND")
        job = found[0]
        if job.looks > 0:
            job.looks -= 1
            return self._shown(job, "JOB_STATE_RUNNING")
        if job.state in ("JOB_STATE_SUCCEEDED", "JOB_STATE_PARTIALLY_SUCCEEDED") and not job.written:
            await asyncio.to_thread(self._work, job)
        return self._shown(job, job.state)

    def _shown(self, job: Job, state: str) -> dict[str, Any]:
        shown = {"name": job.name, "displayName": job.display_name, "state": state, "model": MODEL}
        if state == "JOB_STATE_FAILED":
            shown["error"] = {"code": 13, "message": "Internal error occurred."}
        return shown

    def _work(self, job: Job) -> None:
        """Answer the rows of a job, in no order, in two files."""
        lines = []
        for line in self.bucket.read(job.source).splitlines():
            asked = orjson.loads(line)["request"]
            received = self._understand(asked)
            job.rows += 1
            text = received.texts[-1]
            if text in self.lost_rows:
                continue
            row: dict[str, Any] = {"request": asked, "processed_time": "2026-10-01T00:00:00Z", "status": ""}
            if text in self.bad_rows:
                row |= {"status": self.bad_rows[text], "response": {}}
            else:
                row["response"] = self._answered(received)
                self._pay(received)
            lines.append(orjson.dumps(row))
        self._draw.shuffle(lines)
        middle = len(lines) // 2
        for number, some in enumerate((lines[:middle], lines[middle:])):
            path = f"{job.destination}/prediction-model-2026-10-01/predictions_{number}.jsonl"
            self.bucket.write(path, b"".join(line + b"\n" for line in some))
        job.written = True


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)
