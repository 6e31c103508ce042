"""The questions of the embedded data, which geometry rules answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aqa.config import load_yaml
from aqa.datasets import load_metadata, load_wording
from aqa.datasets.geometry import load_rules
from aqa.datasets.kinematics import Motion
from aqa.datasets.pairs import EXECUTION
from aqa.records import Question

FOLDER = Path(load_metadata.__code__.co_filename).parent
RULED = ("llm-fms", "egoexo-fitness", "fitness-aqa", "finefs", "mtl-aqa")
SCORES = {"finefs": (-5.0, 5.0), "mtl-aqa": (0.0, 10.0)}


def texts(dataset: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = load_yaml(FOLDER / dataset.replace("-", "_") / "embedded_texts.yaml")
    return entries


def questions() -> Iterator[tuple[str, str, Question, str]]:
    """Every question of the embedded data, with the text of a comparison about it."""
    for dataset in RULED:
        if dataset in ("llm-fms", "egoexo-fitness"):
            for entry in texts(dataset):
                text = entry.get("question", entry["positive"])
                options = tuple(entry.get("options", ("true", "false")))
                compared = entry["compare"]["question"] if "compare" in entry else text
                yield dataset, entry["exercise"], Question(item="q", text=text, options=options), compared
        else:
            low, high = SCORES.get(dataset, (None, None))
            for exercise, items in load_wording(dataset).questions.items():
                for item, text in items.items():
                    options = None if low is not None else ("true", "false")
                    question = Question(item=item, text=text, options=options, minimum=low, maximum=high)
                    yield dataset, exercise, question, EXECUTION


QUESTIONS = list(questions())
NAMES = [f"{dataset} {exercise}: {question.text[:40]}" for dataset, exercise, question, _ in QUESTIONS]


def judged(dataset: str, exercise: str, item: str, clip: Motion) -> Any:
    question = next(
        q for d, e, q, _ in QUESTIONS if (d, e) == (dataset, exercise) and item in (q.item, q.text)
    )
    return load_rules(dataset).judge(exercise, question, clip)
