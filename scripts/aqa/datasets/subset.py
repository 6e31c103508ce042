"""Which samples are evaluated: a seeded, stratified, nested subset of the evaluated split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence

from aqa.records import Sample

STRATA = 3
"""Bins of a score, by rank, that a subset is stratified over."""


def evaluated(samples: Sequence[Sample], split: str, limit: int | None, seed: int) -> list[Sample]:
    """Return the samples of `split` to evaluate, in the order of `samples`.

    With a limit: stratified by exercise and truth (scores in three bins by rank), and nested: a larger
    limit keeps every sample of a smaller one, so that a pilot's answers are never asked again. The
    choice depends on the seed and the sample ids only, not on the order of `samples`.
    """
    inside = [sample for sample in samples if sample.split == split]
    if limit is None or limit >= len(inside):
        return inside
    strata: dict[tuple[str, ...], list[Sample]] = defaultdict(list)
    bins = _score_bins(inside)
    for sample in inside:
        truth = (
            f"{item}={bins.get((sample.sample_id, item), value)}" for item, value in sample.truth.items()
        )
        strata[(sample.exercise, *sorted(truth))].append(sample)
    ranked: list[tuple[float, str, str]] = []
    for members in strata.values():
        members.sort(key=lambda sample: _lot(seed, sample.sample_id))
        ranked += [
            ((position + 0.5) / len(members), _lot(seed, sample.sample_id), sample.sample_id)
            for position, sample in enumerate(members)
        ]
    chosen = {sample_id for *_, sample_id in sorted(ranked)[:limit]}
    return [sample for sample in inside if sample.sample_id in chosen]


def _lot(seed: int, sample_id: str) -> str:
    return hashlib.sha256(f"{seed}:{sample_id}".encode()).hexdigest()


def _score_bins(samples: Sequence[Sample]) -> dict[tuple[str, str], int]:
    """Return (sample id, item) -> bin for every numeric truth, ranked within its exercise."""
    scores: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for sample in samples:
        for item, value in sample.truth.items():
            if not isinstance(value, str):
                scores[sample.exercise, item].append((value, sample.sample_id))
    return {
        (sample_id, item): rank * STRATA // len(members)
        for (_, item), members in scores.items()
        for rank, (_, sample_id) in enumerate(sorted(members))
    }
