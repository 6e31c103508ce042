"""The frames are those that ffmpeg's own select filter keeps by the stated rule, pixel for pixel.

The rule, written for ffmpeg: frame by frame it keeps the first one at or after each start + k/fps, that is a
frame before which, since the frame before it, some multiple of 1/fps has passed (2 ms of tolerance); the
interval is half-open. Nothing of our own is used to choose, and raw decoded planes are compared.
"""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from media_videos import interlaced, make_video, number_in, numbers_of, wants_of

from aqa.media.clips import Task
from aqa.media.decode import Run, Video
from aqa.media.passes import make
from aqa.media.picture import display_matrix, upright
from aqa.media.profile import Profile
from aqa.media.target import Target
from aqa.records import Clip

EPS = 0.002
SPANS = [(None, None), (0.7, 3.1), (1.0, 2.0), (2.013, 3.9)]
RATES = [None, 0.5, 2.0, 7.0, 60.0]


def expression(start: float | None, end: float | None, fps: float | None) -> str:
    """The rule in ffmpeg's language; `prev_t` is the time of the frame before, whether kept or not."""
    first, last = (start or 0.0) - EPS, 1e9 if end is None else end - EPS
    inside = f"gte(t,{first})*lt(t,{last})"
    if fps is None:
        return inside
    steps = f"floor((t-({first}))*{fps}+1e-9)"
    before = f"floor((prev_t-({first}))*{fps}+1e-9)"
    return f"{inside}*(isnan(prev_t)+lt(prev_t,{first})+gt({steps},{before}))"


def ffmpeg(path: Path, filters: str, size: tuple[int, int], *options: str) -> list[bytes]:
    """The frames that ffmpeg's filters let pass, as raw yuv420p pictures."""
    line = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        *options,
        "-i",
        str(path),
        "-an",
        "-sn",
        "-vf",
        filters,
    ]
    line += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    raw = subprocess.run(line, capture_output=True, check=True, timeout=60).stdout
    length = size[0] * size[1] * 3 // 2
    assert raw and len(raw) % length == 0
    return [raw[at : at + length] for at in range(0, len(raw), length)]


def clip_of(path: Path, span: tuple[float | None, float | None], fps: float | None) -> Clip:
    target = Target() if fps is None else Target(name="sampled", profile=Profile(fps=fps))
    (clip,) = make(Task(path, "video", None, wants_of(span, target=target), path.parent / "out"))
    assert clip.error is None
    return clip


def raw_frames(path: Path) -> list[bytes]:
    """The frames of our own decoder, upright, as raw yuv420p pictures; by position in the source."""
    with Video(path) as video:
        frames = []
        for position, frame in video.frames(0, len(video.index.times) - 1, Run()):
            assert position == len(frames)
            frames.append(upright_planes(frame))
    return frames


def upright_planes(frame: av.VideoFrame) -> bytes:
    """A frame's planes, each turned as the picture is."""
    packed = frame.to_ndarray(format="yuv420p")
    height, width = frame.height, frame.width
    luma, chroma = packed[:height], packed[height:].reshape(2, height // 2, width // 2)
    matrix = display_matrix(frame)
    turned = (upright(np.ascontiguousarray(plane), matrix) for plane in (luma, *chroma))
    return b"".join(plane.tobytes() for plane in turned)


def vfr(path: Path) -> Path:
    gaps = np.random.default_rng(11).integers(7, 190, 59)
    return make_video(path, range(60), times_ms=[0, *np.cumsum(gaps).tolist()])


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """H.264 with B-frames; four seconds or more each."""
    folder = tmp_path_factory.mktemp("sources")
    pyramid = {"bf": "4", "g": "48", "crf": "20", "x264-params": "b-pyramid=normal:open-gop=1"}
    made = {
        "25": make_video(folder / "25.mp4", range(105)),
        "29.97": make_video(folder / "2997.mp4", range(125), rate=Fraction(30000, 1001)),
        "30": make_video(folder / "30.mp4", range(125), rate=30),
        "open-gop": make_video(folder / "open.mp4", range(105), options=pyramid),
        "mkv": make_video(folder / "2997.mkv", range(125), rate=Fraction(30000, 1001)),
        "ts": make_video(folder / "25.ts", range(105)),
        "vfr-mkv": vfr(folder / "vfr.mkv"),
        "vfr-mp4": vfr(folder / "vfr.mp4"),
    }
    for rotation in (90, 180, 270):
        made[f"rotated-{rotation}"] = make_video(folder / f"r{rotation}.mp4", range(105), rotation=rotation)
    for path in made.values():
        with av.open(str(path)) as container:
            kinds = {str(frame.pict_type) for frame in container.decode(video=0)}
        assert any("B" in kind or kind == "3" for kind in kinds), "no B-frames: the test would prove little"
    return made


NAMES = (
    "25",
    "29.97",
    "30",
    "open-gop",
    "mkv",
    "ts",
    "vfr-mkv",
    "vfr-mp4",
    "rotated-90",
    "rotated-180",
    "rotated-270",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_frames_are_those_of_ffmpegs_select_filter(sources: dict[str, Path], name: str) -> None:
    path = sources[name]
    size = (96, 176) if name in ("rotated-90", "rotated-270") else (176, 96)
    ours = raw_frames(path)
    spans = SPANS if name in ("25", "29.97", "vfr-mkv") else SPANS[1:3]
    for span in spans:
        for fps in RATES if name in ("25", "29.97", "vfr-mkv") else (None, 2.0):
            clip = clip_of(path, span, fps)
            theirs = ffmpeg(path, f"select='{expression(*span, fps)}'", size)
            assert [ours[i] for i in clip.frame_indices] == theirs, (span, fps, clip.frame_indices)
            place = "original/native" if fps is None else "original/sampled"
            if not name.startswith("rotated"):  # the stored pictures, too
                shown = [luma_number(raw, size) for raw in theirs]
                assert numbers_of(path.parent / "out", clip, place) == shown == list(clip.frame_indices)


def luma_number(raw: bytes, size: tuple[int, int]) -> int:
    return number_in(np.frombuffer(raw, np.uint8)[: size[0] * size[1]].reshape(size[1], size[0], 1))


def test_the_last_frame_is_kept_only_if_it_is_the_first_after_a_multiple(sources: dict[str, Path]) -> None:
    for end, last in ((2.0, 38), (2.04, 50)):
        clip = clip_of(sources["25"], (0.0, end), 2.0)
        assert clip.frame_indices[-1] == last
        theirs = ffmpeg(sources["25"], f"select='{expression(0.0, end, 2.0)}'", (176, 96))
        assert luma_number(theirs[-1], (176, 96)) == last


def test_interlaced_frames_are_those_of_ffmpegs_bwdif_one_picture_a_frame(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "i.mp4", 40, left=4, width=12)
    ours = raw_frames(path)
    clip = clip_of(path, (0.4, 1.4), 5.0)
    chain = f"bwdif=mode=send_frame:parity=auto:deint=interlaced,select='{expression(0.4, 1.4, 5.0)}'"
    theirs = ffmpeg(path, chain, (176, 96))
    assert len(ours) == 40
    assert [ours[i] for i in clip.frame_indices] == theirs
    assert len(set(theirs)) == len(theirs) > 3
