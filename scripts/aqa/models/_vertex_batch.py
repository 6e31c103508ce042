"""Batch jobs on Vertex AI: requests and results as JSON lines in a bucket, media beside them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from aqa.errors import UserError
from aqa.models._clips import Clips
from aqa.models._sampling import of_repeat
from aqa.models._vertex_answers import Sent, clean, label_of, row
from aqa.models._vertex_client import Client, Rejected
from aqa.models._vertex_requests import KEY_LABEL, body, media_of, mime_of
from aqa.models._vertex_staging import Bucket, media_name
from aqa.models.base import JobState, Price, Reply, Row, TransientError
from aqa.records import MediaPart, Request

_ENDED = {
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
}
_AT_ONCE = 8

Source = dict[str, Any]

log = logging.getLogger("aqa.vertex")


class Jobs:
    """The batch jobs of a project, as `BatchJobs` wants them.

    The SDK's `done` forgets two states, so the states are compared here.
    """

    def __init__(
        self,
        client: Client,
        bucket: Bucket,
        clips: Clips,
        *,
        model: str,
        location: str,
        folder: str,
        config: Mapping[str, Any],
        sent: Callable[[Request], Sent],
        seen: Callable[[Reply], None],
        price: Price | None,
    ) -> None:
        self.place = f"projects/{client.project}/locations/{location}, gs://{bucket.name}"
        self.price = price
        self._client = client
        self._bucket = bucket
        self._clips = clips
        self._model = model
        self._root = folder
        self._config = dict(config)
        self._sent = sent
        self._seen = seen
        self._staged: dict[tuple[str, MediaPart], Source] = {}

    def folder(self, name: str) -> str:
        """Return the folder of the job of this name."""
        return f"{self._root}/batch-{name[:32]}"

    def size(self, request: Request, label: str) -> int:
        """Return the bytes that a request takes in a job's file."""
        name = media_name(self.folder("0" * 32), "0" * 64, "video", "video/mp4")
        source = {"fileData": {"mimeType": "image/jpeg", "fileUri": self._bucket.uri(name)}}
        return len(self._line(request, label, [source] * len(media_of(request))))

    async def stage(self, folder: str, requests: Iterable[tuple[str, Request]]) -> None:
        """Store media, each clip once, and the file of requests; what is there already is kept."""
        with tempfile.TemporaryDirectory(prefix="aqa-batch-") as scratch:
            path = Path(scratch) / "requests.jsonl"
            with path.open("wb") as stream:
                pending = iter(requests)
                while some := list(itertools.islice(pending, 64)):
                    await self._upload(folder, [part for _, request in some for part in media_of(request)])
                    for label, request in some:
                        sources = [self._staged[folder, part] for part in media_of(request)]
                        stream.write(self._line(request, label, sources))
            await self._bucket.put_file(f"{folder}/requests.jsonl", path)

    async def find(self, name: str) -> str | None:
        """Return the id of the job of this display name, None if there is none."""
        found = []
        async with self._calling():
            jobs = await self._client.sdk.aio.batches.list(
                config={"filter": f'display_name="{name}"', "page_size": 100}
            )
            async for job in jobs:
                if job.display_name == name:
                    found.append(job.name)
        if len(found) > 1:
            log.warning("several batch jobs are named %s: %s", name, ", ".join(sorted(found)))
        return min(found) if found else None

    async def create(self, name: str, folder: str) -> str:
        """Create a job for what is staged, and return its id."""
        async with self._calling():
            job = await self._client.sdk.aio.batches.create(
                model=self._model,
                src=self._bucket.uri(f"{folder}/requests.jsonl"),
                config={"display_name": name, "dest": self._bucket.uri(f"{folder}/out")},
            )
        if not job.name:
            raise TransientError("the new batch job has no name")
        return str(job.name)

    async def state(self, job: str) -> JobState:
        """Return the state of a job; one that is no longer there has ended."""
        try:
            async with self._calling():
                found = await self._get(job)
        except LookupError:
            return JobState("ended", "the job is gone")
        state = str(getattr(found.state, "value", found.state) or "JOB_STATE_UNSPECIFIED")
        said = clean(str(found.error.message)) if found.error and found.error.message else ""
        detail = state.removeprefix("JOB_STATE_").lower() + (f": {said}" if said else "")
        if state in _ENDED:
            return JobState("ended", detail)
        return JobState("paused" if state == "JOB_STATE_PAUSED" else "running", detail)

    async def rows(self, folder: str, find: Callable[[str], Request | None]) -> AsyncIterator[Row]:
        """Yield the rows that a job has written, in any order; a row that nobody asked for is left out."""
        with tempfile.TemporaryDirectory(prefix="aqa-batch-") as scratch:
            for number, name in enumerate(await self._bucket.list(f"{folder}/out")):
                if not name.endswith(".jsonl"):
                    continue
                path = Path(scratch) / f"{number}.jsonl"
                await self._bucket.fetch(name, path)
                with path.open("rb") as stream:
                    for line in stream:
                        if (found := self._row(line, find)) is not None:
                            yield found
                path.unlink()

    async def clear(self, folder: str) -> None:
        """Delete everything in the folder."""
        await self._bucket.delete(folder)
        self._staged = {key: source for key, source in self._staged.items() if key[0] != folder}

    def _row(self, line: bytes, find: Callable[[str], Request | None]) -> Row | None:
        label = label_of(line, KEY_LABEL)
        request = find(label) if label is not None else None
        if label is None or request is None:
            return None
        reply, cause = row(line, self._sent(request))
        if reply is not None:
            self._seen(reply)
        return Row(label, reply, cause)

    def _line(self, request: Request, label: str, sources: list[Source]) -> bytes:
        config = {**self._config, **of_repeat(self._config, request.repeat)}
        values = body(request, sources) | {"generationConfig": config, "labels": {KEY_LABEL: label}}
        return orjson.dumps({"request": values}) + b"\n"

    async def _upload(self, folder: str, parts: Iterable[MediaPart]) -> None:
        turn = asyncio.Semaphore(_AT_ONCE)
        fresh = [part for part in dict.fromkeys(parts) if (folder, part) not in self._staged]

        async def upload(part: MediaPart) -> None:
            async with turn, self._clips.hold([part]) as [data]:
                mime = mime_of(part, data)
                name = media_name(folder, part.sha256, part.kind, mime)
                uri = await self._bucket.put(name, data, mime)
                self._staged[folder, part] = {"fileData": {"mimeType": mime, "fileUri": uri}}

        for problem in await asyncio.gather(*map(upload, fresh), return_exceptions=True):
            if isinstance(problem, BaseException):
                raise problem

    @asynccontextmanager
    async def _calling(self) -> AsyncIterator[None]:
        try:
            async with self._client.calling():
                yield
        except Rejected as rejected:
            raise UserError(f"batch jobs in {self.place}: {rejected}; correct `options`") from None
        except UserError as error:
            raise UserError(f"batch jobs in {self.place}: {error}") from None

    async def _get(self, job: str) -> Any:
        from google.genai import errors

        try:
            return await self._client.sdk.aio.batches.get(name=job)
        except errors.ClientError as error:
            if error.code == 404:
                raise LookupError(job) from None
            raise
