"""The file of a clip's frames."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.media.store import read_frames, write_clip


@settings(max_examples=30)
@given(frames=st.lists(st.binary(max_size=200), min_size=1, max_size=20))
def test_frames_come_back_in_order(tmp_path_factory: pytest.TempPathFactory, frames: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("clip") / "a.zip"
    write_clip(path, frames)
    assert read_frames(path) == frames


def test_the_same_frames_make_the_same_bytes_without_any_metadata(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.zip", [b"x", b"yy"])
    write_clip(tmp_path / "b.zip", iter([b"x", b"yy"]))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["000000.jpg", "000001.jpg"]
        assert archive.comment == b""
        assert {(m.date_time, m.compress_type, m.extra, m.comment) for m in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, b"", b"")
        }


def test_a_failure_midway_leaves_neither_a_clip_nor_a_trace(tmp_path: Path) -> None:
    def frames():
        yield b"x"
        raise RuntimeError("lost")

    with pytest.raises(RuntimeError, match="lost"):
        write_clip(tmp_path / "a.zip", frames())
    assert list(tmp_path.iterdir()) == []


def write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"../000000.jpg": b"x"},
        {"000001.jpg": b"x"},
        {"000000.jpg": b"x", "truth.json": b"{}"},
        {"0.jpg": b"x"},
    ],
)
def test_anything_but_numbered_images_is_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    write_zip(tmp_path / "a.zip", members)
    with pytest.raises(UserError, match=r"a\.zip: not a clip"):
        read_frames(tmp_path / "a.zip")


def test_compressed_members_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "bomb.zip", {"000000.jpg": b"\0" * 10**6}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="compressed"):
        read_frames(tmp_path / "bomb.zip")


def test_a_stated_size_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_zip(tmp_path / "a.zip", {"000000.jpg": b"x" * 2000})
    monkeypatch.setattr("aqa.media.store.MAX_FRAME_BYTES", 1000)
    with pytest.raises(UserError, match="2000 bytes"):
        read_frames(tmp_path / "a.zip")


def test_overlapping_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_clip(path, [b"x" * 5000, b"y" * 10])
    data = bytearray(path.read_bytes())
    one = data.index(b"PK\x01\x02")
    two = data.index(b"PK\x01\x02", one + 1)
    data[two + 16 : two + 28] = data[one + 16 : one + 28]  # crc and both sizes of the first
    data[two + 42 : two + 46] = data[one + 42 : one + 46]  # at the first one's place
    path.write_bytes(data)
    with pytest.raises(UserError, match="not a clip"):
        read_frames(path)


@pytest.mark.parametrize("cut", [0, 1, 20, 60, 100, 200])
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.zip"
    write_clip(path, [b"x" * 100])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError, match="not a clip"):
        read_frames(path)


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_clip(path, [b"x" * 100])
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="CRC"):
        read_frames(path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing; run the media stage"):
        read_frames(tmp_path / "a.zip")
