"""A small study in the shapes that scoring and the workflow write."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aqa.files import write_json, write_jsonl
from aqa.records import Media, Question, Sample
from aqa.reporting.labels import Labels
from aqa.reporting.scores import COUNTS
from aqa.scoring.rows import COLUMNS

FITNESS, DIVES = "fitness-aqa", "mtl-aqa"
DATASETS = [
    {
        "id": FITNESS,
        "title": "Fitness-AQA",
        "kind": "classification",
        "limit": 48,
        "exercises": [{"id": "squat", "title": "Squat"}, {"id": "overhead_press", "title": "Overhead press"}],
    },
    {
        "id": DIVES,
        "title": "MTL-AQA",
        "kind": "regression",
        "limit": None,
        "exercises": [{"id": "dive", "title": "Dive"}],
    },
]
MODELS = [
    {"id": "random", "title": "Random guess", "baseline": True},
    {"id": "constant", "title": "Constant", "baseline": True},
    {"id": "qwen", "title": "Qwen3-VL", "thinking": False},
    {"id": "qwen-thinking", "title": "Qwen3-VL", "thinking": True},
    {"id": "gemini", "title": "Gemini 3.1 Pro", "thinking": True},
]
VALUES = {
    "random": (0.5, 0.01, 0.1641, 0.4051),
    "constant": (0.5, math.nan, 0.0271, 0.1646),
    "qwen": (0.5557, 0.2319, 0.0410, 0.2026),
    "qwen-thinking": (0.5224, 0.1367, 0.0710, 0.2665),
}
METRICS = ("balanced_accuracy", "spearman", "relative_l2", "relative_l2_root")


def labels(**changes: Any) -> Labels:
    """Return labels of two datasets and five models; `gemini` cannot run on the fitness dataset."""
    values: dict[str, Any] = {
        "datasets": DATASETS,
        "models": MODELS,
        "strategies": [{"id": "base", "title": "Base prompt"}],
        "representations": [{"id": "original", "title": "Original"}],
        "not_applicable": [
            {
                "dataset": FITNESS,
                "task": "judge",
                "representation": "original",
                "strategy": "base",
                "model": "gemini",
                "reason": "context window",
            }
        ],
        "policy": "strict",
        "unit": {FITNESS: "item"},
        "seed": 7,
        "resamples": 10_000,
        "synthetic": [DIVES],
    }
    return Labels.model_validate(values | changes)


def score(dataset: str, model: str, metric: str, value: float, **changes: Any) -> dict[str, Any]:
    """Return a row of scores.csv."""
    row: dict[str, Any] = {
        "dataset": dataset,
        "task": "judge",
        "representation": "original",
        "strategy": "base",
        "model": model,
        "metric": metric,
        "policy": "strict",
        "unit": "item",
        "scope": "all",
        "value": value,
        "ci_low": value - 0.03,
        "ci_high": value + 0.04,
        "interval": "cluster-jackknife-t",
        "n_clusters": 15,
        "chance": {"balanced_accuracy": 0.5, "spearman": 0.0, "accuracy": 0.5}.get(metric, math.nan),
        **dict.fromkeys(COUNTS, 0),
        "n": 96,
        "n_ok": 90,
        "n_unparsed": 3,
        "n_truncated": 2,
        "n_refused": 1,
        "drafts": 0,
        "repeats": 1,
    }
    return row | changes


def rows(values: Mapping[str, Iterable[float]] = VALUES) -> list[dict[str, Any]]:
    """Return the rows of both policies, over all and per exercise."""
    found = []
    for model, numbers in values.items():
        for metric, value in zip(METRICS, numbers, strict=True):
            dataset = FITNESS if metric == "balanced_accuracy" else DIVES
            for policy, shift in (("strict", 0.0), ("answered", 0.0123)):
                exercises = ["squat", "overhead_press"] if dataset == FITNESS else ["dive"]
                for place, scope in enumerate(["all", *exercises]):
                    number = value + shift + (0.001 * place if dataset == FITNESS else 0)
                    found.append(score(dataset, model, metric, number, policy=policy, scope=scope))
    return found


def write_scores(path: Path, found: Iterable[Mapping[str, Any]]) -> Path:
    """Write scores.csv as scoring does: NaN is an empty field."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in found:
            writer.writerow(
                {
                    key: "" if isinstance(value, float) and math.isnan(value) else value
                    for key, value in row.items()
                }
            )
    return path


def write_labels(path: Path, names: Labels) -> Path:
    """Write labels.json."""
    write_json(path, json.loads(names.model_dump_json()))
    return path


def samples(dataset: str) -> list[Sample]:
    """Return 12 subjects with 8 samples each; the truth follows from a seed."""
    generator = np.random.default_rng(5)
    found = []
    for number in range(96):
        fitness = dataset == FITNESS
        exercise = ("squat", "overhead_press")[number % 2] if fitness else "dive"
        media = Media(path=f"{number:03}.mp4", kind="video", sha256="0" * 64)
        if fitness:
            questions: tuple[Question, ...] = tuple(
                Question(item=item, text="?", options=("present", "absent"), correct="absent")
                for item in ("knees", "elbows")
            )
            truth: dict[str, Any] = {
                item: ("absent", "present")[int(generator.random() < 0.4)] for item in ("knees", "elbows")
            }
        else:
            questions = (Question(item="", text="?", minimum=0, maximum=10),)
            truth = {"": round(float(np.clip(generator.normal(7, 1.6), 0, 10)) * 2) / 2}
        found.append(
            Sample(
                sample_id=f"s{number:03}",
                exercise=exercise,
                subject=f"p{number // 8:02}",
                split="test",
                media=media,
                questions=questions,
                truth=truth,
            )
        )
    return found


def write_samples(results: Path, dataset: str) -> Path:
    """Write `datasets/<dataset>/samples.jsonl`."""
    path = results / "datasets" / dataset / "samples.jsonl"
    write_jsonl(path, samples(dataset))
    return path


def write_cell(results: Path, dataset: str, model: str, strategy: str = "base", seed: int = 0) -> Path:
    """Write `predictions.csv` of a cell: a lenient judge that leaves a few answers unusable."""
    generator = np.random.default_rng([seed, len(model), len(strategy)])
    folder = results / "cells" / dataset / "judge" / "original" / strategy / model
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(
            ["sample_id", "item", "exercise", "subject", "truth", "prediction", "outcome", "repeat"]
        )
        for sample in samples(dataset):
            for question in sample.questions:
                truth = sample.truth[question.item]
                if dataset == FITNESS:
                    answer: str | float = ("absent", "present")[int(generator.random() < 0.2)]
                else:
                    answer = round(float(np.clip(generator.normal(8, 1), 0, 10)) * 2) / 2
                outcome = "ok" if generator.random() < 0.95 else "unparsed"
                writer.writerow(
                    [
                        sample.sample_id,
                        question.item,
                        sample.exercise,
                        sample.subject,
                        truth,
                        answer if outcome == "ok" else "",
                        outcome,
                        0,
                    ]
                )
    return folder
