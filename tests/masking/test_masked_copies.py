"""Masked copies: drawbox hides the pixels that `fill` hides, and nothing but pictures is left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import ffmpeg
import numpy as np
import pytest
from masking_clips import run, write_masks

from aqa.datasets.acquire.reencode import ffmpeg_program
from aqa.errors import UserError
from aqa.masking.copies import drawn, masked_copy
from aqa.masking.footage import footage
from aqa.media.masks import Box, fill
from aqa.synthetic.video import write_video

BLACK_LUMA, NO_COLOUR = 16, 128


def noise(path: Path, width: int, height: int, seconds: int = 2, rate: int = 25) -> Path:
    rng = np.random.default_rng(1)
    frames = rng.integers(60, 200, (seconds * rate, height // 4 + 1, width // 4 + 1, 3)).astype(np.uint8)
    write_video(path, [f.repeat(4, 0).repeat(4, 1)[:height, :width] for f in frames], rate)
    return path


def raw(stream, width: int, height: int) -> np.ndarray:
    """The planes that an encoder would get: (n, 3/2 height, width)."""
    output = stream.output("pipe:", format="rawvideo", pix_fmt="yuv420p", fps_mode="passthrough")
    command = [*output.compile(cmd=ffmpeg_program()), "-loglevel", "error"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(data, np.uint8).reshape(-1, height * 3 // 2, width)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (178, 98)])
def test_drawbox_fills_the_pixels_and_frames_of_fill_and_leaves_all_others(tmp_path, width, height):
    source = noise(tmp_path / "a.mp4", width, height)
    boxes = (
        Box(left=8, top=9, right=51, bottom=30),
        Box(left=width - 33, top=height - 21, right=width, bottom=height, start_s=0.4, end_s=0.96),
        Box(left=31, top=41, right=62, bottom=44, start_s=1.5),
    )
    given = ffmpeg.input(str(source)).video
    plain = raw(given.filter("setpts", "PTS-STARTPTS"), width, height)
    masked = raw(drawn(given, boxes, (width, height)), width, height)
    with footage(source, "video") as video:
        times = video.times
    assert len(masked) == len(plain) == len(times)
    counts = set()
    for time, before, after in zip(times, plain, masked, strict=True):
        image = np.full((height, width, 3), 255, np.uint8)
        fill(image, boxes, float(time), (1.0, 1.0))
        hidden = (image == 0).all(axis=2)
        counts.add(int(hidden.sum()))
        assert (after[:height] == np.where(hidden, BLACK_LUMA, before[:height])).all()
        halves = hidden[::2, ::2]
        colour, colour_before = (
            planes[height:].reshape(2, height // 2, width // 2) for planes in (after, before)
        )
        assert (colour == np.where(halves, NO_COLOUR, colour_before)).all()
    assert len(counts) == 3, "the first box alone, with the second, with the third"


def with_sound(path: Path, source: Path) -> Path:
    """The same pictures with a sound track that starts earlier, and a subtitle."""
    (path.parent / "said.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nGOE +1.23\n")
    video = ffmpeg.input(str(source), itsoffset=0.5)
    sound = ffmpeg.input("sine=duration=2", f="lavfi")
    words = ffmpeg.input(str(path.parent / "said.srt"))
    output = ffmpeg.output(video.video, sound, words, str(path), vcodec="copy", scodec="mov_text")
    command = output.global_args("-loglevel", "error", "-metadata", "comment=GOE +1.23").compile(
        ffmpeg_program()
    )
    subprocess.run(command, check=True)
    return path


def test_a_copy_has_one_stream_of_all_frames_and_no_word_about_the_source(tmp_path):
    source = with_sound(tmp_path / "b.mp4", noise(tmp_path / "a.mp4", 160, 120))
    with av.open(str(source)) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio", "subtitle"}
    box = Box(left=10, top=10, right=70, bottom=50, end_s=1.0)
    masked_copy(source, tmp_path / "out" / "copy.mp4", [box], threads=1)
    with av.open(str(tmp_path / "out" / "copy.mp4")) as container:
        (stream,) = container.streams
        assert (stream.type, stream.codec_context.name) == ("video", "h264")
        assert "comment" not in container.metadata
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 50
    inside = [float(frame[14:46, 14:66].mean()) for frame in frames]
    assert max(inside[:27]) < 5, "until 1.1 s of the pictures, whenever the sound began"
    assert min(inside[28:]) > 50
    assert not [path for path in (tmp_path / "out").iterdir() if path.name != "copy.mp4"]
    first = (tmp_path / "out" / "copy.mp4").read_bytes()
    masked_copy(source, tmp_path / "out" / "copy.mp4", [box], threads=1)
    assert (tmp_path / "out" / "copy.mp4").read_bytes() == first


def test_a_turned_video_is_masked_where_a_viewer_sees_the_board(tmp_path):
    source = noise(tmp_path / "a.mp4", 160, 96, seconds=1)
    turned = tmp_path / "turned.mp4"
    program = ffmpeg_program()
    quiet = ["-loglevel", "error", "-y"]
    subprocess.run(
        [program, *quiet, "-display_rotation", "90", "-i", str(source), "-c", "copy", str(turned)], check=True
    )
    with footage(turned, "video") as video:
        _, upright = next(iter(video.pictures([0])))
    assert upright.shape[:2] == (160, 96)
    masked_copy(turned, tmp_path / "copy.mp4", [Box(left=60, top=120, right=92, bottom=156)], threads=1)
    with footage(tmp_path / "copy.mp4", "video") as video:
        _, picture = next(iter(video.pictures([0])))
    assert picture.shape == upright.shape
    assert picture[122:154, 62:90].max() < 20
    assert picture[:110, :50].mean() > 60


def test_odd_sizes_stay_odd(tmp_path):
    frames = np.random.default_rng(2).integers(60, 200, (10, 99, 121, 3)).astype(np.uint8)
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=121, height=99, pix_fmt="bgr0")
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    masked_copy(path, tmp_path / "copy.mp4", [Box(left=90, top=80, right=121, bottom=99)], threads=1)
    with footage(tmp_path / "copy.mp4", "video") as video:
        _, picture = next(iter(video.pictures([0])))
    assert picture.shape == (99, 121, 3)
    assert picture[82:, 92:].max() < 20


def test_what_cannot_be_masked_is_an_error_and_leaves_nothing(tmp_path):
    source = noise(tmp_path / "a.mp4", 160, 120, seconds=1)
    with pytest.raises(UserError, match="leaves the picture of 160x120"):
        masked_copy(source, tmp_path / "o" / "c.mp4", [Box(left=0, top=0, right=161, bottom=9)], threads=1)
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="not a video"):
        masked_copy(tmp_path / "b.mp4", tmp_path / "o" / "c.mp4", [], threads=1)
    assert not any((tmp_path / "o").glob("*") if (tmp_path / "o").exists() else [])


def test_the_command_takes_names_as_names_whatever_they_say(tmp_path):
    name = "-i;$(touch x) 'e'.mp4"
    noise(tmp_path / name, 160, 120, seconds=1)
    masks = write_masks(tmp_path / "masks.yaml", {name: [], "../a.mp4": [], "b/c.mp4": [], "b/c.avi": []})

    def mask(stem: str):
        return run(
            *("mask_video.py", "--data", tmp_path, "--masks", masks, f"--name={stem}"),
            *("--output", tmp_path / "out.mp4"),
        )

    done = mask(name.removesuffix(".mp4"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").is_file()
    assert not Path("x").exists()
    for stem, said in (
        ("../a", "leaves the data folder"),
        ("b/c", "2 sources are named"),
        ("b/d", "did you mean"),
    ):
        done = mask(stem)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
