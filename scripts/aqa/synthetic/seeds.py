"""Random numbers that depend on a seed and on names, never on the order of work."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return the generator of something named, such as (dataset, clip): equal names, equal numbers."""
    text = "\0".join((str(seed), *names)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:16], "big"))


def spread(rng: np.random.Generator, count: int, share: float) -> list[bool]:
    """Return `count` flags in random order, about `share` of them true; both values occur if count > 1."""
    true = min(max(round(share * count), min(1, count - 1)), max(count - 1, 0))
    flags = np.arange(count) < true
    return [bool(flag) for flag in rng.permutation(flags)]
