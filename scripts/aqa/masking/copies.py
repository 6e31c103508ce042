"""A masked copy of a source: transcoded, boxes filled by ffmpeg's drawbox, nothing but pictures kept.

The workflow needs no copy, because masks are applied where frames are sampled; this is for people who want to
look at the masked video, or to hand it on within the dataset's terms.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from aqa.datasets.acquire.probe import FORMATS
from aqa.datasets.acquire.reencode import encoded
from aqa.errors import UserError
from aqa.masking.footage import footage
from aqa.media.errors import MediaError
from aqa.media.masks import PADDING_S, Box


def masked_copy(source: Path, target: Path, boxes: Sequence[Box], threads: int) -> None:
    """Write an MP4 (H.264, one video stream, upright) of `source` with the boxes filled, atomically.

    Raises:
        UserError: the source cannot be read, a box leaves its picture, or ffmpeg fails.
    """
    size = picture_size(source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror})") from error
    with tempfile.TemporaryDirectory(prefix=".masked-", dir=target.parent) as folder:
        unfinished = Path(folder) / "copy.mp4"
        argv = command(source, unfinished, boxes, size, threads)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise UserError(f"{source}: ffmpeg cannot mask it ({(lines or ['no message'])[-1][:200]})")
        unfinished.replace(target)


def picture_size(source: Path) -> tuple[int, int]:
    """Return the (width, height) of a video's upright pictures.

    Raises:
        UserError: it is no video.
    """
    try:
        with footage(source, "video") as video:
            _, picture = next(iter(video.pictures([0])))
    except MediaError as error:
        raise UserError(f"{source}: {error}") from error
    return picture.shape[1], picture.shape[0]


def command(
    source: Path, target: Path, boxes: Sequence[Box], size: tuple[int, int], threads: int
) -> list[str]:
    """Return ffmpeg's command line: a list, names as `file:` so that none is an option.

    Pictures of odd width or height keep full colour resolution: H.264 cannot halve them.
    """
    video = drawn(_read(source), boxes, size)
    even = size[0] % 2 == 0 and size[1] % 2 == 0
    pix_fmt = "yuv420p" if even else "yuv444p"
    return encoded(video, target, threads, pix_fmt=pix_fmt, fps_mode="passthrough")


def _read(source: Path) -> Any:
    given = ffmpeg.input(f"file:{source.resolve()}", protocol_whitelist="file", format_whitelist=FORMATS)
    return given.video


def drawn(video: Any, boxes: Sequence[Box], size: tuple[int, int]) -> Any:
    """Return the stream with its boxes filled, the pixels and times of `aqa.media.masks.fill`.

    The clock is set to zero at the first picture, which boxes count from.

    Raises:
        UserError: a box leaves the picture.
    """
    video = video.filter("setpts", "PTS-STARTPTS")
    for box in boxes:
        try:
            left, top, right, bottom = box.padded(*size)
        except MediaError as error:
            raise UserError(str(error)) from error
        when = "1" if box.start_s is None else f"gte(t,{box.start_s - PADDING_S:.6f})"
        if box.end_s is not None:
            when += f"*lt(t,{box.end_s + PADDING_S:.6f})"
        video = video.drawbox(
            left, top, right - left, bottom - top, color="black", thickness="fill", enable=when
        )
    return video
