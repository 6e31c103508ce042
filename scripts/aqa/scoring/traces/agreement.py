"""A judge model beside the lexicon: what each calls a sentence, and how far they agree."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from aqa.grid import Cell
from aqa.records import Record
from aqa.scoring.rows import ALL, MaybeNaN
from aqa.scoring.traces.lexicon import STATEMENTS, Statement
from aqa.scoring.traces.trace import Trace


class Judged(NamedTuple):
    """A sentence with what the lexicon and the judge call it; the judge's is None where it is unusable."""

    cell: Cell
    lexicon: Statement
    judge: Statement | None


class Agreement(Record):
    """A judge beside the lexicon over the same sentences: a line of traces_judge.csv.

    `n` sentences were asked about, `n_unusable` got no usable answer and count in nothing else. Shares
    as in traces.csv. `same` is the share of equal labels, `kappa` Cohen's kappa over the four labels,
    NaN where both call every sentence the same.
    """

    judge: str
    dataset: str
    model: str
    n: int
    n_unusable: int
    lexicon_prior: MaybeNaN
    judge_prior: MaybeNaN
    lexicon_observation: MaybeNaN
    judge_observation: MaybeNaN
    same: MaybeNaN
    kappa: MaybeNaN


def picked(
    cells: Mapping[Cell, Sequence[Trace]], per_cell: int, seed: int
) -> dict[Cell, dict[str, Statement]]:
    """Return at most `per_cell` different sentences of each cell, with what the lexicon calls them.

    The choice follows from the seed and the sentence alone, so that a larger number keeps every earlier one
    and the same sentence in two cells is asked about once.
    """
    found: dict[Cell, dict[str, Statement]] = {}
    for cell, read in cells.items():
        said = {text: statement for trace in read for text, statement in trace.said}
        order = sorted(said, key=lambda text: hashlib.sha256(f"{seed}:{text}".encode()).digest())
        found[cell] = {text: said[text] for text in order[:per_cell]}
    return found


def kappa(pairs: Iterable[tuple[str, str]]) -> float:
    """Return Cohen's kappa of two raters' labels; NaN without labels, or where chance agrees always."""
    both = list(pairs)
    if not both:
        return math.nan
    n = len(both)
    observed = sum(one == other for one, other in both) / n
    labels = {label for pair in both for label in pair}
    expected = sum(
        sum(one == label for one, _ in both) * sum(other == label for _, other in both) for label in labels
    ) / (n * n)
    return math.nan if expected == 1 else (observed - expected) / (1 - expected)


def agreements(judged: Sequence[Judged], judge: str) -> list[Agreement]:
    """Return the agreement over all sentences, then by dataset and model in the order of the sentences."""
    groups: dict[tuple[str, str], list[Judged]] = {(ALL, ALL): list(judged)} if judged else {}
    for row in judged:
        groups.setdefault((row.cell.dataset, row.cell.model), []).append(row)
    return [_agreement(judge, *place, rows) for place, rows in groups.items()]


def _agreement(judge: str, dataset: str, model: str, rows: Sequence[Judged]) -> Agreement:
    both = [(row.lexicon, row.judge) for row in rows if row.judge is not None]

    def share(place: int, statement: Statement) -> float:
        states = (statement, "both")
        return sum(pair[place] in states for pair in both) / len(both) if both else math.nan

    return Agreement(
        judge=judge,
        dataset=dataset,
        model=model,
        n=len(rows),
        n_unusable=len(rows) - len(both),
        lexicon_prior=share(0, "prior"),
        judge_prior=share(1, "prior"),
        lexicon_observation=share(0, "observation"),
        judge_observation=share(1, "observation"),
        same=sum(one == other for one, other in both) / len(both) if both else math.nan,
        kappa=kappa(both),
    )


def statement_of(value: object) -> Statement | None:
    """Return a parsed answer as a statement, None where it is none."""
    return next((statement for statement in STATEMENTS if statement == value), None)
