"""Masking a video against transcoding it plainly: the same encoder, with and without the boxes.

Usage: python tests/bench/bench_masks.py [--seconds 10] [--rounds 3]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from aqa.datasets.acquire.reencode import ffmpeg_program
from aqa.masking.copies import command
from aqa.media.masks import Box

WIDTH, HEIGHT, RATE = 1280, 720, 30
BOXES = (
    Box(left=40, top=580, right=1240, bottom=690),
    Box(left=40, top=40, right=420, bottom=200, start_s=2.0, end_s=6.0),
)


def source(path: Path, seconds: int) -> None:
    """Write 720p H.264 with B-frames: a moving fractal under noise, as hard to encode as a broadcast."""
    scene = f"mandelbrot=size={WIDTH}x{HEIGHT}:rate={RATE},noise=alls=6:allf=t"
    quiet = ["-loglevel", "error", "-y", "-f", "lavfi", "-i", scene, "-t", str(seconds)]
    encoder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"]
    subprocess.run([ffmpeg_program(), *quiet, *encoder, str(path)], check=True)


def measured(argv: list[str]) -> tuple[float, float]:
    """Run a command; return wall and CPU seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def main() -> None:
    """Print a table; the ratio is speed, so 1 is as fast and less is slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        video, copy = Path(name) / "source.mp4", Path(name) / "copy.mp4"
        source(video, options.seconds)
        commands = {
            label: command(video, copy, boxes, (WIDTH, HEIGHT), threads=1)
            for label, boxes in (("plain transcode", ()), ("masked", BOXES))
        }
        times: dict[str, list[tuple[float, float]]] = {label: [] for label in commands}
        for _ in range(options.rounds):  # In turns, so that a busy neighbour slows both.
            for label, argv in commands.items():
                times[label].append(measured(argv))
    best = {label: (min(w for w, _ in runs), min(c for _, c in runs)) for label, runs in times.items()}
    wall, cpu = best["plain transcode"]
    print(f"| {options.seconds} s of 720p30 | wall s | speed × plain | CPU s | CPU speed × plain |")
    print("|---|---|---|---|---|")
    for label, (own_wall, own_cpu) in best.items():
        print(f"| {label} | {own_wall:.2f} | {wall / own_wall:.3f} | {own_cpu:.2f} | {cpu / own_cpu:.3f} |")


if __name__ == "__main__":
    main()
