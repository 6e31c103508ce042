"""Writing H.264 files whose bytes depend on the frames alone."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from aqa.files import atomic

_OPTIONS = {"preset": "superfast", "crf": "21", "threads": "1", "bf": "0", "g": "30"}


def drawn(count: int, most: int | None) -> frozenset[int]:
    """Return which of `count` frames are drawn: at most `most`, evenly spaced with both ends; None: all.

    The others repeat the one before. These are the frames that a media profile with as many keeps, so that
    data for training cost a fraction of those that are looked at frame by frame.
    """
    if most is None or count <= most:
        return frozenset(range(count))
    gaps = max(most - 1, 1)
    return frozenset((2 * i * (count - 1) + gaps) // (2 * gaps) for i in range(most))


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], rate: int) -> int:
    """Write RGB frames [height, width, 3] (even sizes) as an mp4, atomically; return how many.

    One H.264 stream, yuv420p, constant frame rate, one encoding thread, no audio and no dates.
    """
    buffer = io.BytesIO()
    count = 0
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_OPTIONS)
        stream.pix_fmt = "yuv420p"
        for image in frames:
            if count == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = count
            for packet in stream.encode(frame):
                container.mux(packet)
            count += 1
        for packet in stream.encode():
            container.mux(packet)
    with atomic(path) as file:
        file.write(buffer.getvalue())
    return count
