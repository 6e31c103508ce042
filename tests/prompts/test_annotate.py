"""Which option means correct execution: drafted by a model from text alone, approved by a person."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from golden_prompts import REAR, TILT, sample

from aqa.config import ModelFile
from aqa.datasets.reviewed import correct_option, key, load_reviewed, with_correct
from aqa.files import read_jsonl, write_jsonl
from aqa.models import Context, create
from aqa.records import Question, Request
from openai_server import Server

SCRIPTS = Path(__file__).parents[2] / "scripts"
PLACE = ("llm-fms", "annotate", "text", "correct_option", "local")

TRUNK = Question(item="r01", text=TILT, options=("Upright", "Inclined"))
KNEE = Question(item="r02", text=REAR, options=("Near", "Middle", "Far"))
KNOWN = Question(item="r03", text="Known?", options=("Yes", "No"), correct="No")


class Bench:
    """A folder with samples of unknown correct options, and a model."""

    def __init__(self, folder: Path, url: str = "http://127.0.0.1:9/v1", **model: Any) -> None:
        self.folder = folder
        self.cell = folder.joinpath(*PLACE)
        self.output = folder / "draft.yaml"
        self.samples = folder / "samples.jsonl"
        details = {"movement": "Inline Lunge (Left)", "view": "side", "kind": "image"}
        truth = {"r01": "Upright", "r02": "Far", "r03": "No"}
        questions = (TRUNK, KNEE, KNOWN)
        names = ("a", "b")
        write_jsonl(self.samples, [sample(n, "inline-lunge", questions, truth, **details) for n in names])
        self.model = folder / "local.yaml"
        fields = {
            "title": "A model",
            "backend": "openai",
            "options": {"base_url": url, "model": "test-model"},
            **model,
        }
        self.model.write_text(yaml.safe_dump(fields))

    def run(self, script: str, *arguments: object, status: int = 0) -> str:
        command = [sys.executable, SCRIPTS / script, *arguments]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stderr

    def annotate(self, command: str, *more: object, status: int = 0) -> str:
        shared = ("--dataset", "llm-fms", "--samples", self.samples, "--model", self.model)
        return self.run("annotate.py", command, *shared, "--cell", self.cell, *more, status=status)

    def requests(self, *more: object, status: int = 0) -> str:
        return self.annotate("requests", "--seed", 1, *more, status=status)

    def infer(self) -> None:
        model = ("--model-id", "local", "--model", self.model, "--cells", self.cell, "--seed", 1)
        self.run("infer.py", *model, "--media", self.folder / "media", "--journals", self.folder / "journals")

    def draft(self) -> dict[str, Any]:
        self.annotate("draft", "--output", self.output)
        return yaml.safe_load(self.output.read_text())

    def drafted(self) -> dict[str, Any]:
        self.requests()
        self.infer()
        return self.draft()


def answering(**answers: str):
    """Return what a server answers: the text of the first question that the prompt names."""

    def answer(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        return next(reply for named, reply in answers.items() if f"Question: {QUESTIONS[named]}" in text)

    return answer


QUESTIONS = {"trunk": TILT, "knee": REAR}
SURE = {
    "trunk": '{"reason": "A lunge keeps the trunk upright.", "answer": "Upright"}',
    "knee": 'I think so: {"reason": "It \\"comes down\\"\\nbehind the heel.", "answer": "near"}',
}


def test_a_model_s_answers_become_unreviewed_entries_in_the_form_of_the_reviewed_texts(tmp_path):
    with Server(answer=answering(**SURE)) as server:
        content = Bench(tmp_path, server.url).drafted()
    entries = content["correct_options"]["inline-lunge"]
    assert entries == [
        {
            "sha256": key(TILT),
            "text": TILT,
            "option": "Upright",
            "reason": "A lunge keeps the trunk upright.",
            "reviewed": False,
        },
        {
            "sha256": key(REAR),
            "text": REAR,
            "option": "Near",
            "reason": 'It "comes down" behind the heel.',
            "reviewed": False,
        },
    ]
    for guideline in content["guidelines"]["inline-lunge"][:2]:
        assert guideline["reviewed"] is False
        assert guideline["positive"] != guideline["negative"]


def test_each_question_is_asked_once_as_text_alone_and_without_any_truth(tmp_path):
    with Server(answer=answering(**SURE)) as server:
        bench = Bench(tmp_path, server.url)
        bench.requests()
        bench.infer()
        assert [received.parts for received in server.received] == [["text"], ["text"]]
        for received in server.received:
            (text,) = received.texts
            assert "Inline Lunge (Left)" in text
            assert "secret" not in text
            assert "person-" not in text
        asked = {text for received in server.received for text in received.texts}
    first = read_jsonl(bench.cell / "requests.jsonl", Request)
    assert {request.messages[0].content[0].text for request in first} == asked
    other = [
        known.model_copy(update={"truth": {"r01": "Inclined", "r02": "Near", "r03": "Yes"}})
        for known in read_jsonl(bench.samples, type(sample("x", "x", (), {})))
    ]
    write_jsonl(bench.samples, other)
    bench.requests()
    assert read_jsonl(bench.cell / "requests.jsonl", Request) == first


def test_what_is_answered_is_never_asked_again(tmp_path):
    with Server(answer=answering(**SURE)) as server:
        bench = Bench(tmp_path, server.url)
        bench.drafted()
        (bench.cell / "responses.jsonl").unlink()
        bench.infer()
        assert len(server.received) == 2


@pytest.mark.parametrize("text", ["Neither, I think.", '{"answer": "Sideways"}', "{", '{"reason": "?"}'])
def test_an_unusable_answer_leaves_the_option_for_the_person_to_write(tmp_path, text):
    with Server(answer=answering(trunk=text, knee=SURE["knee"])) as server:
        trunk, knee = Bench(tmp_path, server.url).drafted()["correct_options"]["inline-lunge"]
    assert trunk["option"] is None
    assert "Upright, Inclined" in trunk["reason"]
    assert knee["option"] == "Near"


def test_nothing_counts_before_a_person_has_approved_it(tmp_path):
    with Server(answer=answering(**SURE)) as server:
        bench = Bench(tmp_path, server.url)
        bench.drafted()
    texts = load_reviewed("llm-fms", bench.output)
    assert correct_option(texts, "inline-lunge", TRUNK) is None
    bench.output.write_text(bench.output.read_text().replace("reviewed: false", "reviewed: true"))
    texts = load_reviewed("llm-fms", bench.output)
    assert correct_option(texts, "inline-lunge", TRUNK) == "Upright"
    (read, _) = with_correct(read_jsonl(bench.samples, type(sample("x", "x", (), {}))), texts)
    assert [question.correct for question in read.questions] == ["Upright", "Near", "No"]


def test_an_approved_option_is_not_asked_for_again(tmp_path):
    bench = Bench(tmp_path)
    mine = tmp_path / "mine.yaml"
    option = {"sha256": key(TILT), "option": "Upright", "reviewed": True}
    mine.write_text(yaml.safe_dump({"correct_options": {"inline-lunge": [option]}}))
    bench.requests("--wording", mine)
    (request,) = read_jsonl(bench.cell / "requests.jsonl", Request)
    assert request.questions[0].text == REAR


def test_a_file_that_exists_is_never_overwritten(tmp_path):
    with Server(answer=answering(**SURE)) as server:
        bench = Bench(tmp_path, server.url)
        bench.drafted()
    bench.output.write_text("approved")
    said = bench.annotate("draft", "--output", bench.output, status=1)
    assert "exists" in said
    assert bench.output.read_text() == "approved"


def test_questions_stay_here_unless_the_terms_allow_a_remote_model(tmp_path):
    bench = Bench(tmp_path, "https://example.org/v1")
    said = bench.requests(status=1)
    assert "set datasets.llm-fms.i_may_upload: true" in said
    assert not bench.cell.exists()
    bench.requests("--may-upload")
    assert (bench.cell / "requests.jsonl").is_file()


def test_a_baseline_does_not_draft(tmp_path):
    bench = Bench(tmp_path, backend="baseline", baseline=True, options={"kind": "random"})
    assert "a baseline reads no question" in bench.requests(status=1)


async def _ask(model: ModelFile, request: Request) -> str:
    async with create(model, Context(Path(), seed=1)) as backend:
        return (await backend.ask(request)).text


def test_a_baseline_answers_requests_without_media(tmp_path):
    bench = Bench(tmp_path)
    bench.requests()
    model = ModelFile(title="R", backend="baseline", options={"kind": "random"})
    for request in read_jsonl(bench.cell / "requests.jsonl", Request):
        reply = json.loads(asyncio.run(_ask(model, request)))
        assert reply["answer"] in request.questions[0].options
