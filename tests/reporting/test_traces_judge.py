"""A judge model beside the lexicon: asked in a session with a journal, never twice, and where allowed."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import analysis_study as study
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score

from aqa.files import read_jsonl
from aqa.records import Request
from aqa.reporting.section import Grid, read_sections
from aqa.scoring.traces.lexicon import load_lexicon
from openai_server import Server

SCRIPTS = Path(__file__).parents[2] / "scripts"


class Bench:
    """A small study and a judge."""

    def __init__(self, root, url="http://127.0.0.1:9/v1"):
        self.root = root
        self.folders = study.write(
            root, datasets=["mtl-aqa"], models=["alpha"], strategies=["base", "two_step"], n=20
        )
        self.cell = root / "traces" / "judge" / "text" / "statement" / "local"
        self.model = root / "local.yaml"
        fields = {
            "title": "A judge",
            "backend": "openai",
            "options": {"base_url": url, "model": "test-model"},
        }
        self.model.write_text(yaml.safe_dump(fields))

    def run(self, *arguments, status=0):
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stderr
        return done.stderr

    def traces(self, command, *more, status=0):
        shared = ("--labels", self.root / "labels.json", "--cells", *self.folders, "--seed", 1)
        samples = ("--samples", self.root / "datasets/mtl-aqa/samples.jsonl")
        return self.run(SCRIPTS / "traces.py", command, *shared, *samples, *more, status=status)

    def requests(self, *more, status=0):
        return self.traces("judge", "--model", self.model, "--cell", self.cell, *more, status=status)

    def infer(self):
        model = ("--model-id", "local", "--model", self.model, "--cells", self.cell, "--seed", 1)
        places = ("--media", self.root / "media", "--journals", self.root / "journals")
        return self.run(SCRIPTS / "infer.py", *model, *places)

    def report(self, *more, status=0):
        out = ("--output", self.root / "out", "--figures", self.root / "out", "--resamples", 200)
        return self.traces("report", "--judge", self.cell, *out, *more, status=status)


def judged(sentence):
    """Return what the judge of these tests calls a sentence: not always what the lexicon does."""
    if "think" in sentence:
        return None
    return "prior" if "usually" in sentence or "likely" in sentence else "observation"


def answer(body):
    sentence = re.search(r"<sentence>\n(.*)\n</sentence>", json.dumps(body).replace("\\n", "\n"))[1]
    label = judged(sentence)
    return "I cannot say." if label is None else json.dumps({"answer": label})


def test_each_different_sentence_is_one_request_without_media_or_subject(tmp_path):
    bench = Bench(tmp_path)
    bench.requests("--may-upload", "mtl-aqa")
    requests = read_jsonl(bench.cell / "requests.jsonl", Request)
    said = [request.questions[0].text for request in requests]
    assert len(said) == len(set(said)) >= 8
    assert all(part.type == "text" for r in requests for m in r.messages for part in m.content)
    assert {request.subject for request in requests} == {"nobody"}
    assert {request.questions[0].options for request in requests} == {
        ("prior", "observation", "both", "neither")
    }
    before = (bench.cell / "requests.jsonl").read_bytes()
    bench.requests("--may-upload", "mtl-aqa", "--sentences", 3)
    few = {request.key for request in read_jsonl(bench.cell / "requests.jsonl", Request)}
    assert few < {request.key for request in requests}
    bench.requests("--may-upload", "mtl-aqa")
    assert (bench.cell / "requests.jsonl").read_bytes() == before


def test_a_remote_judge_needs_the_right_to_be_told(tmp_path):
    bench = Bench(tmp_path, "https://models.example/v1")
    said = bench.requests(status=1)
    assert "the terms of mtl-aqa do not allow" in said
    assert said.count("\n") == 1


def test_a_report_before_the_judge_has_answered_is_one_line(tmp_path):
    bench = Bench(tmp_path)
    assert "requests.jsonl: cannot be read" in bench.report(status=1)
    bench.requests("--may-upload", "mtl-aqa", "--sentences", 1)
    (bench.cell / "responses.jsonl").write_text("")
    assert "requests have no answer" in bench.report("--sentences", 1, status=1)


def test_a_session_asks_the_judge_once_and_the_table_says_how_far_it_agrees(tmp_path):
    with Server(answer=answer) as server:
        bench = Bench(tmp_path, server.url)
        bench.requests("--may-upload", "mtl-aqa")
        bench.infer()
        asked = len(server.received)
        assert all(received.parts == ["text"] for received in server.received)
        (bench.cell / "responses.jsonl").unlink()
        bench.requests("--may-upload", "mtl-aqa")
        bench.infer()
        assert len(server.received) == asked > 0
    bench.report()
    with (tmp_path / "out" / "traces_judge.csv").open(newline="") as stream:
        every, mine = csv.DictReader(stream)
    assert (every["dataset"], mine["dataset"], mine["model"]) == ("all", "mtl-aqa", "alpha")
    said = [request.questions[0].text for request in read_jsonl(bench.cell / "requests.jsonl", Request)]
    # Both cells hold the same few sentences; only two-step answers reason, so each counts once.
    pairs = [(load_lexicon().statement(text), judged(text)) for text in said if judged(text)]
    assert int(every["n"]) == len(said)
    assert int(every["n_unusable"]) == len(said) - len(pairs) > 0
    assert float(every["kappa"]) == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))
    assert float(every["same"]) == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    (section,) = read_sections([tmp_path / "out" / "traces.json"])
    assert section.files == ("traces.csv", "traces_judge.csv")
    (grid,) = (p for p in section.parts if isinstance(p, Grid) and "judge" in p.title)
    assert grid.rows[0][:3] == ("All", "all", str(len(said)))
