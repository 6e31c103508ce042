"""CPU of the media stage, against ffmpeg decoding the same clips once to nothing.

`python tests/bench/bench_media.py [--clips 12]`: ten-second 720p30 H.264 clips (a camera that pans over a
textured hall, a figure that moves, sensor noise), each made into all four representations at 2 frames a
second, in one process; poses are there already. Reference: `ffmpeg -threads 1 -i CLIP -f null -`, which is
cheaper than ffmpeg with threads. Both see each clip in turn, so that what else the machine does hits both.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from aqa.config import REPRESENTATIONS
from aqa.files import digest_file
from aqa.media.clips import PoseFile, Task, Want
from aqa.media.passes import make
from aqa.media.profile import Profile
from aqa.media.target import Target
from aqa.pose.store import Poses, write_poses

WIDTH, HEIGHT, RATE, FRAMES = 1280, 720, 30, 300
KINDS = {"calm": (8.0, 2.0), "usual": (14.0, 4.0), "busy": (20.0, 5.5)}
"""Kind of clip -> contrast of the hall and noise of the sensor, grey levels: what decoding costs differs."""


def film(path: Path, seed: int, contrast: float, noise: float) -> Poses:
    """Encode a clip (x264 veryfast, crf 20, B-frames) and return where the figure's joints are."""
    rng = np.random.default_rng(seed)
    hall = np.zeros((HEIGHT + 200, WIDTH + 500, 3), np.float32)
    for blur in (2, 9, 45):
        grain = rng.normal(0, 1, hall.shape).astype(np.float32)
        hall += cv2.GaussianBlur(grain, (0, 0), blur) * blur * contrast
    hall = np.clip(hall + 110, 0, 255).astype(np.uint8)
    grains = [rng.normal(0, noise, (HEIGHT, WIDTH, 3)).astype(np.int16) for _ in range(7)]
    keypoints = np.ones((FRAMES, 17, 3), np.float32)
    offsets = np.stack([rng.uniform(-70, 70, 17), np.linspace(-180, 180, 17)], axis=1)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        for number in range(FRAMES):
            x = int(250 + 200 * np.sin((number + seed) / 45))
            y = int(100 + 80 * np.cos((number + seed) / 60))
            picture = hall[y : y + HEIGHT, x : x + WIDTH].astype(np.int16)
            middle = np.array([640 + 250 * np.sin(number / 30), 380 + 60 * np.cos(number / 9)])
            joints = middle + offsets + 25 * np.sin(number / 6 + np.arange(17))[:, None]
            figure = np.clip(picture + grains[number % 7], 0, 255).astype(np.uint8)
            for place in joints:
                cv2.line(figure, middle.astype(int).tolist(), place.astype(int).tolist(), (40, 70, 190), 22)
            keypoints[number, :, :2] = joints
            container.mux(stream.encode(av.VideoFrame.from_ndarray(figure, format="bgr24")))
        container.mux(stream.encode())
    empty = np.zeros((FRAMES, 4), np.float32)
    return Poses(np.arange(FRAMES), keypoints, empty, np.zeros(FRAMES, np.bool_), WIDTH, HEIGHT)


def cpu(work: Callable[[], object], who: int) -> float:
    """Return the user and system seconds that some work takes, of this process or of its children."""
    before = resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def decode_to_nothing(path: Path) -> None:
    """The reference."""
    line = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-threads",
        "1",
        "-i",
        str(path),
        "-f",
        "null",
        "-",
    ]
    subprocess.run(line, check=True)


def task_of(path: Path, poses: Path, folder: Path, shown: tuple[str, ...], profile: Profile) -> Task:
    """Everything that is made of one clip."""
    file = PoseFile(poses, digest_file(poses))
    wants = tuple(
        Want(path.stem, None, None, "0" * 64, Target(representation=name, name="p", profile=profile), file)  # type: ignore[arg-type]
        for name in shown
    )
    return Task(path, "video", digest_file(path), wants, folder)


def prepared(task: Task) -> None:
    """Make a task's clips; all must succeed."""
    for clip in make(task):
        assert clip.error is None, clip.error


def main() -> None:
    """Make clips, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=12, help="clips, of three kinds in turn")
    count = parser.parse_args().clips
    cv2.setNumThreads(1)
    print("| clips | made of each | CPU s a clip | ffmpeg -f null | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        paths = films(Path(name), count)
        two = Profile(fps=2)
        measure("four representations, 2 fps", paths, REPRESENTATIONS, two)
        measure(
            "four representations, 2 fps, half size", paths[:3], REPRESENTATIONS, Profile(fps=2, scale=0.5)
        )
        measure("original alone, 2 fps", paths[:3], ("original",), two)
        measure("skeleton_only alone, 2 fps", paths[:3], ("skeleton_only",), two)
        measure("four representations, every frame", paths[:3], REPRESENTATIONS, Profile())


def films(folder: Path, count: int) -> list[Path]:
    """Return clips of the three kinds in turn, with their poses beside them; those of a kind are links."""
    for seed, (kind, (contrast, noise)) in enumerate(KINDS.items()):
        write_poses(folder / f"{kind}.npz", film(folder / f"{kind}.mp4", seed, contrast, noise))
    paths = []
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        paths.append(folder / f"{kind}{number}.mp4")
        paths[-1].symlink_to(folder / f"{kind}.mp4")
        paths[-1].with_suffix(".npz").symlink_to(folder / f"{kind}.npz")
    return paths


def measure(what: str, paths: list[Path], shown: tuple[str, ...], profile: Profile) -> None:
    """Print what the clips cost, by kind and together, beside the reference."""
    costs: dict[str, list[tuple[float, float]]] = {}
    for path in paths:
        task = task_of(path, path.with_suffix(".npz"), path.parent / "out", shown, profile)
        reference = cpu(partial(decode_to_nothing, path), resource.RUSAGE_CHILDREN)
        ours = cpu(partial(prepared, task), resource.RUSAGE_SELF)
        rate = path.stat().st_size * 8 * RATE / FRAMES / 1e6
        costs.setdefault(f"{path.resolve().stem}, {rate:.1f} Mbit/s", []).append((ours, reference))
    if len(paths) > len(costs):
        for kind, pairs in costs.items():
            report(f"{len(pairs)} {kind}", what, pairs)
    report(f"all {len(paths)}", what, [pair for pairs in costs.values() for pair in pairs])


def report(clips: str, what: str, pairs: list[tuple[float, float]]) -> None:
    """Print a line of the table."""
    ours, reference = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    print(f"| {clips} | {what} | {ours:.2f} | {reference:.2f} | {ours / reference:.2f} |", flush=True)


if __name__ == "__main__":
    main()
