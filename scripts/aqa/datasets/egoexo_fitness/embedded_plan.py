"""What the embedded data show: records, entries, planted faults and what the annotators say about them.

A fault shows in the share `BROKEN` of the entries of its exercise. Annotators see what was planted, except
that in a third of the labels of entries with three annotators one of them dissents, and that in one label
of the data two annotators are divided: one overlooks a planted fault. So two annotators agree on about
83 % of the labels, as in the real data, and the majority is what was planted in every label; the tie, too,
with the setting `tie: fail`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aqa.config import load_yaml
from aqa.synthetic.seeds import generator, spread

DATASET = "egoexo-fitness"
HERE = Path(__file__).parent
TEXTS = "embedded_texts.yaml"

BROKEN = 0.25
ANNOTATORS = (1, 1, 2, 2, 2, 3, 3, 3)
DISSENT = 1.0 / 3.0
FRONTAL, OTHER = "exo_m", "exo_l"

_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gia", "Hugo", "Ida", "Jon", "Kim", "Leo", "Mia")
_DATES = ("20230412", "20230419", "20230503")


@dataclass(frozen=True)
class Size:
    """How many persons there are (at most 12, besides the one without the frontal view), and how many
    entries an exercise has, each of another person.

    `drawn`: at most so many frames of an entry are drawn, evenly spaced, and the others repeat them (None
    draws all): enough for a model that sees no more of them.
    """

    persons: int = 12
    entries: int = 8
    drawn: int | None = None


@dataclass(frozen=True)
class Fault:
    """A planted fault: the name of its size, and the range (low, high) of it where the guideline is kept
    and where it is broken. Sizes ending in `_deg` are degrees, in `_m` metres."""

    name: str
    quantity: str
    kept: tuple[float, float]
    broken: tuple[float, float]


FAULTS: dict[str, tuple[Fault, Fault, Fault]] = {
    "sumo-squat": (
        Fault("knees_inward", "knee_in_deg", (-4.0, 4.0), (40.0, 50.0)),
        Fault("trunk_lean", "trunk_lean_deg", (4.0, 12.0), (46.0, 56.0)),
        Fault("shallow", "thigh_deg", (80.0, 90.0), (44.0, 54.0)),
    ),
    "jumping-jacks": (
        Fault("low_arms", "arm_deg", (160.0, 170.0), (92.0, 108.0)),
        Fault("narrow_feet", "feet_m", (0.80, 0.95), (0.20, 0.28)),
        Fault("bent_elbows", "elbow_deg", (2.0, 10.0), (74.0, 92.0)),
    ),
    "high-knee": (
        Fault("low_knees", "thigh_deg", (88.0, 100.0), (34.0, 46.0)),
        Fault("straight_arms", "elbow_deg", (82.0, 98.0), (4.0, 14.0)),
        Fault("trunk_lean", "trunk_lean_deg", (0.0, 6.0), (34.0, 44.0)),
    ),
    "knee-raise-abdominals": (
        Fault("low_knee", "thigh_deg", (94.0, 106.0), (46.0, 58.0)),
        Fault("bent_support", "support_deg", (6.0, 12.0), (50.0, 62.0)),
        Fault("stiff_trunk", "bend_deg", (25.0, 33.0), (0.0, 4.0)),
    ),
}

ACTIONS = {
    "sumo-squat": (8, "Sumo Squat", "Sumo Squat"),
    "jumping-jacks": (9, "Jumping Jacks", "Jumping Jacks"),
    "high-knee": (10, "High Knee", "High Knee"),
    "knee-raise-abdominals": (
        3,
        "Knee Raise And Abdominal Muscles Contract",
        "Side Knee Raise And Abdominal Muscles Contract",
    ),
}
"""Number of the class, and the names in the action annotations and in the judgements."""


@dataclass(frozen=True)
class EntryPlan:
    """An exercise of a person: which faults it shows, and the votes of each annotator on "kept"."""

    exercise: str
    person: int
    broken: tuple[bool, ...]
    votes: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class RecordPlan:
    """A recording: a person on a date, seen from one view, with its entries in order."""

    seed: int
    record: str
    actor: str
    person: int
    view: str
    entries: tuple[EntryPlan, ...]
    drawn: int | None = None

    @property
    def media(self) -> str:
        """Path of the folder of frames, relative to the data folder."""
        return f"frames_open/{self.record}/{self.view}"

    def key(self, index: int) -> str:
        """Return the key of an entry in the judgement file."""
        return f"{self.record}_action_{index}"


def guidelines(exercise: str) -> tuple[str, ...]:
    """Return the guidelines of an exercise, in the order of its faults."""
    texts = {
        entry["fault"]: entry["positive"]
        for entry in load_yaml(HERE / TEXTS)
        if entry["exercise"] == exercise
    }
    return tuple(texts[fault.name] for fault in FAULTS[exercise])


def plan(seed: int, size: Size) -> list[RecordPlan]:
    """Return all records; the last one lacks the frontal view."""
    rng = generator(seed, DATASET, "plan")
    entries = _with_a_tie(_entries(rng, size), rng)
    records: list[RecordPlan] = []
    names = [str(name) for name in rng.permutation(_NAMES)]
    for person in range(size.persons):
        own = [entry for entry in entries if entry.person == person]
        own = [own[i] for i in rng.permutation(len(own))]
        parts = [own[:1], own[1:]] if person < 2 else [own]  # two persons come on two dates
        dates = [str(date) for date in rng.permutation(_DATES)]
        for date, part in zip(dates, parts, strict=False):
            records.append(RecordPlan(seed, "", f"{date}-{names[person]}", person, FRONTAL, tuple(part)))
    lacking = EntryPlan("sumo-squat", size.persons, (False, False, False), ((True, True, True),))
    order = [records[i] for i in rng.permutation(len(records))]
    order.append(RecordPlan(seed, "", f"{_DATES[0]}-{names[size.persons]}", size.persons, OTHER, (lacking,)))
    return [
        replace(record, record=f"rec{number:02d}", drawn=size.drawn)
        for number, record in enumerate(order, start=1)
    ]


def _entries(rng: np.random.Generator, size: Size) -> list[EntryPlan]:
    entries = []
    for number, (exercise, faults) in enumerate(FAULTS.items()):
        persons = [(3 * number + j) % size.persons for j in range(size.entries)]
        broken = [spread(rng, size.entries, BROKEN) for _ in faults]
        counts = rng.permutation(np.resize(ANNOTATORS[::-1], size.entries)).tolist()
        trios = [index for index, count in enumerate(counts) if count == 3]
        dissent = [dict(zip(trios, spread(rng, len(trios), DISSENT), strict=True)) for _ in faults]
        for index, person in enumerate(persons):
            shown = tuple(column[index] for column in broken)
            who = rng.integers(counts[index], size=len(faults))
            votes = tuple(
                tuple(
                    (not shown[k]) ^ (dissent[k].get(index, False) and annotator == int(who[k]))
                    for k in range(len(faults))
                )
                for annotator in range(counts[index])
            )
            entries.append(EntryPlan(exercise, person, shown, votes))
    return entries


def _with_a_tie(entries: list[EntryPlan], rng: np.random.Generator) -> list[EntryPlan]:
    """Let one of two annotators overlook a planted fault."""
    places = [
        (index, fault)
        for index, entry in enumerate(entries)
        if len(entry.votes) == 2
        for fault, broken in enumerate(entry.broken)
        if broken
    ]
    if not places:
        return entries
    index, fault = places[int(rng.integers(len(places)))]
    entry = entries[index]
    lenient = tuple(vote or number == fault for number, vote in enumerate(entry.votes[1]))
    return [*entries[:index], replace(entry, votes=(entry.votes[0], lenient)), *entries[index + 1 :]]
