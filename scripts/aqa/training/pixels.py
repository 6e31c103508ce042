"""How large the model sees a picture: the rule of its processors."""

from __future__ import annotations

from dataclasses import dataclass

from aqa.models._qwen_pixels import ImageSettings, VideoSettings

PATCH = 16
MERGE = 2
TEMPORAL = 2
FACTOR = PATCH * MERGE
"""Pixels of the side of the square that one token stands for."""

MEAN = STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Sizes:
    """Fewest and most pixels: of an image, and of a video over all of its frames."""

    image: tuple[int, int] = (4_096, 32_768)
    video: tuple[int, int] = (32_768, 131_072)


def shown_size(sizes: Sizes, frames: int, height: int, width: int, *, video: bool) -> tuple[int, int]:
    """Return the height and width at which a clip is shown.

    Raises:
        ValueError: the picture is too elongated.
    """
    kind, limits = (VideoSettings, sizes.video) if video else (ImageSettings, sizes.image)
    count = max(frames, TEMPORAL)  # A single frame counts as shown twice.
    return kind(*limits, PATCH, MERGE, TEMPORAL, MEAN, STD).resized(count, height, width)
