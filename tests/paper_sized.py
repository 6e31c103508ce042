"""The files of the paper's grid at its real sizes, filled with simulated answers: what scoring reads.

LLM-FMS 1,812 keyframes of 45 subjects with three questions each; EgoExo-Fitness 913 entries of 40 persons
with 8 or 9 guidelines, one a request; Fitness-AQA 583 clips with two errors; FineFS 500 elements; MTL-AQA
353 dives of 15 broadcasts; each with its pairs. Four of a hundred requests have no usable answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import yaml

from aqa.files import digest, write_jsonl
from aqa.grid import Cell
from aqa.inference.drafts import write_drafts
from aqa.plan import Plan, load
from aqa.records import Media, MediaPart, Message, Pair, Question, Request, Sample, TextPart
from simulated_studies import DIVES, MOVEMENTS

ROOT = Path(__file__).parents[1]
TEXT = "You are given a video of someone performing an exercise. Decide what the question asks. " * 6
UNUSABLE = 0.04


def plan(folder: Path, resamples: int) -> Plan:
    """Write my.yaml: config/paper.yaml with results in `folder`, without what needs data; return its plan."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    for dataset in values["datasets"].values():
        dataset["i_may_upload"] = True
    values["datasets"]["finefs"]["accept_visible_truth"] = True
    values["scoring"] = {"resamples": resamples}
    (folder / "my.yaml").write_text(yaml.safe_dump(values))
    return load(values, ROOT)


class Thing(NamedTuple):
    """One sample to be: its exercise, subject and questions, and the truth of each."""

    exercise: str
    subject: str
    questions: tuple[Question, ...]
    truth: dict[str, str | float]


def _choices(rng: np.random.Generator, items: Sequence[str], sizes: Sequence[int]) -> tuple[Question, ...]:
    return tuple(
        Question(item=item, text=f"How is {item}?", options=OPTIONS[:size], correct=OPTIONS[0])
        for item, size in zip(items, sizes, strict=True)
    )


OPTIONS = ("true", "false", "level")
SCORE = (Question(item="", text="How well?", minimum=0, maximum=10),)
GRADE = (Question(item="", text="How well?", minimum=-5, maximum=5),)


def _chosen(rng: np.random.Generator, questions: Sequence[Question]) -> dict[str, str | float]:
    return {q.item: q.options[int(rng.integers(len(q.options)))] for q in questions if q.options}


def _llm_fms(rng: np.random.Generator) -> Iterator[Thing]:
    exercises = np.repeat(np.arange(7), MOVEMENTS)[np.arange(1812) * 15 // 1812]
    for number, exercise in enumerate(exercises):
        questions = _choices(rng, ("r01", "r02", "r03"), (3, 2, 2))
        yield Thing(f"exercise-{exercise}", f"s{number % 45:02d}", questions, _chosen(rng, questions))


def _egoexo(rng: np.random.Generator) -> Iterator[Thing]:
    for entry in range(913):
        exercise = int(rng.integers(12))
        for guideline in range(8 + exercise % 2):
            questions = _choices(rng, (f"g{exercise:02d}{guideline}",), (2,))
            kept = OPTIONS[int(rng.random() < 0.22)]
            yield Thing(
                f"exercise-{exercise:02d}", f"p{entry % 40:02d}", questions, {questions[0].item: kept}
            )


def _fitness(rng: np.random.Generator) -> Iterator[Thing]:
    for exercise, clips in (("squat", 244), ("overhead-press", 339)):
        for _ in range(clips):
            questions = _choices(rng, ("one", "other"), (2, 2))
            yield Thing(exercise, f"{exercise}{rng.integers(150)}", questions, _chosen(rng, questions))


def _finefs(rng: np.random.Generator) -> Iterator[Thing]:
    for number in range(500):
        truth = float(np.clip(np.round(rng.normal(0.5, 1.5), 2), -5, 5))
        yield Thing(("jump", "spin", "sequence")[number % 3], f"v{rng.integers(1167)}", GRADE, {"": truth})


def _mtl(rng: np.random.Generator) -> Iterator[Thing]:
    for broadcast, dives in enumerate(DIVES):
        for _ in range(dives):
            truth = float(np.clip(np.round(2 * rng.normal(7, 1.5)) / 2, 0, 9.5))
            yield Thing("diving", f"broadcast-{broadcast}", SCORE, {"": truth})


MAKERS: dict[str, Callable[[np.random.Generator], Iterator[Thing]]] = {
    "llm-fms": _llm_fms,
    "egoexo-fitness": _egoexo,
    "fitness-aqa": _fitness,
    "finefs": _finefs,
    "mtl-aqa": _mtl,
}


def samples(dataset: str) -> list[Sample]:
    rng = np.random.default_rng(len(dataset))
    return [
        Sample(
            sample_id=f"{dataset}-{number:05d}",
            exercise=thing.exercise,
            subject=thing.subject,
            split="test",
            media=Media(path="x.mp4", kind="video"),
            questions=thing.questions,
            truth=thing.truth,
        )
        for number, thing in enumerate(MAKERS[dataset](rng))
    ]


def pairs(made: Sequence[Sample]) -> list[Pair]:
    """Return a pair for each sample, with a sample of the same exercise and another subject."""
    rng = np.random.default_rng(len(made))
    rivals: dict[str, list[Sample]] = {}
    for sample in made:
        rivals.setdefault(sample.exercise, []).append(sample)
    found = []
    for number, sample in enumerate(made):
        others = rivals[sample.exercise]
        while (partner := others[int(rng.integers(len(others)))]).subject == sample.subject:
            pass
        found.append(
            Pair(
                pair_id=f"pair-{number:05d}", exercise=sample.exercise, item="", text="Which is better?",
                anchor=sample.sample_id, partner=partner.sample_id, anchor_subject=sample.subject,
                partner_subject=partner.subject, better=("anchor", "partner")[int(rng.integers(2))], gap=1.0,
            )
        )  # fmt: skip
    return found


def write(folder: Path, made: Plan) -> int:
    """Write what the scoring rules read below `folder`/results; return how many answers."""
    answers = 0
    for number, dataset in enumerate(made.config.datasets):
        place = folder / "results" / "datasets" / dataset
        judged = samples(dataset)
        compared = pairs(judged)
        write_jsonl(place / "samples.jsonl", judged)
        write_jsonl(place / "pairs.jsonl", compared)
        (place / "evaluated.txt").write_text("".join(f"{s.sample_id}\n" for s in judged))
        pose = folder / "results" / "pose" / dataset / "manifest.jsonl"
        pose.parent.mkdir(parents=True)
        pose.write_text("")
        requests = {
            "judge": [_request(s.sample_id, s, "", s.questions) for s in judged],
            "compare": [
                _request(pair.pair_id, sample, item, (_which(pair),))
                for pair, sample in zip(compared, judged, strict=True)
                for item in ("anchor_first", "partner_first")
            ],
        }
        lines = {task: [_line(one) for one in many] for task, many in requests.items()}
        for cell in (cell for cell in made.grid if cell.dataset == dataset):
            answers += _cell(
                folder / made.file(cell, ""), cell, requests[cell.task], lines[cell.task], number
            )
    return answers


def _which(pair: Pair) -> Question:
    return Question(item="answer", text=pair.text, options=("first", "second"))


KEY = digest("key")


def _request(name: str, of: Sample, item: str, questions: tuple[Question, ...]) -> Request:
    clip = MediaPart(
        kind="video", file=f"clips/{of.sample_id}.zip", sha256=KEY, width=256, height=192,
        timestamps=tuple(k / 2 for k in range(24)),
    )  # fmt: skip
    return Request(
        key=KEY, settings=KEY, sample_id=name, subject=of.subject, exercise=of.exercise, item=item,
        messages=(Message(role="user", content=(clip, TextPart(text=TEXT))),), questions=questions,
    )  # fmt: skip


def _line(request: Request) -> tuple[bytes, bytes]:
    """Return the line of a request before and after its key."""
    before, after = orjson.dumps(request.model_dump(mode="json")).split(KEY.encode(), 1)
    return before, after


def _cell(
    folder: Path, cell: Cell, requests: Sequence[Request], lines: Sequence[tuple[bytes, bytes]], seed: int
) -> int:
    folder.mkdir(parents=True)
    start = digest(list(cell))[:56]
    rng = np.random.default_rng([seed, int(start[:8], 16)])
    lost = rng.random(len(requests)) < UNUSABLE
    with (folder / "requests.jsonl").open("wb") as asked, (folder / "responses.jsonl").open("wb") as said:
        for number, (request, (before, after)) in enumerate(zip(requests, lines, strict=True)):
            key = f"{start}{number:08x}"
            asked.write(before + key.encode() + after + b"\n")
            answer: dict[str, str | float] = {}
            for question in request.questions:
                if question.options:
                    answer[question.item] = question.options[int(rng.random() * len(question.options))]
                else:
                    answer["score"] = round(question.minimum + rng.random() * 10, 1)
            said.write(
                orjson.dumps(
                    {
                        "key": key, "sample_id": request.sample_id, "item": request.item, "repeat": 0,
                        "outcome": "refused" if lost[number] else "ok",
                        "text": "" if lost[number] else orjson.dumps(answer).decode(),
                        "reasoning": "", "finish_reason": "stop", "error": None, "model_version": "v1",
                        "usage": {"prompt_tokens": 900, "completion_tokens": 12, "reasoning_tokens": None,
                                  "cached_tokens": 700},
                    }
                ) + b"\n"
            )  # fmt: skip
    write_drafts(folder, [])
    return len(requests)
