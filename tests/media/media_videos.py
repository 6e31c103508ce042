"""Real files for the media tests: every frame carries its number as a row of black and white cells."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from aqa.files import write_jsonl
from aqa.media.clips import Want
from aqa.media.profile import NATIVE, Profile
from aqa.media.store import read_frames
from aqa.media.target import Target
from aqa.records import Clip, Sample

SCRIPT = Path(__file__).parents[2] / "scripts" / "media.py"
CELL, BITS = 16, 10


def numbered(number: int, width: int = 176, height: int = 96) -> np.ndarray:
    """A picture (h, w, 3) that shows `number`: cells of 16 pixels, Gray code, highest bit first."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[40:, :, 1] = (np.arange(width) + 3 * number) % 256
    gray = number ^ (number >> 1)
    for bit in range(BITS):
        value = 255 if gray >> (BITS - 1 - bit) & 1 else 0
        image[:CELL, bit * CELL : (bit + 1) * CELL] = value
    return image


def number_in(image: np.ndarray) -> int:
    """Read the number that a picture shows."""
    gray, number = 0, 0
    for bit in range(BITS):
        cell = image[4 : CELL - 4, bit * CELL + 4 : (bit + 1) * CELL - 4]
        gray = gray << 1 | int(cell.mean() > 127)
    while gray:
        number ^= gray
        gray >>= 1
    return number


def decode(jpeg: bytes) -> np.ndarray:
    """Decode a stored frame."""
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))


def make_video(
    path: Path,
    numbers: Iterable[int],
    *,
    rate: Fraction | int = 25,
    size: tuple[int, int] = (176, 96),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    times_ms: Sequence[int] | None = None,
    rotation: int | None = None,
    flip: bool = False,
    mux: dict[str, str] | None = None,
    pix_fmt: str = "yuv420p",
    with_audio: bool = False,
) -> Path:
    """Encode numbered pictures; by default H.264 with B-frames and a keyframe every 12 frames."""
    with av.open(str(path), "w", options=mux or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        x264 = {"bf": "3", "g": "12", "crf": "20", "preset": "veryfast"}
        stream.options = options if options is not None else (x264 if codec == "libx264" else {})
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if rotation is not None or flip:
            stream.set_display_rotation(rotation or 0, hflip=flip)
        audio: Any = container.add_stream("aac", rate=48000) if with_audio else None
        for at, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="bgr24")
            if times_ms is None:
                frame.pts, frame.time_base = at, 1 / Fraction(rate)
            else:
                frame.pts, frame.time_base = times_ms[at], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            _mux_silence(container, audio)
    return path


def make_audio(path: Path) -> Path:
    """A file with sound only."""
    with av.open(str(path), "w") as container:
        _mux_silence(container, container.add_stream("aac", rate=48000))
    return path


def _mux_silence(container: Any, stream: Any) -> None:
    for at in range(40):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, at * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def wants_of(*spans: tuple[float | None, float | None], target: Target | None = None) -> tuple[Want, ...]:
    """Wanted clips c0, c1, ... of intervals."""
    return tuple(
        Want(f"c{i}", start, end, "0" * 64, target or Target()) for i, (start, end) in enumerate(spans)
    )


def sampled(profile: Profile) -> Target:
    """The original frames that a profile keeps."""
    return Target() if profile == NATIVE else Target(name="sampled", profile=profile)


def run_media(
    data: Path, out: Path, samples: Sequence[Sample], *more: str, targets: Sequence[dict[str, Any]] = ({},)
) -> subprocess.CompletedProcess[str]:
    """Run the command line on samples; manifests and clips go to folders in `out`."""
    listing = out.parent / f"{out.name}-samples.jsonl"
    write_jsonl(listing, samples)
    line = command(data, out, listing, *more, targets=targets)
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def command(
    data: Path, out: Path, listing: Path, *more: str, targets: Sequence[dict[str, Any]] = ({},)
) -> list[str]:
    """The command line of the media stage."""
    files = ["--samples", str(listing), "--data", str(data), "--media", str(out)]
    return [sys.executable, str(SCRIPT), *files, "--target", *map(json.dumps, targets), *more]


def manifest(out: Path, target: str = "original/native") -> dict[str, Clip]:
    """Read the manifest of a target by sample id."""
    lines = (out / target / "manifest.jsonl").read_text().splitlines()
    clips = [Clip.model_validate(json.loads(line)) for line in lines]
    return {clip.sample_id: clip for clip in clips}


def frames_of(out: Path, clip: Clip, target: str = "original/native") -> list[np.ndarray]:
    """A clip's stored pictures."""
    assert clip.file is not None, clip.error
    return [decode(frame) for frame in read_frames(out / target / clip.file)]


def numbers_of(out: Path, clip: Clip, target: str = "original/native") -> list[int]:
    """The numbers that a clip's stored frames show."""
    return [number_in(image) for image in frames_of(out, clip, target)]


def interlaced(path: Path, frames: int, *, left: int, width: int) -> Path:
    """A bar that starts at `left` and moves every field; upper field first; B-frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 96, "yuv420p"
        stream.options = {"flags": "+ildct+ilme", "x264-params": "tff=1", "crf": "10", "bf": "2", "g": "12"}
        for at in range(frames):
            woven = np.full((96, 176), 16, np.uint8)
            for parity in (0, 1):
                begin = left + (2 * at + parity) * 2
                woven[parity::2, begin : begin + width] = 235
            picture = np.concatenate([woven, np.full((48, 176), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
