"""Studies with a known truth, at the sizes of the real datasets, scored by the code that scores cells.

Judge: LLM-FMS has 1,812 keyframes of 45 subjects in 15 movements of 7 exercises, here with three questions
each (21 units, 2 or 3 options); EgoExo-Fitness 913 entries, each with 8 or 9 of its exercise's guidelines (12
units). How many persons these show is not published with the files at hand: 64 records, 54 of them with the
frontal view, some persons in several, so 40 is an estimate and 54 the most. MTL-AQA has 353 test dives of 15
broadcasts, 6 to 51 each. Compare: pairs over as many subjects, one pair a keyframe, entry or dive.

What a cluster has in common explains `icc` of the variance of truths and of errors (on the latent scale).
The true value of a judge is that of a population of many clusters, that of a comparison is the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple, Protocol

import numpy as np
from scipy.stats import norm

from aqa.scoring.intervals import FEW_CLUSTERS, Interval, Resampler, interval, pair_interval
from aqa.scoring.statistics import BalancedAccuracy, Layout, PairRatio, RelativeL2, Spearman, Statistic

ICCS = (0.0, 0.1, 0.3)
CLUSTERS = {"llm-fms": 45, "egoexo-fitness": 40, "mtl-aqa": 15}
PAIRS = {"llm-fms": 1_812, "egoexo-fitness": 913, "mtl-aqa": 353}
DIVES = (51, 30, 18, 34, 16, 17, 25, 18, 11, 6, 22, 40, 17, 15, 33)
"""Test dives of each broadcast of MTL-AQA (split 0)."""

MOVEMENTS = (2, 2, 2, 2, 2, 1, 4)
"""Movements of each exercise of LLM-FMS."""

METRICS = {
    "llm-fms": ("balanced_accuracy",),
    "egoexo-fitness": ("balanced_accuracy",),
    "mtl-aqa": ("spearman", "relative_l2", "relative_l2_root"),
}
BOUNDS = {"balanced_accuracy": (0.0, 1.0), "spearman": (-1.0, 1.0)}
POPULATION = 20_000
"""Clusters of a population; its own error is far below that of a mean over thousands of studies."""

OFF = 4.5
"""How many standard errors the mean estimate over studies may be off."""

RIGHT = 0.62
"""Share of right comparisons."""


class Study(NamedTuple):
    """One study: the estimate and its interval."""

    value: float
    interval: Interval


class Run(Protocol):
    """Simulates one study, from its number alone."""

    def __call__(self, study: int) -> Study: ...


class Case(NamedTuple):
    """A kind of study, how to get its true value, and the coverage that issue 6 asks for, in percent."""

    name: str
    run: Run
    true: Callable[[], float]
    allowed: tuple[float, float]


def mixed(cluster: np.ndarray, icc: float, rng: np.random.Generator) -> np.ndarray:
    """Return standard normal values of which `icc` of the variance is the cluster's."""
    shared = rng.standard_normal(int(cluster.max()) + 1)[cluster]
    return np.sqrt(icc) * shared + np.sqrt(1 - icc) * rng.standard_normal(len(cluster))


class Asked(NamedTuple):
    """The questions of a classification study: cluster and unit of each row, thresholds, exercises.

    `cuts`, shape (units, 2): the latent truth beyond which a row has class 1, and class 2.
    """

    cluster: np.ndarray
    unit: np.ndarray
    cuts: np.ndarray
    unit_exercise: np.ndarray


@cache
def screened(subjects: int) -> Asked:
    """Return the questions about LLM-FMS's keyframes of so many subjects."""
    rng = np.random.default_rng(11)
    frames = round(subjects * PAIRS["llm-fms"] / CLUSTERS["llm-fms"])
    exercise = np.repeat(np.arange(7), MOVEMENTS)[np.arange(frames) * 15 // frames]
    subject = rng.permuted(np.arange(frames) % subjects)
    cuts = np.stack([rng.uniform(-0.5, 1.2, 21), np.where(np.arange(21) % 3 == 0, 1.0, np.inf)], axis=1)
    cuts[:, 1] += np.where(np.isfinite(cuts[:, 1]), np.maximum(cuts[:, 0], 0), 0)
    return Asked(
        np.repeat(subject, 3),
        (exercise[:, None] * 3 + np.arange(3)).ravel(),
        cuts,
        np.repeat(np.arange(7), 3),
    )


@cache
def guided(persons: int) -> Asked:
    """Return the guidelines asked about EgoExo-Fitness's entries of so many persons; 22 % are not kept."""
    rng = np.random.default_rng(12)
    entries = round(persons * PAIRS["egoexo-fitness"] / CLUSTERS["egoexo-fitness"])
    person, exercise = np.arange(entries) % persons, rng.integers(0, 12, entries)
    asked = np.where(exercise % 2, 8, 9)
    cuts = np.stack([norm.isf(rng.uniform(0.17, 0.27, 12)), np.full(12, np.inf)], axis=1)
    return Asked(np.repeat(person, asked), np.repeat(exercise, asked), cuts, np.arange(12))


def classified(asked: Asked, icc: float, rng: np.random.Generator) -> BalancedAccuracy:
    """Simulate a judge who is right about common answers more often than about rare ones."""
    latent, skill = mixed(asked.cluster, icc, rng), mixed(asked.cluster, icc, rng)
    cuts = asked.cuts[asked.unit]
    truth = (latent > cuts[:, 0]).astype(np.int64) + (latent > cuts[:, 1])
    correct = skill < np.array([0.5, -0.2, -0.4])[truth]
    _, first, pair = np.unique(asked.unit * 3 + truth, return_index=True, return_inverse=True)
    layout = Layout(pair_unit=asked.unit[first], unit_exercise=asked.unit_exercise)
    return BalancedAccuracy(correct, pair, asked.cluster, layout)


def scored(metric: str, cluster: np.ndarray, icc: float, rng: np.random.Generator) -> Statistic:
    """Simulate a judge of dives, who gives whole points around 7."""
    latent = mixed(cluster, icc, rng)
    truth = np.round(2 * latent) / 2 + 7
    prediction = np.round(0.4 * latent + 0.9 * mixed(cluster, icc, rng)) + 7
    if metric == "spearman":
        return Spearman(truth, prediction, cluster)
    return RelativeL2(truth, prediction, cluster, 10.0, root=metric == "relative_l2_root")


def judged(dataset: str, metric: str, icc: float, rng: np.random.Generator, clusters: int) -> Statistic:
    """Simulate the answers of one judge about a dataset, or about a larger one of its kind."""
    if dataset == "llm-fms":
        return classified(screened(clusters), icc, rng)
    if dataset == "egoexo-fitness":
        return classified(guided(clusters), icc, rng)
    sizes = np.tile(DIVES, -(-clusters // len(DIVES)))[:clusters]
    return scored(metric, np.repeat(np.arange(clusters), sizes), icc, rng)


def value_of(statistic: Statistic) -> float:
    """Return a statistic of the data as they are."""
    return float(statistic(np.ones((1, statistic.n_clusters))).values[0])


@cache
def true_value(dataset: str, metric: str, icc: float) -> float:
    """Return the value over a population: many clusters in parts, so that memory stays small."""
    rng = np.random.default_rng(99)
    part = 3_000
    values = [value_of(judged(dataset, metric, icc, rng, part)) for _ in range(max(1, POPULATION // part))]
    if metric == "relative_l2_root":
        return float(np.sqrt(np.mean(np.square(values))))
    return float(np.mean(values))


def judge_study(dataset: str, metric: str, icc: float, resampler: Resampler, study: int) -> Study:
    """Simulate one study of the judge task."""
    rng = np.random.default_rng([study, int(10 * icc), len(dataset)])
    statistic = judged(dataset, metric, icc, rng, CLUSTERS[dataset])
    return Study(value_of(statistic), interval(statistic, resampler, BOUNDS.get(metric, (0.0, np.inf))))


def compare_study(dataset: str, icc: float, study: int) -> Study:
    """Simulate one study of the compare task: each sample is an anchor, asked in both orders."""
    n, subjects = PAIRS[dataset], CLUSTERS[dataset]
    rng = np.random.default_rng([study, int(10 * icc), n])
    first = np.repeat(np.arange(15), DIVES) if dataset == "mtl-aqa" else np.arange(n) % subjects
    if dataset == "mtl-aqa":  # As many partners from a broadcast as it has dives, none from the anchor's.
        second = rng.choice(first, n)
        while (same := second == first).any():
            second[same] = rng.choice(first, int(same.sum()))
    else:
        second = (first + rng.integers(1, subjects, n)) % subjects
    ease = rng.normal(0, np.sqrt(icc / 2), subjects)
    shared = norm.ppf(RIGHT) + ease[first] + ease[second] + rng.normal(0, np.sqrt((1 - icc) / 2), n)
    hits = np.sum(shared + rng.normal(0, np.sqrt((1 - icc) / 2), (2, n)) > 0, axis=0).astype(float)
    statistic = PairRatio(hits, np.full(n, 2.0), np.stack([first, second], axis=1), subjects)
    return Study(value_of(statistic), pair_interval(statistic, (0.0, 1.0)))


def cases(resamples: int) -> Iterator[Case]:
    """Yield every kind of study."""
    for dataset, metrics in METRICS.items():
        allowed = (92.0, 98.0) if CLUSTERS[dataset] < FEW_CLUSTERS else (93.0, 97.0)
        for metric in metrics:
            for icc in ICCS:
                run = partial(judge_study, dataset, metric, icc, Resampler(0, resamples))
                true = partial(true_value, dataset, metric, icc)
                yield Case(f"judge {dataset} {metric} icc {icc}", run, true, allowed)
    for dataset in PAIRS:
        for icc in ICCS:
            run = partial(compare_study, dataset, icc)
            yield Case(f"compare {dataset} accuracy icc {icc}", run, lambda: RIGHT, (93.0, 100.0))


class Report(NamedTuple):
    """What so many studies of a case found: coverage in percent, and how far off the estimates are.

    `bias` is the mean error in standard deviations of a study, `off` in standard errors of the mean over
    the studies.
    """

    coverage: float
    bias: float
    off: float
    method: str
    n_clusters: int
    studies: int


def summarise(case: Case, found: list[Study]) -> Report:
    """Compare studies with the true value."""
    values = np.array([study.value for study in found])
    true = case.true()
    covered = [study.interval.low <= true <= study.interval.high for study in found]
    deviation = float(values.std(ddof=1))
    error = float(values.mean() - true)
    return Report(
        coverage=100 * float(np.mean(covered)),
        bias=error / deviation,
        off=error / deviation * np.sqrt(len(found)),
        method=found[0].interval.method,
        n_clusters=found[0].interval.n_clusters,
        studies=len(found),
    )
