"""What every command line shares: logging, progress on a terminal, errors without tracebacks."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aqa.errors import UserError

log = logging.getLogger("aqa")


def run(main: Callable[[], None], log_file: Path | None = None) -> None:
    """Run a command line's work and exit: 0, 1 for a `UserError` (one line), 2 for a defect of ours.

    Messages go to stderr and, if given, to `log_file`; a defect's traceback goes to the log file, or
    to stderr where there is none.
    """
    try:
        setup(log_file)
        main()
    except UserError as error:
        log.error("%s", error)
        sys.exit(1)
    except KeyboardInterrupt:
        log.error("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        os._exit(141)
    except Exception as error:
        if log_file is None:
            log.exception("unexpected error: please report it with this text")
        else:
            _file_only(log_file, error)
            log.error("unexpected %s: %s (details: %s)", type(error).__name__, error, log_file)
        sys.exit(2)


def setup(log_file: Path | None = None, *, again: bool = False) -> None:
    """Send `aqa` log messages to stderr and to `log_file`; `again`: below what is in that already."""
    log.setLevel(logging.INFO)
    log.handlers.clear()
    log.propagate = False
    stderr = logging.StreamHandler()
    stderr.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    log.addHandler(stderr)
    if log_file is not None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            file = _File(log_file, mode="a" if again else "w", encoding="utf-8")
        except OSError as error:
            raise UserError(f"{log_file}: cannot be written ({error.strerror})") from error
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(file)


class _File(logging.FileHandler):
    """A log file that says once, in one line, that its disk is full or broken, and then falls silent."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - the name is logging's
        """Give the file up; messages still go to stderr."""
        log.removeHandler(self)
        log.warning("%s: cannot be written (%s)", self.baseFilename, sys.exception())


def _file_only(log_file: Path, error: Exception) -> None:
    for handler in log.handlers:
        if isinstance(handler, logging.FileHandler):
            record = log.makeRecord(
                log.name,
                logging.ERROR,
                str(log_file),
                0,
                "unexpected error",
                (),
                (type(error), error, error.__traceback__),
            )
            handler.emit(record)


def progress(what: str) -> Callable[[int, int], None]:
    """Return a reporter of `what` is done: count, rate and time left on a terminal, silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None
    begun: tuple[float, int] | None = None

    def show(done: int, total: int) -> None:
        nonlocal begun
        begun = begun or (time.monotonic(), done)
        seconds, made = time.monotonic() - begun[0], done - begun[1]
        rate = made / seconds if seconds > 0 else 0.0
        left = f", {rate:.1f}/s, {(total - done) / rate:.0f} s left" if rate else ""
        sys.stderr.write(f"\r\x1b[K{what}: {done}/{total}{left}" + ("\n" if done == total else ""))
        sys.stderr.flush()

    return show
