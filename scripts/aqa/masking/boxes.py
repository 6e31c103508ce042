"""Rectangles in pixels: left, top, right, bottom; right and bottom lie just outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

Rectangle: TypeAlias = tuple[int, int, int, int]


def area(box: Rectangle) -> int:
    """Return the pixels of a rectangle; 0 if it is empty."""
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def common(one: Rectangle, other: Rectangle) -> Rectangle:
    """Return where two rectangles overlap; perhaps empty."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def hull(one: Rectangle, other: Rectangle) -> Rectangle:
    """Return the smallest rectangle that holds both."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def overlap(one: Rectangle, other: Rectangle) -> float:
    """Return the area in common over the area of both together."""
    both = area(common(one, other))
    return both / (area(one) + area(other) - both) if both else 0.0


def inside(one: Rectangle, other: Rectangle) -> float:
    """Return the share of `one` that lies in `other`."""
    return area(common(one, other)) / area(one) if area(one) else 0.0


def grown(box: Rectangle, by: int, width: int, height: int) -> Rectangle:
    """Return a rectangle grown on every side, within a picture."""
    return max(0, box[0] - by), max(0, box[1] - by), min(width, box[2] + by), min(height, box[3] + by)


def merged(boxes: Iterable[Rectangle]) -> list[Rectangle]:
    """Return rectangles of which none overlaps another: those that did became their hull. Sorted."""
    left = list(boxes)
    done: list[Rectangle] = []
    while left:
        box = left.pop()
        touching = [other for other in done if area(common(box, other))]
        if touching:
            done = [other for other in done if other not in touching]
            for other in touching:
                box = hull(box, other)
            left.append(box)
        else:
            done.append(box)
    return sorted(done, key=lambda box: (box[1], box[0], box[3], box[2]))


def share(boxes: Iterable[Rectangle], width: int, height: int) -> float:
    """Return the share of a picture that rectangles cover together."""
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in boxes:
        covered[top:bottom, left:right] = True
    return float(covered.mean())
