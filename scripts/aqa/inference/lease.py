"""Leases: one session at a time writes a journal, also across hosts and after crashes.

The lease of a folder is the file `lease-<generation>.json` with the highest generation, created
exclusively and never removed. Its holder bumps a counter in it; clocks are never compared. Whoever
creates the next generation has taken over, and the old holder, which looks for that file before every
line it writes, stops.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import dumps
from aqa.records import Record

STALE_AFTER_S = 60.0
HEARTBEAT_S = 2.0

log = logging.getLogger("aqa.lease")

_LEASE = re.compile(r"lease-(\d+)\.json")


class Fenced(UserError):
    """Another session took the lease over: this one must not write any more."""


class Busy(UserError):
    """Another session, `holder`, has the lease."""

    def __init__(self, message: str, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class Lease(Record):
    """Who holds a folder. `started` is the process's start in clock ticks since boot.

    `boot` and `namespace` say within which boot and pid namespace `pid` means anything; they are empty
    and `started` is None where the system does not tell.
    """

    host: str
    boot: str
    namespace: str
    pid: int
    started: int | None
    counter: int
    state: Literal["held", "released"]


@dataclass(frozen=True)
class _Seen:
    """The newest lease of a folder; generation 0 if there is none, `lease` None if not readable."""

    generation: int
    lease: Lease | None


class Leases:
    """The leases of one session on several journals: all or none, kept alive by a thread.

    Raises on entry:
        Busy: another session holds one of the folders; none is kept.
    """

    def __init__(self, folders: Iterable[Path], stale_after_s: float = STALE_AFTER_S) -> None:
        self._folders = sorted(set(folders))
        self._stale_after_s = stale_after_s
        self._held: dict[Path, int] = {}
        self._me = _myself()
        self._counter = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="lease-heartbeat", daemon=True)
        self.lost: Fenced | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called once, from the heartbeat's thread, when a lease is lost."""

    def __enter__(self) -> Self:
        try:
            for folder, seen in wait_until_free(self._folders, self._stale_after_s).items():
                self._take(folder, seen.generation + 1)
        except BaseException:
            self._release()
            raise
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._release()

    def check(self, folder: Path) -> None:
        """Make sure that `folder` is still ours.

        Raises:
            Fenced: it is not.
        """
        if self.lost is not None:
            raise self.lost
        following = _path(folder, self._held[folder] + 1)
        if os.path.exists(following):  # noqa: PTH110 - once a line: half the time of Path.exists
            raise self._fenced(folder)

    def _take(self, folder: Path, generation: int) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(_path(folder, generation), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            raise _busy(folder, _look(folder).lease) from None
        except OSError as error:
            raise _cannot_write(folder, error) from error
        try:
            with os.fdopen(handle, "wb") as stream:
                self._held[folder] = generation
                stream.write(self._content("held"))
        except OSError as error:
            raise _cannot_write(folder, error) from error

    def _content(self, state: Literal["held", "released"]) -> bytes:
        return dumps(self._me.model_copy(update={"counter": self._counter, "state": state}))

    def _replace(self, folder: Path, state: Literal["held", "released"]) -> None:
        path = _path(folder, self._held[folder])
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(self._content(state))  # No sync: a lease need not outlive its host.
        temporary.replace(path)

    def _keep_alive(self) -> None:
        interval = min(HEARTBEAT_S, self._stale_after_s / 5)
        last_good = time.monotonic()
        while not self._stop.wait(interval):
            try:
                self._counter += 1
                for folder in self._held:
                    self.check(folder)
                    self._replace(folder, "held")
                last_good = time.monotonic()
            except Fenced as error:
                self._lose(error)
                return
            except OSError as error:
                if time.monotonic() - last_good > self._stale_after_s / 2:
                    self._lose(Fenced(f"the leases of this session cannot be renewed: {error}; stopped"))
                    return

    def _lose(self, error: Fenced) -> None:
        self.lost = self.lost or error
        if self.on_lost is not None:
            self.on_lost()

    def _fenced(self, folder: Path) -> Fenced:
        holder = _who(_look(folder).lease)
        return Fenced(f"{folder}: {holder} took over while this session stood still; stopped")

    def _release(self) -> None:
        for folder in self._held:
            try:
                self._replace(folder, "released")
            except OSError as error:
                log.warning("%s: the lease could not be given back (%s)", folder, error.strerror)


def _cannot_write(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder}: the lease cannot be written ({error.strerror}); nothing was asked")


def wait_until_free(folders: Iterable[Path], stale_after_s: float) -> dict[Path, _Seen]:
    """Return the newest lease of each folder once none of them is held, in the order given.

    A lease is free if it was released, or if its process is known to be gone. A lease that may be
    alive is watched: a change means that its holder works; no change for `stale_after_s` seconds
    means that it is dead.

    Raises:
        Busy: a folder is in use.
    """
    seen = {folder: _look(folder) for folder in folders}
    watched = {folder for folder in seen if not _free(seen[folder])}
    start = time.monotonic()
    announced = False
    while watched and time.monotonic() - start < stale_after_s:
        time.sleep(min(0.1, stale_after_s / 10))
        for folder in sorted(watched):
            now = _look(folder)
            if _free(now):
                watched.remove(folder)
            elif now != seen[folder]:
                raise _busy(folder, now.lease)
            seen[folder] = now
        if watched and not announced and time.monotonic() - start > 2 * HEARTBEAT_S:
            announced = True
            folder = min(watched)
            log.info("%s: held by %s; waiting for a sign of life", folder, _who(seen[folder].lease))
    return seen


def _look(folder: Path) -> _Seen:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return _Seen(0, None)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from error
    newest = max((int(match[1]) for name in names if (match := _LEASE.fullmatch(name))), default=0)
    if newest == 0:
        return _Seen(0, None)
    try:
        return _Seen(newest, Lease.model_validate_json(_path(folder, newest).read_bytes()))
    except (OSError, ValidationError):
        return _Seen(newest, None)


def _free(seen: _Seen) -> bool:
    if seen.lease is None:
        return seen.generation == 0
    return seen.lease.state == "released" or _gone(seen.lease)


def _gone(lease: Lease) -> bool:
    """Say whether the holder is certainly dead; False where this host cannot know."""
    me = _myself()
    here = (lease.host, lease.boot, lease.namespace) == (me.host, me.boot, me.namespace)
    if not here or not me.boot or lease.started is None:
        return False
    try:
        return _started(lease.pid) != lease.started
    except PermissionError:
        return False


def _myself() -> Lease:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
        started = _started(os.getpid())
    except OSError:
        boot, namespace, started = "", "", None
    return Lease(
        host=socket.gethostname(),
        boot=boot,
        namespace=namespace,
        pid=os.getpid(),
        started=started,
        counter=0,
        state="held",
    )


def _started(pid: int) -> int | None:
    """Return the start of a process in clock ticks since boot; None if it is gone or a zombie.

    Raises:
        PermissionError: the process exists, but /proc hides it (mount option `hidepid`).
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        raise PermissionError(f"/proc/{pid} is hidden") from None
    return None if fields[0] in "ZX" else int(fields[19])


def _path(folder: Path, generation: int) -> Path:
    return folder / f"lease-{generation}.json"


def _who(lease: Lease | None) -> str:
    return f"a session on host {lease.host} (pid {lease.pid})" if lease else "a session that just started"


def _busy(folder: Path, lease: Lease | None) -> Busy:
    message = f"{folder}: {_who(lease)} is asking these requests; wait for it or stop it first"
    return Busy(message, _who(lease))
