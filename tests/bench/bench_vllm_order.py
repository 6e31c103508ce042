"""What the order of requests is worth: a real vLLM whose caches are smaller than the data.

`python tests/bench/bench_vllm_order.py` (in the environment of .ci/vllm) asks six strategies about the
same clips twice, each time of a fresh server: media-major, as a session asks, and cell by cell, as other
harnesses do. It prints what the server took from its caches and the time of both, and fails if the shares are
not what the project promises; the time is printed only.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), *(str(HERE.parent / name) for name in ("models", "real_vllm"))]
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

from managed_sessions import Managed
from tiny_server import make, options

from aqa import models
from aqa.inference import scheduler
from aqa.inference.cell import Cell
from aqa.inference.scheduler import Limits
from aqa.inference.session import Item, media_major
from aqa.models import Context

CLIPS, FRAMES, SIDE = 60, 8, 224
STRATEGIES = ("base", "visual_grounding", "two_step", "structured_reasoning", "positive", "negative")
SMALL = {"kv-cache-memory-bytes": 8 << 20, "mm-processor-cache-gb": 0.02, "max-model-len": 2048}
"""Caches for a few of the clips: hundreds of clips of thousands of tokens never fit either."""

NETWORK = ("--hidden", "256", "--layers", "4")
"""Wide enough that reading a clip costs more than its transport, as it does with every real network."""

LEAST, MOST = 0.70, 0.05


def ask(bench: Managed, cells: list[Cell], *, by_clip: bool) -> tuple[dict[str, Any], float]:
    """Ask everything in one order; return the server's own account and the seconds without its start."""
    if by_clip:
        items = list(media_major(cells))
    else:
        items = [Item(cell, cell.request(n)) for cell in cells for n in range(len(cell.keys))]

    async def run() -> tuple[dict[str, Any], float]:
        answers: list[Any] = []
        failures: list[str] = []
        async with models.create(bench.model, Context(media=bench.media, seed=0), "bench") as backend:
            began = time.perf_counter()
            await scheduler.run(
                items,
                lambda item: backend.ask(item.request),
                lambda _item, reply, *_: answers.append(reply),
                lambda _item, cause, _attempts: failures.append(cause),
                Limits(concurrency=bench.model.concurrency),
            )
            seconds = time.perf_counter() - began
            if failures or len(answers) != len(items):
                sys.exit(f"{len(answers)} of {len(items)} answered: {failures[:1]}")
            return backend.facts(), seconds

    return asyncio.run(run())


def main() -> None:
    """Print one line an order, then the ratio; exit 1 if the shares are not as promised."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        weights = make(folder / "tiny", *NETWORK)
        bench = Managed(
            folder / "bench",
            concurrency=4,
            sampling={"max_tokens": 4, "temperature": 0.0},
            options=options(weights, serve=SMALL, video="frames"),
        )
        clips = bench.clips(CLIPS, FRAMES, SIDE)
        cells = []
        for strategy in STRATEGIES:
            folder = bench.cell(clips, strategy)
            cells.append(Cell.load(folder, bench.folder / "journals", {}))
            stack.callback(cells[-1].close)
        print("| order | prompt tokens from the prefix cache | clips from the processor's cache | seconds |")
        print("|---|---|---|---|")
        shares, times = [], []
        for label, by_clip in (("media-major", True), ("cell by cell", False)):
            about, seconds = ask(bench, cells, by_clip=by_clip)
            shares.append(about["prefix_cache_share"])
            times.append(seconds)
            print(
                f"| {label} | {shares[-1]:.1%} | {about['mm_cache_share']:.1%} | {seconds:.1f} |", flush=True
            )
    print(f"\nmedia-major takes {times[0] / times[1]:.2f} of the time of cell by cell")
    if shares[0] < LEAST or shares[1] > MOST:
        sys.exit(f"promised: at least {LEAST:.0%} and at most {MOST:.0%} of the prompt tokens")


if __name__ == "__main__":
    main()
