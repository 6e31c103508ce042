"""How a training tells where it is; without torch."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aqa import cli

EVERY_S = 60
"""Between two lines where nobody watches a terminal."""


@dataclass
class Means:
    """Running means of the losses."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, losses: Mapping[str, float]) -> None:
        """Add one step's."""
        for name, value in losses.items():
            old = self.values.get(name, value)
            self.values[name] = 0.98 * old + 0.02 * value

    def __str__(self) -> str:
        return " ".join(f"{name} {value:.3f}" for name, value in self.values.items())


class Training(Protocol):
    """What is told of a trainer."""

    step: int
    means: Means


def reporter(steps: int) -> Callable[[Training, float], None]:
    """Return what a trainer calls after each step with itself and the seconds that the step took."""
    show = cli.progress("steps")
    last = time.monotonic()

    def report(now: Training, seconds: float) -> None:
        nonlocal last
        show(now.step, steps)
        if time.monotonic() - last > EVERY_S and not sys.stderr.isatty():
            cli.log.info("step %d: %s (%.2f s a step)", now.step, now.means, seconds)
            last = time.monotonic()

    return report
