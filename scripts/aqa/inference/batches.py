"""Asking in batches: many requests in one job of the provider, cheaper, answered within a day.

Nothing is asked twice. A batch is journaled before its job is created (`intents`), every session looks
after the jobs of the sessions before it, and a key in a live batch is asked in no other way, also after the
model's file went back to asking online. A job whose `create` was cut off is found by its name.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from aqa.errors import UserError
from aqa.inference import intents, written
from aqa.inference.cell import Cell
from aqa.inference.intents import Intent
from aqa.inference.journal import Answer, Attempt
from aqa.inference.ledger import Ledger
from aqa.inference.progress import Tally
from aqa.inference.scheduler import Enough
from aqa.models import Reply, TransientError
from aqa.models.base import BatchBackend
from aqa.records import Request

LABEL_LENGTH = 63
"""Characters of a key that label its request in a batch: the most that a provider takes."""

_ATTEMPTS = 8

T = TypeVar("T")

log = logging.getLogger("aqa.batches")


class Asked(Protocol):
    """What a session asks: a request of a cell."""

    @property
    def request(self) -> Request:
        """The request."""
        ...


ItemT = TypeVar("ItemT", bound=Asked)


@dataclass(frozen=True)
class Desk(Generic[ItemT]):
    """What a session lends to its batches.

    `items` yields all requests without an answer, `online` asks some of them one by one. `append` and
    `guard` are the journal's. `ledger` is the account's, None if nobody is billed.
    """

    cells: Sequence[Cell]
    items: Callable[[], Iterable[ItemT]]
    online: Callable[[Iterable[ItemT]], Awaitable[None]]
    append: Callable[[Path, Answer | Attempt], None]
    guard: Callable[[Path], None]
    ledger: Ledger | None
    tally: Tally


@dataclass
class _Live:
    """A batch that is looked after; `said` is the last state that was reported."""

    cell: Cell
    intent: Intent
    said: str = ""


@dataclass
class _Rows:
    """The keys of a batch that still lack a row, and what failed of them."""

    rest: dict[str, int]
    causes: dict[str, str] = field(default_factory=dict)


async def run(backend: BatchBackend, desk: Desk[ItemT]) -> None:
    """Ask everything that is missing: in batches if the model's file says so, else online.

    Returns when all batches have ended and their rows are in the journals.

    Raises:
        UserError: as `scheduler.run`; or a job cannot be created or looked after, is paused, or would
            pass a cap. What is live is looked after by the next session.
    """
    live = [_Live(cell, intent) for cell in desk.cells for intent in intents.live(cell.journal)]
    if live or backend.batching.enabled:
        await _Run(backend, desk, live).run()
    else:
        await desk.online(desk.items())


class _Run(Generic[ItemT]):
    """The batches of one session."""

    def __init__(self, backend: BatchBackend, desk: Desk[ItemT], live: list[_Live]) -> None:
        self._settings = backend.batching
        self._jobs = backend.jobs
        self._desk = desk
        self._live = live
        self._paused: list[_Live] = []
        self._enough: Enough | None = None

    async def run(self) -> None:
        """Look after what is live, ask what is free, wait for all."""
        await self._recover()
        held = {key for one in self._live for key in one.intent.reserved}
        if held:
            log.info("%d requests are in batches of earlier sessions", len(held))
        if self._settings.enabled:
            for cell in self._desk.cells:
                await self._ask(cell, held)
        else:
            await self._online(lambda key: key not in held)
        failed = await self._wait()
        if failed:
            log.info("%d requests failed in a batch and are asked online", len(failed))
            await self._online(failed.__contains__)
        if self._paused:
            names = ", ".join(str(one.intent.job) for one in self._paused)
            raise UserError(f"paused by somebody: {names}; resume or cancel it, then run again")
        if self._enough is not None:
            raise self._enough

    async def _online(self, wanted: Callable[[str], bool]) -> None:
        await self._desk.online(item for item in self._desk.items() if wanted(item.request.key))

    # Earlier sessions

    async def _recover(self) -> None:
        """Find the jobs that earlier sessions may have created; forget batches that have none."""
        for one in list(self._live):
            if one.intent.place != self._jobs.place:
                raise UserError(
                    f"{one.cell.journal}: a batch is live in {one.intent.place}, but the model's file "
                    f"now says {self._jobs.place}; go back until it has ended"
                )
            if one.intent.state == "created":
                continue
            job = await self._find(one.intent.name)
            if job is None and one.intent.state == "creating":
                await asyncio.sleep(self._settings.poll_s)  # It may not be listed yet.
                job = await self._find(one.intent.name)
            if job is not None:
                self._write(one, one.intent.model_copy(update={"state": "created", "job": job}))
            else:
                await self._forget(one)

    async def _find(self, name: str) -> str | None:
        return await self._patiently(lambda: self._jobs.find(name))

    async def _forget(self, one: _Live) -> None:
        """Drop a batch that was never created: its requests are free again."""
        await self._clear(one.intent)
        self._desk.guard(one.cell.journal)
        intents.remove(one.cell.journal, one.intent)
        self._live.remove(one)
        for key, usd in one.intent.reserved.items():
            if self._desk.ledger is not None and not _is_answered(one.cell, key):
                self._desk.ledger.settle(key, usd, 0.0)

    # Asking

    async def _ask(self, cell: Cell, held: set[str]) -> None:
        """Ask what a cell lacks in as many batches as the provider's limits need."""
        free = [position for position in cell.missing() if cell.keys[position] not in held]
        for reserved in self._chunks(cell, free):
            if self._enough is None and (affordable := self._affordable(reserved)):
                await self._submit(cell, affordable)

    def _chunks(self, cell: Cell, positions: Iterable[int]) -> Iterator[dict[str, float]]:
        """Yield the keys of each batch with the most that each request can cost."""
        chunk: dict[str, float] = {}
        size = 0
        price = self._jobs.price
        for position in positions:
            request = cell.request(position)
            more = self._jobs.size(request, request.key[:LABEL_LENGTH])
            if chunk and (
                len(chunk) >= self._settings.most_requests or size + more > self._settings.most_bytes
            ):
                yield chunk
                chunk, size = {}, 0
            chunk[request.key] = price.worst_case(request) if price is not None else 0.0
            size += more
        if chunk:
            yield chunk

    def _affordable(self, reserved: dict[str, float]) -> dict[str, float]:
        """Reserve what the caps allow of a batch: all of it, or half as long as it does not fit."""
        while reserved and self._desk.ledger is not None:
            try:
                self._desk.ledger.reserve_batch(reserved)
                break
            except Enough as error:
                self._enough = error
                reserved = dict(itertools.islice(reserved.items(), len(reserved) // 2))
        return reserved

    async def _submit(self, cell: Cell, reserved: dict[str, float]) -> None:
        name = intents.name_of(cell.journal, list(reserved))
        account = self._desk.ledger.account if self._desk.ledger is not None else ""
        folder = self._jobs.folder(name)
        one = _Live(
            cell,
            Intent(
                name=name,
                account=account,
                place=self._jobs.place,
                folder=folder,
                state="intended",
                reserved=reserved,
            ),
        )
        self._write(one, one.intent)
        self._live.append(one)
        await self._patiently(lambda: self._jobs.stage(folder, self._labelled(cell, reserved)))
        job = await self._find(name)
        if job is None:
            self._write(one, one.intent.model_copy(update={"state": "creating"}))
            job = await self._create(name, folder)
        self._write(one, one.intent.model_copy(update={"state": "created", "job": job}))
        log.info("%s: %d requests are in the batch %s", cell.folder, len(reserved), job)

    async def _create(self, name: str, folder: str) -> str:
        """Create a job; after a failure look first whether it was created all the same."""

        tries = itertools.count()

        async def create() -> str:
            if next(tries):
                await asyncio.sleep(self._settings.poll_s)  # What the last try created must be listed.
                if (found := await self._jobs.find(name)) is not None:
                    return found
            return await self._jobs.create(name, folder)

        return await self._patiently(create)

    def _labelled(self, cell: Cell, keys: Iterable[str]) -> Iterator[tuple[str, Request]]:
        wanted = set(keys)
        for position, key in enumerate(cell.keys):
            if key in wanted:
                yield key[:LABEL_LENGTH], cell.request(position)

    # Waiting

    async def _wait(self) -> set[str]:
        """Wait until every batch with a request that is missing has ended.

        Returns the keys that failed in a batch and are to be asked online now.
        """
        failed: set[str] = set()
        waiting = list(self._live)
        while waiting:
            for one in list(waiting):
                state = await self._patiently(partial(self._jobs.state, str(one.intent.job)))
                if state.detail != one.said:
                    log.info("batch %s: %s", one.intent.job, state.detail)
                    one.said = state.detail
                if state.status == "ended":
                    failed |= await self._collect(one, state.detail)
                elif state.status == "paused":
                    self._paused.append(one)
                elif self._needed(one):
                    continue
                waiting.remove(one)
            if waiting:
                await asyncio.sleep(self._settings.poll_s)
        return failed

    def _needed(self, one: _Live) -> bool:
        """Say whether a batch asks something that its cell still wants (it may have been rendered anew)."""
        return any(one.cell.keys[position] in one.intent.reserved for position in one.cell.missing())

    async def _collect(self, one: _Live, detail: str) -> set[str]:
        """Journal the rows of a batch that has ended, then delete what was staged for it."""
        cell, intent = one.cell, one.intent
        known = {key: position for position, key in enumerate(cell.keys) if key in intent.reserved}
        rows = _Rows({key: at for key, at in known.items() if not _is_answered(cell, key)})
        await self._patiently(lambda: self._read(one, rows))
        online = self._settings.failed_online or not self._settings.enabled
        for key in rows.rest:
            cause = rows.causes.get(key, f"the batch has no row for it ({detail})")
            cost = self._settle(key, intent.reserved[key], 0.0)
            if not online:
                attempt = Attempt(key=key, cause=written.clean(cause), n=1, cost_usd=cost)
                self._desk.append(cell.journal, attempt)
                self._tally("failed", None)
        intents.sync(cell.journal)
        await self._clear(intent)
        # A batch with keys that the cell no longer has goes on counting as it was reserved.
        settled = len(known) == len(intent.reserved)
        self._write(one, intent.model_copy(update={"state": "collected", "settled": settled}))
        log.info("batch %s: %d rows kept, %d failed", intent.job, len(known) - len(rows.rest), len(rows.rest))
        return set(rows.rest) if online else set()

    async def _read(self, one: _Live, rows: _Rows) -> None:
        by_label = {key[:LABEL_LENGTH]: key for key in rows.rest}

        def find(label: str) -> Request | None:
            key = by_label.get(label)
            return None if key is None or key not in rows.rest else one.cell.request(rows.rest[key])

        async for row in self._jobs.rows(one.intent.folder, find):
            key = by_label[row.label]
            if row.reply is None:
                rows.causes[key] = row.cause
                continue
            position = rows.rest.pop(key)
            self._answer(one, one.cell.request(position), row.reply)

    def _answer(self, one: _Live, request: Request, reply: Reply) -> None:
        reserved = one.intent.reserved[request.key]
        price = self._jobs.price
        if reply.outcome == "rejected" or price is None:
            usd = 0.0
        else:
            usd = reserved if reply.usage.prompt_tokens is None else price.cost(reply.usage)
        answer = Answer(
            response=written.response(request, reply),
            latency_s=0.0,
            attempts=1,
            sent=reply.sent | {"batch": one.intent.job},
            cost_usd=self._settle(request.key, reserved, usd),
        )
        self._desk.append(one.cell.journal, answer)
        self._tally(reply.outcome, reply)

    # Helpers

    def _settle(self, key: str, reserved: float, usd: float) -> float | None:
        ledger = self._desk.ledger
        return ledger.settle(key, reserved, usd) if ledger is not None else None

    def _tally(self, outcome: str, reply: Reply | None) -> None:
        paid = self._desk.ledger.paid if self._desk.ledger is not None else None
        self._desk.tally.add(outcome, reply.usage if reply is not None else None, paid)

    def _write(self, one: _Live, intent: Intent) -> None:
        self._desk.guard(one.cell.journal)
        intents.write(one.cell.journal, intent)
        one.intent = intent

    async def _clear(self, intent: Intent) -> None:
        try:
            await self._jobs.clear(intent.folder)
        except (TransientError, UserError) as error:
            log.warning("%s: what was staged could not be deleted (%s); delete it", intent.folder, error)

    async def _patiently(self, action: Callable[[], Awaitable[T]]) -> T:
        """Do something again until it succeeds; give up after a few minutes."""
        last = TransientError("")
        for attempt in range(_ATTEMPTS):
            try:
                return await action()
            except TransientError as error:
                last = error
                backoff = min(60.0, min(1.0, self._settings.poll_s) * 2.0**attempt)
                await asyncio.sleep(backoff if error.retry_after is None else min(error.retry_after, 300.0))
        raise UserError(f"batches: given up after {_ATTEMPTS} attempts ({last}); run again to go on")


def _is_answered(cell: Cell, key: str) -> bool:
    return key in cell.contents.answers and key not in cell.contents.rejected
