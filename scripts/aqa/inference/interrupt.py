"""SIGINT and SIGTERM as a clean end: what is finished is kept, leases are given back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(BaseException):
    """A signal asked the session to stop. `status` is the exit status that shells expect."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; run again to go on")
        self.status = 128 + number


class Signals:
    """Turns SIGINT and SIGTERM into `Interrupted`, or into a call of `on_signal` while that is set.

    Must be entered on the main thread.
    """

    def __init__(self) -> None:
        self.on_signal: Callable[[], None] | None = None
        self._received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise what was received while `on_signal` was set."""
        if self._received is not None:
            raise Interrupted(self._received)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._received = number
        if self.on_signal is None:
            raise Interrupted(number)
        self.on_signal()
