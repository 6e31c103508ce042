"""Decoded clips as bytes, so that the cache of clips can hold them: a shape, then the pixels."""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray

from aqa.errors import UserError
from aqa.records import MediaPart

Frames = NDArray[np.uint8]
"""(frames, height, width, 3): red, green, blue."""

_SHAPE = struct.Struct("<3I")


def pack(part: MediaPart, frames: list[bytes]) -> bytes:
    """Decode the images of a clip.

    Raises:
        UserError: an image is damaged, or its size is not that of the first.
    """
    from PIL import Image, UnidentifiedImageError

    pieces = []
    shape: tuple[int, int] | None = None
    for number, data in enumerate(frames):
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                pixels = np.asarray(image.convert("RGB"))
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise UserError(
                f"{part.file}: frame {number} cannot be decoded ({error}); run the media stage again"
            ) from None
        if shape not in (None, pixels.shape[:2]):
            raise UserError(f"{part.file}: frame {number} has another size; run the media stage again")
        shape = (pixels.shape[0], pixels.shape[1])
        pieces.append(pixels.tobytes())
    height, width = shape or (0, 0)
    return b"".join((_SHAPE.pack(len(pieces), height, width), *pieces))


def unpack(raw: bytes) -> Frames:
    """Return the frames of a packed clip, without a copy."""
    count, height, width = _SHAPE.unpack_from(raw)
    return np.frombuffer(raw, np.uint8, offset=_SHAPE.size).reshape(count, height, width, 3)
