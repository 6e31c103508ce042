"""Real files for the tests of the pose stage: videos in which people are red rectangles, and samples."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson

from aqa.config import Pose
from aqa.files import read_jsonl, write_jsonl
from aqa.media.poses import Order, Posed, pose_all
from aqa.pose.subjects import Pick
from aqa.records import PoseClip, Sample

SCRIPT = Path(__file__).parents[2] / "scripts" / "pose.py"
DOUBLES = Path(__file__).parent / "doubles" / "torch_and_ultralytics"
SAM = Path(__file__).parent / "doubles" / "sam"
SHARES = np.column_stack([np.linspace(0.1, 0.9, 17), np.linspace(0.95, 0.05, 17)])
"""Where the double of ultralytics puts the joints, as shares of the red rectangle."""

Boxes = Sequence[tuple[int, int, int, int]]


def painted(boxes: Boxes, size: tuple[int, int] = (320, 240)) -> np.ndarray:
    """A picture (h, w, 3) with a textured background and a red rectangle a person."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    image = np.stack(
        [70 + (x * 7 + y * 3) % 60, 90 + (x // 9 * 37 + y // 7 * 23) % 70, 60 + (y * 5) % 50], -1
    )
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = (20, 20, 230)
    return image.astype(np.uint8)


def make_video(
    path: Path,
    boxes_of: Callable[[int], Boxes],
    frames: int,
    *,
    size: tuple[int, int] = (320, 240),
    rotation: int | None = None,
    green_corner: bool = False,
) -> Path:
    """Encode a video at 25 frames a second, H.264 with B-frames; `rotation` is stated, not applied."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv444p"
        stream.codec_context.thread_count = 1
        stream.options = {"bf": "2", "g": "12", "crf": "8", "preset": "ultrafast"}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(frames):
            image = painted(boxes_of(i), size)
            if green_corner:
                image[:32, :32] = (0, 255, 0)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def command(
    data: Path, out: Path, samples: Iterable[Sample], settings: Mapping[str, Any], *more: str
) -> list[str]:
    """The command line of the pose stage."""
    listing = out.parent / f"{out.name}-samples.jsonl"
    write_jsonl(listing, samples)
    files = ["--samples", str(listing), "--data", str(data), "--folder", str(out)]
    return [sys.executable, str(SCRIPT), "find", *files, "--settings", orjson.dumps(settings).decode(), *more]


def environment(**more: str) -> dict[str, str]:
    """The environment in which the doubles of torch and ultralytics are found, if they are not there."""
    return {**os.environ, "PYTHONPATH": str(DOUBLES), **more}


def run_pose(
    data: Path,
    out: Path,
    samples: Iterable[Sample],
    settings: Mapping[str, Any],
    *more: str,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command line on samples."""
    args = command(data, out, samples, settings, *more)
    return subprocess.run(args, capture_output=True, text=True, timeout=300, env=dict(env or os.environ))


def pose_here(
    data: Path,
    out: Path,
    samples: Sequence[Sample],
    settings: Mapping[str, Any],
    picks: Mapping[str, tuple[Pick, ...]] | None = None,
) -> Posed:
    """Run the stage without its command line: the work is done in processes all the same."""
    order = Order(data, out, Pose.model_validate(settings), dict(picks or {}))
    posed = pose_all(samples, order, 1, lambda _done, _total: None)
    write_jsonl(out / "manifest.jsonl", posed.clips)
    return posed


def clips(out: Path, manifest: str = "manifest") -> dict[str, PoseClip]:
    """Read a manifest's lines by sample id."""
    return {clip.sample_id: clip for clip in read_jsonl(out / f"{manifest}.jsonl", PoseClip)}
