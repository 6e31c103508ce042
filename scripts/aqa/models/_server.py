"""A model server that a session owns: started, awaited, watched, started again, always ended."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from aqa.errors import UserError
from aqa.models import _supervisor
from aqa.models._nodes import Commands, Nodes, environment
from aqa.models._orphans import end_orphans, end_recorded, private_folder

log = logging.getLogger("aqa.server")

LINES = 30
"""Lines of the server's log that are shown when it fails."""

_TAIL = 64 << 10
_TELL_EVERY_S = 15.0
_LOOK_EVERY_S = 0.2
_HEALTH_EVERY_S = 5.0
_SILENT_S = 120.0
"""A server whose /health does not answer for so long hangs, and is started again."""

_PREFIX = r"(?:\([^)\n]*\) *)?(?:[A-Z]+ \S+ \S+ \[[^]\n]*\] *)?"
"""What vLLM writes before a line: `(EngineCore pid=7) ERROR 11-23 11:47:08 [core.py:1510] `."""

_ERROR = re.compile(
    rf"^{_PREFIX}([\w.]+(?:Error|Exception): .+|\S+: error: .+|\S+: cannot be started .+)$", re.M
)
_CONSEQUENCES = ("EngineDeadError", "Engine core initialization failed")
_IN_USE = ("Address already in use", "EADDRINUSE", "Errno 98")


@dataclass(frozen=True)
class Launch:
    """What to start. The port and the key are the server's own, and new at every start and session.

    `command` is the program and its first arguments, `flags` the rest without host and port. `model` is
    the name that the server must list. `patience_s` bounds a start, `grace_s` an end. `restarts`: after so
    many deaths in a row without an answer in between the server is given up. `nodes`: the machines, where
    they are several; when one of them ends, the server has died.
    """

    command: Sequence[str]
    flags: Sequence[str]
    model: str
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 3600.0
    grace_s: float = 5.0
    restarts: int = 3
    nodes: Nodes | None = None


class _Death(Exception):
    """The server has ended, or never answered; the text says how."""


class Answer(NamedTuple):
    """What the server said to a plain GET."""

    status: int
    body: bytes


class Server:
    """One server process on 127.0.0.1 behind a random key, alive between `start` and `stop`.

    `address` and `starts` change when it had to be started again.
    """

    def __init__(self, launch: Launch, logs: Path | None = None) -> None:
        self._launch = launch
        self._logs = logs
        self._process: subprocess.Popen[bytes] | None = None
        self._record = Path()
        self._watching: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._doubted = asyncio.Event()
        self._deaths = 0
        self._gave_up: Exception | None = None
        self._failed = False  # So its log is kept.
        self._log_start = 0  # Of the server that runs now, in the log of all of them.
        self.key = secrets.token_urlsafe(32)
        self.port = 0
        self.starts = 0
        self.log = Path()
        self.causes: list[str] = []
        """Why the server had to be started again, each time."""
        self.on_start: Callable[[str], None] = lambda _: None
        """Called with the address whenever a server answers for the first time."""
        self.past: list[str] = []
        """The last metrics of each server that has died."""
        self._metrics = ""

    @property
    def address(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            UserError: it did not; the message has the cause, the log the server's last lines.
        """
        folder = private_folder()
        end_orphans(folder)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._record = folder / f"{name}.json"
        self.log = (self._logs or folder) / f"server-{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            await self._start()
        except _Death as death:
            self._show_tail()
            raise UserError(f"the model server did not start: {death}; see {self.log}") from None
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the server and everything that it started."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await asyncio.shield(asyncio.to_thread(self._end))
        if self._logs is None and not self._failed:
            self.log.unlink(missing_ok=True)

    async def ready(self) -> None:
        """Wait until the server can be asked.

        Raises:
            UserError: it died too often, and was given up.
        """
        await self._ready.wait()
        if self._gave_up is not None:
            raise self._gave_up

    def doubt(self) -> None:
        """Say that a request failed: nothing more is asked until the server was found alive."""
        if self._gave_up is None:
            self._ready.clear()
            self._doubted.set()

    def answered(self) -> None:
        """Say that the server answered a request: earlier deaths are forgiven."""
        self._deaths = 0

    def get(self, path: str, timeout_s: float = 5.0) -> Answer:
        """Ask the server something small; blocks.

        Raises:
            OSError: there is no complete answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            return Answer(response.status, response.read(32 << 20))
        except http.client.HTTPException as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    async def _start(self) -> None:
        for last in (False, False, True):
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            try:
                await self._start_once()
            except _Death:
                taken = any(text in _tail(self.log, self._log_start) for text in _IN_USE)
                if last or not taken:
                    raise
            else:
                return

    async def _start_once(self) -> None:
        self.port = _free_port()
        launch = self._launch
        commands = Commands([*launch.command, *launch.flags], [])
        inherited: Mapping[str, str] = os.environ
        if launch.nodes is not None:
            made = launch.nodes.commands(launch.command, launch.flags, _free_port(""), launch.grace_s)
            commands, inherited = made, environment(inherited)
        command = [*commands.first, "--host=127.0.0.1", f"--port={self.port}"]
        log.info("starting the model server: %s", " ".join(command))
        for other in commands.others:
            log.info("with another node: %s", " ".join(other))
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-I", _supervisor.__file__, "--record", str(self._record)),
                *("--log", str(self.log), "--session", str(os.getpid())),
                *("--grace", str(launch.grace_s)),
                *(f"--other={json.dumps(other)}" for other in commands.others),
                *("--", *command),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**inherited, **launch.environment, "VLLM_API_KEY": self.key},
        )
        self.starts += 1
        began = time.monotonic()
        told = began
        while not await asyncio.to_thread(self._answers):
            self._check_alive()
            now = time.monotonic()
            if now - began > launch.patience_s:
                await asyncio.to_thread(self._end)
                raise _Death(f"it did not answer within {launch.patience_s:g} s")
            if now - told > _TELL_EVERY_S:
                told = now
                log.info("waiting for the model server, %.0f s: %s", now - began, _last_line(self.log))
            await asyncio.sleep(_LOOK_EVERY_S)
        log.info("the model server answers after %.0f s (%s)", time.monotonic() - began, self.address)
        self.on_start(self.address)
        self._ready.set()

    def _answers(self) -> bool:
        """Say whether our server, and no other, is ready to be asked."""
        try:
            if self.get("/health", 2).status != 200:
                return False
            listed = self.get("/v1/models")
            names = (
                {card["id"] for card in json.loads(listed.body)["data"]} if listed.status == 200 else set()
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return self._launch.model in names

    def _check_alive(self) -> None:
        status = self._process.poll() if self._process else 0
        if status is not None:
            end_recorded(self._record)
            how = f"by signal {status - 128}" if status > 128 else f"with status {status}"
            raise _Death(f"it ended {how} ({_reason(self.log, self._log_start)})")

    async def _watch(self) -> None:
        try:
            await self._look_after()
        except Exception as error:
            self._gave_up = error  # Whoever waits for the server must hear of it.
            self._ready.set()

    async def _look_after(self) -> None:
        """Keep the server alive until it is given up or the task is cancelled."""
        heard = checked = time.monotonic()
        while True:
            try:
                self._check_alive()
                if self._doubted.is_set() or time.monotonic() - checked >= _HEALTH_EVERY_S:
                    self._doubted.clear()
                    if await asyncio.to_thread(self._healthy):
                        heard = time.monotonic()
                        self._ready.set()
                    checked = time.monotonic()
                if time.monotonic() - heard > _SILENT_S:
                    raise _Death(f"/health did not answer for {_SILENT_S:g} s")
            except _Death as death:
                if not await self._restart(death):
                    return
                heard = checked = time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._doubted.wait(), _LOOK_EVERY_S)

    def _healthy(self) -> bool:
        try:
            status = self.get("/health").status
            if status == 503:  # vLLM's word for a dead engine.
                raise _Death("/health says that the engine is dead")
            self._metrics = self.get("/metrics").body.decode("utf-8", "replace")
        except OSError:
            return False
        return status == 200

    async def _restart(self, death: _Death) -> bool:
        """Start the server again; say whether it is there."""
        self._ready.clear()
        while True:
            self._deaths += 1
            self.causes.append(str(death))
            self.past.append(self._metrics)
            self._metrics = ""
            self._show_tail()
            await asyncio.to_thread(self._end)
            if self._deaths > self._launch.restarts:
                self._gave_up = UserError(
                    f"the model server died {self._deaths} times in a row without an answer in between: "
                    f"{death}; mend the cause (see {self.log}) and run again: what was answered is kept"
                )
                self._ready.set()
                return False
            log.warning("the model server died: %s; starting it again", death)
            try:
                await self._start()
            except _Death as next_death:
                death = next_death
            else:
                return True

    def _end(self) -> None:
        """Close the pipe: the supervisor ends the server, its family and itself."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(self._launch.grace_s + 15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_recorded(self._record)
        self._process = None

    def _show_tail(self) -> None:
        self._failed = True
        lines = _tail(self.log).replace(self.key, "***").splitlines()[-LINES:]
        log.error("the model server's last lines (%s):\n%s", self.log, "\n".join(lines))


def _free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _tail(path: Path, after: int = 0) -> str:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(after, size - _TAIL))
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _last_line(path: Path) -> str:
    lines = [line.strip() for line in _tail(path).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing in its log yet"


def _reason(path: Path, after: int) -> str:
    """Return the last error, no mere consequence, that a log names since a position; else its last line."""
    named = _ERROR.findall(_tail(path, after))
    causes = [line for line in named if not any(word in line for word in _CONSEQUENCES)]
    return causes[-1][:300] if causes else _last_line(path)
