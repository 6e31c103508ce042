"""Boxes that hide what must not be seen (a scoreboard that shows the truth), and filling them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from aqa.config import Section, load_yaml, parse
from aqa.media.picture import Image

FILL = (0, 0, 0)
"""Blue, green, red of a filled box: solid, so that nothing can be restored from it."""


class Box(Section):
    """A rectangle of the source's upright, unscaled picture, in pixels, origin top left; right and bottom are
    exclusive. It hides what is under it from `start_s` until `end_s` (seconds in the source, half-open; None:
    from the start, to the end)."""

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    right: int = Field(ge=1)
    bottom: int = Field(ge=1)
    start_s: float | None = None
    end_s: float | None = None


class Masks(Section):
    """A file of masks: what is hidden in each source (`Media.path`), and who says so.

    `status` proposed: found by a program, approved by nobody, never applied. A source with an empty list was
    looked at and shows nothing.
    """

    status: Literal["proposed", "reviewed"]
    by: str = Field(min_length=1, description="Who looked at them, or the program that proposed them.")
    sources: dict[str, tuple[Box, ...]]


def load_masks(path: Path) -> Masks:
    """Read a file of masks.

    Raises:
        UserError: the file cannot be read or is not such a file.
    """
    return parse(Masks, load_yaml(path), str(path))


def fill(image: Image, boxes: tuple[Box, ...], time_s: float, scale: tuple[float, float]) -> None:
    """Fill in place the boxes that hide something at `time_s` of the source.

    Args:
        image: (height, width, 3) upright, perhaps scaled.
        boxes: of the source.
        time_s: the frame's time in the source, seconds.
        scale: factors on x and y from the source's picture to `image`; edges are rounded outwards.
    """
    height, width = image.shape[:2]
    for box in boxes:
        if time_s < (box.start_s or 0.0) or (box.end_s is not None and time_s >= box.end_s):
            continue
        left, top = int(box.left * scale[0]), int(box.top * scale[1])
        right = min(width, -int(-box.right * scale[0] // 1))
        bottom = min(height, -int(-box.bottom * scale[1] // 1))
        image[top:bottom, left:right] = FILL
