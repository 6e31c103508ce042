"""CPU that a client costs per sample: ours beside the official client, httpx and a bare aiohttp loop.

Every client asks the same clips from the same local server (50 ms an answer, concurrency 32), each in a
process of its own; CPU is the process's user and system time, by `getrusage`. Run it as
`python tests/bench/bench_client.py`; nothing here is asserted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

CONCURRENCY = 32
CLIENTS = ("ours", "aiohttp", "httpx", "openai")
PARAMETERS = {"model": "test-model", "temperature": 0.7, "top_p": 0.8, "max_tokens": 256}
TEXT = "Which errors does the person make? Answer as JSON. " * 20

Ask = Callable[[Any], Awaitable[str]]


def cpu() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def prepare(folder: Path, samples: int, frames: int, size: int) -> None:
    """Write clips of noisy JPEG frames, about 20 kB each, and the requests that name them."""
    import cv2
    import numpy as np

    from aqa.files import digest_file, write_jsonl
    from aqa.media.store import write_clip
    from aqa.records import MediaPart, Message, Request, TextPart

    random = np.random.default_rng(1)
    requests = []
    for number in range(samples):
        path = folder / f"clip{number}.zip"
        images = []
        for _ in range(frames):
            picture = cv2.resize(
                random.integers(0, 255, (size // 6, size // 6, 3), dtype=np.uint8), (size, size)
            )
            images.append(bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]))
        write_clip(path, images)
        part = MediaPart(
            kind="image" if frames == 1 else "video",
            file=path.name,
            sha256=digest_file(path),
            width=size,
            height=size,
            timestamps=tuple(0.5 * frame for frame in range(frames)),
        )
        message = Message(role="user", content=(part, TextPart(text=f"{TEXT}{number}")))
        requests.append(
            Request(
                key=f"{number:064x}",
                settings="0" * 64,
                sample_id=f"s{number}",
                subject="p",
                exercise="e",
                messages=(message,),
                questions=(),
            )
        )
    write_jsonl(folder / "requests.jsonl", requests)


def plain_messages(request: Any, folder: Path) -> list[dict[str, Any]]:
    """The messages as the other clients take them."""
    from aqa.media.store import read_frames

    part, text = request.messages[0].content
    content: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{b64encode(frame).decode()}"}}
        for frame in read_frames(folder / part.file)
    ]
    return [{"role": "user", "content": [*content, {"type": "text", "text": text.text}]}]


async def all_of(ask: Ask, requests: list[Any]) -> tuple[float, float]:
    """Ask everything; return CPU and wall seconds."""
    gate = asyncio.Semaphore(CONCURRENCY)

    async def one(request: Any) -> None:
        async with gate:
            assert await ask(request)

    started, clock = cpu(), time.perf_counter()
    await asyncio.gather(*map(one, requests))
    return cpu() - started, time.perf_counter() - clock


async def ours(url: str, folder: Path, requests: list[Any]) -> tuple[float, ...]:
    """The backend of this project."""
    from aqa import models
    from aqa.config import ModelFile

    sampling = {name: value for name, value in PARAMETERS.items() if name != "model"}
    options = {"model": PARAMETERS["model"], "base_url": url}
    model = ModelFile(title="Bench", backend="openai", sampling=sampling, options=options)
    async with models.create(model, models.Context(media=folder, seed=1)) as backend:
        startup = cpu()

        async def ask(request: Any) -> str:
            return (await backend.ask(request)).text

        return startup, *await all_of(ask, requests)


async def bare_aiohttp(url: str, folder: Path, requests: list[Any]) -> tuple[float, ...]:
    """The floor: aiohttp and orjson, no error handling, no memory bound."""
    import aiohttp
    import orjson

    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        startup = cpu()

        async def ask(request: Any) -> str:
            body = orjson.dumps({**PARAMETERS, "messages": plain_messages(request, folder)})
            async with session.post(f"{url}/chat/completions", data=body) as response:
                answer = orjson.loads(await response.read())
            return str(answer["choices"][0]["message"]["content"])

        return startup, *await all_of(ask, requests)


async def httpx_client(url: str, folder: Path, requests: list[Any]) -> tuple[float, ...]:
    """httpx with its own JSON."""
    import httpx

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=60, trust_env=False) as client:
        startup = cpu()

        async def ask(request: Any) -> str:
            body = {**PARAMETERS, "messages": plain_messages(request, folder)}
            response = await client.post(f"{url}/chat/completions", json=body)
            return str(response.json()["choices"][0]["message"]["content"])

        return startup, *await all_of(ask, requests)


async def openai_client(url: str, folder: Path, requests: list[Any]) -> tuple[float, ...]:
    """The official client."""
    import openai

    async with openai.AsyncOpenAI(base_url=url, api_key="x", max_retries=0) as client:
        startup = cpu()

        async def ask(request: Any) -> str:
            messages: Any = plain_messages(request, folder)
            answer = await client.chat.completions.create(**PARAMETERS, messages=messages)  # type: ignore[call-overload]
            return str(answer.choices[0].message.content)

        return startup, *await all_of(ask, requests)


RUN = {"ours": ours, "aiohttp": bare_aiohttp, "httpx": httpx_client, "openai": openai_client}


def measure(client: str, url: str, folder: Path) -> None:
    """Ask as one client, in this process; print the measurements as JSON."""
    from aqa.records import Request

    before = cpu()
    lines = (folder / "requests.jsonl").read_bytes().splitlines()
    requests = [Request.model_validate_json(line) for line in lines]
    reading = cpu() - before
    startup, spent, wall = asyncio.run(RUN[client](url, folder, requests))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    rss = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    ms = 1000 * spent / len(requests)
    print(json.dumps({"startup": startup - reading, "ms": ms, "rate": len(requests) / wall, "rss": rss}))


def table(args: argparse.Namespace) -> None:
    """Measure every client on both workloads, in turn; print the round with the least CPU of each."""
    from openai_server import ServerProcess

    print("| workload | client | CPU ms/sample | × ours | start-up CPU s | samples/s | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for samples, frames in ((400, 1), (100, 16)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare(folder, samples, frames, args.size)
            best: dict[str, dict[str, float]] = {}
            for _ in range(args.rounds):
                for client in CLIENTS:
                    with ServerProcess("--no-decode", "--delay", "0.05") as url:
                        command = [
                            sys.executable,
                            __file__,
                            "--client",
                            client,
                            "--url",
                            url,
                            "--folder",
                            name,
                        ]
                        result = subprocess.run(command, check=True, capture_output=True, text=True)
                    measured = json.loads(result.stdout)
                    if client not in best or measured["ms"] < best[client]["ms"]:
                        best[client] = measured
            kilobytes = (folder / "clip0.zip").stat().st_size // 1000
            for client, row in best.items():
                print(
                    f"| {samples} × {frames} image(s), {kilobytes} kB | {client} | {row['ms']:.2f} "
                    f"| {row['ms'] / best['ours']['ms']:.2f} | {row['startup']:.2f} | {row['rate']:.0f} "
                    f"| {row['rss']:.0f} |"
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="repeats; the least CPU counts")
    parser.add_argument("--size", type=int, default=256, help="width and height of a frame in pixels")
    parser.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.client:
        measure(parsed.client, parsed.url, parsed.folder)
    else:
        table(parsed)
