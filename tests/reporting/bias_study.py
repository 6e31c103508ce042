"""A study with planted biases: five models and two baselines on two datasets, in the files of scoring."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import reporting_study as study

from aqa.files import write_json, write_jsonl
from aqa.records import Pair
from aqa.reporting.labels import Labels

VARIANTS = ("base", "positive_guidelines", "negative_guidelines")
MODELS = ("random", "qwen", "qwen-thinking", "gemini", "intern", "intern-thinking")
DATASETS = [
    study.DATASETS[0] | {"expected_shift": "down", "limit": None},
    study.DATASETS[1] | {"study_items": {"same": True, "why": "the split"}},
]


def labels(**changes: Any) -> Labels:
    """Labels of the study; nothing is synthetic unless `changes` say so."""
    models = [*study.MODELS[:1], *study.MODELS[2:]]
    models += [
        {"id": "intern", "title": "InternVL3.5"},
        {"id": "intern-thinking", "title": "InternVL3.5", "thinking": True},
    ]
    values: dict[str, Any] = {
        "datasets": DATASETS,
        "models": models,
        "strategies": [{"id": name, "title": name.replace("_", " ").capitalize()} for name in VARIANTS],
        "not_applicable": [],
        "synthetic": [],
    }
    return study.labels(**values | changes)


def write_judge(results: Path, dataset: str, model: str, strategy: str, repeats: int = 1) -> Path:
    """A lenient judge whom negative guidelines make more lenient, positive ones less."""
    folder = results / "cells" / dataset / "judge" / "original" / strategy / model
    folder.mkdir(parents=True, exist_ok=True)
    moved = {"base": 0.0, "positive_guidelines": -0.1, "negative_guidelines": 0.1}[strategy]
    lenient = 0.5 if model == "random" else 0.8 + moved
    generator = np.random.default_rng([MODELS.index(model), VARIANTS.index(strategy)])
    rows = []
    for repeat in range(repeats):
        for sample in study.samples(dataset):
            for question in sample.questions:
                if dataset == study.FITNESS:
                    said: Any = question.correct if generator.random() < lenient else "present"
                else:
                    said = float(np.clip(round(5 + 0.3 * sample.truth[""] + generator.normal(), 1), 0, 10))
                row = [sample.sample_id, question.item, sample.exercise, sample.subject]
                rows.append([*row, sample.truth[question.item], said, "ok", repeat])
    _write(folder, rows)
    kind = "classification" if dataset == study.FITNESS else "regression"
    limits = None if dataset == study.FITNESS else {"all": (0.0, 10.0), "dive": (0.0, 10.0)}
    about = {"task": "judge", "kind": kind, "settings": {"unit": "item", "limits": limits}}
    write_json(folder / "metrics.json", about)
    return folder


def write_pairs(results: Path) -> Path:
    """Each dive against the one of the next subject but two that differs."""
    samples, found = study.samples(study.DIVES), []
    for place, anchor in enumerate(samples):
        partner = samples[(place + 24 + place % 7) % len(samples)]
        gap = anchor.truth[""] - partner.truth[""]
        if gap and anchor.subject != partner.subject:
            found.append(
                Pair(
                    pair_id=f"{anchor.sample_id}+{partner.sample_id}",
                    exercise="dive",
                    item="",
                    text="Which?",
                    anchor=anchor.sample_id,
                    partner=partner.sample_id,
                    anchor_subject=anchor.subject,
                    partner_subject=partner.subject,
                    better="anchor" if gap > 0 else "partner",
                    gap=abs(gap),
                )
            )
    path = results / "datasets" / study.DIVES / "pairs.jsonl"
    write_jsonl(path, found)
    return path


def write_compare(results: Path, pairs: list[Pair], model: str) -> Path:
    """A judge that sees large gaps, and likes the first sample."""
    folder = results / "cells" / study.DIVES / "compare" / "original" / "base" / model
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(MODELS.index(model))
    rows = []
    for pair in pairs:
        for order in ("anchor_first", "partner_first"):
            truth = "first" if (pair.better == "anchor") == (order == "anchor_first") else "second"
            seen = 0.0 if model == "random" else 0.8 * (pair.gap or 0.0)
            liked = (seen if truth == "first" else -seen) + (0.0 if model == "random" else 0.5)
            said = "first" if generator.random() < 1 / (1 + math.exp(-liked)) else "second"
            rows.append([pair.pair_id, order, "dive", pair.anchor_subject, truth, said, "ok", 0])
    _write(folder, rows)
    return folder


def scores() -> list[dict[str, Any]]:
    """Rows of scores.csv: the judge cells, and the compare cells of the dives."""
    found = [
        study.score(study.DIVES, model, metric, value)
        for model in MODELS
        for metric, value in (("spearman", 0.2), ("relative_l2", 0.05), ("relative_l2_root", 0.22))
    ]
    found += [study.score(study.FITNESS, model, "balanced_accuracy", 0.55) for model in MODELS]
    return found + [
        study.score(study.DIVES, model, metric, value, task="compare")
        for model in MODELS
        for metric, value in (("accuracy", 0.6), ("consistency", 0.7), ("position_bias", 0.1))
    ]


def _write(folder: Path, rows: list[list[Any]]) -> None:
    with (folder / "predictions.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        names = ["sample_id", "item", "exercise", "subject", "truth", "prediction", "outcome", "repeat"]
        writer.writerows([names, *rows])
