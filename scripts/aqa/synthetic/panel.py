"""Judging of skated elements: what faults cost, nine judges' marks, and points as the ISU's rules make them.

**Quality.** `PERFECT` minus deductions, each proportional to the size of a planted fault or to what is
missing of a merit (`DEDUCTIONS`), and minus `LANDINGS` for a jump landed on two feet or not at all.

**Marks.** Each of nine judges gives a whole number from -5 to 5: the quality plus a leaning of his own
(`LEANINGS`, in an order drawn a competition) plus noise (normal, `NOISE`), rounded.

**Grade and points.** The grade is the mean of the marks without one highest and one lowest. The points
are the grade times a tenth of the base value, rounded to hundredths; the score of the panel is the base
value plus the points. A jump that lacks `MARKED_DEG` degrees or more of its turn carries the mark `<` and
80 % of its base value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from aqa.synthetic.postures import Position, TakeOff
from aqa.synthetic.skating import JumpFaults, Landing, SpinFaults, StepFaults

Kind = Literal["jump", "spin", "sequence"]
Faults = JumpFaults | SpinFaults | StepFaults

KINDS: tuple[Kind, ...] = ("jump", "spin", "sequence")

PERFECT = 4.9
NOISE = 0.35
LEANINGS = (-0.6, -0.4, -0.25, -0.1, 0.0, 0.1, 0.25, 0.4, 0.6)
MARKED_DEG = 90.0
LANDINGS: dict[Landing, float] = {"clean": 0.0, "two-footed": 2.2, "fall": 5.0}


@dataclass(frozen=True)
class Deduction:
    """A measure of an element: its size when perfect, its size at the worst, and what the worst costs."""

    best: float
    worst: float
    cost: float

    def of(self, size: float) -> float:
        """Return what a size costs."""
        return self.cost * (size - self.best) / (self.worst - self.best)


DEDUCTIONS: dict[Kind, dict[str, Deduction]] = {
    "jump": {
        "under_deg": Deduction(0.0, 150.0, 3.0),
        "height_m": Deduction(0.50, 0.20, 3.0),
        "lean_deg": Deduction(0.0, 50.0, 2.6),
    },
    "spin": {
        "rev_per_s": Deduction(2.8, 1.0, 3.6),
        "travel_m": Deduction(0.0, 1.5, 2.8),
        "wobble_deg": Deduction(0.0, 15.0, 2.4),
        "shortfall": Deduction(0.0, 1.0, 2.4),
    },
    "sequence": {
        "speed": Deduction(5.2, 1.6, 3.6),
        "reach": Deduction(1.0, 0.25, 3.4),
    },
}
TRIP = Deduction(0.0, 60.0, 1.8)
"""Of each stumble of a sequence, by `trip_deg`."""


@dataclass(frozen=True)
class JumpCode:
    """A jump of the scale of values: revolutions in the air, how it takes off, base value."""

    turns: float
    take_off: TakeOff
    base: float


@dataclass(frozen=True)
class SpinCode:
    """A spin of the scale of values: positions, whether the foot changes, base value."""

    positions: tuple[Position, ...]
    change: bool
    base: float


JUMPS: dict[str, JumpCode] = {
    "1A": JumpCode(1.5, "forward", 1.1),
    "2T": JumpCode(2.0, "toe", 1.3),
    "2Lo": JumpCode(2.0, "edge", 1.7),
    "2F": JumpCode(2.0, "toe", 1.8),
    "2Lz": JumpCode(2.0, "toe", 2.1),
    "2A": JumpCode(2.5, "forward", 3.3),
    "3T": JumpCode(3.0, "toe", 4.2),
    "3S": JumpCode(3.0, "edge", 4.3),
    "3Lo": JumpCode(3.0, "edge", 4.9),
    "3F": JumpCode(3.0, "toe", 5.3),
    "3Lz": JumpCode(3.0, "toe", 5.9),
}
SPINS: dict[str, SpinCode] = {
    "CCoSp4": SpinCode(("camel", "sit"), True, 3.5),
    "CCoSp3": SpinCode(("sit", "upright"), True, 3.0),
    "CoSp4": SpinCode(("sit", "upright"), False, 3.0),
    "FCSp4": SpinCode(("camel",), False, 3.2),
    "FSSp4": SpinCode(("sit",), False, 3.0),
    "SSp3": SpinCode(("sit",), False, 2.1),
    "LSp4": SpinCode(("layback",), False, 2.7),
    "USp3": SpinCode(("upright",), False, 1.9),
}
SEQUENCES: dict[str, float] = {"StSq1": 1.8, "StSq2": 2.6, "StSq3": 3.3, "StSq4": 3.9}


def kind_of(faults: Faults) -> Kind:
    """Return the type of element that has such faults."""
    if isinstance(faults, JumpFaults):
        return "jump"
    return "spin" if isinstance(faults, SpinFaults) else "sequence"


def quality(faults: Faults) -> float:
    """Return the quality before judges see it (module docstring); it may lie beyond -5."""
    sizes = asdict(faults)
    lost = sum(deduction.of(sizes[name]) for name, deduction in DEDUCTIONS[kind_of(faults)].items())
    if isinstance(faults, JumpFaults):
        lost += LANDINGS[faults.landing]
    elif isinstance(faults, StepFaults):
        lost += faults.stumbles * TRIP.of(faults.trip_deg)
    return PERFECT - lost


def draw_faults(rng: np.random.Generator, kind: Kind, target: float) -> Faults:
    """Draw faults of a random mixture whose quality is `target`, as near as faults of their sizes come."""
    landing: Landing = "clean"
    stumbles, trip = 0, 0.0
    spent = 0.0
    if kind == "jump":
        landing = (
            "fall" if target < -3.0 else "two-footed" if target < 0.5 and rng.random() < 0.5 else "clean"
        )
        spent = LANDINGS[landing]
    elif kind == "sequence":
        stumbles = 2 if target < -3.0 else int(rng.integers(1, 3)) if target < 0.5 else 0
        trip = float(np.round(rng.uniform(45.0, 60.0), 1)) if stumbles else 0.0
        spent = stumbles * TRIP.of(trip)
    deductions = DEDUCTIONS[kind]
    hidden = {"lean_deg"} if landing == "fall" else set()  # who lies on the ice is not thrown forward
    costs = np.array([0.0 if name in hidden else d.cost for name, d in deductions.items()])
    shares = _shares(rng, costs, PERFECT - target - spent)
    size = {
        name: round(float(d.best + share * (d.worst - d.best)), 3)
        for (name, d), share in zip(deductions.items(), shares, strict=True)
    }
    if kind == "jump":
        return JumpFaults(size["under_deg"], size["height_m"], size["lean_deg"], landing)
    if kind == "spin":
        return SpinFaults(size["rev_per_s"], size["travel_m"], size["wobble_deg"], size["shortfall"])
    return StepFaults(size["speed"], size["reach"], stumbles, trip)


def _shares(rng: np.random.Generator, costs: np.ndarray, lost: float) -> np.ndarray:
    """Return how much of each fault's worst size is present, 0..1, so that they cost `lost` together."""
    mixture = rng.uniform(0.25, 1.0, len(costs))
    low, high = 0.0, 8.0
    for _ in range(50):
        middle = 0.5 * (low + high)
        small = float((costs * np.minimum(middle * mixture, 1.0)).sum()) < lost
        low, high = (middle, high) if small else (low, middle)
    return np.minimum(high * mixture, 1.0) * (costs > 0.0) if lost > 0.0 else np.zeros(len(costs))


def marks(rng: np.random.Generator, leanings: Sequence[float], faults: Faults) -> list[int]:
    """Return the judges' marks, whole numbers from -5 to 5, in the order of their leanings."""
    seen = quality(faults) + np.array(leanings) + rng.normal(0.0, NOISE, len(leanings))
    return [int(mark) for mark in np.clip(np.floor(seen + 0.5), -5, 5)]


def grade(given: Sequence[int]) -> float:
    """Return the mean of the marks without one highest and one lowest."""
    kept = sorted(given)[1:-1]
    return sum(kept) / len(kept)


def base_value(code: str, faults: Faults) -> float:
    """Return the base value of an element, as executed."""
    if code in SPINS:
        return SPINS[code].base
    if code in SEQUENCES:
        return SEQUENCES[code]
    return round(JUMPS[code].base * (0.8 if marked(faults) else 1.0), 2)


def marked(faults: Faults) -> bool:
    """Return whether the technical panel marks a jump as under-rotated."""
    return isinstance(faults, JumpFaults) and faults.under_deg >= MARKED_DEG


def points(given: Sequence[int], base: float) -> float:
    """Return the grade in points: a tenth of the base value for each step of the grade."""
    return round(0.1 * base * grade(given), 2) + 0.0  # never -0.0
