"""Settings of a training: what is drawn how often, how long and how fast; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mix:
    """What is drawn how often; weights need not sum to one.

    `datasets`, `representations`, `strategies`: weights by name, 1 where a name is left out. `compare`,
    `in_context`: shares of batches. `branches`: questions about the clips of a row.
    """

    datasets: Mapping[str, float] = field(default_factory=dict)
    representations: Mapping[str, float] = field(default_factory=dict)
    strategies: Mapping[str, float] = field(default_factory=dict)
    compare: float = 0.15
    in_context: float = 0.1
    branches: int = 3


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    Of `steps`, the first share `silent` teaches without text, and later a share `wordless` does; a share
    `sight` teaches the vision tower alone, on twice the clips. The learning rate falls linearly to 2 % over
    the last share `decay`. `place`, `pool`, `recall` and `judge` weigh the helpers' losses, `form` the tokens
    of an answer that are the same in every answer. A checkpoint is written every so many steps.
    """

    steps: int = 20_000
    batch: int = 8
    rate: float = 6e-4
    warm: int = 100
    decay: float = 0.3
    silent: float = 0.02
    wordless: float = 0.1
    sight: float = 0.0
    place: float = 0.5
    pool: float = 4.0
    recall: float = 4.0
    judge: float = 2.0
    form: float = 0.1
    weight_decay: float = 0.05
    every: int = 250
    mix: Mix = field(default_factory=Mix)
