"""Rendering requests with texts compiled once, against compiling them for each request.

Usage: python tests/bench/bench_prompts.py [--samples 500]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "prompts")]

from golden_prompts import clip, fixtures

from aqa.datasets import load_metadata, load_wording
from aqa.inference import requests
from aqa.prompts import strategy as filling


def render(count: int) -> float:
    """Return the CPU seconds that the requests of `count` samples of each dataset take, base prompt."""
    seconds = 0.0
    for name, (sample, _, _) in fixtures().items():
        shown = clip("a", 1 if sample.media.kind == "image" else 2)
        how = {"exercises": load_metadata(name).exercises, "wording": load_wording(name), "identity": {}}
        begun = time.process_time()
        requests.build([sample] * count, {"a": shown}, strategy="base", **how)
        seconds += time.process_time() - begun
    return seconds


def main() -> None:
    """Print the CPU milliseconds a request of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=500, help="of each dataset")
    count = parser.parse_args().samples
    render(1)
    once = render(count)
    filling._template = filling._template.__wrapped__  # type: ignore[assignment]
    each = render(count)
    print("| texts compiled | CPU ms/request | × |\n|---|---|---|")
    for name, seconds in (("once", once), ("for each request", each)):
        print(f"| {name} | {1000 * seconds / count / len(fixtures()):.2f} | {seconds / once:.1f} |")


if __name__ == "__main__":
    main()
