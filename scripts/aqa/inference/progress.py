"""How far a session is: one live line on a terminal, a few log lines elsewhere."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TextIO

from aqa.records import Usage

LIVE_S = 0.5
LOG_S = 300.0

log = logging.getLogger("aqa.progress")


@dataclass
class Tally:
    """What became of the requests of one session. `reused` were answered by earlier sessions."""

    reused: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    """What the session has paid, None if nothing is paid."""

    @property
    def asked(self) -> int:
        """Requests that this session asked to the end, failures included."""
        return self.outcomes.total()

    def add(self, outcome: str, usage: Usage | None = None, usd: float | None = None) -> None:
        """Count one finished request; `usd` is what the session has paid by now."""
        self.outcomes[outcome] += 1
        self.usd = usd
        if usage is not None:
            self.prompt_tokens += usage.prompt_tokens or 0
            self.completion_tokens += usage.completion_tokens or 0

    def summary(self) -> str:
        """Return one line: asked, by outcome, reused, tokens, money."""
        parts = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items()))
        asked = f"asked {self.asked:,}" + (f" ({parts})" if parts else "")
        return f"{asked}, reused {self.reused:,} from the journal, tokens {self._tokens()}"

    def _tokens(self) -> str:
        money = f", {self.usd:.2f} USD" if self.usd is not None else ""
        return f"{self.prompt_tokens:,} in, {self.completion_tokens:,} out{money}"


class Progress:
    """Shows a tally while a session asks `total` requests."""

    def __init__(self, tally: Tally, total: int, stream: TextIO | None = None) -> None:
        self._tally = tally
        self._total = total
        self._stream = stream if stream is not None else sys.stderr
        self._live = self._stream.isatty()
        self._start = time.monotonic()

    async def watch(self) -> None:
        """Show the state until cancelled."""
        log.info("asking %s requests, %s are in the journal", f"{self._total:,}", f"{self._tally.reused:,}")
        try:
            while True:
                await asyncio.sleep(LIVE_S if self._live else LOG_S)
                if self._live:
                    self._stream.write(f"\r\x1b[K{self.line()}")
                    self._stream.flush()
                else:
                    log.info("%s", self.line())
        finally:
            if self._live:
                self._stream.write("\r\x1b[K")
                self._stream.flush()

    def line(self) -> str:
        """Return done/total, rate, time left, outcomes other than ok, tokens, money."""
        done = self._tally.asked
        rate = done / max(time.monotonic() - self._start, 1e-9)
        left = _duration((self._total - done) / rate) if done else "?"
        bad = [f"{count} {name}" for name, count in sorted(self._tally.outcomes.items()) if name != "ok"]
        tokens = self._tally.prompt_tokens + self._tally.completion_tokens
        parts = [f"{done:,}/{self._total:,}", f"{rate:.1f}/s", f"{left} left", *bad, f"{tokens:,} tokens"]
        parts += [f"{self._tally.usd:.2f} USD"] if self._tally.usd is not None else []
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
