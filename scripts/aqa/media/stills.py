"""Still images and folders of numbered images."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aqa.media.errors import MediaError
from aqa.media.picture import Image, check_size

SEQUENCE_FPS = 30.0
"""Rate of a folder of numbered images that states none (`Media.fps`): image n (from 1) is at (n-1)/30 s."""

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NUMBERED = re.compile(r"(\d+)\.(?:jpe?g|png)$", re.IGNORECASE)


def read_image(path: Path) -> Image:
    """Read a JPEG or PNG file, upright (EXIF orientation applied), alpha dropped, 8 bits a channel.

    Raises:
        MediaError: missing, empty, neither JPEG nor PNG, truncated, damaged, or absurdly large.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot be read ({error.strerror})") from error
    if not data:
        raise MediaError("the file is empty")
    check_size(*image_size(data))
    if (_PNG_END if data.startswith(_PNG) else _JPEG_END) not in data[-65_536:]:
        raise MediaError("the image is truncated")
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise MediaError(f"the image is damaged ({error.err})") from error
    if image is None:
        raise MediaError("the image is damaged")
    return np.asarray(image, dtype=np.uint8)


def image_size(data: bytes) -> tuple[int, int]:
    """Return the stored (width, height) of a JPEG or PNG from its header, without decoding.

    Raises:
        MediaError: no header of either.
    """
    try:
        if data.startswith(_PNG):
            width, height = struct.unpack(">II", data[16:24])
            return width, height
        if data.startswith(_JPEG_START):
            return _jpeg_size(data)
    except (struct.error, IndexError) as error:
        raise MediaError("the image is truncated") from error
    raise MediaError("neither a JPEG nor a PNG image")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise MediaError("the image is damaged")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + struct.unpack(">H", data[place + 2 : place + 4])[0]


def numbered_images(folder: Path) -> dict[int, Path]:
    """Return the JPEG and PNG files of a folder by number (the digits before the extension, from 1).

    Raises:
        MediaError: no such folder, no numbered image, a number twice, or a number 0.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise MediaError(f"the folder of images cannot be read ({error.strerror})") from error
    images: dict[int, Path] = {}
    for name in names:
        match = _NUMBERED.search(name)
        if match is None:
            continue
        number = int(match[1])
        if number in images:
            raise MediaError(f"image {number} is there twice: {images[number].name} and {name}")
        images[number] = folder / name
    if not images:
        raise MediaError("the folder holds no numbered image")
    if 0 in images:
        raise MediaError(f"images are counted from 1, but {images[0].name} is number 0")
    return images
