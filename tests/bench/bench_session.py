"""What a whole session costs: requests read, clips encoded, HTTP, scheduler, journal, responses written.

`python tests/bench/bench_session.py` runs `scripts/infer.py` as a process against a local server that
answers in 50 ms or 0.5 s (`lean_server.py`, in a process of its own) and prints, beside the targets: CPU
(user and system time) a sample, start-up apart; CPU of the start-up; throughput, start-up apart, as a
share of concurrency / latency, with the latency that the server states and with the mean that the session
measured (the difference is what the machine was busy with); and the highest resident memory, by `wait4`.
Start-up is a session of one request.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]

from aqa import models
from aqa.files import digest, write_jsonl
from openai_requests import clip, jpeg, model_file, request

INFER = Path(__file__).parents[2] / "scripts" / "infer.py"


@dataclass(frozen=True)
class Workload:
    """Requests, frames of each, pixels of a frame's side, concurrency, seconds that the server takes.

    `target` is CPU ms a sample.
    """

    requests: int
    frames: int
    side: int
    concurrency: int
    delay: float = 0.05
    target: float | None = None


WORKLOADS = (
    Workload(2000, 1, 256, 32, target=1.5),
    Workload(500, 16, 256, 32, target=8.0),
    Workload(500, 16, 512, 64),
    Workload(2000, 16, 512, 64),
    Workload(640, 1, 256, 32, delay=0.5),
    Workload(640, 16, 256, 32, delay=0.5),
)


def write_cell(folder: Path, media: Path, url: str, load: Workload) -> None:
    """Write a model's file and a cell of requests, each with a clip of its own."""
    model = model_file(url, {"temperature": 0.0, "max_tokens": 16}, video="frames")
    context = models.Context(media=media, seed=0)
    settings = digest(models.create(model, context, "bench").identity())
    file = model.model_copy(update={"concurrency": load.concurrency}).model_dump(mode="json")
    (folder / "model.yaml").write_text(json.dumps(file))
    pictures = [jpeg(k, load.side) for k in range(64)]
    lines = []
    for number in range(load.requests):
        frames = [pictures[(number + 7 * k) % 64] for k in range(load.frames)]
        frames[0] += b"\0" * 8 + b"%08d" % number  # Bytes after the image make every clip another one.
        asked = request(clip(media, f"clip-{number}", frames), "How deep is the squat?")
        key = digest([number, load.frames])
        fields = {"key": key, "settings": settings, "sample_id": f"clip-{number}"}
        lines.append(asked.model_copy(update=fields))
    write_jsonl(folder / "cells/bench/judge/original/base/local/requests.jsonl", lines)


def infer(folder: Path, media: Path) -> tuple[float, float, float]:
    """Run the session; return its CPU and wall seconds and its highest resident memory in MB."""
    command = [
        *(sys.executable, INFER, "--model-id", "local", "--model", folder / "model.yaml", "--seed", "0"),
        *("--media", media, "--journals", folder / "journals", "--log", folder / "log"),
        *("--cells", folder / "cells/bench/judge/original/base/local"),
    ]
    start = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - start, usage.ru_maxrss / 1024


def latency_of(folder: Path) -> float:
    """Return the mean latency of the answers in the journal, in seconds."""
    segment = next(folder.glob("journals/*/*/*/*/*/segment-*.jsonl"))
    latencies = [json.loads(line)["latency_s"] for line in segment.read_bytes().splitlines()]
    return sum(latencies) / len(latencies)


def measure(load: Workload) -> str:
    """Return one row of the table."""
    with server(load.delay) as url, tempfile.TemporaryDirectory() as name:
        one, many, media = Path(name, "one"), Path(name, "many"), Path(name, "media")
        media.mkdir()
        for folder, number in ((one, 1), (many, load.requests)):
            folder.mkdir()
            write_cell(folder, media, url, replace(load, requests=number))
        startup, first, _ = infer(one, media)
        cpu, wall, memory = infer(many, media)
        latency = latency_of(many)
        kilobytes = (media / "clip-0.zip").stat().st_size // 1000
    rate = (load.requests - 1) / (wall - first + load.delay)
    cost = 1000 * (cpu - startup) / (load.requests - 1)
    shares = [100 * rate * seconds / load.concurrency for seconds in (load.delay, latency)]
    asked = f"{load.requests} × {load.frames} frame(s), {kilobytes} kB"
    return (
        f"| {asked}, {load.concurrency} at {1000 * load.delay:.0f} ms | {cost:.2f} "
        f"({'≤ ' + str(load.target) if load.target else '-'}) | {startup:.2f} (≤ 1) | {rate:.0f} "
        f"| {shares[0]:.0f} % | {shares[1]:.0f} % (≥ 95) | {memory:.0f} (≤ 400) |"
    )


@contextmanager
def server(delay: float) -> Iterator[str]:
    """Run the server; provide its address."""
    command = [sys.executable, Path(__file__).with_name("lean_server.py"), "--delay", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def main() -> None:
    """Print one row a workload."""
    print("| workload | CPU ms/sample | start-up CPU s | answers/s | of stated | of measured | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for load in WORKLOADS:
        print(measure(load), flush=True)


if __name__ == "__main__":
    main()
