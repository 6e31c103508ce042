"""Studies in which no cell differs from another: how often the corrected tests say that one does.

The families of effects.csv at the sizes of the paper's grid: five models with six strategies against base and
three representations against original (two for dives), ten couples of models, two of thinking against not.
Answers are clustered: what a cluster has in common explains `ICC` of the variance of truths and of each
cell's errors. `alike`: all cells follow one law, so that swapping them changes nothing. `unlike`: every other
cell has the same expected score for another reason (another bias, another offset), which the metric must not
mistake for an effect.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
from scipy.stats import norm

from aqa.scoring.intervals import Resampler
from aqa.scoring.paired import Difference, holm, permutation
from aqa.scoring.statistics import BalancedAccuracy, Layout, RelativeL2, Spearman
from simulated_studies import CLUSTERS, DIVES, guided, mixed, screened, value_of

ICC = 0.3
LEVEL = 0.05
ALLOWED = 0.065
"""The family-wise error that issue 6 allows."""

MODELS = 5
STRATEGIES = 7
OTHERS = {"llm-fms": 3, "egoexo-fitness": 3, "mtl-aqa": 2}
"""Representations but the original."""

Couple = tuple[int, int]
Study = Callable[[np.random.Generator, bool, int], Callable[[Couple], Difference]]
"""Draws the truths and the answers of so many cells; returns the difference between two of the cells."""


def families(dataset: str) -> dict[str, list[Couple]]:
    """Return the tests of each family as couples of the family's cells."""
    return {
        "strategy": _against_base(STRATEGIES - 1),
        "representation": _against_base(OTHERS[dataset]),
        "model": list(combinations(range(MODELS), 2)),
        "thinking": [(0, 1), (2, 3)],
    }


def _against_base(others: int) -> list[Couple]:
    """Return the couples of each model's other cells with its base, which comes before them."""
    return [
        (first + k, first)
        for first in range(0, MODELS * (others + 1), others + 1)
        for k in range(1, others + 1)
    ]


def _latents(cluster: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return errors of each cell, shape (cells, rows): half shared by all cells, a part by the cluster."""
    common = mixed(cluster, ICC, rng)
    return np.array([(common + mixed(cluster, ICC, rng)) / np.sqrt(2) for _ in range(count)])


def choices(dataset: str) -> Study:
    """Return studies of balanced accuracy."""
    asked = (screened if dataset == "llm-fms" else guided)(CLUSTERS[dataset])
    n = CLUSTERS[dataset]
    both = np.concatenate([asked.cluster, asked.cluster + n])

    def draw(rng: np.random.Generator, unlike: bool, count: int) -> Callable[[Couple], Difference]:
        latent, cuts = mixed(asked.cluster, ICC, rng), asked.cuts[asked.unit]
        truth = (latent > cuts[:, 0]).astype(np.int64) + (latent > cuts[:, 1])
        _, first, pair = np.unique(asked.unit * 3 + truth, return_index=True, return_inverse=True)
        layout = Layout(asked.unit[first], asked.unit_exercise)
        errors = _latents(asked.cluster, count, rng)
        # Of two classes one is recognised in 70 %, the other in 50 %; the other way round where unlike.
        recall = np.where((truth == 0) ^ (unlike & (np.arange(len(errors)) % 2 == 1))[:, None], 0.7, 0.5)
        three = np.isfinite(cuts[:, 1])
        correct = errors < norm.ppf(np.where(three, 0.6, recall))

        def difference(couple: Couple) -> Difference:
            return Difference(
                BalancedAccuracy(
                    np.concatenate([correct[couple[0]], correct[couple[1]]]), np.tile(pair, 2), both, layout
                )
            )

        return difference

    return draw


def regression(metric: str) -> Study:
    """Return studies of dives."""
    cluster = np.repeat(np.arange(15), DIVES)
    both = np.concatenate([cluster, cluster + 15])

    def draw(rng: np.random.Generator, unlike: bool, count: int) -> Callable[[Couple], Difference]:
        truth = np.round(2 * mixed(cluster, ICC, rng)) / 2 + 7
        errors = _latents(cluster, count, rng)
        if unlike and metric == "spearman":  # The same ranks from another offset.
            errors[1::2] += 2.0
        elif unlike:  # The same mean square from an offset and less noise.
            errors[1::2] = 0.6 + 0.8 * errors[1::2]
        said = truth + errors

        def difference(couple: Couple) -> Difference:
            stacked = np.concatenate([said[couple[0]], said[couple[1]]])
            if metric == "spearman":
                return Difference(Spearman(np.tile(truth, 2), stacked, both))
            return Difference(RelativeL2(np.tile(truth, 2), stacked, both, 9.5, root=metric.endswith("root")))

        return difference

    return draw


KINDS: dict[tuple[str, str], Study] = {
    ("llm-fms", "balanced_accuracy"): choices("llm-fms"),
    ("egoexo-fitness", "balanced_accuracy"): choices("egoexo-fitness"),
    ("mtl-aqa", "spearman"): regression("spearman"),
    ("mtl-aqa", "relative_l2"): regression("relative_l2"),
    ("mtl-aqa", "relative_l2_root"): regression("relative_l2_root"),
}


def p_values(kind: tuple[str, str], family: str, unlike: bool, swaps: int, study: int) -> list[float]:
    """Return the p-values of a family in one null study, before correction."""
    couples = families(kind[0])[family]
    count = 1 + max(max(couple) for couple in couples)
    between = KINDS[kind](np.random.default_rng([study, 77]), unlike, count)
    resampler = Resampler(study, swaps)
    differences = (between(couple) for couple in couples)
    return [permutation(one, value_of(one), resampler)[0] for one in differences]


def false_alarm(kind: tuple[str, str], family: str, unlike: bool, swaps: int, study: int) -> bool:
    """Say whether one null study calls any difference of a family significant after Holm's correction."""
    return min(holm(p_values(kind, family, unlike, swaps, study))) <= LEVEL
