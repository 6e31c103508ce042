"""What a video file holds, read from its headers and packets; nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from aqa.errors import UserError

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,flv,mpegts"
"""Containers that are read; playlists and scripts, which open further files, are not among them."""


@dataclass(frozen=True)
class Stream:
    """What a video file holds: frames, their constant rate (None if it varies), seconds, other streams."""

    frames: int
    rate: Fraction | None
    duration_s: float
    others: int


def declared_rate(path: Path) -> Fraction | None:
    """Return the mean frame rate that a file declares; None if it is no video."""
    try:
        with av.open(f"file:{path.resolve()}", options={"format_whitelist": FORMATS}) as container:
            streams = container.streams.video
            return Fraction(streams[0].average_rate) if streams and streams[0].average_rate else None
    except (av.FFmpegError, OSError):
        return None


def probe(path: Path) -> Stream:
    """Return what a video file holds, by its packets (nothing is decoded).

    Raises:
        UserError: it is no video, or damaged.
    """
    try:
        with av.open(f"file:{path.resolve()}", options={"format_whitelist": FORMATS}) as container:
            if not container.streams.video:
                raise UserError(f"{path}: holds no video")
            stream = container.streams.video[0]
            times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
            base = stream.time_base
            others = len(container.streams) - 1
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{path}: cannot be read as a video ({error.strerror})") from None
    if len(times) < 2 or base is None:
        raise UserError(f"{path}: holds fewer than two frames")
    steps = {later - earlier for earlier, later in pairwise(times)}
    mean = Fraction(times[-1] - times[0], len(times) - 1)
    rate = 1 / (steps.pop() * base) if len(steps) == 1 and mean else None
    return Stream(len(times), rate, float((times[-1] + mean) * base), others)
