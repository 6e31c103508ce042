"""How much of models' reasoning states prior knowledge, and how much an observation, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from aqa.grid import Cell
from aqa.records import Record
from aqa.scoring.intervals import Resampler
from aqa.scoring.ratios import ratio
from aqa.scoring.rows import ALL, MaybeNaN
from aqa.scoring.traces.lexicon import STATEMENTS
from aqa.scoring.traces.trace import RESULTS, Trace


class Rate(Record):
    """The reasoning of some responses: a line of traces.csv (columns in this order).

    `representation` and `strategy` are `all` where they are pooled; `result` is all, correct, wrong or
    unusable. `n` responses were read, `n_traces` of them reason in at least five words. `words` is their
    mean number a reasoning; `reasoning_tokens` the mean of those that the provider reports
    (`n_tokens` responses). `prior` is the share of sentences that state prior knowledge (alone or beside
    an observation), `observation` likewise; `traces_prior` the share of reasonings that state any;
    `prior_share` is prior / (prior + observation). Intervals are over `n_clusters` clusters:
    subjects, of a compared pair its anchor's. `agree`,
    `differ` and `unstated` count questions: whether the answer is the one that the reasoning states last.
    """

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    result: str
    n: int
    n_traces: int
    n_cut: int
    n_tokens: int
    words: MaybeNaN
    reasoning_tokens: MaybeNaN
    sentences: int
    n_prior: int
    n_observation: int
    n_both: int
    n_neither: int
    prior: MaybeNaN
    prior_low: MaybeNaN
    prior_high: MaybeNaN
    observation: MaybeNaN
    observation_low: MaybeNaN
    observation_high: MaybeNaN
    prior_share: MaybeNaN
    prior_share_low: MaybeNaN
    prior_share_high: MaybeNaN
    traces_prior: MaybeNaN
    traces_prior_low: MaybeNaN
    traces_prior_high: MaybeNaN
    n_clusters: int
    agree: int
    differ: int
    unstated: int


def rates(cells: Mapping[Cell, Sequence[Trace]], resampler: Resampler) -> list[Rate]:
    """Return the rates of every cell and, pooled over representations and strategies, of every dataset,
    task and model; each over all responses and by result. The pooled ones come first."""
    pooled: dict[Cell, list[Trace]] = {}
    for cell, found in cells.items():
        pooled.setdefault(cell._replace(representation=ALL, strategy=ALL), []).extend(found)
    return [
        rate(cell, result, chosen, resampler)
        for cell, found in (*pooled.items(), *cells.items())
        for result, chosen in _by_result(found)
    ]


def rate(cell: Cell, result: str, traces: Sequence[Trace], resampler: Resampler) -> Rate:
    """Return the rates of some responses."""
    reasoned = [trace for trace in traces if trace.words]
    counts = [trace.counts for trace in reasoned]
    subjects = [trace.subject for trace in reasoned]
    prior = [float(count["prior"] + count["both"]) for count in counts]
    seen = [float(count["observation"] + count["both"]) for count in counts]
    every = [float(count.total()) for count in counts]
    tokens = [trace.tokens for trace in traces if trace.tokens is not None]
    both = [a + b for a, b in zip(prior, seen, strict=True)]
    share = {
        "prior": ratio(prior, every, subjects, resampler),
        "observation": ratio(seen, every, subjects, resampler),
        "prior_share": ratio(prior, both, subjects, resampler),
        "traces_prior": ratio([float(p > 0) for p in prior], [1.0] * len(prior), subjects, resampler),
    }
    numbers: dict[str, float] = {}
    for name, (value, found) in share.items():
        numbers |= {name: value, f"{name}_low": found.low, f"{name}_high": found.high}
    return Rate.model_validate(
        {
            **cell._asdict(),
            "result": result,
            "n": len(traces),
            "n_traces": len(reasoned),
            "n_cut": sum(trace.cut for trace in traces),
            "n_tokens": len(tokens),
            "words": _mean([trace.words for trace in reasoned]),
            "reasoning_tokens": _mean(tokens),
            "sentences": int(sum(every)),
            **{f"n_{name}": sum(count[name] for count in counts) for name in STATEMENTS},
            **numbers,
            "n_clusters": len(set(subjects)),
            "agree": sum(trace.agree for trace in traces),
            "differ": sum(trace.differ for trace in traces),
            "unstated": sum(trace.unstated for trace in traces),
        }
    )


def _by_result(traces: Sequence[Trace]) -> Iterator[tuple[str, Sequence[Trace]]]:
    yield ALL, traces
    for result in RESULTS:
        chosen = [trace for trace in traces if trace.result == result]
        if chosen:
            yield result, chosen


def _mean(values: Sequence[int]) -> float:
    return float(np.mean(values)) if values else float("nan")
