"""What a planted judge is expected to score, computed apart from the scoring code: loops and simulation.

The expectation and the spread of a number are those over many judges of the same plan about the same
samples: the truths are given, only the judge is random.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from scipy.stats import rankdata

from aqa.records import Pair, Question, Sample

FOLDER = Path(__file__).parent / "simulated"
DRAWS = 2000
POLARITY = {
    "positive_guidelines": "describes a correct execution",
    "negative_guidelines": "describes an incorrect execution",
}


@dataclass(frozen=True)
class Planted:
    """What a model's file plants."""

    accuracy: float
    noise: float
    always: float
    shift: dict[str, float]
    preference: float
    unusable: dict[str, float]

    @property
    def lost(self) -> float:
        """Share of requests without a usable answer."""
        return sum(self.unusable.values())


def planted(judge: str) -> Planted:
    options = yaml.safe_load((FOLDER / f"{judge}.yaml").read_text())["options"]
    phrases = options.get("phrases", {})
    return Planted(
        accuracy=options["accuracy"],
        noise=options["noise"],
        always=options.get("always_correct", 0.0),
        shift={strategy: phrases.get(phrase, 0.0) for strategy, phrase in POLARITY.items()},
        preference=options.get("position_preference", 0.0),
        unusable=options.get("unusable", {}),
    )


@dataclass(frozen=True)
class Expected:
    """Mean and standard deviation over judges of one plan."""

    mean: float
    spread: float

    @staticmethod
    def of(draws: np.ndarray) -> Expected:
        return Expected(float(draws.mean()), float(draws.std(ddof=1)))


def says(judge: Planted, strategy: str, question: Question, truth: str) -> dict[str, float]:
    """Return the probability of each option in a usable answer."""
    options = question.options
    always = 0.0
    if question.correct is not None:
        always = min(1.0, max(0.0, judge.always + judge.shift.get(strategy, 0.0)))
    wrong = (1 - judge.accuracy) / (len(options) - 1)
    return {
        option: (1 - always) * (judge.accuracy if option == truth else wrong)
        + always * (option == question.correct)
        for option in options
    }


def balanced_accuracy(
    judge: Planted, strategy: str, samples: Sequence[Sample], policy: str, rng: np.random.Generator
) -> Expected:
    """Per question and class of its truth a recall; their mean per question, exercise and dataset."""
    usable = {s.sample_id: rng.random(DRAWS) >= judge.lost for s in samples}
    hits: dict[tuple[str, str], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    counts: dict[tuple[str, str], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        for question in sample.questions:
            truth = str(sample.truth[question.item])
            right = rng.random(DRAWS) < says(judge, strategy, question, truth)[truth]
            place = (sample.exercise, question.item)
            hits[place][truth].append(right & usable[sample.sample_id])
            count = usable[sample.sample_id] if policy == "answered" else np.ones(DRAWS, dtype=bool)
            counts[place][truth].append(count)
    exercises = defaultdict(list)
    for (exercise, item), classes in hits.items():
        if len(classes) > 1:
            below = [np.sum(counts[exercise, item][truth], axis=0) for truth in classes]
            recalls = [
                np.where(n > 0, np.sum(right, axis=0) / np.maximum(n, 1), np.nan)
                for right, n in zip(classes.values(), below, strict=True)
            ]
            exercises[exercise].append(np.nanmean(recalls, axis=0))
    return Expected.of(np.mean([np.mean(units, axis=0) for units in exercises.values()], axis=0))


def scores(
    judge: Planted, strategy: str, samples: Sequence[Sample], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truths, shape (n,), and predictions and what is usable, shape (draws, n)."""
    (question,) = samples[0].questions
    low, high = question.minimum, question.maximum
    truth = np.array([sample.truth[question.item] for sample in samples], dtype=float)
    said = truth + judge.shift.get(strategy, 0.0) * (high - low)
    said = np.clip(said + judge.noise * rng.standard_normal((DRAWS, len(truth))), low, high)
    said = np.where(rng.random(said.shape) < judge.always, high, said)
    return truth, said, rng.random(said.shape) >= judge.lost


def regression(
    judge: Planted, strategy: str, samples: Sequence[Sample], rng: np.random.Generator
) -> dict[tuple[str, str], Expected]:
    """Return spearman, relative_l2 and its root under both policies."""
    truth, said, usable = scores(judge, strategy, samples, rng)
    (question,) = samples[0].questions
    low, high = question.minimum, question.maximum
    middle = (low + high) / 2
    width = truth.max() - truth.min()
    farther = np.where(usable, said, np.where(truth < middle, high, low))
    errors = (farther - truth) ** 2 / width**2
    own = (said - truth) ** 2 / width**2
    squared = {
        "strict": errors.mean(axis=1),
        "answered": (own * usable).sum(axis=1) / usable.sum(axis=1),
    }
    rho = {
        "strict": [_rho(truth, row) for row in np.where(usable, said, middle)],
        "answered": [_rho(truth[kept], row[kept]) for row, kept in zip(said, usable, strict=True)],
    }
    found = {}
    for policy, values in squared.items():
        found["relative_l2", policy] = Expected.of(values)
        found["relative_l2_root", policy] = Expected.of(np.sqrt(values))
        found["spearman", policy] = Expected.of(np.array(rho[policy]))
    return found


def _rho(truth: np.ndarray, said: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(truth), rankdata(said))[0, 1])


def comparing(judge: Planted, pairs: Sequence[Pair]) -> dict[tuple[str, str], Expected]:
    """Return accuracy, position_bias and consistency under both policies, with their binomial spread."""
    a, b, kept = judge.accuracy, judge.preference, 1 - judge.lost
    same = (a + b) * (a - b) + (1 - a - b) * (1 - a + b)
    n = len(pairs)

    def share(rate: float, count: float, less: float = 0.0) -> Expected:
        return Expected(rate - less, float(np.sqrt(max(rate * (1 - rate), 1e-9) / count)))

    return {
        ("accuracy", "strict"): share(a * kept, 2 * n),
        ("accuracy", "answered"): share(a, 2 * n * kept),
        ("position_bias", "strict"): share(0.5 + b, 2 * n * kept, 0.5),
        ("position_bias", "answered"): share(0.5 + b, 2 * n * kept, 0.5),
        ("consistency", "strict"): share(same * kept**2, n),
        ("consistency", "answered"): share(same, n * kept**2),
    }


def level(
    judge: Planted, strategy: str, samples: Sequence[Sample], rng: np.random.Generator
) -> tuple[Expected, float]:
    """Return Figure 1's level (share of "correct" answers, or mean score) and that of the truth."""
    if samples[0].questions[0].options is None:
        truth, said, usable = scores(judge, strategy, samples, rng)
        return Expected.of((said * usable).sum(axis=1) / usable.sum(axis=1)), float(truth.mean())
    rates, truths = [], []
    for sample in samples:
        for question in sample.questions:
            if question.correct is not None:
                truth = str(sample.truth[question.item])
                rates.append(says(judge, strategy, question, truth)[question.correct])
                truths.append(truth == question.correct)
    rate = np.array(rates)
    # Questions of a lost request are lost together: at most as many times fewer as a sample has questions.
    spread = np.sqrt(np.sum(rate * (1 - rate)) / (1 - judge.lost)) / len(rate)
    spread += np.std(rate) * np.sqrt(judge.lost * len(samples[0].questions) / len(rate))
    return Expected(float(rate.mean()), float(spread)), float(np.mean(truths))
