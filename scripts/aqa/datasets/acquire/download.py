"""Downloading open files: pooch checks and places them, a downloader of ours resumes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pooch  # type: ignore[import-untyped]
import requests

from aqa.datasets.acquire.archives import check_space, readable
from aqa.datasets.acquire.progress import Progress
from aqa.datasets.acquire.sources import Open
from aqa.datasets.acquire.workspace import Workspace, put
from aqa.errors import UserError
from aqa.files import write_json

log = logging.getLogger("aqa")

CHUNK = 1 << 16
IDLE_ATTEMPTS = 4
"""Attempts in a row without a new byte, after which a mirror is given up."""

TIMEOUT_S = (15, 60)
"""Seconds to connect, and between two bytes."""

AGENT = "vlm-aqa"


class MirrorFailed(Exception):
    """A mirror does not give the file; the message says why, for one line."""


class _Broken(Exception):
    """The connection broke; what came stays, and asking again may bring the rest."""


def download(
    file: Open, place: Path, workspace: Workspace, wait: Callable[[float], None] = time.sleep
) -> None:
    """Download a file to `place`, from the first mirror that gives it with the right checksum.

    What arrived before a broken connection or a killed run is not asked for again. Until the file is
    complete and verified it lies in the work folder; it never takes the place of another file.

    Args:
        file: what to download; its `urls` are the mirrors.
        place: the file to make.
        workspace: where unfinished files are kept.
        wait: called with seconds between attempts.

    Raises:
        UserError: something else is at `place`, the disk is full, or every mirror failed (and how).
    """
    if place.exists() or place.is_symlink():
        raise UserError(f"{place}: is there already and stays as it is; move it away to download it again")
    pooch.get_logger().setLevel("WARNING")
    ready = workspace.unfinished(file.path).with_suffix(".ready")
    failures = []
    for url in file.urls:
        try:
            _from_mirror(file, url, ready, wait)
        except MirrorFailed as error:
            log.warning("%s: %s: %s", file.name, url, error)
            failures.append(f"{url}: {error}")
        except OSError as error:
            raise UserError(f"{place}: cannot be written ({error.strerror or error})") from None
        else:
            put(ready, place)
            checked = (
                "sha256 verified" if file.sha256 else f"sha256 {pooch.file_hash(str(place))}, not checked"
            )
            log.info("%s: downloaded %s, %s", place, readable(place.stat().st_size), checked)
            return
    raise UserError(
        f"{file.name}: could not be downloaded ({'; '.join(failures)}); start again later, or put it at "
        f"{place} by hand from {file.page}"
    )


def _from_mirror(file: Open, url: str, ready: Path, wait: Callable[[float], None]) -> None:
    """Bring the file to `ready` through pooch; a resumed file of a wrong checksum is fetched anew once."""
    for _ in range(2):
        fetch = Resuming(ready.with_suffix(".part"), file, wait)
        try:
            pooch.retrieve(
                url,
                known_hash=f"sha256:{file.sha256}" if file.sha256 else None,
                fname=ready.name,
                path=ready.parent,
                downloader=fetch,
            )
            return
        except requests.RequestException as error:
            raise MirrorFailed(_cause(error)) from None
        except ValueError:  # from pooch, which has removed the file
            problem = "the file has another sha256 than sources.yaml names"
        if not fetch.resumed:
            break
    raise MirrorFailed(problem)


@dataclass
class Resuming:
    """A downloader for `pooch.retrieve` that keeps what came, and asks only for the rest.

    `part` is the unfinished file; `<part>.json` says where it came from. It is continued where its whole
    content will be verified by a checksum, or the server promises (If-Range) that the file is the same.
    """

    part: Path
    file: Open
    wait: Callable[[float], None] = time.sleep
    resumed: bool = field(default=False, init=False)

    def __call__(self, url: str, output_file: Any, pooch_object: Any) -> None:  # noqa: ARG002
        """Download `url`, and give the complete file the name `output_file`.

        Raises:
            MirrorFailed: the server refuses, or the connection breaks again and again.
        """
        with Progress(self.file.name) as progress:
            idle = 0
            while True:
                before = self._have()
                try:
                    self._ask(url, progress)
                    break
                except _Broken as error:
                    idle = 0 if self._have() > before else idle + 1
                    if idle >= IDLE_ATTEMPTS:
                        raise MirrorFailed(str(error)) from None
                    self.wait(2.0**idle)
        self.part.replace(Path(output_file))
        self._state.unlink(missing_ok=True)

    @property
    def _state(self) -> Path:
        return self.part.with_suffix(".json")

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _ask(self, url: str, progress: Progress) -> None:
        have = self._have()
        if self.file.size is not None and have == self.file.size:
            return
        headers = {"Accept-Encoding": "identity", "User-Agent": AGENT}
        validator = self._validator(url)
        if have and (validator or self.file.sha256):
            headers["Range"] = f"bytes={have}-"
            if validator:
                headers["If-Range"] = validator
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as answer:
                if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    self._at_the_end(answer, have)
                else:
                    self._receive(url, answer, have, progress)
        except (requests.exceptions.SSLError, requests.exceptions.InvalidSchema) as error:
            raise MirrorFailed(_cause(error)) from None
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            raise _Broken(_cause(error)) from None

    def _at_the_end(self, answer: requests.Response, have: int) -> None:
        """Accept that there is nothing after what we have, or begin anew."""
        if have and answer.headers.get("Content-Range", "").removeprefix("bytes */") == str(have):
            self.resumed = True
            return
        self.part.unlink(missing_ok=True)
        raise _Broken("the unfinished file does not fit the server's")

    def _receive(self, url: str, answer: requests.Response, have: int, progress: Progress) -> None:
        self._check_answer(url, answer)
        continues = answer.status_code == HTTPStatus.PARTIAL_CONTENT
        if continues and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            self.part.unlink(missing_ok=True)
            raise _Broken("the server sent another part than was asked for")
        have = have if continues else 0
        self.resumed |= continues
        length = answer.headers.get("Content-Length", "")
        total = have + int(length) if length.isdecimal() else None
        if self.file.size is not None and total not in (None, self.file.size):
            raise MirrorFailed(f"the file has {total} bytes there, and should have {self.file.size}")
        check_space(self.part.parent, (total or self.file.size or 0) - have, self.file.name)
        self._remember(url, answer)
        with self.part.open("ab" if continues else "wb") as stream:
            for chunk in answer.iter_content(CHUNK):
                stream.write(chunk)
                have += len(chunk)
                progress.show(have, total)
        if total is not None and have != total:
            raise _Broken(f"the connection ended after {have} of {total} bytes")

    def _check_answer(self, url: str, answer: requests.Response) -> None:
        status = answer.status_code
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Broken(f"the server answers {status} {answer.reason}")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise MirrorFailed(f"the server answers {status} {answer.reason}")
        if "html" in answer.headers.get("Content-Type", "") and not self.file.path.endswith(".html"):
            raise MirrorFailed("the server sent a web page instead of the file")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise MirrorFailed("the server sent the file in another encoding than was asked for")
        if url.startswith("https:") and not answer.url.startswith("https:") and not self.file.sha256:
            raise MirrorFailed("it redirects to an address without encryption, and no checksum is known")

    def _validator(self, url: str) -> str | None:
        """Return what identifies the server's file of the unfinished one; None if it came from elsewhere."""
        try:
            state = json.loads(self._state.read_bytes())
        except (OSError, ValueError):
            return None
        matches = isinstance(state, dict) and state.get("url") == url
        return str(state["validator"]) if matches and state.get("validator") else None

    def _remember(self, url: str, answer: requests.Response) -> None:
        tag = answer.headers.get("ETag", "")
        strong = tag if tag and not tag.startswith("W/") else None
        write_json(self._state, {"url": url, "validator": strong or answer.headers.get("Last-Modified")})


def _cause(error: Exception) -> str:
    """Return the innermost cause of a network error, without addresses of objects."""
    while isinstance(error.__cause__ or error.__context__, Exception):
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]
