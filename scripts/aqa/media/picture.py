"""From a decoded frame to an upright image and its JPEG."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from aqa.media.errors import MediaError
from aqa.media.profile import Profile

JPEG_QUALITY = 95
"""Quality of stored frames (libjpeg scale, 4:2:0 chroma): high enough that a model's own resampling
loses more, a fifth of the size of PNG."""

MAX_PIXELS = 2**26
"""Largest picture that is decoded: above 8K video (33 million) and 48-megapixel photographs."""

MAX_SIDE = 65_500
"""Longest side that a JPEG can have."""

Image: TypeAlias = NDArray[np.uint8]
"""(height, width, 3) blue, green, red; origin top left."""


def check_size(width: int, height: int) -> None:
    """Refuse pictures that no camera makes.

    Raises:
        MediaError: an empty picture, or one beyond `MAX_PIXELS` or `MAX_SIDE`.
    """
    if width < 1 or height < 1:
        raise MediaError("the file is damaged: it does not say how large its pictures are")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(f"a picture of {width}x{height} pixels is refused (limit: {MAX_PIXELS} pixels)")


def to_image(frame: VideoFrame, profile: Profile) -> Image:
    """Convert a decoded frame: scaled, upright, blue-green-red.

    The stream's colour matrix and range are honoured; where a stream states none, BT.601 is assumed,
    as ffmpeg does. High dynamic range is not tone-mapped and pixels are stored as they are, whatever
    the sample aspect ratio. The display matrix (rotation by quarter turns, mirroring) is applied.
    """
    width, height = profile.size(frame.width, frame.height)
    same = (width, height) == (frame.width, frame.height)
    how = Interpolation.BILINEAR if same else Interpolation.AREA
    scaled = frame.reformat(width=width, height=height, format="bgr24", interpolation=how, threads=1)
    return upright(scaled.to_ndarray().astype(np.uint8, copy=False), display_matrix(frame))


def display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return the signs (a, b, c, d) of a frame's display matrix: x' = a x + c y, y' = b x + d y.

    Oblique angles go to the nearest quarter turn. (1, 0, 0, 1) where there is none.
    """
    entries: Iterable[Any] = frame.side_data
    data = next((entry for entry in entries if entry.type is SideData.DISPLAYMATRIX), None)
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), dtype="=i4")[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _sign(a), 0, 0, _sign(d)
    return 0, _sign(b), _sign(c), 0


def upright_size(frame: VideoFrame) -> tuple[int, int]:
    """Return the (width, height) of a frame once its display matrix is applied."""
    _, turned, _, _ = display_matrix(frame)
    return (frame.height, frame.width) if turned else (frame.width, frame.height)


def _sign(value: int) -> int:
    return -1 if value < 0 else 1


def upright(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    """Apply the quarter turns and mirrors of `display_matrix` to an image."""
    a, b, c, d = matrix
    if b or c:
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def shrink(image: Image, profile: Profile) -> Image:
    """Scale an image by `profile.scale`, averaging areas."""
    size = profile.size(image.shape[1], image.shape[0])
    if size == (image.shape[1], image.shape[0]):
        return image
    scaled: Any = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, dtype=np.uint8)


def to_jpeg(image: Image) -> bytes:
    """Encode as baseline JPEG, quality `JPEG_QUALITY`, 4:2:0, without any metadata."""
    settings = [
        int(cv2.IMWRITE_JPEG_QUALITY),
        JPEG_QUALITY,
        int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR),
        int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420),
    ]
    done, data = cv2.imencode(".jpg", image, settings)
    if not done:
        raise MediaError(f"an image of {image.shape[1]}x{image.shape[0]} pixels cannot be stored as JPEG")
    return bytes(data)
