"""With true poses the geometry baseline is far above chance on the embedded benchmark, whatever its seed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score

from aqa import models
from aqa.config import ModelFile, Pose
from aqa.datasets import load_metadata
from aqa.datasets.contrastive import load_contrastive
from aqa.datasets.index import index
from aqa.datasets.pairs import make_pairs
from aqa.files import digest, write_jsonl
from aqa.media.poses import Order, pose_all
from aqa.models.base import Context, Reply
from aqa.prompts.compare import FIRST, SECOND, question
from aqa.records import MediaPart, Message, Question, Request, Sample

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
SEED = 2029
"""Of no data that the rules were looked at with."""

LEAST = {"llm-fms": 0.9, "egoexo-fitness": 0.9, "fitness-aqa": 0.9, "finefs": 0.7, "mtl-aqa": 0.85}
"""Balanced accuracy, or Spearman's rho, where guessing has 0.5 or less, or 0."""


def request(name: str, exercise: str, questions: tuple[Question, ...], shown: tuple[str, ...]) -> Request:
    parts = tuple(
        MediaPart(kind="video", file=f"clips/{one}.zip", sha256=digest(one), width=1, height=1, timestamps=())
        for one in shown
    )
    return Request(
        key=digest([name, shown]),
        settings=digest(""),
        sample_id=name,
        subject="s",
        exercise=exercise,
        messages=(Message(role="user", content=parts),),
        questions=questions,
    )


def ask(samples: list[Sample], manifest: Path, requests: list[Request]) -> list[Reply]:
    hidden = [sample.model_copy(update={"truth": {}}) for sample in samples]
    file = ModelFile(title="Geometry", backend="geometry", session="dataset")
    baseline = models.create(file, Context(Path(), 0, hidden, poses=manifest), "geometry")

    async def session() -> list[Reply]:
        async with baseline as opened:
            return [await opened.ask(one) for one in requests]

    return asyncio.run(session())


@pytest.mark.parametrize("dataset", LEAST)
def test_joints_alone_tell_good_from_bad(dataset: str, tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "pose" / dataset
    data.mkdir()
    embed = [sys.executable, ROOT / "scripts" / "embed.py", "--dataset", dataset, "--seed", SEED]
    subprocess.run([*map(str, embed), "--workers", "2", "--output", str(data / "embedded.json")], check=True)
    metadata = load_metadata(dataset)
    samples = index(dataset, data, {})
    posed = pose_all(samples, Order(data, folder, Pose(), {}), 1, lambda _done, _total: None)
    write_jsonl(folder / "manifest.jsonl", posed.clips)
    asked = [sample for sample in samples if sample.split == metadata.evaluated_split]

    replies = ask(
        samples,
        folder / "manifest.jsonl",
        [request(one.sample_id, one.exercise, one.questions, (one.sample_id,)) for one in asked],
    )
    assert {basis for reply in replies for basis in reply.sent["basis"].values()} == {"rule"}
    answers = [json.loads(reply.text) for reply in replies]
    if metadata.kind == "regression":
        truth = [sample.truth[""] for sample in asked]
        assert spearmanr(truth, [answer["score"] for answer in answers]).statistic >= LEAST[dataset]
    else:
        cases = defaultdict(list)
        for sample, answer in zip(asked, answers, strict=True):
            for one in sample.questions:
                said = {True: "true", False: "false"}.get(answer[one.item], answer[one.item])
                cases[sample.exercise, one.item].append((sample.truth[one.item], said))
        scored = [balanced_accuracy_score(*zip(*case, strict=True)) for case in cases.values()]
        assert np.mean(scored) >= LEAST[dataset]

    pairing = make_pairs(
        samples,
        [sample.sample_id for sample in asked],
        split=metadata.evaluated_split,
        seed=0,
        contrastive=load_contrastive(dataset),
    )
    orders = [(pair, order) for pair in pairing.pairs for order in (FIRST, SECOND)]
    replies = ask(
        samples,
        folder / "manifest.jsonl",
        [
            request(
                pair.pair_id,
                pair.exercise,
                (question(pair),),
                (pair.anchor, pair.partner) if order == FIRST else (pair.partner, pair.anchor),
            )
            for pair, order in orders
        ],
    )
    right = [
        (json.loads(reply.text)["answer"] == order) == (pair.better == "anchor")
        for (pair, order), reply in zip(orders, replies, strict=True)
    ]
    assert len(right) >= 80
    assert np.mean(right) >= 0.75
