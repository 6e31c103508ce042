"""Progress: one live line on a terminal, log lines elsewhere."""

import asyncio
import io
import logging

from aqa.inference import progress
from aqa.inference.progress import Progress, Tally
from aqa.records import Usage


class Terminal(io.StringIO):
    def isatty(self):
        return True


def tally():
    tally = Tally(reused=3)
    for outcome in ("ok", "ok", "failed", "refused"):
        tally.add(outcome, Usage(prompt_tokens=500, completion_tokens=None))
    return tally


def watch(stream):
    async def watch():
        task = asyncio.create_task(Progress(tally(), 10, stream).watch())
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(watch())
    return stream.getvalue()


def test_a_terminal_gets_one_live_line_that_is_wiped_at_the_end(monkeypatch):
    monkeypatch.setattr(progress, "LIVE_S", 0.01)
    shown = watch(Terminal())
    assert "4/10" in shown
    assert "left" in shown
    assert "1 failed, 1 refused, 2,000 tokens" in shown
    assert "\n" not in shown
    assert shown.endswith("\r\x1b[K")


def test_elsewhere_only_a_log_line_at_the_start_and_every_few_minutes(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    assert watch(io.StringIO()) == ""
    assert len(caplog.records) == 1
    assert "asking 10 requests, 3 are in the journal" in caplog.text
    monkeypatch.setattr(progress, "LOG_S", 0.03)
    watch(io.StringIO())
    assert len(caplog.records) == 3


def test_money_is_shown_where_something_is_paid():
    paid = tally()
    assert "USD" not in Progress(paid, 10, io.StringIO()).line() + paid.summary()
    paid.add("ok", Usage(prompt_tokens=5), 1.239)
    assert Progress(paid, 10, io.StringIO()).line().endswith("2,005 tokens, 1.24 USD")
    assert paid.summary().endswith("tokens 2,005 in, 0 out, 1.24 USD")


def test_nothing_done_yet_has_no_time_left():
    assert "0/5, 0.0/s, ? left" in Progress(Tally(), 5, io.StringIO()).line()


def test_the_summary_names_what_happened():
    expected = "asked 4 (1 failed, 2 ok, 1 refused), reused 3 from the journal, tokens 2,000 in, 0 out"
    assert tally().summary() == expected
