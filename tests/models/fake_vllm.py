"""A process that takes the flags of `vllm serve` and speaks its HTTP, and that fails as it is told.

Like vLLM it starts a worker, here in a session of its own, so that no process group covers both. Its state
folder keeps, over starts: `starts` (a line of JSON a start: pids, arguments), `received` (digest and text
of a request a line), and the deaths that are still due. Faults are its first arguments; all other
arguments are vLLM's.

Over several nodes it is as strict as vLLM: the first node answers when all others have come to its master
port, each with its own rank and otherwise the same arguments. When one is lost it says nothing, and hangs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from aiohttp import web

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from openai_server import Rules, Server  # noqa: E402

WORKER = "import sys; sys.stdin.read()"
"""Ends when its parent does, as vLLM's workers do."""

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Fake(Server):
    """The server; `faults` are the parsed first arguments."""

    def __init__(self, rules: Rules, faults: argparse.Namespace) -> None:
        super().__init__(rules, lambda body: '{"answer": "A"}')
        self.faults = faults
        self.answered = 0
        self.dead = False

    def add_routes(self, app: web.Application) -> None:
        """Serve what a session asks of vLLM besides the protocol of OpenAI."""
        super().add_routes(app)
        app.router.add_get("/version", self._version)
        app.router.add_get("/metrics", self._metrics)

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self.dead else 200)

    async def _models(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.rules.api_key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return await super()._models(request)

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.0.0-fake"})

    async def _metrics(self, _: web.Request) -> web.Response:
        counts = {"prefix_cache_queries": 100, "prefix_cache_hits": 70, "prompt_tokens": 100}
        lines = [f'vllm:{name}_total{{engine="0"}} {n * self.answered}.0' for name, n in counts.items()]
        return web.Response(text="\n".join(["# HELP vllm:prefix_cache_hits_total x", *lines, ""]))

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        if self.dead:
            return web.json_response({"error": {"message": "EngineDeadError"}}, status=500)
        while lost.is_set():
            await asyncio.sleep(0.1)
        if self.answered == self.faults.die_after and self._death_is_due():
            if not self.faults.engine_only:
                os.kill(os.getpid(), signal.SIGKILL)
            self.dead = True
            return web.json_response({"error": {"message": "EngineDeadError"}}, status=500)
        self.answered += 1
        reply = await super()._completions(request)
        received = self.received[-1]
        append(self.faults.state / "received", f"{received.digest} {' '.join(received.texts)}")
        return reply

    def _death_is_due(self) -> bool:
        path = self.faults.state / "deaths"
        done = int(path.read_text()) if path.exists() else 0
        path.write_text(str(done + 1))
        return done < self.faults.deaths


def append(path: Path, line: str) -> None:
    """Add a line to a file."""
    with path.open("a") as stream:
        stream.write(line + "\n")


lost = threading.Event()
"""Set when a node is gone: a collective operation never ends then."""


def gather(flags: argparse.Namespace, shared: list[str]) -> None:
    """On the first node: wait until all others are there, and notice when one goes."""
    door = socket.create_server((flags.master_addr, flags.master_port))
    ranks = set()
    while len(ranks) < flags.nnodes - 1:
        node, _ = door.accept()
        rank, *theirs = json.loads(node.makefile().readline())
        if theirs != shared or rank in ranks or not 0 < rank < flags.nnodes:
            sys.exit(f"ValueError: node {rank} was started with {theirs}, the first one with {shared}")
        ranks.add(rank)
        threading.Thread(target=lambda node=node: (node.recv(1), lost.set()), daemon=True).start()


def follow(flags: argparse.Namespace, shared: list[str]) -> None:
    """On another node: come to the first one, then work until it is ended."""
    until = time.monotonic() + 20
    while True:
        try:
            first = socket.create_connection((flags.master_addr, flags.master_port))
            break
        except OSError:
            if time.monotonic() > until:
                sys.exit("RuntimeError: the first node cannot be reached")
            time.sleep(0.05)
    first.sendall(json.dumps([flags.node_rank, *shared]).encode() + b"\n")
    while True:
        time.sleep(60)


async def serve(flags: argparse.Namespace, faults: argparse.Namespace) -> None:
    """Serve until the process is ended."""
    rules = Rules(model=flags.served_model_name, api_key=os.environ["VLLM_API_KEY"], delay=faults.delay)
    await Fake(rules, faults).start(flags.port)
    await asyncio.Event().wait()


def parse(values: list[str]) -> tuple[argparse.Namespace, argparse.Namespace]:
    """Return vLLM's flags and the faults."""
    faults = argparse.ArgumentParser(allow_abbrev=False)
    faults.add_argument("--state", type=Path, required=True)
    faults.add_argument("--delay", type=float, default=0.0)
    faults.add_argument("--slow-start", type=float, default=0.0, help="seconds before it answers")
    faults.add_argument("--fail-start", action="store_true")
    faults.add_argument("--port-taken", action="store_true", help="the first start finds its port in use")
    faults.add_argument("--stubborn", action="store_true", help="server and worker ignore every hint")
    faults.add_argument("--die-after", type=int, default=-1, help="answers before a death")
    faults.add_argument("--deaths", type=int, default=1_000, help="how many starts end in death")
    faults.add_argument("--engine-only", action="store_true", help="only the engine dies; HTTP goes on")
    flags = argparse.ArgumentParser()
    headless = "--headless" in values
    for name in ("--model", "--served-model-name"):
        flags.add_argument(name, required=True)
    if headless:
        flags.add_argument("--headless", action="store_true")
    else:
        flags.add_argument("--host", required=True)
        flags.add_argument("--port", type=int, required=True)
        flags.add_argument("--api-server-count", type=int)
    flags.add_argument("--nnodes", type=int, default=1)
    flags.add_argument("--node-rank", type=int, default=0)
    flags.add_argument("--master-addr")
    flags.add_argument("--master-port", type=int)
    known, rest = faults.parse_known_args(values)
    read, known.shared = flags.parse_known_args(rest)
    return read, known


def main() -> None:
    """Start, as the faults allow."""
    flags, faults = parse(sys.argv[1:])
    first = not (faults.state / "starts").exists()
    if faults.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    idle = [sys.executable, "-IS", "-c", STUBBORN if faults.stubborn else WORKER]
    worker = subprocess.Popen(idle, start_new_session=True, stdin=subprocess.PIPE)
    rank = flags.node_rank
    start: dict[str, Any] = {"rank": rank, "pids": [os.getpid(), worker.pid], "arguments": sys.argv[1:]}
    append(faults.state / "starts", json.dumps(start))
    print("fake vLLM: loading weights", flush=True)
    if faults.fail_start:
        sys.exit("ValueError: No available memory for the cache blocks")
    if faults.port_taken and first:
        sys.exit("OSError: [Errno 98] Address already in use")
    if rank:
        follow(flags, faults.shared)
    if flags.nnodes > 1:
        gather(flags, faults.shared)
    time.sleep(faults.slow_start)
    asyncio.run(serve(flags, faults))


if __name__ == "__main__":
    main()
