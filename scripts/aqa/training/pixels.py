"""How large the model sees a picture: the rule of its processors, without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

PATCH = 16
MERGE = 2
TEMPORAL = 2
FACTOR = PATCH * MERGE
"""Pixels of the side of the square that one token stands for."""


@dataclass(frozen=True)
class Sizes:
    """Fewest and most pixels: of an image, and of a video over all of its frames."""

    image: tuple[int, int] = (4_096, 32_768)
    video: tuple[int, int] = (32_768, 131_072)


def shown_size(sizes: Sizes, frames: int, height: int, width: int, *, video: bool) -> tuple[int, int]:
    """Return the height and width at which a clip is shown, as Qwen3-VL's processors round them.

    An image counts as one frame; a test compares with the processors.
    """
    fewest, most = sizes.video if video else sizes.image
    count = frames if video else 1
    if video:
        count += -count % TEMPORAL if count < TEMPORAL else 0
        if min(height, width) < FACTOR:
            scale = max(FACTOR / height, FACTOR / width)
            height, width = int(height * scale), int(width * scale)
    times = round(count / TEMPORAL) * TEMPORAL if video else 1
    rounded = round(height / FACTOR) * FACTOR, round(width / FACTOR) * FACTOR
    if not video:
        rounded = max(FACTOR, rounded[0]), max(FACTOR, rounded[1])
    area = times * rounded[0] * rounded[1]
    if area > most:
        shrink = math.sqrt(count * height * width / most)
        return (
            max(FACTOR, math.floor(height / shrink / FACTOR) * FACTOR),
            max(FACTOR, math.floor(width / shrink / FACTOR) * FACTOR),
        )
    if area < fewest:
        grow = math.sqrt(fewest / (count * height * width))
        return math.ceil(height * grow / FACTOR) * FACTOR, math.ceil(width * grow / FACTOR) * FACTOR
    return rounded
