"""The scheduler: many at once, patient with what may pass, quick to stop where nothing can."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from aqa.errors import UserError
from aqa.inference.scheduler import Enough, Limits, run
from aqa.models.base import Reply, TransientError

FAST = Limits(concurrency=8, backoff_s=0.01, grace_s=0.2)


@dataclass
class Asked:
    """Runs a scheduler with `script(item, attempt)`, which returns a cause or None, and keeps the record."""

    script: object = None
    delay: float = 0.0
    answers: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)
    attempts: dict = field(default_factory=dict)
    order: list = field(default_factory=list)
    now: int = 0
    most: int = 0
    started: int = 0

    async def ask(self, item):
        self.order.append(item)
        self.attempts[item] = self.attempts.get(item, 0) + 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.delay)
            error = self.script(item, self.attempts[item]) if self.script else None
        finally:
            self.now -= 1
            self.started -= 1
        if isinstance(error, Exception):
            raise error
        if error:
            raise TransientError(error)
        return Reply("ok", str(item))

    def on_answer(self, item, reply, attempts, seconds):
        assert item not in self.answers
        self.answers[item] = attempts

    def on_failure(self, item, cause, attempts):
        assert item not in self.failures
        self.failures[item] = (cause, attempts)

    async def start(self, items, limits=FAST):
        await run(items, self.ask, self.on_answer, self.on_failure, limits)

    def run(self, items, limits=FAST):
        asyncio.run(self.start(items, limits))
        return self


def test_every_request_is_answered_once():
    assert set(Asked().run(range(500)).answers) == set(range(500))


def test_nothing_to_ask_ends_at_once():
    Asked().run([])


def test_requests_start_in_order():
    assert Asked().run(range(100)).order == list(range(100))


def test_the_number_in_flight_is_the_limit_from_the_start():
    seen = Asked(delay=0.01)

    async def start():
        task = asyncio.create_task(seen.start(range(400), Limits(concurrency=32)))
        await asyncio.sleep(0.001)
        assert seen.now == 32
        await task

    asyncio.run(start())
    assert seen.most == 32


def test_slots_are_never_idle():
    start = time.perf_counter()
    Asked(delay=0.05).run(range(640), Limits(concurrency=32))
    assert time.perf_counter() - start < 640 / 32 * 0.05 * 1.3 + 0.1


def test_requests_are_pulled_only_as_slots_become_free():
    pulled = 0

    def items():
        nonlocal pulled
        for i in range(300):
            pulled += 1
            assert pulled - len(seen.answers) <= 8 + 2
            yield i

    seen = Asked(delay=0.001)
    seen.run(items())
    assert pulled == 300


def test_a_transient_failure_is_tried_again():
    seen = Asked(lambda item, attempt: "HTTP 500" if attempt <= item % 3 else None).run(range(30))
    assert seen.answers == {i: i % 3 + 1 for i in range(30)}
    assert seen.failures == {}


def test_attempts_are_limited_and_the_last_cause_is_reported():
    limits = Limits(attempts=3, backoff_s=0.001)
    seen = Asked(lambda item, attempt: f"cause {attempt}" if item == 5 else None).run(range(30), limits)
    assert seen.failures == {5: ("cause 3", 3)}
    assert len(seen.answers) == 29


def test_waiting_for_another_attempt_occupies_no_slot():
    limits = Limits(concurrency=1, backoff_s=0.3)
    start = time.perf_counter()
    seen = Asked(lambda item, attempt: "HTTP 500" if attempt == 1 and item < 5 else None)
    seen.run(range(10), limits)
    assert seen.order[:10] == list(range(10))
    assert time.perf_counter() - start < 1.0


def test_what_waits_is_bounded():
    pulled = []
    limits = Limits(concurrency=4, backoff_s=0.2, waiting=10, breaker=10_000)

    def items():
        for i in range(1000):
            pulled.append(i)
            yield i

    async def start():
        seen = Asked(lambda item, attempt: "HTTP 500")
        task = asyncio.create_task(seen.start(items(), limits))
        await asyncio.sleep(0.09)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(start())
    assert 10 <= len(pulled) <= 10 + 4 + 1


def test_the_server_says_when_to_come_back():
    def script(item, attempt):
        return TransientError("429", retry_after=0.3, throttled=True) if attempt == 1 else None

    start = time.perf_counter()
    assert Asked(script).run(range(3)).answers == {0: 2, 1: 2, 2: 2}
    assert 0.3 <= time.perf_counter() - start < 1


def test_what_the_server_asks_for_is_capped():
    limits = Limits(retry_after_cap_s=0.1, backoff_s=0.01)

    def script(item, attempt):
        return TransientError("429", retry_after=1e9) if attempt == 1 else None

    assert Asked(script).run([1], limits).answers == {1: 2}


def test_throttling_halves_the_number_in_flight_at_most_once_a_second():
    again = []

    def script(item, attempt):
        if 32 <= item < 64 and attempt == 1:
            return TransientError("429", throttled=True)
        if attempt == 2:
            again.append(seen.now)
        return None

    seen = Asked(script, delay=0.02)
    seen.run(range(400), Limits(concurrency=32, backoff_s=0.01))
    assert len(seen.answers) == 400
    assert 12 <= max(again) <= 20, "32 refusals in one second halve 32 once"


def test_a_request_that_hangs_fails_at_its_deadline():
    seen = Asked(delay=0)

    async def ask(item):
        if item == 1:
            await asyncio.sleep(60)
        return Reply("ok")

    seen.ask = ask
    start = time.perf_counter()
    seen.run(range(5), Limits(deadline_s=0.2))
    assert time.perf_counter() - start < 2
    assert set(seen.answers) == {0, 2, 3, 4}
    assert seen.failures[1] == ("no answer within 0.2 s", 1)


def test_no_attempt_starts_that_would_pass_the_deadline():
    limits = Limits(deadline_s=0.2, backoff_s=10, attempts=50)
    start = time.perf_counter()
    assert Asked(lambda item, attempt: "HTTP 500").run([1], limits).failures == {1: ("HTTP 500", 1)}
    assert time.perf_counter() - start < 1


def test_when_nothing_works_the_run_stops_and_names_the_commonest_cause():
    seen = Asked(lambda item, attempt: "HTTP 500" if item % 7 else "reset")
    with pytest.raises(UserError, match=r"failed attempts in a row, .* of them: HTTP 500;"):
        seen.run(range(10_000), Limits(backoff_s=0.001, attempts=3))
    assert len(seen.attempts) < 500


def test_an_outage_shorter_than_the_retries_does_not_stop_the_run():
    seen = Asked(lambda item, attempt: "reset" if attempt <= 3 else None)
    seen.run(range(200), Limits(concurrency=32, backoff_s=0.001))
    assert len(seen.answers) == 200


def test_bad_requests_at_the_end_each_get_their_attempts():
    seen = Asked(lambda item, attempt: "HTTP 500" if item >= 50 else None).run(range(90))
    assert len(seen.answers) == 50
    assert {attempts for _, attempts in seen.failures.values()} == {FAST.attempts}
    assert set(seen.failures) == set(range(50, 90))


def test_an_error_of_the_user_stops_everything_but_keeps_what_is_in_flight():
    def script(item, attempt):
        if item == 3:
            return UserError("no such model")
        return None

    seen = Asked(script, delay=0.05)
    with pytest.raises(UserError, match="no such model"):
        seen.run(range(1000))
    assert set(seen.answers) == set(seen.order) - {3}
    assert len(seen.order) < 30


def test_what_does_not_finish_in_time_is_cancelled():
    async def ask(item):
        if item == 0:
            raise UserError("no such model")
        await asyncio.sleep(60)

    seen = Asked()
    seen.ask = ask
    start = time.perf_counter()
    with pytest.raises(UserError):
        seen.run(range(10))
    assert time.perf_counter() - start < 2


def test_an_answer_that_cannot_be_kept_stops_the_run_without_waiting():
    def full(item, reply, attempts, seconds):
        raise UserError("disk full")

    async def ask(item):
        await asyncio.sleep(0 if item == 0 else 60)
        return Reply("ok")

    seen = Asked()
    seen.ask, seen.on_answer = ask, full
    start = time.perf_counter()
    with pytest.raises(UserError, match="disk full"):
        seen.run(range(10), Limits(grace_s=30))
    assert time.perf_counter() - start < 5


def test_a_defect_in_a_backend_is_not_hidden():
    with pytest.raises(KeyError):
        Asked(lambda item, attempt: KeyError("oops") if item == 9 else None).run(range(100))


def test_requests_that_cannot_be_read_stop_the_run():
    def items():
        yield from range(20)
        raise UserError("line 21 is damaged")

    seen = Asked(delay=0.001)
    with pytest.raises(UserError, match="line 21"):
        seen.run(items())
    assert set(seen.answers) == set(range(20))


def test_a_cancelled_run_waits_for_what_is_in_flight_and_starts_nothing():
    seen = Asked(delay=0.1)

    async def start():
        task = asyncio.create_task(seen.start(range(100)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(start())
    assert set(seen.answers) == set(range(8))
    assert seen.order == list(range(8))


def test_what_may_not_be_asked_yet_waits_for_the_end_of_another_attempt():
    """As with money that is under way: three at once, whatever the window."""
    seen = Asked(delay=0.002)

    def admit(item):
        if seen.started == 3:
            return False
        seen.started += 1
        return True

    asyncio.run(run(range(60), seen.ask, seen.on_answer, seen.on_failure, FAST, admit=admit))
    assert set(seen.answers) == set(range(60))
    assert seen.order == list(range(60))
    assert seen.most == 3


def test_enough_starts_nothing_more_and_what_is_in_flight_ends_however_long_it_takes():
    seen = Asked(delay=0.3)

    def admit(item):
        if item == 20:
            raise Enough("the cap is reached")
        return True

    limits = Limits(concurrency=8, grace_s=0.01)
    with pytest.raises(Enough, match="the cap is reached"):
        asyncio.run(run(range(60), seen.ask, seen.on_answer, seen.on_failure, limits, admit=admit))
    assert set(seen.answers) == set(range(20))
