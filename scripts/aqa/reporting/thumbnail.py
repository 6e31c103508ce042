"""Frames made small enough to lie inside a page."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from aqa.errors import UserError

QUALITY = 70
"""JPEG quality of thumbnails."""


def thumbnail(picture: bytes, path: Path, side: int) -> tuple[str, int, int]:
    """Return a data URI of a frame made small, its width and height in pixels.

    Args:
        picture: the frame as it is stored.
        path: where, for errors.
        side: pixels that its longer side may have.

    Raises:
        UserError: the frame cannot be decoded.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UserError(f"{path}: a frame cannot be decoded; delete it and run the media stage again")
    height, width = pixels.shape[:2]
    factor = min(1.0, side / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}", *size
