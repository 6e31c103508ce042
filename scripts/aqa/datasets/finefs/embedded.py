"""Rendered short programs with planted faults in the layout of FineFS.

Under the folder: `annotation/<id>.json` and `video/<id>.mp4`, as the owners distribute them; and, ours,
`poses.jsonl`, `faults.jsonl`, `scoreboards.jsonl` (where the scoreboard lies, when, and what it says) and
`masks.yaml` (the boxes that hide it).

A program is three or four elements of whole seconds with a second of gliding between them, by one skater
with a number for a name. Four invented competitions have a rink, a camera, nine judges and a scoreboard
each. The scoreboard shows the element, its GOE in points and the running total, as real ones do: of two
competitions throughout the element, of two from the moment at which the element is decided.

What an element is worth follows from its faults: `aqa.synthetic.panel` says how. Of each type, jump, spin
and sequence, the qualities are spread evenly from -5 to nearly 5.

The known faults of the real files are planted: an element whose time ends before it begins, a score of
the panel a hundred times too large, a jump without a coarse class, and a video of 30 frames a second
among those of 25.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from aqa.datasets.finefs.embedded_video import (
    DATASET,
    Blemish,
    Item,
    Program,
    Rendered,
    competition_name,
    render,
    venue_of,
)
from aqa.files import write_json, write_jsonl, write_text
from aqa.synthetic import panel, skating
from aqa.synthetic.panel import Kind
from aqa.synthetic.scoreboard import Shown
from aqa.synthetic.seeds import generator
from aqa.synthetic.skating import JumpFaults
from aqa.workers import run_jobs

RATE, OTHER_RATE = 25, 30
SHORT_PROGRAMS = 729
"""Ids below are short programs, as in the release."""

_CODES: dict[Kind, Collection[str]] = {
    "jump": panel.JUMPS,
    "spin": panel.SPINS,
    "sequence": panel.SEQUENCES,
}
_SECONDS: dict[Kind, int] = {
    "jump": skating.JUMP_S,
    "spin": skating.SPIN_S,
    "sequence": skating.STEPS_S,
}


@dataclass(frozen=True)
class Size:
    """How many competitions, programs of each, and elements over all programs.

    `drawn`: at most so many frames of a clip are drawn, evenly spaced, and the others repeat them (None draws
    all): enough for a model that sees no more of them.
    """

    competitions: int = 4
    programs: int = 4
    elements: int = 55
    drawn: int | None = None


def write(folder: Path, seed: int, workers: int, size: Size | None = None) -> None:
    """Write the embedded FineFS data into `folder`.

    The bytes depend on `seed` and `size` alone.
    """
    programs = plan(seed, size or Size())
    events: dict[int, list[Program]] = {}
    for program in programs:
        events.setdefault(program.competition, []).append(program)
    groups = run_jobs(_render_event, [(folder, tuple(group)) for group in events.values()], workers, DATASET)
    by_media = {result.board.media: result for group in groups for result in group}
    rendered = [by_media[program.media] for program in programs]
    for program in programs:
        write_json(folder / "annotation" / f"{program.video}.json", annotation(program))
    write_jsonl(folder / "poses.jsonl", [track for result in rendered for track in result.tracks])
    write_jsonl(folder / "faults.jsonl", [sizes for result in rendered for sizes in result.sizes])
    write_jsonl(folder / "scoreboards.jsonl", [result.board for result in rendered])
    write_text(folder / "masks.yaml", masks([result.board for result in rendered]))


def plan(seed: int, size: Size) -> list[Program]:
    """Return all programs, ordered by id; the three types of elements are as many each, or one more."""
    rng = generator(seed, DATASET, "plan")
    count = size.competitions * size.programs
    kinds: list[Kind] = [panel.KINDS[index % 3] for index in range(size.elements)]
    targets = np.zeros(size.elements)
    for kind in panel.KINDS:
        mine = [index for index, found in enumerate(kinds) if found == kind]
        steps = (np.arange(len(mine)) + rng.uniform(0.2, 0.8, len(mine))) / max(len(mine), 1)
        targets[mine] = rng.permutation(-5.2 + 10.0 * steps)
    jumps = [int(index) for index in rng.permutation(range(0, size.elements, 3))]
    planted: tuple[Blemish, ...] = ("time", "total", "class")
    blemishes = dict(zip(jumps, planted, strict=False))
    videos = np.sort(rng.permutation(SHORT_PROGRAMS)[:count]).tolist()
    fast = int(rng.integers(count))
    programs = []
    for place, video in enumerate(videos):
        own = generator(seed, DATASET, str(video), "items")
        leanings = _leanings(seed, place % size.competitions)
        indices = own.permutation(range(place, size.elements, count)).tolist()
        items: list[Item] = []
        for index in indices:
            start = items[-1].end + 1 if items else 1
            item = _item(
                own, kinds[index], float(targets[index]), leanings, start=start, number=len(items) + 1
            )
            items.append(replace(item, blemish=blemishes.get(index, "none")))
        rate = OTHER_RATE if place == fast else RATE
        programs.append(
            Program(seed, video, place % size.competitions, place + 1, rate, tuple(items), size.drawn)
        )
    return programs


def masks(boards: list[Shown]) -> str:
    """Return masks.yaml: where each board lies while it is in the picture, known because we drew it."""
    sources = {
        board.media: [
            dict(zip(("left", "top", "right", "bottom"), board.box, strict=True))
            | {"start_s": start, "end_s": end}
            for start, end in board.visible
        ]
        for board in sorted(boards, key=lambda board: board.media)
    }
    by = "the embedded benchmark, which drew the scoreboards"
    return yaml.safe_dump({"status": "reviewed", "by": by, "sources": sources}, sort_keys=False, width=110)


def _leanings(seed: int, competition: int) -> list[float]:
    rng = generator(seed, DATASET, "judges", str(competition))
    return [float(lean) for lean in rng.permutation(np.array(panel.LEANINGS))]


def _item(
    rng: np.random.Generator, kind: Kind, target: float, leanings: list[float], *, start: int, number: int
) -> Item:
    codes = list(_CODES[kind])
    code = codes[int(rng.integers(len(codes)))]
    faults = panel.draw_faults(rng, kind, target)
    judges = tuple(panel.marks(rng, leanings, faults))
    return Item(number, kind, code, start, start + _SECONDS[kind], faults, judges)


def annotation(program: Program) -> dict[str, Any]:
    """Return a program's file as the release has it, with its planted blemishes."""
    executed: dict[str, Any] = {}
    scores = []
    for item in program.items:
        score = round(item.base + item.points, 2)
        scores.append(score)
        start, end = (f"{second // 60}-{second % 60}" for second in (item.start, item.end))
        executed[f"element{item.number}"] = {
            "element": item.called,
            "coarse_class": None if item.blemish == "class" else item.kind,
            "bv": item.base,
            "goe": item.points,
            "score_of_pannel": round(100.0 * score, 2) if item.blemish == "total" else score,
            "judge_score": list(item.judges),
            "time": f"{end},{start}" if item.blemish == "time" else f"{start},{end}",
        }
    jumps = [item.faults for item in program.items if isinstance(item.faults, JumpFaults)]
    falls = [faults.landing for faults in jumps].count("fall")
    components = _components(program)
    factored = round(0.8 * sum(value["score_of_pannel"] for value in components.values()), 2)
    total = round(sum(scores), 2)
    return {
        "competition": competition_name(program),
        "total_segment_score": round(total + factored - falls, 2),
        "total_element_score": total,
        "total_program_component_score(factored)": factored,
        "factor": 0.8,
        "deductions": -float(falls),
        "element_score": scores,
        "executed_element": executed,
        "program_component": components,
    }


def _components(program: Program) -> dict[str, Any]:
    """Return the marks of the program's components, about as good as its elements."""
    rng = generator(program.seed, DATASET, str(program.video), "components")
    level = 6.5 + 0.4 * float(np.mean([panel.grade(item.judges) for item in program.items]))
    components = {}
    for name in ("skating_skills", "transitions", "performance", "composition", "interpretation"):
        quarters = np.round(4.0 * (level + rng.normal(0.0, 0.35, 9)))
        seen = np.clip(quarters / 4.0, 0.25, 10.0).tolist()
        components[name] = {"score_of_pannel": round(sum(sorted(seen)[1:-1]) / 7.0, 2), "judge_score": seen}
    return components


def _render_event(job: tuple[Path, tuple[Program, ...]]) -> list[Rendered]:
    folder, programs = job
    venue = venue_of(programs[0])
    return [render(folder, program, venue) for program in programs]
