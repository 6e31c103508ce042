"""The process between a session and its server: the server never outlives the session.

Run as a program (`python -I _supervisor.py --record FILE --log FILE --session PID --grace S -- COMMAND`)
with a pipe as its standard input whose other end only the session holds. When the pipe closes, however
the session ended, it ends the server and everything that the server started: SIGTERM, after the grace
SIGKILL. When the server ends by itself it ends the rest and exits with the server's status. It has a
session of its own, so that what kills the session's process group does not reach it.

A server over several machines has a process here for each other one (`--other`): the launcher that started
it there. When one ends, all do. What runs there is a supervisor again, without a record and a log of its own:
the launcher's standard input is a pipe from here, and its output goes into the server's log.

Only the standard library: it starts in milliseconds and imports nothing of the environment. The rest of
this module says what /proc knows about processes; where there is no /proc, the process group must do.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

_POLL_S = 0.2
_FAR_S = 3.0
"""What the end of another machine may take longer than the grace: its supervisor ends the family there."""

_RECORD_EVERY_S = 1.0
_DEATH_SIGNAL, _CHILD_SUBREAPER = 1, 36
"""Options of prctl(2)."""


class Process(NamedTuple):
    """A process, told from a later one with the same number by its start, in clock ticks since boot."""

    pid: int
    start: int


def alive(pid: int) -> Process | None:
    """Return a running process (no zombie) with its start; None if there is none, or no /proc."""
    found = _stat(pid)
    return None if found is None or found[0] in "ZX" else Process(pid, found[2])


def family(pid: int) -> list[Process]:
    """Return the descendants of a process that run, without itself; empty where there is no /proc."""
    children: dict[int, list[tuple[int, int, str]]] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - names only, often
            if name.isdigit() and (found := _stat(int(name))) is not None:
                children.setdefault(found[1], []).append((int(name), found[2], found[0]))
    descendants, ahead = [], [pid]
    while ahead:
        for child, start, state in children.pop(ahead.pop(), []):
            ahead.append(child)
            if state not in "ZX":
                descendants.append(Process(child, start))
    return descendants


def kill(processes: Iterable[Process]) -> None:
    """End processes at once: exactly these, never another that has got the number of one meanwhile."""
    for process in processes:
        try:
            handle = os.pidfd_open(process.pid)
        except (OSError, AttributeError):  # Gone; or no Linux, where nothing tells processes apart.
            continue
        try:
            if alive(process.pid) == process:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except OSError:
            pass
        finally:
            os.close(handle)


def _stat(pid: int) -> tuple[str, int, int] | None:
    """Return state, parent and start of a process; its name may hold anything, brackets too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return fields[0].decode(), int(fields[1]), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def boot() -> str:
    """Return what process numbers are valid in: this boot and this PID namespace; "" without /proc."""
    try:
        identity = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{identity} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


class Supervisor:
    """One server and all that it starts."""

    def __init__(
        self, commands: list[list[str]], record: Path | None, session: int | None, grace_s: float
    ) -> None:
        self._record = record
        self._grace_s = grace_s
        self._status: int | None = None
        self._asked_to_end = False
        self._ending = False
        self._recorded: list[Process] = []
        owner = None if session is None else alive(session)
        self._about = {"boot": boot(), "session": owner, "supervisor": alive(os.getpid())}
        self._write([])
        signal.signal(signal.SIGTERM, self._on_signal)
        self._running: dict[int, str] = {}
        self._started: list[subprocess.Popen[bytes]] = []
        for number, command in enumerate(commands):
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if number else subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=_in_child,  # noqa: PLW1509 - a process of one thread
                )
            except OSError as error:
                self._end()
                self._forget()
                sys.exit(f"{command[0]}: cannot be started ({error.strerror})")
            self._started.append(process)  # Holds the pipes open.
            self._running[process.pid] = f"node-{number}" if number else ""

    def run(self) -> int:
        """Wait until the pipe closes or the server ends; end everything; return the server's status."""
        recorded_at = 0.0
        while self._status is None and not self._asked_to_end and not _closed(_POLL_S):
            self._reap()
            if time.monotonic() - recorded_at >= _RECORD_EVERY_S:
                self._remember()
                recorded_at = time.monotonic()
        self._remember()
        self._end()
        self._forget()
        return self._status or 0

    def _on_signal(self, *_: Any) -> None:
        self._asked_to_end = True

    def _end(self) -> None:
        """End the server as it likes to be ended, then by force what is left of its family."""
        self._ending = True
        for pid in self._running:  # Not reaped yet, so the numbers are still theirs.
            os.kill(pid, signal.SIGTERM)
        far = _FAR_S if len(self._started) > 1 else 0.0
        self._wait(self._grace_s + far, lambda: not self._running)
        if not self._about["boot"]:
            for process in self._started:
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
        self._wait(min(self._grace_s, 1.0), lambda: not family(os.getpid()))
        until = time.monotonic() + 10
        while (left := family(os.getpid())) and time.monotonic() < until:
            kill(left)
            self._wait(0.1, lambda: False)

    def _wait(self, seconds: float, done: Any) -> None:
        until = time.monotonic() + seconds
        while True:
            self._reap()
            if done() or time.monotonic() >= until:
                return
            time.sleep(0.05)

    def _reap(self) -> None:
        """Take leave of ended children, adopted ones too, and keep the server's status."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                name = self._running.pop(ended[0], None)
                if name is not None and self._status is None:
                    code = os.waitstatus_to_exitcode(ended[1])
                    self._status = 128 - code if code < 0 else code
                    if name and not self._ending:
                        print(
                            f"{name}: error: ended with status {self._status}, and so the server", flush=True
                        )
                        self._status = self._status or 1

    def _remember(self) -> None:
        processes = family(os.getpid())
        if processes != self._recorded:
            self._recorded = processes
            self._write(processes)

    def _forget(self) -> None:
        if self._record is not None:
            self._record.unlink(missing_ok=True)

    def _write(self, processes: list[Process]) -> None:
        if self._record is None:
            return
        temporary = self._record.with_suffix(".new")
        temporary.write_text(json.dumps({**self._about, "processes": processes}))
        temporary.replace(self._record)


def _closed(seconds: float) -> bool:
    """Wait until the pipe to the session has closed, or `seconds` have passed; say which."""
    ready, _, _ = select.select([0], [], [], seconds)
    return bool(ready) and os.read(0, 1) == b""


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _in_child() -> None:
    """Undo what the server must not inherit, and let it die with the supervisor."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    _prctl(_DEATH_SIGNAL, signal.SIGKILL)


def main() -> None:
    """Run a server until it or the session ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--session", type=int)
    parser.add_argument("--grace", type=float, required=True)
    parser.add_argument("--other", type=json.loads, action="append", default=[], help="a command, as JSON")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args()
    if chosen.log is not None:
        log = os.open(chosen.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _prctl(_CHILD_SUBREAPER, 1)
    commands = [chosen.command, *chosen.other]
    supervisor = Supervisor(commands, chosen.record, chosen.session, chosen.grace)
    sys.exit(supervisor.run())


if __name__ == "__main__":
    main()
