"""Boxes that hide what must not be seen (a scoreboard that shows the truth), and filling them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from aqa.config import Section, load_yaml, parse
from aqa.errors import UserError, nearest
from aqa.media.errors import MediaError

if TYPE_CHECKING:
    from aqa.media.picture import Image

FILL = (0, 0, 0)
"""Blue, green, red of a filled box: solid, so that nothing can be restored from it."""

PADDING_S = 0.1
"""A box hides this much longer at either end of its interval: boards fade in and out."""

PROGRAM = "propose_masks"
"""Who proposed, in `by`; a file that still says so was approved by nobody."""


class Box(Section):
    """A rectangle of the source's upright, unscaled picture, in pixels, origin top left; right and bottom are
    exclusive. It hides what is under it from `start_s` until `end_s` (seconds in the source, half-open; None:
    from the start, to the end)."""

    left: int = Field(ge=0)
    top: int = Field(ge=0)
    right: int = Field(ge=1)
    bottom: int = Field(ge=1)
    start_s: float | None = Field(None, ge=0, allow_inf_nan=False)
    end_s: float | None = Field(None, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _not_empty(self) -> Box:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError("the box is empty: right must exceed left, and bottom top")
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise ValueError("the interval is empty: end_s must exceed start_s")
        return self

    def hides(self, time_s: float) -> bool:
        """Say whether the box is filled at a time of the source, `PADDING_S` included."""
        begun = self.start_s is None or time_s >= self.start_s - PADDING_S
        return begun and (self.end_s is None or time_s < self.end_s + PADDING_S)

    def padded(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return what is filled: left, top, right, bottom in pixels of a source of `width` x `height`.

        Grown on every side by a hundred-and-twentieth of the height, at least 2 pixels, because the encoder
        of the source smears edges; on even pixels, so that no colour sample is half covered; clamped.

        Raises:
            MediaError: the box leaves the picture: it was drawn on a picture of another size.
        """
        if self.right > width or self.bottom > height:
            raise MediaError(
                f"the mask {self.left},{self.top} to {self.right},{self.bottom} leaves the picture of "
                f"{width}x{height} pixels: it was made for another size"
            )
        pad = max(2, -(-height // 120))
        left, top = max(0, self.left - pad) // 2 * 2, max(0, self.top - pad) // 2 * 2
        right, bottom = (-(-(edge + pad) // 2) * 2 for edge in (self.right, self.bottom))
        return left, top, min(width, right), min(height, bottom)


class Masks(Section):
    """A file of masks: what is hidden in each source (`Media.path`), and who says so.

    `status` proposed: found by a program, approved by nobody, never applied. A source with an empty list was
    looked at and shows nothing.
    """

    status: Literal["proposed", "reviewed"]
    by: str = Field(min_length=1, description="Who looked at them, or the program that proposed them.")
    sources: dict[str, tuple[Box, ...]]

    def check(self, wanted: Collection[str], known: Collection[str], place: str) -> None:
        """Check that the file speaks of the right sources.

        Args:
            wanted: sources that are about to be shown; each must be listed.
            known: all sources of the dataset; nothing else may be listed.
            place: the file, for messages.

        Raises:
            UserError: one line with the first source that is not listed, or not known.
        """
        if unknown := sorted(set(self.sources) - set(known)):
            raise UserError(
                f"{place}: sources names '{unknown[0]}', of which no sample is cut"
                f"{nearest(unknown[0], known)}"
            )
        if missing := sorted(set(wanted) - set(self.sources)):
            raise UserError(
                f"{place}: sources lacks '{missing[0]}' ({len(missing)} such); list its boxes, or [] if you "
                "looked at it and it shows nothing"
            )


def read_masks(path: Path) -> Masks:
    """Read a file of masks, proposed or reviewed.

    Raises:
        UserError: the file cannot be read or is not such a file.
    """
    return parse(Masks, load_yaml(path), str(path))


def load_masks(path: Path) -> Masks:
    """Read a file of masks that may be applied.

    Raises:
        UserError: the file cannot be read, is not such a file, or nobody has reviewed it.
    """
    masks = read_masks(path)
    if masks.status != "reviewed" or masks.by == PROGRAM:
        raise UserError(
            f"{path}: nobody has approved these boxes (status {masks.status}, by {masks.by}); look at the "
            "contact sheet beside the proposal, correct the boxes, then set `status: reviewed`, `by: <you>`"
        )
    return masks


def fill(image: Image, boxes: tuple[Box, ...], time_s: float, scale: tuple[float, float]) -> None:
    """Fill in place the boxes that hide something at `time_s` of the source, padded (`Box.padded`).

    Args:
        image: (height, width, 3) upright, perhaps scaled.
        boxes: of the source.
        time_s: the frame's time in the source, seconds from its first frame.
        scale: factors on x and y from the source's picture to `image`; edges are rounded outwards.

    Raises:
        MediaError: a box, filled now or not, leaves the source's picture.
    """
    height, width = image.shape[:2]
    source = round(width / scale[0]), round(height / scale[1])
    for box in boxes:
        edges = box.padded(*source)
        if not box.hides(time_s):
            continue
        left, top = int(edges[0] * scale[0]), int(edges[1] * scale[1])
        right, bottom = -int(-edges[2] * scale[0] // 1), -int(-edges[3] * scale[1] // 1)
        image[top:bottom, left:right] = FILL
