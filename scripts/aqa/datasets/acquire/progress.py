"""A line that tells how far a long transfer is, on a terminal only."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from aqa.datasets.acquire.archives import readable

INTERVAL_S = 0.2


class Progress:
    """Prints `name: 12.3 MB of 195.0 MB (6 %)` in place; prints nothing where stderr is no terminal."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._next = 0.0
        self._width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the line."""
        if self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()

    def show(self, done: float, total: float | None) -> None:
        """Show how many bytes of how many (None: not known) are done."""
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + INTERVAL_S
        share = f" of {readable(total)} ({100 * done / total:.0f} %)" if total else ""
        text = f"{self._label}: {readable(done)}{share}"
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = max(self._width, len(text))
