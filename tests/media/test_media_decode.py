"""Videos become exactly the frames asked for, whatever the container and the clip's place in it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_videos import (
    decode,
    interlaced,
    make_audio,
    make_video,
    number_in,
    numbered,
    numbers_of,
    sampled,
    wants_of,
)

from aqa.media.clips import Task, file_of, plan_all
from aqa.media.decode import Run, Video
from aqa.media.passes import make, passes
from aqa.media.profile import NATIVE, Profile
from aqa.media.store import read_frames
from aqa.records import Clip


def clips_of(path: Path, *spans: tuple[float | None, float | None], profile: Profile = NATIVE) -> list[Clip]:
    return make(Task(path, "video", None, wants_of(*spans, target=sampled(profile)), path.parent / "out"))


def seen(path: Path, clip: Clip, profile: Profile = NATIVE) -> list[int]:
    assert clip.error is None, clip.error
    return numbers_of(path.parent / "out", clip, sampled(profile).path)


def stored(folder: Path, name: str, profile: Profile = NATIVE) -> list[bytes]:
    return read_frames(file_of(folder / "out", sampled(profile), name))


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(30)])
def test_every_frame_of_a_video_with_b_frames_in_order(tmp_path: Path, rate: Fraction) -> None:
    path = make_video(tmp_path / "a.mp4", range(60), rate=rate)
    (clip,) = clips_of(path, (None, None))
    assert seen(path, clip) == list(range(60))
    assert clip.frame_indices == tuple(range(60))
    assert clip.timestamps == pytest.approx([float(i / rate) for i in range(60)], abs=1e-4)
    assert (clip.width, clip.height) == (176, 96)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.mov"])
def test_a_broadcast_cut_by_frame_numbers_gives_exactly_these_frames(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, range(1, 301))
    cuts = [(1, 1), (7, 40), (100, 113), (120, 131), (133, 133), (250, 300), (36, 60)]
    clips = clips_of(path, *(((n - 1) / 25, m / 25) for n, m in cuts))
    for (n, m), clip in zip(cuts, clips, strict=True):
        assert seen(path, clip) == list(range(n, m + 1))
        assert clip.frame_indices == tuple(range(n - 1, m))
        assert clip.timestamps == tuple(round(i / 25, 6) for i in range(m - n + 1))


def test_other_codecs_and_a_wide_group_of_pictures_are_exact_too(tmp_path: Path) -> None:
    vp8 = make_video(tmp_path / "a.webm", range(100), codec="libvpx", options={"deadline": "realtime"})
    mpeg4 = make_video(tmp_path / "b.mp4", range(100), codec="mpeg4", options={"bf": "2", "q": "2"})
    open_gop = {"bf": "3", "g": "10", "crf": "20", "x264-params": "open-gop=1"}
    opened = make_video(tmp_path / "c.mp4", range(100), options=open_gop)
    refresh = {"g": "20", "crf": "20", "bf": "0", "intra-refresh": "1"}
    rolling = make_video(tmp_path / "d.mp4", range(100), options=refresh)
    for path in (vp8, mpeg4, opened, rolling):
        clips = clips_of(path, (0.2, 0.6), (2.0, 2.48), (3.0, 4.0))
        assert [seen(path, clip) for clip in clips] == [
            list(range(5, 15)), list(range(50, 62)), list(range(75, 100))
        ]  # fmt: skip


def test_each_frame_is_decoded_once_and_what_lies_between_clips_is_skipped(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(600))
    spans = [(0.4, 1.0), (0.8, 1.4), (1.48, 1.6), (20.0, 20.4)]
    with Video(path) as video:
        task = Task(path, "video", None, wants_of(*spans), tmp_path)
        good, _ = plan_all(task, video.index.times, video.index.end, None)
        groups = list(passes(video, good))
        assert [[plan.want.sample_id for plan in group] for group in groups] == [["c0", "c1", "c2"], ["c3"]]
        run = Run()
        positions = [position for position, _ in video.frames(500, 509, run)]
        assert positions == list(range(500, 510))
        assert min(run.decoded) >= 500 - 13 and max(run.decoded) <= 511


def test_variable_frame_rates_follow_the_timestamps(tmp_path: Path) -> None:
    gaps = np.random.default_rng(3).integers(8, 200, 79)
    times = [0, *np.cumsum(gaps).tolist()]
    path = make_video(tmp_path / "a.mkv", range(80), times_ms=times)
    whole, part = clips_of(path, (None, None), (times[30] / 1000, times[50] / 1000))
    assert seen(path, whole) == list(range(80))
    assert whole.timestamps == pytest.approx([t / 1000 for t in times], abs=0.0015)
    assert seen(path, part) == list(range(30, 50))
    profile = Profile(fps=2)
    (two,) = clips_of(path, (None, None), profile=profile)
    expected = sorted(
        {next(i for i, t in enumerate(times) if t >= k * 500 - 2) for k in range(times[-1] // 500 + 1)}
    )
    assert seen(path, two, profile) == expected


def test_a_start_time_other_than_zero_is_not_part_of_the_clip(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", range(20), times_ms=[5000 + 40 * i for i in range(20)])
    whole, part = clips_of(path, (None, None), (0.2, 0.4))
    assert whole.timestamps[0] == 0.0
    assert seen(path, part) == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("rotation", "flip"), [(0, True), (90, False), (180, False), (270, False), (90, True)]
)
def test_rotated_and_mirrored_videos_come_out_upright(tmp_path: Path, rotation: int, flip: bool) -> None:
    path = make_video(tmp_path / "a.mp4", range(3), rotation=rotation, flip=flip)
    (clip,) = clips_of(path, (None, None))
    shown = decode(stored(tmp_path, "c0")[1]).astype(int)
    upright = np.rot90(numbered(1), rotation // 90)  # counter-clockwise, then mirrored, as ffmpeg displays
    upright = (upright[:, ::-1] if flip else upright).astype(int)
    assert shown.shape == upright.shape == (clip.height, clip.width, 3)
    assert np.abs(shown - upright).mean() < 6


def test_odd_sizes_and_scales(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(5), size=(177, 99), pix_fmt="yuv444p")
    (clip,) = clips_of(path, (None, None))
    assert seen(path, clip) == list(range(5))
    assert (clip.width, clip.height) == (177, 99)
    (half,) = clips_of(path, (None, None), profile=Profile(scale=0.5))
    frame = decode(stored(tmp_path, "c0", Profile(scale=0.5))[0])
    assert (half.width, half.height) == (89, 50) == frame.shape[1::-1]


def test_the_colour_matrix_of_the_stream_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    plain = np.full((96, 176, 3), (40, 60, 200), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 96, "yuv420p"
        stream.codec_context.colorspace = 1
        frame = av.VideoFrame.from_ndarray(plain, format="bgr24")
        container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode())
    (clip,) = clips_of(path, (None, None))
    shown = decode(stored(tmp_path, clip.sample_id)[0]).astype(int)
    assert np.abs(shown - plain).max() <= 6


def combing(image: np.ndarray) -> float:
    rows = image[:, :, 1].astype(int)
    return float(np.abs(rows[1:-1] * 2 - rows[:-2] - rows[2:]).mean())


def test_interlaced_video_has_no_combs_and_one_picture_a_frame(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "a.mp4", 30, left=10, width=20)
    with av.open(str(path)) as container:
        raw = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    whole, part = clips_of(path, (None, None), (0.4, 0.8))
    assert whole.frame_indices == tuple(range(30))
    frames = stored(tmp_path, "c0")
    for before, after in zip(raw, frames, strict=True):
        assert combing(decode(after)) < 0.25 * combing(before)
    assert part.frame_indices == tuple(range(10, 20))


def test_a_clip_is_the_same_bytes_alone_and_among_others(tmp_path: Path) -> None:
    for path in (
        interlaced(tmp_path / "i.mp4", 60, left=10, width=20),
        make_video(tmp_path / "p.mp4", range(60)),
    ):
        (alone,) = clips_of(path, (0.96, 1.4))
        _, among = clips_of(path, (0.2, 1.2), (0.96, 1.4))
        assert alone.sha256 == among.sha256 is not None


def test_other_streams_are_left_out(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(20), with_audio=True)
    (clip,) = clips_of(path, (None, None))
    assert seen(path, clip) == list(range(20))


def test_sampling_keeps_the_promised_frames_and_their_times(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(100))
    profile = Profile(fps=5, max_frames=4)
    (clip,) = clips_of(path, (1.0, 3.0), profile=profile)
    assert seen(path, clip, profile) == [25, 40, 55, 70]
    assert clip.timestamps == (0.0, 0.6, 1.2, 1.8)


def failure(path: Path, *spans: tuple[float | None, float | None]) -> list[str | None]:
    clips = clips_of(path, *(spans or [(None, None)]))
    left = list((path.parent / "out").rglob("*.zip"))
    assert len(left) == sum(clip.error is None for clip in clips)
    return [clip.error for clip in clips]


def test_what_is_no_video_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("sorry, this video was removed\n" * 50)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n")
    make_audio(tmp_path / "audio.mp4")
    assert failure(tmp_path / "empty.mp4") == ["the file is empty"]
    assert "not a video that can be opened" in str(failure(tmp_path / "text.mp4"))
    assert "not a video that can be opened" in str(failure(tmp_path / "list.mp4"))
    assert failure(tmp_path / "audio.mp4") == ["there is no video stream (only: audio)"]
    assert failure(tmp_path / "none.mp4") == ["the file is missing"]


def test_intervals_that_hold_nothing_say_why(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(50))
    late, beyond, empty, backwards, negative, between, fine = failure(
        path, (9.0, 10.0), (1.0, 4.0), (1.0, 1.0), (1.0, 0.5), (-1.0, 1.0), (0.01, 0.03), (1.96, 2.0)
    )
    assert late == "the clip starts at 9.000 s but the frames end at 2.000 s"
    assert "25 of about 75 frames are there" in str(beyond)
    assert "empty or starts before 0" in str(empty)
    assert "empty or starts before 0" in str(backwards)
    assert "empty or starts before 0" in str(negative)
    assert between == "no frame lies in the interval [0.010, 0.030) s"
    assert fine is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_truncated_file_loses_only_the_clips_that_it_cut(tmp_path: Path, name: str) -> None:
    mux = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = make_video(tmp_path / name, range(200), mux=mux)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    whole, early, cut, late = failure(path, (None, None), (1.0, 2.0), (1.0, 7.9), (7.0, 7.9))
    assert "frames" in str(whole) and "truncated: it promises" in str(whole)
    assert early is None
    assert "of about 172 frames are there" in str(cut) and "truncated" in str(cut)
    assert "starts at 7.000 s but the frames end at" in str(late)
    with Video(
        path
    ) as video:  # frames shown early but stored late are gone: nothing after the first gap counts
        assert np.diff(video.index.times).max() < 0.041
        last = video.index.end
    (clip,) = clips_of(path, (1.0, last))
    assert seen(path, clip) == list(range(25, round(last * 25)))


def test_a_file_without_its_index_is_no_video(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(50))
    path.write_bytes(path.read_bytes()[:-600])
    assert "not a video that can be opened" in str(failure(path))


def test_damage_in_the_middle_loses_only_the_clips_that_touch_it(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", range(150))
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pts is not None]
    at, size = places[75]
    data = bytearray(path.read_bytes())
    data[at + 8 : at + size] = bytes(size - 8)
    path.write_bytes(data)
    before, over, after = failure(path, (0.0, 2.0), (2.0, 4.0), (4.4, 6.0))
    assert before is None and after is None
    assert "the file is damaged at" in str(over) and "of 50 frames whole" in str(over)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("intact")
    names = ("a.mp4", "a.mkv", "a.ts", "a.avi")
    return {name: make_video(folder / name, range(40)).read_bytes() for name in names}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["a.mp4", "a.mkv", "a.ts", "a.avi"]),
    noise=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=40)), max_size=6),
    end=st.floats(0, 1),
)
def test_no_damage_raises_and_a_clip_without_error_is_whole(
    intact: dict[str, bytes], tmp_path: Path, name: str, noise: list[tuple[float, bytes]], end: float
) -> None:
    data = bytearray(intact[name])
    for place, junk in noise:
        at = int(place * len(data))
        data[at : at + len(junk)] = junk
    (tmp_path / name).write_bytes(data if end > 0.5 else data[: int(end * 2 * len(data))])
    for clip in clips_of(tmp_path / name, (None, None), (0.4, 0.8)):
        if clip.error is None:
            assert len(stored(tmp_path, clip.sample_id)) == len(clip.timestamps) > 0
        else:
            assert clip.file is None and "\n" not in clip.error


def test_absurd_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", range(3))
    monkeypatch.setattr("aqa.media.picture.MAX_PIXELS", 10_000)
    assert failure(path) == ["a picture of 176x96 pixels is refused (limit: 10000 pixels)"]


def test_a_size_that_changes_within_a_clip_is_refused(tmp_path: Path) -> None:
    parts = [make_video(tmp_path / f"{i}.ts", range(12), size=(176, 96 + 64 * i)) for i in (0, 1)]
    joined = tmp_path / "joined.ts"
    with av.open(str(joined), "w") as out:
        with av.open(str(parts[0])) as first:
            stream = out.add_stream_from_template(first.streams.video[0])
        shift = 0
        for part in parts:
            with av.open(str(part)) as container:
                for packet in container.demux(video=0):
                    if packet.size:
                        packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                        packet.stream = stream
                        out.mux(packet)
            shift += 12 * 3600
    (error,) = failure(joined)
    assert error == "the picture's size changes within the clip, to 176x160"


def test_the_pixel_code_reads_itself() -> None:
    assert [number_in(numbered(i)) for i in range(1024)] == list(range(1024))
