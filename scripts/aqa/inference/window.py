"""How many requests may be in flight: fewer when the server has too much to do, more while it copes."""

from __future__ import annotations

import statistics
from collections.abc import Callable

_ROUND_S = 1.0
_SAMPLE = 4
_SLOW = 2.0
_PATIENCE = 2
_CUT = 0.7
_HELPED = 0.85


class Window:
    """The number of slots, between 1 and `most`, where it begins.

    Too much to do (`overloaded`) halves it, at most once a second. Answers let it grow by a sixteenth of
    `most` a round trip, unless the last round was slow. Latency counts by rounds of at least a second and
    four answers a slot: where the median is twice the best for two rounds, and no more is answered than
    then, the window shrinks to 0.7 as a trial. If the next round is quicker, the requests were queueing,
    and it stays; if not, they take longer for reasons of their own (longer clips, longer answers): the
    window is what it was, and their latency the new measure. A server that is merely slow thus loses two
    rounds at 0.7, and no more.

    Args:
        most: the largest size.
        clock: seconds, from any start.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = float(most)
        self._size = float(most)
        self._clock = clock
        self._last_cut = float("-inf")
        self._latencies: list[float] = []
        self._began = clock()
        self._best: tuple[float, float] | None = None  # Median and answers a second of the best round.
        self._slow_rounds = 0
        self._trial: tuple[float, float] | None = None  # Median and size before a cut.
        self._settling = True

    @property
    def size(self) -> int:
        """Slots at the moment."""
        return int(self._size)

    def answered(self, seconds: float, *, full: bool) -> None:
        """Count an answer that took `seconds`; `full` says that every slot was in use."""
        if not full:  # What is not in use needs not be more, and says nothing about queues.
            self._start_round()
            return
        if self._slow_rounds == 0 and self._trial is None:
            self._size = min(self._most, self._size + max(1.0, self._most / 16) / self._size)
        self._latencies.append(seconds)
        elapsed = self._clock() - self._began
        if elapsed >= _ROUND_S and len(self._latencies) >= _SAMPLE * self.size:
            median, rate = statistics.median(self._latencies), len(self._latencies) / elapsed
            self._start_round()
            self._judge(median, rate)

    def overloaded(self) -> None:
        """The server has too much to do: halve, at most once a second."""
        now = self._clock()
        if now - self._last_cut >= 1.0:
            self._last_cut = now
            self._size = max(1.0, self._size / 2)
            self._trial = None
            self._settling = True
            self._start_round()

    def _judge(self, median: float, rate: float) -> None:
        if self._settling:  # This round holds requests from before the cut, or began all at once.
            self._settling = False
        elif self._trial is not None:
            before, size = self._trial
            self._trial = None
            if median > _HELPED * before:
                self._size = size
                self._best = (median, rate)
                self._slow_rounds = 0
        elif self._best is None or median < self._best[0]:
            self._best = (median, rate)
            self._slow_rounds = 0
        elif median < _SLOW * self._best[0] or rate > 1.05 * self._best[1]:
            self._slow_rounds = 0
        else:
            self._slow_rounds += 1
            if self._slow_rounds >= _PATIENCE and self._size > 1:
                self._trial = (median, self._size)
                self._settling = True
                self._size = max(1.0, self._size * _CUT)

    def _start_round(self) -> None:
        self._latencies.clear()
        self._began = self._clock()
