"""Thresholds: how a size in a clip becomes one of a question's options, or a point on a scale."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from aqa.datasets.geometry import NoRule
from aqa.datasets.kinematics import Measure, Motion


@dataclass(frozen=True)
class Criterion:
    """A size and its meaning: below `cuts[0]` it means `options[0]`, from there on `options[1]`, and so on.

    `unit`: one step that counts as clear, in the size's own unit, so that criteria can be compared.
    """

    measure: Measure
    cuts: tuple[float, ...]
    options: tuple[str, ...]
    unit: float

    def __post_init__(self) -> None:
        if len(self.options) != len(self.cuts) + 1 or list(self.cuts) != sorted(self.cuts):
            raise ValueError(f"{len(self.options)} options need as many cuts less one, in order: {self.cuts}")

    def option(self, motion: Motion, among: Sequence[str]) -> str:
        """Return the option that the size means, in the words of `among`.

        Raises:
            NoRule: the question's options are not those of the criterion.
        """
        words = {_fold(option): option for option in among}
        meant = [_fold(option) for option in self.options]
        if set(meant) != set(words):
            raise NoRule(f"options {', '.join(among)}")
        return words[meant[bisect_right(self.cuts, self.measure(motion))]]

    def towards(self, option: str, motion: Motion) -> float:
        """Return how clearly the size is on the side of an option, in units from the nearest cut."""
        place = [_fold(known) for known in self.options].index(_fold(option))
        size = self.measure(motion)
        if place == 0:
            return (self.cuts[0] - size) / self.unit
        if place == len(self.cuts):
            return (size - self.cuts[-1]) / self.unit
        return min(size - self.cuts[place - 1], self.cuts[place] - size) / self.unit


def graded(size: float, bad: float, good: float) -> float:
    """Return where a size lies between what is bad (0) and what is good (1), within 0 and 1."""
    return min(max((size - bad) / (good - bad), 0.0), 1.0)


def _fold(option: str) -> str:
    return " ".join(option.casefold().split())
