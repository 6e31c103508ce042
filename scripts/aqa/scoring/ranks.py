"""Ranks of weighted values, for many resamples at once."""

from __future__ import annotations

import math

import numpy as np

from aqa.scoring.metrics import FloatArray


def centred_ranks(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return twice the average ranks less their mean, and their sum of squares.

    Args:
        counts: weight of each value, in ascending order of values, shape (values, resamples); `squared`
            many values, the last of which may be of no weight.
    """
    ranks = counts.copy()
    _cumulate(ranks)
    total = ranks[-1].copy()
    ranks *= 2
    ranks -= counts
    ranks -= total
    return ranks, np.einsum("ij,ij,ij->j", counts, ranks, ranks)


def _cumulate(lines: FloatArray) -> None:
    """Turn the lines of an array into their running sums, in place; their number is a square.

    First within blocks of lines, all blocks at once, then block after block. np.cumsum adds number by number
    along this axis, and takes several times as long; of whole numbers the sums are the same.
    """
    size = math.isqrt(len(lines))
    blocks = lines.reshape(size, size, -1)
    for line in range(1, size):
        blocks[:, line] += blocks[:, line - 1]
    for block in range(1, size):
        blocks[block] += blocks[block - 1, -1]


def squared(number: int) -> int:
    """Return the least square that is not below a number."""
    return (math.isqrt(number - 1) + 1) ** 2
