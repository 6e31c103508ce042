"""A study of five datasets and five models that answer in words: all files that analyses read, really scored.

The models differ in what an analysis must show: one thinks, one breaks the format of a strategy, one costs
money, one always says the same. Everything follows from a seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aqa.files import write_json, write_jsonl
from aqa.grid import Cell
from aqa.records import Media, Message, Question, Request, Response, Sample, TextPart, Usage
from aqa.reporting.labels import Labels
from aqa.scoring.rows import collect, write_rows
from aqa.scoring.score import Settings, score_cells

BOOLEAN = ("true", "false")
POSTURES = (("Higher", "Equal", "Lower"), ("Parallel", "Leaning further forward"))
DATASETS: Mapping[str, tuple[str, str, int]] = {
    "llm-fms": ("LLM-FMS", "classification", 45),
    "egoexo-fitness": ("EgoExo-Fitness", "classification", 30),
    "fitness-aqa": ("Fitness-AQA", "classification", 40),
    "finefs": ("FineFS", "regression", 35),
    "mtl-aqa": ("MTL-AQA", "regression", 15),
}
"""Title, kind and number of subjects."""

MODELS: tuple[dict[str, Any], ...] = (
    {"id": "random", "title": "Random guess", "baseline": True},
    {"id": "alpha-thinking", "title": "Alpha 235B", "thinking": True},
    {"id": "alpha", "title": "Alpha 235B"},
    {"id": "beta", "title": "Beta 8B"},
    {"id": "paid", "title": "Paid Pro", "thinking": True},
)
STRATEGIES = (
    {"id": "base", "title": "Base prompt"},
    {"id": "visual_grounding", "title": "Visual grounding"},
    {"id": "two_step", "title": "Two-step observation"},
    {"id": "structured_reasoning", "title": "Structured reasoning"},
)
PRIOR = (
    "In a movement like this the back is usually straight.",
    "The person is in a squat, so the trunk is likely parallel.",
    "Such elements tend to be executed well.",
)
SEEN = (
    "In the video the knees move inward at 1.2 s.",
    "I can see that both heels leave the floor.",
    "The trunk leans forward in the second repetition.",
)
IDLE = ("Let me think about the question.", "Wait.")


def labels(models: Sequence[dict[str, Any]] = MODELS, **changes: Any) -> Labels:
    """Return the labels of the study."""
    values: dict[str, Any] = {
        "datasets": [
            {"id": name, "title": title, "kind": kind, "exercises": [{"id": "one", "title": "One"}]}
            for name, (title, kind, _) in DATASETS.items()
        ],
        "models": list(models),
        "strategies": list(STRATEGIES),
        "representations": [
            {"id": "original", "title": "Original"},
            {"id": "skeleton_only", "title": "Skeleton only"},
        ],
        "unit": {name: "item" for name, (_, kind, _) in DATASETS.items() if kind == "classification"},
        "seed": 7,
        "resamples": 200,
    }
    return Labels.model_validate(values | changes)


def questions(dataset: str, number: int) -> tuple[Question, ...]:
    """Return the questions about a sample."""
    if dataset == "llm-fms":
        return tuple(
            Question(item=f"r{n:02}", text="?", options=options, correct=options[-1 if n == 1 else 0])
            for n, options in enumerate(POSTURES, start=1)
        )
    if dataset == "egoexo-fitness":
        return (Question(item=f"g{number % 4}", text="?", options=BOOLEAN, correct="true"),)
    if dataset == "fitness-aqa":
        return tuple(
            Question(item=item, text="?", options=BOOLEAN, correct="false") for item in ("knees", "elbows")
        )
    low, high = (-5.0, 5.0) if dataset == "finefs" else (0.0, 10.0)
    return (Question(item="", text="?", minimum=low, maximum=high),)


def samples(dataset: str, n: int = 96, seed: int = 5) -> list[Sample]:
    """Return samples in two exercises, one for scores; truths follow from the seed."""
    generator = np.random.default_rng([seed, len(dataset)])
    _, kind, subjects = DATASETS[dataset]
    found = []
    for number in range(n):
        asked = questions(dataset, number)
        truth: dict[str, Any] = {}
        for question in asked:
            if question.options is not None:
                share = generator.random() < 0.6
                truth[question.item] = question.options[0 if share else -1]
            else:
                low, high = question.minimum or 0.0, question.maximum or 0.0
                value = generator.normal(low + 0.65 * (high - low), 0.16 * (high - low))
                truth[question.item] = round(float(np.clip(value, low, high)), 2)
        found.append(
            Sample(
                sample_id=f"s{number:03}",
                exercise="one" if kind == "regression" else ("one", "two")[number % 2],
                subject=f"p{number % subjects:02}",
                split="test",
                media=Media(path=f"{number:03}.mp4", kind="video"),
                questions=asked,
                truth=truth,
            )
        )
    return found


def request(of: Sample, cell: Cell) -> Request:
    """Return the request of a cell about a sample."""
    return Request(
        key=hashlib.sha256(f"{cell.path}/{of.sample_id}".encode()).hexdigest(),
        settings="0" * 64,
        sample_id=of.sample_id,
        subject=of.subject,
        exercise=of.exercise,
        messages=(Message(role="user", content=(TextPart(text="Judge."),)),),
        questions=of.questions,
    )


def answer(of: Sample, generator: np.random.Generator, *, skill: float, constant: bool) -> dict[str, Any]:
    """Return an answer: the truth with probability `skill`, else a favourable guess."""
    said: dict[str, Any] = {}
    for question in of.questions:
        key = question.item or "score"
        truth = of.truth[question.item]
        if question.options is not None:
            guess = question.correct or question.options[0]
            if not constant and generator.random() < 0.3:
                guess = question.options[int(generator.integers(len(question.options)))]
            said[key] = truth if generator.random() < skill else guess
        else:
            low, high = question.minimum or 0.0, question.maximum or 0.0
            middle = low + 0.75 * (high - low)
            noise = 0.0 if constant else generator.normal(0, 0.1 * (high - low))
            value = middle + (skill * 2 * (float(truth) - middle) if not constant else 0.0) + noise
            said[key] = round(float(np.clip(value, low, high)) * 2) / 2
    return {key: value == "true" if value in BOOLEAN else value for key, value in said.items()}


def reasoning(said: Mapping[str, Any], generator: np.random.Generator, length: int) -> str:
    """Return sentences of reasoning that end with the verdict, now and then another one."""
    kinds = [PRIOR, SEEN, IDLE]
    lines = [
        str(generator.choice(kinds[int(generator.choice(3, p=[0.35, 0.45, 0.2]))])) for _ in range(length)
    ]
    for key, value in said.items():
        shown = str(value).lower() if isinstance(value, bool) else value
        if generator.random() < 0.8:
            lines.append(f"So the score is {shown}." if key == "score" else f"{key}: {shown}.")
    return "\n".join(lines)


def response(to: Request, of: Sample, cell: Cell, generator: np.random.Generator) -> Response:
    """Return what the model of a cell says."""
    model, strategy = cell.model, cell.strategy
    skill = {"random": 0.0, "alpha-thinking": 0.4, "alpha": 0.3, "beta": 0.1, "paid": 0.5}.get(model, 0.2)
    said = answer(of, generator, skill=skill, constant=model == "beta")
    text = json.dumps(said)
    fields: dict[str, Any] = {"key": to.key, "sample_id": to.sample_id, "outcome": "ok"}
    if model == "random":
        return Response(**fields, text=text)
    thinks = model in ("alpha-thinking", "paid")
    fields["reasoning"] = reasoning(said, generator, 12) if thinks else ""
    if strategy == "structured_reasoning":
        text = (
            f"<look>{reasoning({}, generator, 3)}</look>\n<assess>{reasoning(said, generator, 2)}</assess>\n"
        )
        text += f"<output>{json.dumps(said)}</output>"
    elif strategy == "two_step":
        text = f"{reasoning(said, generator, 4)}\n{text}"
    draw = generator.random()
    if model == "beta" and strategy == "two_step" and draw < 0.7:
        text = "The movement is fine, as it usually is."
    elif model == "alpha-thinking" and draw < 0.08:
        fields |= {"outcome": "truncated", "error": "token limit"}
        text = ""
    elif model == "paid" and draw < 0.02:
        fields |= {"outcome": "refused", "error": "safety", "reasoning": ""}
        text = ""
    completion = 40 + 900 * thinks + (200 if strategy in ("two_step", "structured_reasoning") else 0)
    usage = Usage(
        prompt_tokens=3000 + 100 * len(strategy),
        completion_tokens=completion + int(generator.integers(50)),
        reasoning_tokens=completion if thinks else None,
        cached_tokens=1500,
    )
    return Response(**fields, text=text, usage=usage, model_version="v1")


def write(
    root: Path,
    *,
    datasets: Sequence[str] = tuple(DATASETS),
    models: Sequence[str] = tuple(model["id"] for model in MODELS),
    strategies: Sequence[str] = tuple(strategy["id"] for strategy in STRATEGIES),
    change: Any = None,
    n: int = 96,
) -> list[Path]:
    """Write samples, cells, scores.csv and labels.json below `root`; return the cells' folders.

    `change(response, sample, cell)` may return another response.
    """
    folders = []
    for place, dataset in enumerate(datasets):
        found = samples(dataset, n)
        write_jsonl(root / "datasets" / dataset / "samples.jsonl", found)
        mine = []
        for model in models:
            for strategy in strategies:
                cell = Cell(dataset, "judge", "original", strategy, model)
                generator = np.random.default_rng([place, len(model), len(strategy)])
                requests = [request(sample, cell) for sample in found]
                responses = [
                    response(to, of, cell, generator) for to, of in zip(requests, found, strict=True)
                ]
                if change is not None:
                    responses = [change(r, of, cell) for r, of in zip(responses, found, strict=True)]
                folder = root / "cells" / cell.path
                write_jsonl(folder / "requests.jsonl", requests)
                write_jsonl(folder / "responses.jsonl", responses)
                mine.append(folder)
        settings = Settings(kind=DATASETS[dataset][1], seed=1, resamples=200)  # type: ignore[arg-type]
        score_cells(mine, {sample.sample_id: sample for sample in found}, settings)
        folders += mine
    write_rows(root / "scores.csv", collect([folder / "metrics.json" for folder in folders]))
    shown = [model for model in MODELS if model["id"] in models]
    write_json(root / "labels.json", json.loads(labels(shown).model_dump_json()))
    return folders
