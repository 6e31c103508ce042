"""Backend `vertex`: Gemini on Google's Vertex AI, one request at a time or in batches at half price."""

from __future__ import annotations

import logging
import os
import secrets
from collections import Counter
from contextlib import AsyncExitStack
from importlib import metadata
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from aqa.config import ModelFile, Section, parse
from aqa.errors import UserError
from aqa.media.codec import X264
from aqa.models import _vertex_requests as requests
from aqa.models._clips import Clips
from aqa.models._sampling import of_repeat
from aqa.models.base import Batching, Context, Reply
from aqa.models.prices import Price, price_of
from aqa.records import MediaPart, Request

if TYPE_CHECKING:
    from aqa.models._vertex_answers import Sent
    from aqa.models._vertex_batch import Jobs
    from aqa.models._vertex_client import Client
    from aqa.models._vertex_staging import Bucket

log = logging.getLogger("aqa.vertex")

PROJECT = "GOOGLE_CLOUD_PROJECT"
BUCKET = "AQA_STAGING_BUCKET"

_COPIES = 4
"""How often a clip is in memory while it is sent: as it is, and as the SDK's base64, text and bytes."""


class Options(Section):
    """Settings of the backend: `options` of a model's file."""

    model: str = Field("gemini-3.1-pro-preview", min_length=1, description="The model's name.")
    project: str | None = Field(
        None, description=f"Project that pays; null takes {PROJECT} from the environment."
    )
    location: str = Field("global", min_length=1, description="Where the model is served.")
    bucket: str | None = Field(
        None,
        description="Bucket of Cloud Storage for batches and for media above `inline_mb`; null takes "
        f"{BUCKET} from the environment. What is staged has opaque names and is deleted at the end.",
    )
    folder: str = Field(
        "vlm-aqa", pattern=r"^[\w.-]+$", description="Folder of the bucket for everything that is staged."
    )
    inline_mb: float = Field(
        7,
        gt=0,
        description="Media of a request go inline up to this size together, in MB; the rest is staged.",
    )
    mode: Literal["online", "batch"] = Field(
        "online",
        description="`batch` asks in batch jobs: half the price, up to a day of waiting. With it choose "
        "`session: model`, so that the jobs of all cells wait at once. Both modes ask the same: changing "
        "it asks nothing again.",
    )
    failed_rows: Literal["next_run", "online"] = Field(
        "next_run",
        description="In batch mode: when what failed in a batch is asked again; `online` at once, at full "
        "price.",
    )
    poll_s: float = Field(60, gt=0, description="Seconds between two looks at a batch.")
    batch_requests: int = Field(200_000, ge=1, le=200_000, description="Most requests of a batch job.")
    batch_mb: float = Field(1000, gt=0, le=1000, description="Most MB of a batch job's file of requests.")
    timeout_s: float = Field(900, gt=0, description="Seconds for one request, the answer included.")
    cache_mb: int = Field(
        256, ge=1, description="Memory for encoded media and the requests made of them, in MiB."
    )
    base_url: str | None = Field(
        None, description="Another address of the service (a gateway); null takes Google's."
    )


def create(model: ModelFile, context: Context, place: str = "model") -> Vertex:
    """Return the backend of a model's file; nothing is opened, no SDK and no environment needed yet.

    Raises:
        UserError: an option is wrong, or a sampling parameter is not known.
    """
    options = parse(Options, model.options, f"{place}: options")
    requests.check_sampling(model.sampling, place)
    return Vertex(model, options, context, place)


class Vertex:
    """One model on Vertex AI."""

    remote = True

    def __init__(self, model: ModelFile, options: Options, context: Context, place: str) -> None:
        self._options = options
        self._place = place
        self._sampling = dict(model.sampling)
        self._environment = context.secrets
        self._project = options.project or self._variable(PROJECT)
        self._bucket_name = options.bucket or self._variable(BUCKET)
        self.account: str | None = f"vertex-{(self._project or 'unknown').replace(':', '_')}"
        self.price: Price | None = price_of(
            options.model,
            max_output=_whole(model.sampling.get("max_output_tokens")),
            resolution=_resolution(model.sampling.get("media_resolution")),
        )
        self._clips = Clips(context.media, requests.encode, limit=(options.cache_mb << 20) // _COPIES)
        self._config = requests.generation_config(model.sampling)
        self._parameters = {"model": options.model, "location": options.location, **self._sampling}
        self._staged: dict[MediaPart, dict[str, Any]] = {}
        self._stages = False
        self._folder = f"{options.folder}/online-{secrets.token_hex(8)}"
        self._counts: Counter[str] = Counter()
        self._stack = AsyncExitStack()
        self._client: Client
        self._bucket: Bucket | None = None
        self._jobs: Jobs | None = None

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer; the system prompt is in the messages."""
        return {
            "backend": "vertex",
            "model": self._options.model,
            "sampling": self._sampling,
            "video": "mp4, fps of the clip",
            "x264": X264,
        }

    @property
    def batching(self) -> Batching:
        """How batches are asked for."""
        options = self._options
        return Batching(
            enabled=options.mode == "batch",
            failed_online=options.failed_rows == "online",
            poll_s=options.poll_s,
            most_requests=options.batch_requests,
            most_bytes=int(options.batch_mb * 1e6),
        )

    @property
    def jobs(self) -> Jobs:
        """The batch jobs of the project.

        Raises:
            UserError: no bucket is configured.
        """
        if self._jobs is None:
            from aqa.models._vertex_batch import Jobs

            self._jobs = Jobs(
                self._client,
                self._need_bucket("batches"),
                self._clips,
                model=self._options.model,
                location=self._options.location,
                folder=self._options.folder,
                config=self._config,
                sent=self._sent,
                seen=self._count,
                price=self.price.in_batch() if self.price else None,
            )
        return self._jobs

    async def __aenter__(self) -> Self:
        """Find the credentials and open the client.

        Raises:
            UserError: no project is configured, there are no credentials, or the SDKs are missing.
        """
        from aqa.models._vertex_client import open_client

        if not self._project:
            raise UserError(f"{self._place}: no project; set options.project, or {PROJECT}")
        self._stack.callback(self._clips.close)
        try:
            self._client = await open_client(
                self._stack,
                project=self._project,
                location=self._options.location,
                base_url=self._options.base_url,
                timeout_s=self._options.timeout_s,
            )
        except UserError as error:
            await self._stack.aclose()
            raise UserError(f"{self._place}: {error}") from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._stages and self._bucket is not None:
                await self._bucket.delete(self._folder)
        except Exception as problem:
            place = f"gs://{self._bucket_name}/{self._folder}"
            log.warning("%s: could not be deleted (%s); delete it by hand", place, problem)
        finally:
            await self._stack.aclose()

    async def ask(self, request: Request) -> Reply:
        """Ask once; see `Backend`."""
        from aqa.models._vertex_client import Rejected

        media = requests.media_of(request)
        sent = self._sent(request)
        async with self._clips.hold(media) as encoded:
            body = requests.body(request, await self._sources(media, encoded))
            try:
                reply = await self._generate(body, sent, of_repeat(self._sampling, request.repeat))
            except Rejected as rejected:
                return rejected.reply
            except UserError as error:
                where = f"model '{self._options.model}' in project '{self._project}'"
                raise UserError(f"{self._place}: {where}: {error}") from None
        self._count(reply)
        return reply

    async def _generate(self, body: dict[str, Any], sent: Sent, own: dict[str, Any]) -> Reply:
        from google.genai import types

        from aqa.models._vertex_answers import read

        # The answer as it came: the SDK's own reading of it knows fewer shapes than the service has.
        config = {key: value for key, value in body.items() if key != "contents"}
        config |= {**self._config, **own, "shouldReturnHttpResponse": True}
        async with self._client.calling(sent.parameters):
            answer = await self._client.sdk.aio.models.generate_content(
                model=self._options.model,
                contents=[types.Content.model_validate(turn) for turn in body["contents"]],
                config=types.GenerateContentConfig.model_validate(config),
            )
        return read(answer.sdk_http_response.body or "", sent)

    def facts(self) -> dict[str, Any]:
        """Return versions of the SDKs, and whether the provider counted the frames that were sent."""
        versions = {}
        for name in ("google-genai", "google-cloud-storage", "google-cloud-aiplatform"):
            try:
                versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        counts = {name: self._counts[name] for name in ("right", "wrong", "not_said") if self._counts[name]}
        facts: dict[str, Any] = {"sdk": versions, "location": self._options.location}
        if counts:
            facts["frames_counted"] = counts
        if self.price is not None:
            facts["prices_read"] = self.price.read
        return facts

    def _sent(self, request: Request) -> Sent:
        from aqa.models._vertex_answers import Sent

        videos = [part for part in requests.media_of(request) if part.kind == "video"]
        parameters: dict[str, Any] = {
            **self._parameters,
            **of_repeat(self._sampling, request.repeat),
        }
        if videos:
            parameters["fps"] = [round(requests.fps_of(part), 4) for part in videos]
        frames = sum(len(part.timestamps) for part in videos)
        return Sent(parameters, frames, self.price.frame_tokens if self.price else None)

    def _count(self, reply: Reply) -> None:
        """Compare the frames that were sent with those that the provider counted, and say so once."""
        sent, counted = reply.sent.get("frames"), reply.sent.get("frames_counted")
        if sent is None:
            return
        name = "not_said" if counted is None else "right" if counted == sent else "wrong"
        self._counts[name] += 1
        if name == "wrong" and self._counts[name] == 1:
            log.warning(
                "%s: %s frames were sent, but the tokens that the provider counted are those of %s; see "
                "`frames_counted` in the journal",
                self._place,
                sent,
                counted,
            )

    async def _sources(self, media: list[MediaPart], encoded: list[bytes]) -> list[dict[str, Any]]:
        """Return where each clip is: inline while they fit together, the largest ones staged."""
        sizes = {part: len(data) for part, data in zip(media, encoded, strict=True)}
        inline = sum(sizes[part] for part in media)
        staged = set()
        for part in sorted(sizes, key=lambda part: (-sizes[part], part.sha256)):
            if inline <= self._options.inline_mb * 1e6:
                break
            staged.add(part)
            inline -= sizes[part] * media.count(part)
        sources = []
        for part, data in zip(media, encoded, strict=True):
            mime = requests.mime_of(part, data)
            if part in staged:
                sources.append(await self._stage(part, data, mime))
            else:
                sources.append({"inlineData": {"mimeType": mime, "data": data}})
        return sources

    async def _stage(self, part: MediaPart, data: bytes, mime: str) -> dict[str, Any]:
        from aqa.models._vertex_staging import media_name

        if part not in self._staged:
            name = media_name(self._folder, part.sha256, part.kind, mime)
            self._stages = True
            uri = await self._need_bucket(f"media above {self._options.inline_mb:g} MB").put(name, data, mime)
            self._staged[part] = {"fileData": {"mimeType": mime, "fileUri": uri}}
        return self._staged[part]

    def _need_bucket(self, what: str) -> Bucket:
        if not self._bucket_name:
            raise UserError(
                f"{self._place}: {what} need a bucket of Cloud Storage; set options.bucket, or {BUCKET}"
            )
        if self._bucket is None:
            from aqa.models._vertex_staging import Bucket

            self._bucket = Bucket(
                self._bucket_name.removeprefix("gs://"), self._client.project, self._client.credentials
            )
        return self._bucket

    def _variable(self, name: str) -> str:
        return (self._environment.get(name) or os.environ.get(name, "")).strip()


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _resolution(value: Any) -> Literal["default", "low", "medium", "high"]:
    return value if value in ("low", "medium", "high") else "default"
