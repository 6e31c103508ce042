"""Asking many requests at once: adaptive concurrency, retries, deadlines and a circuit breaker."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from aqa.errors import UserError
from aqa.inference.window import Window
from aqa.models.base import Reply, TransientError

ItemT = TypeVar("ItemT")

_GOLDEN = 0.6180339887498949


class Enough(UserError):
    """Nothing more may be asked (a cap is reached); what is in flight ends in its own time."""


@dataclass(frozen=True)
class Limits:
    """How hard to try. Times are seconds.

    `deadline_s` bounds a request from its first attempt to its answer, waiting included.
    `breaker`: after so many failed attempts in a row, one of them the last attempt of its request, no
    new request is started. `waiting`: at most so many requests wait for another attempt before new
    ones are held back. `grace_s`: how long requests in flight may finish once a run is stopped.
    """

    concurrency: int = 32
    attempts: int = 6
    deadline_s: float = 3600.0
    backoff_s: float = 1.0
    backoff_cap_s: float = 60.0
    retry_after_cap_s: float = 300.0
    breaker: int = 20
    waiting: int = 128
    grace_s: float = 3.0


async def run(
    requests: Iterable[ItemT],
    ask: Callable[[ItemT], Awaitable[Reply]],
    on_answer: Callable[[ItemT, Reply, int, float], None],
    on_failure: Callable[[ItemT, str, int], None],
    limits: Limits,
    *,
    admit: Callable[[ItemT], bool] | None = None,
) -> None:
    """Ask every request until it has an answer or its attempts are used up.

    `requests` is consumed only as slots become free. A `TransientError` is tried again with jittered
    exponential backoff, or when the server says (`retry_after`), without occupying a slot meanwhile.
    The number in flight is at most `limits.concurrency`, and less while the server has too much to do
    (`Window`).

    Args:
        requests: what to ask, in order.
        ask: asks one of them.
        on_answer: called with the request, its reply, the number of attempts and the seconds that the
            last one took.
        on_failure: called with the request, the last cause and the number of attempts.
        limits: how hard to try.
        admit: says before each attempt whether the request may be asked now; if not, it is asked about
            again when another attempt has ended. May raise, `Enough` for example.

    Raises:
        UserError: `ask`, `admit` or `on_answer` raised it, or the circuit breaker opened. Requests in
            flight have had `grace_s` seconds to finish (as long as they need, after `Enough`); those
            that did went to `on_answer`.
        asyncio.CancelledError: the caller cancelled, with the same grace; a second cancellation ends
            it.
    """
    state = _Run(requests, ask, on_answer, on_failure, limits, admit=admit)
    try:
        state.fill()
        await state.finished
    finally:
        await state.close()
    if state.error is not None:
        raise state.error


@dataclass(slots=True)
class _Job(Generic[ItemT]):
    item: ItemT
    deadline: float
    attempts: int = 0


class _Run(Generic[ItemT]):
    """The state of one `run`; everything happens on the loop's thread."""

    def __init__(
        self,
        requests: Iterable[ItemT],
        ask: Callable[[ItemT], Awaitable[Reply]],
        on_answer: Callable[[ItemT, Reply, int, float], None],
        on_failure: Callable[[ItemT, str, int], None],
        limits: Limits,
        *,
        admit: Callable[[ItemT], bool] | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fresh = iter(requests)
        self._peeked: deque[ItemT] = deque()
        self._ask = ask
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._limits = limits
        self._admit = admit
        self._window = Window(limits.concurrency, self._loop.time)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._due: deque[_Job[ItemT]] = deque()
        self._numbers = itertools.count(1)
        self._causes: Counter[str] = Counter()  # Of the failures since the last answer.
        self._gave_up = False
        self._short = False  # Free slots found nothing to start: no reason to have more of them.
        self._stopping = False
        self._grace_s: float | None = limits.grace_s
        self.error: BaseException | None = None
        self.finished: asyncio.Future[None] = self._loop.create_future()

    def fill(self) -> None:
        """Start as many requests as there are free slots; notice when nothing is left."""
        try:
            while not self._stopping and len(self._tasks) < self._window.size:
                job = self._next()
                self._short = job is None
                if job is None:
                    break
                if self._admit is not None and not self._admit(job.item):
                    self._due.appendleft(job)
                    self._short = True
                    break
                task = self._loop.create_task(self._attempt(job))
                self._tasks.add(task)
                task.add_done_callback(self._ended)
        except Exception as error:
            self._stop(error)
        idle = not self._tasks and not self._timers and not self._due
        if (idle or self._stopping) and not self.finished.done():
            self.finished.set_result(None)

    async def close(self) -> None:
        """Give requests in flight the time they are due, then cancel them."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        try:
            if self._tasks and self._grace_s != 0:
                await asyncio.wait(self._tasks, timeout=self._grace_s)
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _next(self) -> _Job[ItemT] | None:
        if self._due:
            return self._due.popleft()
        if len(self._timers) >= self._limits.waiting or not self._more():
            return None
        return _Job(self._peeked.popleft(), self._loop.time() + self._limits.deadline_s)

    def _more(self) -> bool:
        """Say whether a request is left that was never tried."""
        if not self._peeked:
            self._peeked.extend(itertools.islice(self._fresh, 1))
        return bool(self._peeked)

    async def _attempt(self, job: _Job[ItemT]) -> None:
        job.attempts += 1
        began = self._loop.time()
        timeout = asyncio.timeout_at(job.deadline)
        try:
            async with timeout:
                reply = await self._ask(job.item)
        except TransientError as error:
            self._failed(job, error)
        except TimeoutError:
            if not timeout.expired():
                raise
            self._failed(job, TransientError(f"no answer within {self._limits.deadline_s:g} s"))
        else:
            self._answered(job, reply, self._loop.time() - began)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._stop(error)
        self.fill()

    def _answered(self, job: _Job[ItemT], reply: Reply, seconds: float) -> None:
        self._causes.clear()
        self._gave_up = False
        self._window.answered(seconds, full=not self._short)
        try:
            self._on_answer(job.item, reply, job.attempts, seconds)
        except BaseException:
            self._grace_s = 0.0  # Nothing that finishes now could be kept.
            raise

    def _failed(self, job: _Job[ItemT], error: TransientError) -> None:
        self._causes[str(error)] += 1
        if error.throttled:
            self._window.overloaded()
        delay = self._delay(job.attempts, error.retry_after)
        if job.attempts < self._limits.attempts and self._loop.time() + delay < job.deadline:
            if not self._stopping:
                number = next(self._numbers)
                self._timers[number] = self._loop.call_later(delay, self._wake, number, job)
        else:
            self._gave_up = True
            self._on_failure(job.item, str(error), job.attempts)
        self._break_circuit()

    def _wake(self, number: int, job: _Job[ItemT]) -> None:
        del self._timers[number]
        self._due.append(job)
        self.fill()

    def _delay(self, attempts: int, retry_after: float | None) -> float:
        """Return the seconds until the next attempt.

        The jitter is a low-discrepancy sequence: evenly spread, and no source of randomness.
        """
        jitter = (next(self._numbers) * _GOLDEN) % 1.0
        limits = self._limits
        backoff = min(limits.backoff_cap_s, limits.backoff_s * 2.0 ** (attempts - 1))
        if retry_after is not None:
            return min(retry_after, limits.retry_after_cap_s) + 0.25 * jitter * backoff
        return backoff * (0.5 + 0.5 * jitter)

    def _break_circuit(self) -> None:
        """Stop if nothing works any more: see `Limits.breaker`."""
        failures = self._causes.total()
        if failures < self._limits.breaker or not self._gave_up or not self._more():
            return
        cause, times = self._causes.most_common(1)[0]
        raise UserError(
            f"stopped after {failures} failed attempts in a row, {times} of them: {cause}; "
            "mend the cause and run again: what was answered is kept"
        )

    def _stop(self, error: BaseException) -> None:
        self.error = self.error or error
        self._stopping = True
        if isinstance(error, Enough):
            self._grace_s = None
