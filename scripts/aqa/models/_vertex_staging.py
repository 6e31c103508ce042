"""Files in a bucket of Google Cloud Storage, under opaque names, until they are no longer needed."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aqa.errors import UserError
from aqa.models._vertex_answers import clean
from aqa.models.base import TransientError

_TIMEOUT = (30, 300)
_SUFFIXES = {"video/mp4": "mp4", "image/jpeg": "jpg", "image/png": "png"}


def opaque(folder: str, digest: str) -> str:
    """Return a name that says nothing about what it names, the same every time."""
    return hashlib.sha256(f"{folder}\n{digest}".encode()).hexdigest()[:32]


class Bucket:
    """A bucket; calls run in threads. Nothing is opened before the first call.

    All calls raise:
        UserError: the bucket is not there, or the credentials may not use it.
        TransientError: it cannot be reached now.
    """

    def __init__(self, name: str, project: str, credentials: Any) -> None:
        self.name = name
        self._project = project
        self._credentials = credentials
        self._handle: Any = None

    def uri(self, path: str) -> str:
        """Return the address of a file."""
        return f"gs://{self.name}/{path}"

    async def put(self, path: str, data: bytes, mime: str) -> str:
        """Store a file and return its address."""
        await self._call(lambda bucket: bucket.blob(path).upload_from_string(data, mime, timeout=_TIMEOUT))
        return self.uri(path)

    async def put_file(self, path: str, source: Path) -> str:
        """Store a file of this machine and return its address."""
        await self._call(
            lambda bucket: bucket.blob(path).upload_from_filename(
                str(source), "application/jsonl", timeout=_TIMEOUT
            )
        )
        return self.uri(path)

    async def list(self, prefix: str) -> list[str]:
        """Return the files below a prefix, sorted."""
        return sorted(await self._call(lambda bucket: [blob.name for blob in _below(bucket, prefix)]))

    async def fetch(self, path: str, target: Path) -> None:
        """Copy a file to this machine."""
        await self._call(lambda bucket: bucket.blob(path).download_to_filename(str(target), timeout=_TIMEOUT))

    async def delete(self, prefix: str) -> None:
        """Delete every file below a prefix; one that is gone already is no error."""

        def delete(bucket: Any) -> None:
            from google.api_core.exceptions import NotFound

            for blob in list(_below(bucket, prefix)):
                try:
                    blob.delete(timeout=_TIMEOUT)
                except NotFound:
                    continue

        await self._call(delete)

    async def _call(self, action: Callable[[Any], Any]) -> Any:
        return await asyncio.to_thread(self._act, action)

    def _act(self, action: Callable[[Any], Any]) -> Any:
        with self._translated():
            if self._handle is None:
                storage = importlib.import_module("google.cloud.storage")  # It has no types.
                client = storage.Client(project=self._project, credentials=self._credentials)
                self._handle = client.bucket(self.name)
            return action(self._handle)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import google.auth.exceptions as auth
        import requests
        from google.api_core import exceptions

        place = f"bucket gs://{self.name}"
        try:
            yield
        except (exceptions.Unauthorized, exceptions.Forbidden) as error:
            step = "give these credentials the role roles/storage.objectAdmin on it"
            raise UserError(f"{place}: {clean(error.message)}; {step}") from None
        except exceptions.NotFound as error:
            raise UserError(f"{place}: {clean(error.message)}; create it, or name another") from None
        except (exceptions.GoogleAPIError, auth.TransportError, requests.RequestException, OSError) as error:
            cause = f"{place}: {type(error).__name__}: {clean(str(error))}"
            raise TransientError(cause, unbilled=True) from None
        except auth.GoogleAuthError as error:
            raise UserError(f"{place}: the credentials are not accepted ({clean(str(error))})") from None


def _below(bucket: Any, prefix: str) -> Any:
    return bucket.list_blobs(prefix=f"{prefix}/", timeout=_TIMEOUT)


def media_name(folder: str, sha256: str, kind: str, mime: str) -> str:
    """Return where a clip is staged below `folder`; an image and a video of one clip differ."""
    return f"{folder}/{opaque(folder, f'{kind} {sha256}')}.{_SUFFIXES[mime]}"
