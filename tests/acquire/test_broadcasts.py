"""Videos on the web: downloaded, re-encoded to the rate that annotations count in, one by one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path

import av
import pytest
from file_server import Page, Server, serving
from media_videos import make_audio, make_video, number_in

from aqa.datasets.acquire import stages
from aqa.datasets.acquire.broadcasts import read_listing
from aqa.datasets.acquire.probe import declared_rate, probe
from aqa.datasets.acquire.reencode import command, reencode
from aqa.datasets.acquire.sources import Broadcast, Broadcasts, Sources
from aqa.errors import UserError

SCRIPT = Path(__file__).parents[2] / "scripts" / "acquire.py"
SECONDS = 4
RATES = {"25": Fraction(25), "29.97": Fraction(30000, 1001), "30": Fraction(30)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Numbered videos with sound, by frame rate."""
    folder = tmp_path_factory.mktemp("videos")
    return {
        name: make_video(
            folder / f"{name}.mp4", range(round(SECONDS * rate)), rate=rate, with_audio=True
        ).read_bytes()
        for name, rate in RATES.items()
    }


@pytest.fixture
def server(videos: dict[str, bytes]) -> Iterator[Server]:
    with serving({f"/{name}.mp4": Page(data, kind="video/mp4") for name, data in videos.items()}) as running:
        yield running


def entry(*names: str) -> Broadcasts:
    return Broadcasts(
        kind="broadcast",
        name="broadcasts",
        path="videos",
        listing="list.csv",
        frame_rate=25,
        page="https://example.org/",
        version="1",
        added=date(2026, 1, 1),
        broadcasts=tuple(Broadcast(name=name) for name in names),
    )


def write_list(data: Path, **addresses: str) -> None:
    data.mkdir(exist_ok=True)
    lines = [f"{name[1:]},{address}" for name, address in addresses.items()]
    (data / "list.csv").write_text("\n".join(["name,url", *lines]) + "\n")


def fetch(data: Path, *names: str) -> list[str]:
    return stages.broadcasts(Sources(files=(entry(*names),)), data, 1)


def numbers(path: Path) -> list[int]:
    """The numbers that the frames of a video show."""
    with av.open(str(path)) as container:
        return [number_in(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("name", RATES)
def test_a_video_of_any_rate_becomes_25_frames_a_second_without_sound(
    name: str, server: Server, tmp_path: Path
) -> None:
    write_list(tmp_path / "data", _01=server.url(f"/{name}.mp4"))
    assert fetch(tmp_path / "data", "01") == []
    path = tmp_path / "data" / "videos" / "01.mp4"
    held = probe(path)
    assert held.rate == 25
    assert held.others == 0
    assert held.duration_s == pytest.approx(SECONDS, abs=0.04)
    assert declared_rate(path) == 25
    rate = RATES[name]
    shown = numbers(path)
    assert len(shown) == held.frames
    slots = [floor(number * 25 / rate + Fraction(1, 2)) for number in range(round(SECONDS * rate))]
    for at, number in enumerate(shown):
        assert number == max(each for each, slot in enumerate(slots) if slot <= at)
    if rate == 25:
        assert shown == list(range(SECONDS * 25))
    assert sorted(each.name for each in (tmp_path / "data").iterdir()) == ["list.csv", "videos"]


def test_a_cut_download_is_continued(server: Server, tmp_path: Path) -> None:
    page = server.pages["/25.mp4"]
    page.cuts = [8, len(page.content) // 2]  # the first answer is only looked at
    write_list(tmp_path / "data", _01=server.url("/25.mp4"))
    assert fetch(tmp_path / "data", "01") == []
    assert numbers(tmp_path / "data" / "videos" / "01.mp4") == list(range(100))
    resumed = [asked for _, asked in server.asked if asked and not asked.startswith("bytes=0-")]
    assert resumed


def test_a_video_that_is_gone_is_named_and_the_rest_goes_on(server: Server, tmp_path: Path) -> None:
    server.pages["/page"] = Page(b"<html><body>no video here</body></html>", kind="text/html")
    server.pages["/broken.mp4"] = Page(b"\0\0\0\x18ftypmp42 not a video at all", kind="video/mp4")
    write_list(
        tmp_path / "data",
        _01=server.url("/gone.mp4"),
        _02=server.url("/page"),
        _03=server.url("/broken.mp4"),
        _04=server.url("/25.mp4"),
    )
    failures = fetch(tmp_path / "data", "01", "02", "03", "04", "05")
    assert [failure.split(":")[0] for failure in failures] == ["05", "01", "02", "03"]
    assert "404" in failures[1]
    assert "Unsupported URL" in failures[2]
    assert "cannot be read as a video" in failures[3]
    assert not any("\n" in failure for failure in failures)
    assert [path.name for path in (tmp_path / "data" / "videos").iterdir()] == ["04.mp4"]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    write_list(tmp_path / "data", _01=server.url("/25.mp4"), _02=server.url("/30.mp4"))
    mine = tmp_path / "data" / "videos" / "01.mp4"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    assert fetch(tmp_path / "data", "01", "02") == []
    assert mine.read_bytes() == b"mine"
    server.asked.clear()
    assert fetch(tmp_path / "data", "01", "02") == []
    assert server.asked == []


def test_a_downloaded_video_is_not_downloaded_again_to_be_reencoded(server: Server, tmp_path: Path) -> None:
    write_list(tmp_path / "data", _01=server.url("/25.mp4"))
    blocked = tmp_path / "data" / "videos"
    blocked.write_text("a file where the folder belongs")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(tmp_path / "data", "01")
    blocked.unlink()
    whole = [asked for asked in server.asked if asked[0] == "/25.mp4"]
    assert fetch(tmp_path / "data", "01") == []
    page = server.pages["/25.mp4"]
    assert len(server.asked) - len(whole) <= 1, "asked again for more than a look at the address"
    assert numbers(blocked / "01.mp4") == list(range(100))
    assert page.cuts == []


def test_no_cookie_plugin_or_configuration_of_the_user_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "yt-dlp" / "plugins" / "evil" / "yt_dlp_plugins" / "extractor").mkdir(parents=True)
    (home / "yt-dlp" / "plugins" / "evil" / "yt_dlp_plugins" / "extractor" / "evil.py").write_text(
        f"open({str(tmp_path / 'evil-ran')!r}, 'w')\n"
    )
    (home / "yt-dlp" / "config").write_text("--exec 'touch /tmp/never'\n--output somewhere\n")
    write_list(tmp_path / "data", _01=server.url("/25.mp4"))
    program = (
        "import sys; sys.path[:0] = sys.argv[1:4]\n"
        "from pathlib import Path; import test_broadcasts as t\n"
        "assert t.fetch(Path(sys.argv[4]), '01') == []\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    here = Path(__file__).parent
    paths = [here.parents[1] / "scripts", here.parent / "media", here, tmp_path / "data"]
    subprocess.run([sys.executable, "-c", program, *map(str, paths)], check=True, timeout=60)
    assert not (tmp_path / "evil-ran").exists()


def test_a_list_says_which_line_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    wrong = {
        "01,https://a.example/x\n": "the first line must be  name,url",
        "name,url\n01\n": "line 2: must be  name,url  but has 1 columns",
        "name,url\n01,ftp://a.example/x\n": "line 2: 'ftp://a.example/x' is neither",
        "name,url\n01,search words\n": "line 2: 'search words' is neither",
        "name,url\n01,dQw4w9WgXcQ\n1,dQw4w9WgXcQ\n": "line 3: '01' is listed twice",
    }
    for text, said in wrong.items():
        path.write_text(text)
        with pytest.raises(UserError) as caught:
            read_listing(path, entry("01"))
        assert said in str(caught.value)


def test_a_list_may_hold_numbers_ids_and_more_than_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\ufeffName, URL\n1,-Qw4w9WgXcQ\n\n02,https://a.example/x?y=1\n99,https://a.example/z\n")
    assert read_listing(path, entry("01", "02")) == {
        "01": "https://www.youtube.com/watch?v=-Qw4w9WgXcQ",
        "02": "https://a.example/x?y=1",
    }


def test_without_a_list_the_error_says_how_it_looks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"list\.csv: no address of 2 videos \(01, 02\); write this file"):
        fetch(tmp_path / "data", "01", "02")


def test_a_playlist_script_is_not_opened_as_a_video(tmp_path: Path) -> None:
    secret = make_video(tmp_path / "secret.mp4", range(10))
    script = tmp_path / "script.mp4"
    script.write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    with pytest.raises(UserError, match="cannot be read as a video"):
        reencode(script, tmp_path / "out.mp4", 25, 1)
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError, match="cannot be read as a video"):
        reencode(playlist, tmp_path / "out.mp4", 25, 1)
    for hostile in (script, playlist):
        done = subprocess.run(command(hostile, tmp_path / "out.mp4", 25, 1), capture_output=True, check=False)
        assert done.returncode != 0
    assert not (tmp_path / "out.mp4").exists()


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    make_audio(tmp_path / "sound.mp4")
    with pytest.raises(UserError, match="holds no video"):
        reencode(tmp_path / "sound.mp4", tmp_path / "out.mp4", 25, 1)


def test_a_varying_rate_becomes_constant(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 240, 500, 540, 580, 1000]
    source = make_video(tmp_path / "varying.mkv", range(len(times)), times_ms=times)
    assert probe(source).rate is None
    reencode(source, tmp_path / "out.mp4", 25, 1)
    shown = numbers(tmp_path / "out.mp4")
    assert [shown[time // 40] for time in times[:-1]] == [0, 1, 2, 3, 4, shown[12], shown[13], shown[14]]
    assert probe(tmp_path / "out.mp4").rate == 25


def test_names_are_never_options_or_protocols(tmp_path: Path) -> None:
    source = make_video(tmp_path / "-y concat:a|b.mp4", range(10))
    reencode(source, tmp_path / "-out:.mp4", 25, 1)
    assert numbers(tmp_path / "-out:.mp4") == list(range(10))


def test_the_command_line_names_what_failed_and_exits_with_1(server: Server, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "broadcasts.csv").write_text(
        f"name,url\n1,{server.url('/25.mp4')}\n2,{server.url('/gone.mp4')}\n"
    )
    done = subprocess.run(
        [sys.executable, SCRIPT, "broadcasts", "--dataset", "mtl-aqa", "--data", data],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "mtl-aqa: 14 failed (causes above): 03, 04, 05, 06, 07, 09, 10," in done.stderr
    assert done.stderr.splitlines()[-1].endswith(" 26, 02")
    assert "no address of 03, 04," in done.stderr
    assert "404" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (data / "videos").iterdir()] == ["01.mp4"]
