"""A video file of exactly the frames of a clip."""

from __future__ import annotations

import io
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest
from media_videos import decode, make_video, number_in, numbered, wants_of

from aqa.errors import UserError
from aqa.media.clips import Task
from aqa.media.encode import mp4, rate_of
from aqa.media.passes import make
from aqa.media.picture import to_jpeg
from aqa.media.profile import Profile
from aqa.media.store import read_frames
from aqa.media.target import Target


def frames_of(count: int, width: int = 176, height: int = 96) -> list[bytes]:
    return [to_jpeg(numbered(i, width, height)) for i in range(count)]


@pytest.mark.parametrize(
    "rate", [Fraction(1, 2), Fraction(2), Fraction(5, 2), Fraction(25), Fraction(30000, 1001)]
)
def test_the_decoded_video_has_the_same_frames_at_the_same_times(rate: Fraction) -> None:
    times = [round(float(i / rate), 6) for i in range(21)]
    with av.open(io.BytesIO(mp4(frames_of(21), times))) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.codec_context.pix_fmt) == (rate, "yuv420p")
        frames = list(container.decode(stream))
        assert stream.frames == 21
    assert [number_in(frame.to_ndarray(format="bgr24")) for frame in frames] == list(range(21))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-3)


def test_the_same_frames_make_the_same_bytes_without_metadata() -> None:
    times = [i / 2 for i in range(6)]
    one = mp4(frames_of(6), times)
    assert one == mp4(frames_of(6), times)
    with av.open(io.BytesIO(one)) as container:
        assert "creation_time" not in container.metadata and "title" not in container.metadata


def test_odd_sizes_are_padded_by_repeating_the_edge() -> None:
    with av.open(io.BytesIO(mp4(frames_of(3, 177, 99), [0.0, 0.5, 1.0]))) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    assert image.shape == (100, 178, 3)
    assert np.abs(image[:99, :177] - numbered(0, 177, 99)).mean() < 6


def test_colours_survive() -> None:
    plain = np.full((64, 64, 3), (40, 60, 200), np.uint8)
    with av.open(io.BytesIO(mp4([to_jpeg(plain)], [0.0]))) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    assert np.abs(image - plain).max() <= 5


def test_one_frame_is_a_video_too() -> None:
    with av.open(io.BytesIO(mp4(frames_of(1), [0.0]))) as container:
        assert len(list(container.decode(video=0))) == 1


def test_the_rate_of_uneven_times_keeps_their_span() -> None:
    assert rate_of([0.0, 0.4, 1.1, 2.0]) == Fraction(3, 2)
    assert rate_of([0.0, 0.033367, 0.066733]) == Fraction(30000, 1001)
    with pytest.raises(ValueError, match="increase"):
        rate_of([1.0, 1.0])


def test_a_frame_of_another_size_or_no_image_is_refused() -> None:
    with pytest.raises(UserError, match="frame 1 of the clip differs in size"):
        mp4([*frames_of(1), *frames_of(1, 200, 100)], [0.0, 1.0])
    with pytest.raises(UserError, match="frame 1 of the clip is no image"):
        mp4([*frames_of(1), b"nonsense"], [0.0, 1.0])


def test_stored_frames_are_baseline_jpeg_with_halved_chroma() -> None:
    data = to_jpeg(numbered(3))
    start = data.index(b"\xff\xc0")
    assert data[start + 11] == 0x22  # luma sampled twice as finely in both directions: 4:2:0
    error = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int) - numbered(3)
    assert np.abs(error).mean() < 3


def talking(folder: Path) -> Path:
    """A broadcast with commentary, subtitles, a timecode track and a title, all in one file."""
    make_video(folder / "plain.mp4", range(50), with_audio=True)
    (folder / "said.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nNine point five from the judge\n")
    line = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        folder / "plain.mp4",
        "-i",
        folder / "said.srt",
    ]
    line += ["-map", "0", "-map", "1", "-c", "copy", "-c:s", "mov_text", "-timecode", "00:00:00:00"]
    line += ["-metadata", "title=Nine point five", folder / "talking.mov"]
    subprocess.run(line, check=True, timeout=60)
    return folder / "talking.mov"


def test_nothing_but_pictures_leaves_a_source_with_sound_and_subtitles(tmp_path: Path) -> None:
    path = talking(tmp_path)
    with av.open(str(path)) as container:
        kinds = [stream.type for stream in container.streams]
        assert sorted(kinds) == ["audio", "data", "subtitle", "video"]
    target = Target(name="fps-5", profile=Profile(fps=5))
    (clip,) = make(Task(path, "video", None, wants_of((None, None), target=target), tmp_path / "out"))
    stored = tmp_path / "out" / target.path / str(clip.file)
    frames = read_frames(stored)
    assert [number_in(decode(frame)) for frame in frames] == list(range(0, 50, 5))
    sent = mp4(frames, clip.timestamps)
    with av.open(io.BytesIO(sent)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}
        assert len(list(container.decode(video=0))) == len(frames)
    for data in (stored.read_bytes(), sent, *frames):
        assert b"Nine" not in data and b"judge" not in data
