"""Cells on disk, and sessions over them in processes of their own."""

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import orjson
import yaml

from aqa.files import digest, write_jsonl
from aqa.inference.journal import Answer
from aqa.records import MediaPart, Message, Question, Request, Response, TextPart

HERE = Path(__file__).parent
SETTINGS = digest({"backend": "slow", "name": "slow"})


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def request(sample_id, strategy="base", settings=SETTINGS, clips=None, **fields):
    parts = [
        MediaPart(kind="video", file=f"{c}.zip", sha256=sha(c), width=4, height=4, timestamps=(0.0, 0.5))
        for c in (clips if clips is not None else [sample_id])
    ]
    return Request(
        key=sha(f"{sample_id} {strategy} {settings}"),
        settings=settings,
        sample_id=sample_id,
        messages=(Message(role="user", content=(*parts, TextPart(text=strategy))),),
        **{
            "subject": "s1",
            "exercise": "squat",
            "questions": (Question(item="", text="?", minimum=0, maximum=10),),
        }
        | fields,
    )


def answer(key, text="ok", sample_id="a", outcome="ok"):
    response = Response(key=key, sample_id=sample_id, outcome=outcome, text=text)
    return Answer(response=response, latency_s=0.1, attempts=1)


class Bench:
    """A folder with a model's file, cells and journals."""

    def __init__(self, folder, model="slow"):
        self.folder = folder
        self.model = model
        self.journals = folder / "journals"

    @property
    def model_file(self):
        return self.folder / f"{self.model}.yaml"

    def write_model(self, concurrency=4, backend="slow", **options):
        fields = {"title": "Slow", "backend": backend, "concurrency": concurrency, "options": options}
        self.model_file.write_text(yaml.safe_dump(fields))

    def cell(self, requests, strategy="base"):
        folder = self.folder / "cells" / "tiny" / "judge" / "original" / strategy / self.model
        write_jsonl(folder / "requests.jsonl", requests)
        return folder

    def journal(self, cell):
        return self.journals.joinpath(*cell.parts[-5:])

    def command(self, cells, *more):
        return [
            *(sys.executable, str(HERE / "infer_with_doubles.py"), "--model-id", self.model),
            *("--model", str(self.model_file), "--journals", str(self.journals), "--seed", "1"),
            *("--media", str(self.folder / "media"), "--cells", *map(str, cells), *more),
        ]

    def start(self, cells, *more, **settings):
        """Start a session in a process group of its own."""
        return subprocess.Popen(
            self.command(cells, *more), stderr=subprocess.PIPE, text=True, start_new_session=True, **settings
        )

    def infer(self, cells, *more, status=0, **settings):
        """Run a session to its end; return what it said."""
        with self.start(cells, *more, **settings) as process:
            said = process.communicate(timeout=60)[1]
        assert process.returncode == status, said
        return said


def responses(cell):
    return [orjson.loads(line) for line in (cell / "responses.jsonl").read_bytes().splitlines()]


class Endpoint:
    """A running slow_server.py."""

    def __init__(self, log, port):
        self.log = log
        self.port = port

    def received(self):
        return self.log.read_text().split() if self.log.exists() else []

    def counts(self):
        return Counter(self.received())

    def wait_for(self, number):
        """Wait until `number` requests have come in all."""
        end = time.monotonic() + 30
        while len(self.received()) < number:
            assert time.monotonic() < end, "no request came"
            time.sleep(0.002)


@contextmanager
def endpoint(folder, delay=0.02, name="received"):
    log = folder / name
    command = [sys.executable, str(HERE / "slow_server.py"), str(log), "--delay", str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            yield Endpoint(log, int(process.stdout.readline()))
        finally:
            process.kill()
