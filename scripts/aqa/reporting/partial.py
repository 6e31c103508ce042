"""What the journals hold so far, scored as if it were all there is: `results/partial`.

Asks nothing, and touches neither cells nor journals. A request that is not answered yet is left out and
counted, whether it was never sent or its attempts failed: it is asked again by the next run, so it is no
failure of the model. Numbers of a cell therefore rest on the samples that happen to be answered.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl, write_json, write_jsonl, write_text
from aqa.grid import Cell
from aqa.inference.cell import Cell as Requests
from aqa.inference.drafts import drafts_of, write_drafts
from aqa.inference.journal import fetch
from aqa.masking.verdicts import load_verification
from aqa.plan import Plan
from aqa.records import Pair, Request, Response, Sample
from aqa.reporting import render, tables
from aqa.reporting.describe import labels
from aqa.reporting.labels import Labels
from aqa.reporting.layout import LAYOUTS, printable
from aqa.reporting.scores import read_scores
from aqa.scoring.compare import ORDERS
from aqa.scoring.rows import collect, write_rows
from aqa.scoring.score import Settings, score_cells

COLUMNS = (*Cell._fields, "n_requests", "n_answered", "n_failed_so_far", "n_not_asked", "n_scored")


@dataclass(frozen=True)
class Coverage:
    """How much of a cell is answered; `scored` requests are in its numbers, pairs only in both orders."""

    cell: Cell
    requests: int
    answered: int = 0
    failed: int = 0
    scored: int = 0

    @property
    def fields(self) -> tuple[object, ...]:
        """The line of coverage.csv."""
        not_asked = self.requests - self.answered - self.failed
        return (*self.cell, self.requests, self.answered, self.failed, not_asked, self.scored)


def score_partially(plan: Plan) -> list[Coverage]:
    """Write `partial/` below the results: the cells that have answers, coverage.csv, scores.csv and tables.

    Raises:
        UserError: no journal holds an answer, or a file is damaged.
    """
    folder = Path(plan.config.results, "partial")
    found = [_answered(plan, cell, folder / "cells" / cell.path) for cell in plan.grid]
    coverage = [one for one in found if one is not None]
    scored = [one.cell for one in coverage if one.scored]
    if not scored:
        raise UserError(
            "no journal of this configuration holds an answer yet, so there is nothing to score; "
            "`snakemake` asks the models"
        )
    _score(plan, scored, folder)
    write_text(folder / "coverage.csv", as_csv(coverage))
    write_rows(
        folder / "scores.csv", collect([folder / "cells" / cell.path / "metrics.json" for cell in scored])
    )
    verified = [load_verification(path) for path in map(Path, plan.verifications()) if path.is_file()]
    names = labels(plan, verified).model_copy(update={"partial": True, "results": str(folder)})
    write_json(folder / "labels.json", names.model_dump(mode="json"))
    _tables(plan, scored, names, folder)
    return coverage


def _answered(plan: Plan, cell: Cell, into: Path) -> Coverage | None:
    """Write the answered requests of a cell and their responses; None if it has no requests yet."""
    folder = Path(plan.file(cell, "requests.jsonl")).parent
    if not (folder / "requests.jsonl").is_file():
        return None
    asked = Requests.load(folder, Path(plan.config.results, "journals"), {})
    try:
        asked.read_journal()
        answers = fetch(asked.contents.answers.get(key) for key in asked.keys)
        both = [
            (asked.request(position), answer.response)
            for position, answer in enumerate(answers)
            if answer is not None
        ]
    finally:
        asked.close()
    kept = _whole_pairs(both) if cell.task == "compare" else both
    if kept:
        write_jsonl(into / "requests.jsonl", [request for request, _ in kept])
        write_jsonl(into / "responses.jsonl", [response for _, response in kept])
        write_drafts(into, drafts_of(folder))
    return Coverage(cell, len(asked.keys), len(both), len(asked.contents.failures), len(kept))


def _whole_pairs(both: Sequence[tuple[Request, Response]]) -> list[tuple[Request, Response]]:
    """Return the answers to pairs that are answered in both orders (design decision 8)."""
    orders: dict[tuple[str, int], int] = {}
    for request, _ in both:
        turn = (request.sample_id, request.repeat)
        orders[turn] = orders.get(turn, 0) + 1
    return [
        (request, response)
        for request, response in both
        if orders[request.sample_id, request.repeat] == len(ORDERS)
    ]


def _score(plan: Plan, cells: Iterable[Cell], folder: Path) -> None:
    datasets: dict[str, list[Cell]] = {}
    for cell in cells:
        datasets.setdefault(cell.dataset, []).append(cell)
    for dataset, mine in datasets.items():
        place = Path(plan.config.results, "datasets", dataset)
        samples = {sample.sample_id: sample for sample in read_jsonl(place / "samples.jsonl", Sample)}
        pairs = None
        if plan.comparing(mine):
            pairs = {pair.pair_id: pair for pair in read_jsonl(place / "pairs.jsonl", Pair)}
        settings = Settings(
            kind=plan.metadata[dataset].kind,
            seed=plan.config.seed,
            resamples=plan.config.scoring.resamples,
            unit=plan.unit(dataset),
            evaluated=frozenset(read_ids(place / "evaluated.txt")),
            pairs=pairs,
            asked={folder / "cells" / cell.path: wanted for cell, wanted in _asked(plan, mine)},
        )
        score_cells([folder / "cells" / cell.path for cell in mine], samples, settings)


def _asked(plan: Plan, cells: Iterable[Cell]) -> Iterator[tuple[Cell, frozenset[str]]]:
    """Yield what cells are to ask about; no list is there yet of one that another configuration made."""
    for cell in cells:
        if (file := Path(plan.asked(cell))).is_file():
            yield cell, frozenset(read_ids(file))


def _tables(plan: Plan, scored: Sequence[Cell], names: Labels, folder: Path) -> None:
    scores = read_scores(folder / "scores.csv")
    baselines = [model for model, file in plan.models.items() if file.baseline]
    numbers = printable(scored, baselines)
    for number in LAYOUTS:
        stem = folder / "tables" / f"table{number}"
        if number in numbers:
            render.write_table(tables.build(LAYOUTS[number], scores, names), names, stem)
        else:  # What an earlier call wrote of another configuration.
            for old in stem.parent.glob(f"{stem.name}[._]*"):
                old.unlink()


def as_csv(coverage: Iterable[Coverage]) -> str:
    """Return one line a cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(one.fields for one in coverage)
    return stream.getvalue()


def as_text(coverage: Sequence[Coverage]) -> str:
    """Return the coverage as lines for a terminal, cells without an answer summed up."""
    lines = []
    for one in coverage:
        if one.answered:
            left = one.requests - one.answered - one.failed
            lines.append(
                f"{one.cell.path}: {one.answered:,} of {one.requests:,} answered "
                f"({100 * one.answered // one.requests} %), {one.failed:,} failed so far, {left:,} not asked"
                + (f"; {one.scored:,} scored (pairs in both orders)" if one.scored < one.answered else "")
            )
    without = sum(not one.answered for one in coverage)
    lines += [f"{without} more cells have requests and no answer."] if without else []
    return "\n".join(lines) + "\n"
