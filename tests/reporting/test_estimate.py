"""The estimate: requests, tokens, money and hours of what is still to ask, from planted numbers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from aqa import models, plan
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.files import digest, write_jsonl
from aqa.inference import journal
from aqa.models.base import Context
from aqa.models.tokens import counter
from aqa.records import MediaPart, Message, Request, Response, TextPart, Usage
from aqa.reporting.estimate import Assumed, as_text, estimate

ROOT = Path(__file__).parents[2]
TEXT = "How deep is the squat? Answer as JSON."
LOCAL = {
    "title": "Qwen3-VL",
    "backend": "openai",
    "concurrency": 8,
    "options": {"model": "Qwen/Qwen3-VL", "base_url": "http://127.0.0.1:1/v1", "video": "video_url_jpeg"},
}
PAID = {
    "title": "Gemini",
    "backend": "vertex",
    "thinking": True,
    "concurrency": 16,
    "options": {"project": "p"},
}

BLOCK = {"tasks": ["judge"], "representations": ["original"], "strategies": ["base", "two_step"]}


class Study:
    """A configuration of two models on one dataset, and requests of which some are answered."""

    def __init__(self, folder, **paid):
        self.folder = folder
        (folder / "models").mkdir()
        self.files = {"local": LOCAL, "paid": PAID | paid}
        for name, file in self.files.items():
            (folder / f"models/{name}.yaml").write_text(yaml.safe_dump(file))
        self.values = {
            "results": str(folder / "results"),
            "datasets": {"fitness-aqa": {}},
            "models": ["local", "paid", "random"],
            "model_files": [str(folder / "models"), str(ROOT / "config/models")],
            "cells": {"include": [BLOCK]},
        }
        self.configfile = folder / "config.yaml"
        self.configfile.write_text(yaml.safe_dump(self.values))

    @property
    def plan(self):
        return plan.load(self.values, ROOT)

    def render(self, model, strategy, number, answered=(), frames=10, size=(640, 320)):
        """Write the requests of a cell, and the answers of some: (tokens, seconds) each."""
        file = ModelFile.model_validate(self.files[model])
        identity = models.create(file, Context(Path(), 0, secrets=dict(os.environ))).identity()
        path = f"fitness-aqa/judge/original/{strategy}/{model}"
        asked = []
        for position in range(number):
            key = digest([model, strategy, position])
            part = MediaPart(
                kind="video",
                file="a.zip",
                sha256=key,
                width=size[0],
                height=size[1],
                timestamps=tuple(map(float, range(frames))),
            )
            message = Message(role="user", content=(part, TextPart(text=TEXT)))
            fields = {"subject": "s", "exercise": "e", "messages": (message,), "questions": ()}
            asked.append(Request(key=key, settings=digest(identity), sample_id=f"s{position}", **fields))
        write_jsonl(self.folder / "results/cells" / path / "requests.jsonl", asked)
        with journal.Writer(lambda folder: None) as writer:
            for one, (tokens, seconds) in zip(asked, answered, strict=False):
                usage = Usage(prompt_tokens=1, completion_tokens=tokens)
                response = Response(key=one.key, sample_id=one.sample_id, outcome="ok", text="5", usage=usage)
                answer = journal.Answer(response=response, latency_s=seconds, attempts=1)
                writer.append(self.folder / "results/journals" / path, answer)

    def command(self, *more):
        command = [
            sys.executable,
            ROOT / "scripts/estimate.py",
            "--configfile",
            self.configfile,
            "--root",
            ROOT,
        ]
        return subprocess.run([*command, *more], capture_output=True, text=True, check=False)


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_a_local_model_costs_hours_and_no_money(study):
    study.render("local", "base", 10, answered=[(100, 2.0), (300, 4.0)])
    study.render("local", "two_step", 5)
    sums = estimate(study.plan, Assumed()).sums(cell for cell in study.plan.grid if cell.model == "local")
    assert (sums.cells, sums.requests, sums.answered) == (2, 13, 2)
    prompt = 5 + len(TEXT) // 4 + 5 * (20 * 10 + 8)  # 5 pairs of frames, 20 × 10 squares each.
    assert sums.prompt_tokens == 13 * prompt
    assert sums.answer_tokens == 8 * 200 + 5 * 200, "the mean of the two answers"
    assert sums.hours == pytest.approx(13 * 3.0 / 8 / 3600)
    assert (sums.usd, sums.most_usd) == (0, 0)


@pytest.mark.parametrize(("mode", "factor"), [("online", 1.0), ("batch", 0.5)])
def test_a_paid_model_costs_what_the_dated_table_says(tmp_path, mode, factor):
    study = Study(tmp_path, options={"project": "p", "mode": mode})
    study.render("paid", "base", 100, answered=[(2000, 60.0)])
    study.render("paid", "two_step", 20)
    found = estimate(study.plan, Assumed())
    sums = found.sums(cell for cell in study.plan.grid if cell.model == "paid")
    assert sums.requests == 119
    prompt = 10 * 70 + len(TEXT) // 4  # 70 tokens a frame; 2 and 12 USD a million (facts of 2026-08-13).
    assert sums.prompt_tokens == pytest.approx(119 * prompt, rel=0.05)
    expected = 119 * (sums.prompt_tokens / 119 * 2 + 2000 * 12) / 1e6 * factor
    assert sums.usd == pytest.approx(expected)
    assert sums.most_usd >= sums.usd
    assert ("batch prices" if factor < 1 else "online prices") in found.basis["paid"]


def test_without_an_answer_the_length_is_an_assumption_and_said_to_be(study):
    study.render("paid", "base", 7)
    study.render("local", "base", 7)
    found = estimate(study.plan, Assumed(answer_tokens=111, thinking_tokens=5000, tokens_per_s=50, first_s=0))
    tokens = {cell.model: sums.answer_tokens for cell, sums in found.cells.items()}
    assert tokens == {"paid": 7 * 5000, "local": 7 * 111}
    hours = {cell.model: sums.hours for cell, sums in found.cells.items()}
    assert hours["paid"] == pytest.approx(7 * 100 / 16 / 3600)
    assert "5,000 tokens (ASSUMED" in found.basis["paid"]


def test_answers_of_a_batch_tell_their_length_and_not_how_long_they_took(study):
    study.render("paid", "base", 5, answered=[(1000, 0.0)])
    found = estimate(study.plan, Assumed(tokens_per_s=50, first_s=0))
    (sums,) = found.cells.values()
    assert sums.answer_tokens == 4 * 1000
    assert sums.hours == pytest.approx(4 * 20 / 16 / 3600)
    assert "1,000 tokens (measured on 1) in 20.0 s (ASSUMED" in found.basis["paid"]


def test_the_page_sums_by_model_and_by_table(study):
    for model in ("local", "paid"):
        study.render(model, "base", 10)
        study.render(model, "two_step", 5)
    text = as_text(estimate(study.plan, Assumed()), study.plan)
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if "  " in line}
    column = -7  # Requests: the seventh from the right.
    assert [rows[name][column] for name in ("local", "paid", "all")] == ["15", "15", "30"]
    for table, requests in (("table 1: local", "10"), ("table 2: local", "10"), ("table 4: local", "15")):
        assert rows[table][column] == requests
    assert "table 3: local" not in text
    assert "table 5: local" not in text
    assert "random" not in text, "baselines cost nothing"


def test_the_command_prints_and_says_what_must_be_made_first(study):
    nothing = study.command()
    assert nothing.returncode == 1
    assert "4 of 4 cells have no requests yet" in nothing.stderr
    assert "snakemake estimate" in nothing.stderr
    for model in ("local", "paid"):
        study.render(model, "base", 10)
    some = study.command()
    assert some.returncode == 1
    assert "2 of 4 cells have no requests yet" in some.stderr
    assert "table 1: paid" in some.stdout
    for model in ("local", "paid"):
        study.render(model, "two_step", 10)
    done = study.command("--thinking-tokens", "1234")
    assert done.returncode == 0, done.stderr
    assert "1,234 tokens" in done.stdout
    assert "Traceback" not in nothing.stderr + some.stderr


def test_requests_of_other_settings_are_not_estimated(study):
    study.render("paid", "base", 3)
    study.files["paid"] = study.files["paid"] | {"sampling": {"temperature": 0.5}}
    (study.folder / "models/paid.yaml").write_text(yaml.safe_dump(study.files["paid"]))
    with pytest.raises(UserError, match=r"rendered for other settings .* snakemake estimate"):
        estimate(study.plan, Assumed())


@pytest.mark.parametrize(
    ("name", "video", "kind", "size", "frames", "tokens"),
    [
        ("Qwen/Qwen3-VL-8B", "video_url", "video", (640, 480), 8, 4 * (20 * 15 + 8)),
        ("Qwen/Qwen3-VL-8B", "video_url", "video", (640, 480), 7, 4 * (20 * 15 + 8)),
        ("Qwen/Qwen3-VL-8B", "frames", "video", (640, 480), 8, 8 * 20 * 15),
        ("Qwen/Qwen3-VL-8B", "frames", "image", (320, 320), 1, 100),
        ("OpenGVLab/InternVL3_5-8B", "video_url_jpeg", "video", (640, 480), 8, 8 * (256 + 8)),
        ("OpenGVLab/InternVL3_5-8B", "frames", "image", (448, 448), 1, 256),
        ("OpenGVLab/InternVL3_5-8B", "frames", "image", (896, 448), 1, 256 * 3),
        ("OpenGVLab/InternVL3_5-8B", "frames", "image", (1344, 896), 1, 256 * 7),
    ],
)
def test_tokens_of_media_by_family(name, video, kind, size, frames, tokens):
    model = ModelFile(title="T", backend="openai", options={"model": name, "video": video})
    times = tuple(map(float, range(frames)))
    fields = {"width": size[0], "height": size[1], "timestamps": times}
    part = MediaPart(kind=kind, file="a", sha256="0" * 64, **fields)
    assert counter(model).media(part) == tokens
