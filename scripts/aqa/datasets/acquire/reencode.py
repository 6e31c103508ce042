"""Re-encoding a video to a constant frame rate without sound, by ffmpeg, and proof of the result."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from aqa.datasets.acquire.probe import FORMATS, Stream, probe
from aqa.errors import UserError

TOLERANCE_S = 1.0


def ffmpeg_program() -> str:
    """Return the ffmpeg to use: `FFMPEG` from the environment, of imageio-ffmpeg's wheel, or on PATH.

    Raises:
        UserError: there is none.
    """
    chosen = os.environ.get("FFMPEG")
    if chosen:
        return chosen
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        found = shutil.which("ffmpeg")
        if found is None:
            raise UserError("no ffmpeg is there: install imageio-ffmpeg or ffmpeg") from None
        return found


def command(source: Path, target: Path, rate: int, threads: int) -> list[str]:
    """Return the command line that re-encodes; a list, names as `file:` so that none is an option.

    A frame of the source at t seconds becomes frame round(t * rate) of the result and stands until the next
    one, so that a source of the same rate keeps every frame. The first stands from 0, also where the picture
    begins later than the sound. One keyframe a second.
    """
    stream = ffmpeg.input(f"file:{source.resolve()}", protocol_whitelist="file", format_whitelist=FORMATS)
    video = stream.video.filter("fps", fps=rate, start_time=0, round="near")
    return encoded(video, target, threads, pix_fmt="yuv420p", g=rate)


def encoded(video: Any, target: Path, threads: int, **options: Any) -> list[str]:
    """Return ffmpeg's arguments that write a stream as H.264 in an mp4, without metadata or other streams."""
    output = video.output(
        f"file:{target.resolve()}",
        format="mp4",
        vcodec="libx264",
        crf=18,
        preset="veryfast",
        threads=threads,
        map_metadata=-1,
        map_chapters=-1,
        movflags="+faststart",
        fflags="+bitexact",
        **options,
    )
    output = output.global_args("-nostdin", "-hide_banner", "-loglevel", "error", "-y")
    return [str(part) for part in output.compile(cmd=ffmpeg_program())]


def reencode(source: Path, target: Path, rate: int, threads: int) -> Stream:
    """Re-encode `source` to `target` (replaced if it is there), and return what came out.

    Raises:
        UserError: ffmpeg fails, or the result has not exactly the rate, another stream, or another length.
    """
    before = probe(source)
    argv = command(source, target, rate, threads)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{source}: ffmpeg cannot re-encode it ({(lines or ['no message'])[-1][:200]})")
    after = probe(target)
    if after.rate != rate or after.others:
        raise UserError(
            f"{target}: has {float(after.rate or 0):g} frames a second (0: varying) and {after.others} "
            f"other streams, not {rate} and none: please report it"
        )
    if abs(after.duration_s - before.duration_s) > TOLERANCE_S:
        raise UserError(
            f"{source}: lasts {before.duration_s:.1f} s, re-encoded {after.duration_s:.1f} s: the file is "
            "damaged, remove it and start again"
        )
    return after
