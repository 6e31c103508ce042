"""What the cells of a plan still ask, before anything is spent: requests, tokens, money and hours.

Counted over the requests as they will be sent, less what the journals already answer. Tokens of prompts
follow from media and texts by formula; lengths of answers, and their speed, from the answers that the model
has given so far, where there are any, else from assumptions that the estimate states.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest
from aqa.grid import Cell
from aqa.inference.cell import Cell as Requests
from aqa.inference.journal import fetch
from aqa.models.base import Backend, Batching, Context, Price
from aqa.models.tokens import counter
from aqa.plan import Plan
from aqa.records import Request, Usage
from aqa.reporting.layout import LAYOUTS, Layout


@dataclass(frozen=True)
class Assumed:
    """What is assumed of a model that has answered nothing yet: tokens of an answer, and their speed."""

    answer_tokens: int = 200
    thinking_tokens: int = 6000
    tokens_per_s: float = 40.0
    first_s: float = 3.0


@dataclass
class Sums:
    """What some cells still ask. `usd` is what is likely, `most_usd` what it cannot exceed; 0: unpaid."""

    cells: int = 0
    requests: int = 0
    answered: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    usd: float = 0.0
    most_usd: float = 0.0
    hours: float = 0.0

    def __iadd__(self, other: Sums) -> Sums:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        return self


@dataclass
class Estimate:
    """The sums of each cell, cells without requests yet, and a line a model on what the numbers rest on."""

    cells: dict[Cell, Sums] = field(default_factory=dict)
    unrendered: list[Cell] = field(default_factory=list)
    basis: dict[str, str] = field(default_factory=dict)

    def sums(self, cells: Iterable[Cell]) -> Sums:
        """Return the sums over some cells."""
        total = Sums()
        for cell in cells:
            total += self.cells[cell]
        return total


def estimate(plan: Plan, assumed: Assumed) -> Estimate:
    """Estimate every cell of a plan, baselines apart: they cost nothing.

    Raises:
        UserError: a file of requests is damaged, or was rendered for other settings than a model has now.
    """
    result = Estimate()
    for model, file in plan.models.items():
        cells = [cell for cell in plan.grid if cell.model == model]
        if file.baseline or not cells:
            continue
        backend = models.create(file, Context(Path(), plan.config.seed, secrets=dict(os.environ)), model)
        asked = [cell for cell in cells if Path(plan.file(cell, "requests.jsonl")).is_file()]
        result.unrendered += [cell for cell in cells if cell not in set(asked)]
        loaded = dict(zip(asked, _load(plan, asked, backend), strict=True))
        try:
            pace = _pace(loaded.values(), file, assumed)
            price, count, says = _prices(file, backend)
            result.basis[model] = f"{says}; {pace.says}"
            for cell, requests in loaded.items():
                result.cells[cell] = _cell(requests, pace, price, count)
        finally:
            for requests in loaded.values():
                requests.close()
    return result


def _load(plan: Plan, cells: Sequence[Cell], backend: Backend) -> Iterator[Requests]:
    journals = Path(plan.config.results, "journals")
    settings = digest(backend.identity())
    clips: dict[tuple[str, ...], tuple[str, ...]] = {}
    for cell in cells:
        folder = Path(plan.file(cell, "requests.jsonl")).parent
        requests = Requests.load(folder, journals, clips)
        if requests.settings not in (None, settings):
            requests.close()
            raise UserError(
                f"{folder / 'requests.jsonl'}: rendered for other settings than the model's file has now; "
                "make the requests again: snakemake estimate"
            )
        requests.read_journal()
        requests.ask_rejected = plan.config.inference.ask_rejected
        yield requests


@dataclass(frozen=True)
class _Pace:
    """Tokens of an answer, answers an hour with all slots in use, and where both come from."""

    tokens: float
    an_hour: float
    says: str


def _pace(cells: Iterable[Requests], file: ModelFile, assumed: Assumed) -> _Pace:
    tokens, known, seconds, timed = 0, 0, 0.0, 0
    for cell in cells:
        for answer in fetch(iter(cell.contents.answers.values())):
            if answer is not None and answer.response.usage.completion_tokens is not None:
                tokens += answer.response.usage.completion_tokens
                known += 1
                if answer.latency_s > 0:  # Not from a batch.
                    seconds += answer.latency_s
                    timed += 1
    length = float(assumed.thinking_tokens if file.thinking else assumed.answer_tokens)
    length = tokens / known if known else length
    latency = seconds / timed if timed else assumed.first_s + length / assumed.tokens_per_s
    says = f"{length:,.0f} tokens ({_origin(known)}) in {latency:.1f} s ({_origin(timed)})"
    return _Pace(length, 3600 * file.concurrency / max(latency, 1e-9), f"answers of {says}")


def _origin(known: int) -> str:
    return f"measured on {known:,}" if known else "ASSUMED; `limit` asks a few to measure"


def _prices(file: ModelFile, backend: Backend) -> tuple[Price | None, Callable[[Request], int], str]:
    price = backend.price
    if price is None:
        approximate = counter(file)
        return None, approximate.prompt, f"prompts approximate ({approximate.says})"
    batching: Batching | None = getattr(backend, "batching", None)
    batch = batching is not None and batching.enabled
    price = price.in_batch() if batch else price
    return price, price.prompt_tokens, f"{'batch' if batch else 'online'} prices of {price.read}"


def _cell(requests: Requests, pace: _Pace, price: Price | None, count: Callable[[Request], int]) -> Sums:
    missing = requests.missing()
    sums = Sums(cells=1, requests=len(missing), answered=len(requests.keys) - len(missing))
    sums.answer_tokens = math.ceil(pace.tokens * len(missing))
    sums.hours = len(missing) / pace.an_hour
    for position in missing:
        request = requests.request(position)
        tokens = count(request)
        sums.prompt_tokens += tokens
        if price is not None:
            usage = Usage(prompt_tokens=tokens, completion_tokens=math.ceil(pace.tokens))
            sums.usd += price.cost(usage)
            sums.most_usd += price.worst_case(request)
    return sums


def as_text(found: Estimate, plan: Plan) -> str:
    """Return the estimate as a page of text: by model, by table, and what it rests on."""
    of_model = {name: [cell for cell in found.cells if cell.model == name] for name in found.basis}
    by_model = [(name, found.sums(cells)) for name, cells in of_model.items()]
    lines = [
        "What is still to ask, less what the journals answer. Tokens, money and hours are estimates.",
        "",
    ]
    lines += [*_table("model", [*by_model, ("all", found.sums(found.cells))]), ""]
    rows = []
    shown: set[Cell] = set()
    for layout in LAYOUTS.values():
        for name, cells in of_model.items():
            if here := [cell for cell in cells if _shows(layout, cell, plan)]:
                shown.update(here)
                rows.append((f"table {layout.number}: {name}", found.sums(here)))
    if others := [cell for cell in found.cells if cell not in shown]:
        rows.append(("in no table", found.sums(others)))
    lines += [*_table("table", rows), "A cell may stand in several tables and is asked once.", ""]
    lines += [f"{name}: {says}." for name, says in found.basis.items()]
    caps = plan.config.inference
    if caps.max_cost_usd is not None or caps.max_requests is not None:
        lines += [f"Caps: max_cost_usd {caps.max_cost_usd}, max_requests {caps.max_requests}."]
    return "\n".join(lines) + "\n"


def _shows(layout: Layout, cell: Cell, plan: Plan) -> bool:
    """Say whether a table shows a cell."""
    return (
        cell.task == layout.task
        and plan.metadata[cell.dataset].kind in layout.kinds
        and (layout.representations is None or cell.representation in layout.representations)
        and (layout.strategies is None or cell.strategy in layout.strategies)
    )


def _table(title: str, rows: Sequence[tuple[str, Sums]]) -> list[str]:
    heads = (title, "cells", "requests", "answered", "tokens in", "tokens out", "USD", "at most", "hours")
    body = [
        (
            *(name, f"{sums.cells:,}", f"{sums.requests:,}", f"{sums.answered:,}"),
            *(f"{sums.prompt_tokens:,}", f"{sums.answer_tokens:,}"),
            *(f"{usd:,.2f}" if sums.most_usd else "-" for usd in (sums.usd, sums.most_usd)),
            f"{sums.hours:,.1f}",
        )
        for name, sums in rows
    ]
    widths = [max(len(row[column]) for row in [heads, *body]) for column in range(len(heads))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [heads, *body]
    ]
