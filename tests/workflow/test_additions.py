"""A model, a strategy and a dataset come with files of their own, and nothing else has to change."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from workflow_runs import Study, repository

from openai_server import ServerProcess

pytestmark = pytest.mark.xdist_group("workflow")

DATASET = "scripts/aqa/datasets/tiny_lifts"
STRATEGY = "scripts/aqa/prompts/strategies/terse.j2"
MODEL = "config/models/steady.yaml"

FILES = {
    STRATEGY: "{# Terse #}\nBe brief. {{ task }}\n\n{{ answer }}\n",
    f"{DATASET}/__init__.py": '"""Lifts with a narrow or a wide grip."""\n',
    f"{DATASET}/metadata.yaml": """
id: tiny-lifts
title: Tiny lifts
licence: ours
citation: none
homepage: https://example.org
access: {url: https://example.org, how: ask us, layout: lifts.csv and pictures, gated: false}
kind: classification
media: image
evaluated_split: test
train_split: null
cluster: subject
exercises: {lift: Lift}
representations: [original]
tasks: [judge, compare]
upload: true
publish_frames: true
faces: show
""",
    f"{DATASET}/wording.yaml": """
noun: {video: a video of someone, image: an image of someone}
judge:
  task: "You are given {{ media }} lifting a bar. {{ questions[0].text }}"
  answer: 'The answer is a JSON object: {"grip": "narrow" or "wide"}'
compare:
  task: In which of the two images is the bar lifted better?
  answer: 'The answer is a JSON object: {"answer": "first" or "second"}'
""",
    f"{DATASET}/adapter.py": '''
"""Reads lifts.csv: sample, subject, grip."""

from aqa.records import Media, Question, Sample

GRIP = Question(item="grip", text="How is the grip?", options=("narrow", "wide"), correct="wide")


def samples(folder, settings):
    rows = [line.split(",") for line in (folder / "lifts.csv").read_text().split()]
    return [
        Sample(
            sample_id=name,
            exercise="lift",
            subject=subject,
            split="test",
            media=Media(path=f"pictures/{name}.png", kind="image"),
            questions=(GRIP,),
            truth={"grip": grip},
        )
        for name, subject, grip in sorted(rows)
    ]
''',
    f"{DATASET}/embedded.py": '''
"""A bar, short or long, on twelve pictures."""

import cv2
import numpy as np


def write(folder, seed, workers):
    (folder / "pictures").mkdir()
    lines = []
    for number in range(12):
        grip = ("narrow", "wide")[number % 2]
        picture = np.full((48, 64, 3), 30 + number, np.uint8)
        reach = 8 if grip == "narrow" else 24
        cv2.line(picture, (32 - reach, 24), (32 + reach, 24), (255, 255, 255), 3)
        cv2.imwrite(str(folder / "pictures" / f"l{number:02}.png"), picture)
        lines.append(f"l{number:02},p{number // 3},{grip}")
    (folder / "lifts.csv").write_text("\\n".join(lines))
''',
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".snakemake" not in path.parts
    }


def test_three_additions_run_through_every_stage_with_zero_edits_elsewhere(tmp_path):
    snakefile = repository(tmp_path / "vlm-aqa")
    root = snakefile.parent
    before = contents(root)
    with ServerProcess("--answer", '{"grip": "wide", "answer": "first"}') as url:
        options = {"base_url": url, "model": "test-model", "video": "frames"}
        model = {"title": "Steady", "backend": "openai", "options": options}
        for name, text in {**FILES, MODEL: yaml.safe_dump(model)}.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text)
        study = Study(tmp_path / "study", snakefile)
        study.folder.mkdir()
        study.configure(
            datasets={"tiny-lifts": {}},
            models=["random", "steady"],
            cells={"include": [{"representations": ["original"], "strategies": ["base", "terse"]}]},
            scoring={"resamples": 200},
        )
        study.make()
    after = contents(root)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {*FILES, MODEL}

    with (study.results / "scores.csv").open() as stream:
        scores = {
            (row["task"], row["strategy"], row["model"], row["metric"]): float(row["value"])
            for row in csv.DictReader(stream)
            if (row["policy"], row["scope"]) == ("strict", "all")
        }
    for strategy in ("base", "terse"):
        assert scores["judge", strategy, "steady", "balanced_accuracy"] == 0.5
        assert scores["compare", strategy, "steady", "accuracy"] == 0.5
        assert ("judge", strategy, "random", "balanced_accuracy") in scores
    cell = study.results / "cells/tiny-lifts/judge/original/terse/steady"
    (first, *others) = (cell / "requests.jsonl").read_text().splitlines()
    assert len(others) == 11
    text = json.loads(first)["messages"][-1]["content"][-1]["text"]
    assert text.startswith("Be brief. You are given an image of someone lifting a bar. How is the grip?")
    page = (study.results / "report.html").read_text()
    for title in ("Tiny lifts", "Terse", "Steady"):
        assert title in page
