"""What judgements cost in tokens and money, beside how good they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from aqa.grid import Cell
from aqa.models.base import Price
from aqa.records import Record, Response, Usage
from aqa.scoring.metrics import skill_of
from aqa.scoring.rows import ALL, MaybeNaN, ScoreRow

TOKENS = ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
"""What providers report; reasoning is a part of completion, cached a part of prompt."""

A_THOUSAND = 1000


class Cost(Record):
    """What a cell's judgements cost, and its headline number: a line of costs.csv (columns in this order).

    A judgement is one question, in one repeat. Each kind of tokens is the mean a judgement over the
    requests whose answer reports it, NaN where none does; `n_reported` requests report prompt and
    completion, and `tokens` is the sum of the two. `usd_per_1000` is what a thousand judgements cost at
    the prices of `priced` (a date), from the same requests: NaN where no price is known. Lost attempts are
    not in it. `skill` is `skill_of` the value. Where `dataset` is all, every number is the mean over the
    `n_datasets` datasets of the grid, and NaN where one of them lacks it.
    """

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    n_datasets: int
    judgements: int
    requests: int
    n_reported: int
    prompt_tokens: MaybeNaN
    completion_tokens: MaybeNaN
    reasoning_tokens: MaybeNaN
    cached_tokens: MaybeNaN
    tokens: MaybeNaN
    usd_per_1000: MaybeNaN
    priced: str
    metric: str
    value: MaybeNaN
    ci_low: MaybeNaN
    ci_high: MaybeNaN
    chance: MaybeNaN
    skill: MaybeNaN


class Paid(NamedTuple):
    """The price of a model's answers, and whether they were asked in batches."""

    price: Price
    batch: bool = False

    def cost(self, usage: Usage) -> float:
        """Return what an answer cost, in USD."""
        return (self.price.in_batch() if self.batch else self.price).cost(usage)


def cost_of(cell: Cell, responses: Sequence[Response], score: ScoreRow, paid: Paid | None) -> Cost:
    """Return what a cell cost; `score` is its headline row, which counts its judgements."""
    a_judgement = len(responses) / score.n if score.n else math.nan
    means = {name: _mean(getattr(r.usage, name) for r in responses) * a_judgement for name in TOKENS}
    reported = [r.usage for r in responses if _reported(r.usage)]
    tokens = _mean((u.prompt_tokens or 0) + (u.completion_tokens or 0) for u in reported)
    money = math.nan if paid is None else _mean(paid.cost(usage) for usage in reported)
    return Cost(
        **cell._asdict(),
        n_datasets=1,
        judgements=score.n,
        requests=len(responses),
        n_reported=len(reported),
        **means,
        tokens=tokens * a_judgement,
        usd_per_1000=money * a_judgement * A_THOUSAND,
        priced="" if paid is None or not reported else paid.price.read,
        metric=score.metric,
        value=score.value,
        ci_low=score.ci_low,
        ci_high=score.ci_high,
        chance=score.chance,
        skill=skill_of(score.metric, score.value, score.chance),
    )


def means(costs: Iterable[Cost]) -> list[Cost]:
    """Return, for each task, representation, strategy and model, the mean over the datasets of its task.

    A setting that lacks a dataset which another setting of its task has is no mean of the same things, and
    is left out; so are all where there is one dataset.
    """
    groups: dict[tuple[str, str, str, str], dict[str, Cost]] = {}
    wanted: dict[str, set[str]] = {}
    for cost in costs:
        groups.setdefault((cost.task, cost.representation, cost.strategy, cost.model), {})[cost.dataset] = (
            cost
        )
        wanted.setdefault(cost.task, set()).add(cost.dataset)
    found = []
    for (task, representation, strategy, model), parts in groups.items():
        if set(parts) != wanted[task] or len(parts) < 2:
            continue
        chosen = [parts[name] for name in sorted(parts)]
        numbers = {
            name: float(np.mean([getattr(cost, name) for cost in chosen])) for name in (*TOKENS, "tokens")
        }
        found.append(
            Cost(
                dataset=ALL,
                task=task,
                representation=representation,
                strategy=strategy,
                model=model,
                n_datasets=len(chosen),
                judgements=sum(cost.judgements for cost in chosen),
                requests=sum(cost.requests for cost in chosen),
                n_reported=sum(cost.n_reported for cost in chosen),
                **numbers,
                usd_per_1000=float(np.mean([cost.usd_per_1000 for cost in chosen])),
                priced=" ".join(sorted({cost.priced for cost in chosen} - {""})),
                metric="skill",
                value=float(np.mean([cost.skill for cost in chosen])),
                ci_low=math.nan,
                ci_high=math.nan,
                chance=0.0,
                skill=float(np.mean([cost.skill for cost in chosen])),
            )
        )
    return found


def _reported(usage: Usage) -> bool:
    return usage.prompt_tokens is not None and usage.completion_tokens is not None


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else math.nan
