"""A broadcast's scoreboard, burned into the picture: several designs, each at a fixed place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from aqa.records import Record
from aqa.synthetic.scene import Picture
from aqa.synthetic.surface import Colour

GLYPH_PX = 13
"""Height of capitals and digits."""

_CAPITAL = 21.0  # units of OpenCV's Hershey font at scale 1
_FINE = 4

Design = Literal["lower-bar", "upper-left", "upper-strip", "lower-right"]
Box = tuple[int, int, int, int]
"""left, top, right, bottom in pixels; right and bottom lie just outside."""

DESIGNS: tuple[Design, ...] = ("lower-bar", "upper-left", "upper-strip", "lower-right")


@dataclass(frozen=True)
class Entry:
    """What a board says. `goe` is None until the panel has decided."""

    name: str
    element: str
    goe: float | None
    total: float


@dataclass(frozen=True)
class Style:
    """A design and its colours: ground, band (of the first line) and letters."""

    design: Design
    ground: Colour
    band: Colour
    ink: Colour


def box(design: Design, width: int, height: int) -> Box:
    """Return where a design lies in a picture of `width` x `height` pixels."""
    places: dict[Design, Box] = {
        "lower-bar": (8, height - 48, width - 8, height - 8),
        "upper-left": (8, 8, 128, 88),
        "upper-strip": (0, 0, width, 22),
        "lower-right": (width - 128, height - 88, width - 8, height - 8),
    }
    return places[design]


def goe_text(goe: float | None) -> str:
    """Return how a board writes the grade of execution in points."""
    return "--" if goe is None else f"{goe:+.2f}"


def lines(design: Design, entry: Entry) -> tuple[tuple[str, str], ...]:
    """Return the lines of a board, each what stands at its left and at its right."""
    goe, total = f"GOE {goe_text(entry.goe)}", f"{entry.total:.2f}"
    if design == "lower-bar":
        return (entry.name, entry.element), (goe, f"TOTAL {total}")
    if design == "upper-strip":
        return ((f"{entry.element} {goe}", f"TES {total}"),)
    return (entry.name, ""), (entry.element, ""), ("GOE", goe_text(entry.goe)), ("TES", total)


def board(style: Style, entry: Entry, width: int, height: int) -> Picture:
    """Return the board's picture [height, width, 3], the size of its box."""
    left, top, right, bottom = box(style.design, width, height)
    rows, columns = bottom - top, right - left
    texts = lines(style.design, entry)
    row = rows / len(texts)
    fine = np.empty((rows * _FINE, columns * _FINE, 3), np.uint8)
    fine[:] = np.array(style.ground, np.uint8)
    if len(texts) > 1:
        fine[: round(row * _FINE)] = np.array(style.band, np.uint8)
    for number, (first, second) in enumerate(texts):
        middle = (number + 0.5) * row
        _write(fine, first, 6.0, middle, style.ink)
        _write(fine, second, columns - 6.0 - _width(second), middle, style.ink)
    return np.asarray(cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _scale() -> float:
    return GLYPH_PX * _FINE / _CAPITAL


def _width(text: str) -> float:
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _scale(), 2 * _FINE)
    return wide / _FINE


def _write(fine: Picture, text: str, left: float, middle: float, ink: Colour) -> None:
    origin = (round(left * _FINE), round((middle + 0.5 * GLYPH_PX) * _FINE))
    cv2.putText(fine, text, origin, cv2.FONT_HERSHEY_SIMPLEX, _scale(), ink, int(1.6 * _FINE), cv2.LINE_AA)


def random_style(rng: np.random.Generator, design: Design) -> Style:
    """Draw the colours of a design: light letters on a dark ground."""
    grounds: tuple[tuple[Colour, Colour], ...] = (
        ((16, 28, 64), (32, 72, 148)),
        ((20, 20, 24), (132, 24, 36)),
        ((12, 52, 56), (18, 96, 92)),
        ((44, 18, 60), (96, 40, 120)),
    )
    ground, band = grounds[int(rng.integers(len(grounds)))]
    return Style(design, ground, band, (246.0, 246.0, 246.0))


class Saying(Record):
    """What a board says from `start_s` to `end_s` seconds of the file; `goe` is None before the decision."""

    start_s: float
    end_s: float
    element: str
    goe: str | None


class Shown(Record):
    """A line of `scoreboards.jsonl`: the board of a video, for checking what masks it.

    `media` is relative to the folder of the data. `box` is (left, top, right, bottom) in pixels, right and
    bottom just outside. `visible` are the intervals, in seconds of the file, in which it is in the picture.
    """

    media: str
    competition: str
    design: Design
    width: int
    height: int
    box: Box
    visible: tuple[tuple[float, float], ...]
    says: tuple[Saying, ...]
