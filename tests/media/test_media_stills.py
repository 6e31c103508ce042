"""Still images and folders of numbered images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_videos import frames_of, numbered, numbers_of, sampled, wants_of

from aqa.media.clips import Task, file_of
from aqa.media.errors import MediaError
from aqa.media.passes import make
from aqa.media.profile import NATIVE, Profile
from aqa.media.stills import read_image
from aqa.media.target import Target
from aqa.records import Clip


def clips_of(
    path: Path,
    kind: str,
    *spans: tuple[float | None, float | None],
    profile: Profile = NATIVE,
    fps: float | None = None,
) -> list[Clip]:
    wants = wants_of(*spans, target=sampled(profile))
    return make(Task(path, kind, None, wants, path.parent / "out", fps=fps))  # type: ignore[arg-type]


def exif_jpeg(path: Path, image: np.ndarray, orientation: int) -> None:
    """A JPEG with an EXIF orientation, as phones write."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + b"\0\0\0\0"
    segment = b"Exif\0\0" + tiff
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_a_photograph_comes_out_upright(tmp_path: Path, orientation: int, turn: int) -> None:
    image = numbered(77)
    exif_jpeg(tmp_path / "a.jpg", image, orientation)
    (clip,) = clips_of(tmp_path / "a.jpg", "image", (None, None))
    stored = frames_of(tmp_path / "out", clip)[0].astype(int)
    expected = np.rot90(image, turn).astype(int)
    assert stored.shape == expected.shape == (clip.height, clip.width, 3)
    assert np.abs(stored - expected).mean() < 4
    assert (clip.frame_indices, clip.timestamps) == ((0,), (0.0,))
    assert b"Exif" not in (tmp_path / "out/original/native" / str(clip.file)).read_bytes()


def test_a_png_is_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), numbered(5))
    (clip,) = clips_of(
        tmp_path / "a.png", "image", (None, None), profile=Profile(scale=0.5, fps=2, max_frames=3)
    )
    assert (clip.width, clip.height) == (88, 48)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.95])
def test_a_truncated_image_is_never_half_shown(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (96, 96, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(MediaError, match=r"empty|truncated|neither"):
        read_image(path)


def test_a_tiny_file_that_claims_a_giant_picture_is_refused_unread(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "bomb.png").write_bytes(png + b"\0\0\0\0IEND\xaeB`\x82")
    with pytest.raises(MediaError, match="60000x60000 pixels is refused"):
        read_image(tmp_path / "bomb.png")


def test_text_named_jpg_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("404 not found")
    (clip,) = clips_of(tmp_path / "a.jpg", "image", (None, None))
    assert clip.error == "neither a JPEG nor a PNG image"


def sequence(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f"frame_{number:010d}.jpg"), numbered(number))
    return folder


def test_a_folder_of_images_is_cut_by_seconds_at_30_fps(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "exo_m", 60)
    some, whole, sampled_all = (
        *clips_of(folder, "frames", (10 / 30, 25 / 30), (None, None)),
        *clips_of(folder, "frames", (None, None), profile=Profile(fps=10, max_frames=5)),
    )
    assert (some.frame_indices, some.timestamps[:3]) == (tuple(range(10, 25)), (0.0, 0.033333, 0.066667))
    assert whole.frame_indices == tuple(range(60))
    assert numbers_of(tmp_path / "out", sampled_all, "original/sampled") == [1, 16, 31, 43, 58]
    assert sampled_all.frame_indices == (0, 15, 30, 42, 57)


def test_a_folder_of_images_may_state_its_own_rate(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "exo_m", 20)
    (clip,) = clips_of(folder, "frames", (1.0, 2.0), fps=10.0)
    assert numbers_of(tmp_path / "out", clip) == list(range(11, 21))
    assert clip.timestamps == tuple(round(i / 10, 6) for i in range(10))


def test_a_missing_or_broken_image_loses_only_the_clips_that_need_it(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "exo_m", 40)
    (folder / "frame_0000000015.jpg").unlink()
    (folder / "frame_0000000030.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("ignored")
    spans = [(0, 10 / 30), (10 / 30, 20 / 30), (25 / 30, 35 / 30), (1, 3)]
    fine, gap, bad, beyond = clips_of(folder, "frames", *spans)
    assert fine.error is None
    assert gap.error == "9 of 10 images are there; the first missing is number 15"
    assert bad.error == "frame_0000000030.jpg: the file is empty"
    assert "10 of about 60 frames are there" in str(beyond.error)
    assert not file_of(tmp_path / "out", Target(), "c2").exists()


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero").mkdir()
    cv2.imwrite(str(tmp_path / "zero" / "0.png"), numbered(0))
    assert (
        clips_of(tmp_path / "empty", "frames", (None, None))[0].error == "the folder holds no numbered image"
    )
    assert "counted from 1" in str(clips_of(tmp_path / "zero", "frames", (None, None))[0].error)
    assert clips_of(tmp_path / "none", "frames", (None, None))[0].error == "the folder is missing"
