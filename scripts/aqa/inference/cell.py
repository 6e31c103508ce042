"""One cell of a session: its requests on disk, its journal, and the responses it writes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from aqa import grid
from aqa.errors import UserError
from aqa.files import first_problem, write_jsonl
from aqa.inference.journal import Contents, fetch, read
from aqa.records import Request, Response

PARTS = len(grid.Cell._fields)
"""dataset, task, representation, strategy, model: the folders that name a cell."""


@dataclass(eq=False)
class Cell:
    """The requests of one cell, indexed; the requests themselves stay on disk.

    `keys`, `starts` and `media` have one entry a request, in the order of the file: its key, its first
    byte, and the digests of its media (one tuple object a clip). `settings` is what the requests were
    rendered for; None if there are none.
    """

    folder: Path
    journal: Path
    settings: str | None
    keys: list[str]
    starts: list[int]
    media: list[tuple[str, ...]]
    file: int
    contents: Contents = field(default_factory=Contents)
    ask_rejected: bool = False

    @classmethod
    def load(cls, folder: Path, journals: Path, clips: dict[tuple[str, ...], tuple[str, ...]]) -> Cell:
        """Index `requests.jsonl` of a cell's folder; `clips` interns media over the session's cells.

        Raises:
            UserError: the file is missing or damaged, has a key twice, or was rendered for several
                settings.
        """
        path = folder / "requests.jsonl"
        parts = folder.resolve().parts
        if len(parts) <= PARTS:
            raise UserError(f"{folder}: not a cell (…/dataset/task/representation/strategy/model)")
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); render the requests") from error
        cell = cls(folder, journals.joinpath(*parts[-PARTS:]), None, [], [0], [], file)
        try:
            cell._index(path, clips)
        except BaseException:
            cell.close()
            raise
        return cell

    def close(self) -> None:
        """Let go of the requests' file."""
        os.close(self.file)

    def read_journal(self) -> None:
        """Read what is answered, and what failed, from the journal."""
        self.contents = read(self.journal, frozenset(self.keys))

    def missing(self) -> list[int]:
        """Return the positions of the requests that are to be asked.

        Those without an answer and, with `ask_rejected`, those that the provider rejected.
        """
        again = self.contents.rejected if self.ask_rejected else frozenset()
        answered = self.contents.answers
        return [number for number, key in enumerate(self.keys) if key not in answered or key in again]

    def request(self, position: int) -> Request:
        """Read and validate one request.

        Raises:
            UserError: the line does not fit.
        """
        start = self.starts[position]
        line = os.pread(self.file, self.starts[position + 1] - start, start)
        try:
            return Request.model_validate_json(line)
        except ValidationError as error:
            place = f"{self.folder / 'requests.jsonl'}, line {position + 1}"
            raise UserError(f"{place}: {first_problem(error)}; render the requests again") from error

    def outcomes(self) -> Outcomes:
        """Count what is answered, and what failed, as `read_journal` last saw it."""
        counts = Outcomes()
        for answer in fetch(iter(self.contents.answers.values())):
            if answer is not None:
                counts.add(answer.response)
        if self.contents.failures:
            counts.by_outcome["failed"] = len(self.contents.failures)
        return counts

    def write_responses(self) -> Outcomes:
        """Write `responses.jsonl`; a request without an answer becomes `failed`.

        Every answer comes from the journal as `read_journal` last saw it.
        """
        outcomes = Outcomes()
        write_jsonl(self.folder / "responses.jsonl", self._responses(outcomes))
        return outcomes

    def _responses(self, outcomes: Outcomes) -> Iterator[Response]:
        places = (self.contents.answers.get(key) for key in self.keys)
        for position, answer in enumerate(fetch(places)):
            if answer is not None:
                response = answer.response
            else:
                request = self.request(position)
                failure = self.contents.failures[request.key]
                response = Response(
                    key=request.key,
                    sample_id=request.sample_id,
                    item=request.item,
                    repeat=request.repeat,
                    outcome="failed",
                    error=failure.cause,
                )
            outcomes.add(response)
            yield response

    def _index(self, path: Path, clips: dict[tuple[str, ...], tuple[str, ...]]) -> None:
        seen: set[str] = set()
        with os.fdopen(os.dup(self.file), "rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    request = orjson.loads(line)
                    key, settings, media = request["key"], request["settings"], _media(request)
                except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                    cause = f"damaged ({type(error).__name__}: {error})"
                    raise UserError(f"{path}, line {number}: {cause}; render the requests again") from None
                if key in seen:
                    raise UserError(f"{path}, line {number}: the key {key[:12]}… is there twice")
                if self.settings not in (None, settings):
                    raise UserError(f"{path}, line {number}: rendered for other settings than line 1")
                seen.add(key)
                self.settings = settings
                self.keys.append(key)
                self.starts.append(self.starts[-1] + len(line))
                self.media.append(clips.setdefault(media, media))


@dataclass
class Outcomes:
    """Counts over the responses of a cell."""

    by_outcome: Counter[str] = field(default_factory=Counter)
    model_versions: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    rejection: str | None = None

    def add(self, response: Response) -> None:
        """Count one response."""
        self.by_outcome[response.outcome] += 1
        if response.outcome == "rejected" and self.rejection is None:
            self.rejection = response.error
        if response.model_version is not None:
            self.model_versions[response.model_version] += 1
        for name, count in response.usage:
            self.tokens[name] += count or 0


def _media(request: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        part["sha256"]
        for message in request["messages"]
        for part in message["content"]
        if part["type"] == "media"
    )
