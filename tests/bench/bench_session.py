"""What a whole session costs: requests read, clips encoded, HTTP, scheduler, journal, responses written.

`python tests/bench/bench_session.py` runs `scripts/infer.py` as a process against a local server that
answers in 50 ms, and prints CPU (user and system time of that process) a sample, start-up apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")]

from aqa import models
from aqa.files import digest, write_jsonl
from openai_requests import clip, jpeg, model_file, request
from openai_server import ServerProcess

INFER = Path(__file__).parents[2] / "scripts" / "infer.py"
CONCURRENCY = 32
WORKLOADS = ((400, 1, 256), (100, 16, 256))
"""Requests, frames of each, pixels of a frame's side."""


def write_cell(folder: Path, media: Path, url: str, requests: int, frames: int, side: int) -> None:
    """Write a model's file and a cell of `requests` requests, each with a clip of its own."""
    model = model_file(url, {"temperature": 0.0, "max_tokens": 16}, video="frames")
    context = models.Context(media=media, seed=0)
    settings = digest(models.create(model, context, "bench").identity())
    (folder / "model.yaml").write_text(
        json.dumps(model.model_copy(update={"concurrency": CONCURRENCY}).model_dump(mode="json"))
    )
    lines = []
    for number in range(requests):
        name = f"clip-{number}"
        shown = clip(media, name, [jpeg(number * frames + k, side) for k in range(frames)])
        asked = request(shown, "How deep is the squat?")
        key = digest([number, frames])
        lines.append(asked.model_copy(update={"key": key, "settings": settings, "sample_id": name}))
    write_jsonl(folder / "cells/bench/judge/original/base/local/requests.jsonl", lines)


def infer(folder: Path, media: Path) -> tuple[float, float]:
    """Run the session; return its CPU and wall seconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        [
            *(sys.executable, INFER, "--model-id", "local", "--model", folder / "model.yaml", "--seed", "0"),
            *("--media", media, "--journals", folder / "journals"),
            *("--cells", folder / "cells/bench/judge/original/base/local"),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    after = os.times()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return cpu, time.perf_counter() - start


def main() -> None:
    """Print one line a workload."""
    print("| workload | CPU ms/sample | start-up CPU s | samples/s |\n|---|---|---|---|")
    with ServerProcess("--delay", "0.05", "--no-decode") as url:
        for requests, frames, side in WORKLOADS:
            with tempfile.TemporaryDirectory() as name:
                one, many, media = Path(name, "one"), Path(name, "many"), Path(name, "media")
                media.mkdir()
                for folder, number in ((one, 1), (many, requests)):
                    folder.mkdir()
                    write_cell(folder, media, url, number, frames, side)
                startup, _ = infer(one, media)
                cpu, wall = infer(many, media)
                cost = 1000 * (cpu - startup) / (requests - 1)
                label = f"{requests} × {frames} frame(s) of {side} px"
                print(f"| {label} | {cost:.2f} | {startup:.2f} | {requests / wall:.0f} |")


if __name__ == "__main__":
    main()
