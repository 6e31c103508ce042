"""Requests with real media, a model's file, and sessions over them, in this process or in another."""

import hashlib
import subprocess
import sys
from pathlib import Path

import orjson
import yaml

from aqa import models
from aqa.config import ModelFile
from aqa.files import digest, write_jsonl
from aqa.inference.ledger import Caps
from aqa.inference.scheduler import Limits
from aqa.inference.session import Plan, run
from aqa.models import Context
from aqa.records import Message, Question, Request, TextPart
from openai_requests import ask_all, clip, jpeg

ROOT = Path(__file__).parents[2]
BUCKET = "staging-bucket"
PAPER = {"temperature": 1.0, "top_p": 0.95, "top_k": 64, "candidate_count": 1, "thinking_level": "high"}
FAST = {"poll_s": 0.05}


def model_file(sampling=None, session="cell", **options):
    return ModelFile(
        title="Gemini",
        backend="vertex",
        session=session,
        sampling=PAPER if sampling is None else sampling,
        options={**FAST, **options},
    )


def request(*parts, name="s1", settings="0" * 64, turns=(), system=None):
    """A request of one user turn, media and text in the given order; `turns` go before it."""
    content = tuple(TextPart(text=part) if isinstance(part, str) else part for part in parts)
    messages = [Message(role="user", content=content)]
    if turns:
        messages = [*turns, *messages]
    if system:
        messages = [Message(role="system", content=(TextPart(text=system),)), *messages]
    return Request(
        key=hashlib.sha256(f"{name} {settings} {parts[-1]}".encode()).hexdigest(),
        settings=settings,
        sample_id=name,
        subject="p1",
        exercise="squat",
        messages=tuple(messages),
        questions=(Question(item="", text="?", minimum=0, maximum=10),),
    )


class Bench:
    """A folder with a model's file, cells, clips and journals. Questions are named q00, q01, ..."""

    def __init__(self, folder):
        self.folder = folder
        self.media = folder / "media"
        self.media.mkdir()
        self.journals = folder / "journals"
        self.path = folder / "gemini.yaml"
        self._clips = {}

    def clip(self, name="clip", frames=4, kind="video", size=48, first=0):
        if name not in self._clips:
            pictures = [jpeg(first + number, size) for number in range(frames)]
            self._clips[name] = clip(self.media, name, pictures, kind)
        return self._clips[name]

    def ask(self, *requests, sampling=None, secrets=None, **options):
        """Ask all at once; an exception stands in the place of its reply."""
        return ask_all(model_file(sampling, **{"timeout_s": 5, **options}), self.media, requests, secrets)

    def ask_one(self, one, **options):
        [reply] = self.ask(one, **options)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def model(self, **options):
        """Write the model's file."""
        self.path.write_text(yaml.safe_dump(model_file(**options).model_dump(mode="json")))

    def cell(self, number=3, strategy="base", media=True):
        """Render a cell of `number` questions, half of them about the same clip."""
        context = Context(media=self.media, seed=1)
        file = ModelFile.model_validate(yaml.safe_load(self.path.read_text()))
        settings = digest(models.create(file, context).identity())
        requests = []
        for position in range(number):
            parts = [self.clip(f"clip{position // 2}", first=position)] if media else []
            name = f"q{position:02d}"
            text = name if strategy == "base" else f"{strategy} {name}"
            requests.append(request(*parts, text, name=name, settings=settings))
        folder = self.folder / "cells" / "tiny" / "judge" / "original" / strategy / "gemini"
        write_jsonl(folder / "requests.jsonl", requests)
        return folder

    def run(self, *cells, attempts=3, **options):
        """Run a session in this process."""
        return run(
            Plan(
                model_id="gemini",
                model_file=self.path,
                cells=cells,
                journals=self.journals,
                media=self.media,
                seed=1,
                limits=Limits(attempts=attempts, backoff_s=0.01),
                caps=Caps(options.pop("usd", None), options.pop("requests", None)),
                **options,
            )
        )

    def command(self, *cells):
        return [
            *(sys.executable, str(ROOT / "scripts" / "infer.py"), "--model-id", "gemini", "--seed", "1"),
            *("--model", str(self.path), "--journals", str(self.journals), "--media", str(self.media)),
            *("--cells", *map(str, cells)),
        ]

    def start(self, *cells):
        """Start scripts/infer.py in a process group of its own."""
        return subprocess.Popen(
            self.command(*cells), stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def infer(self, *cells, status=0):
        """Run scripts/infer.py to its end; return what it said."""
        with self.start(*cells) as process:
            said = process.communicate(timeout=60)[1]
        assert process.returncode == status, said
        return said

    def journal(self, cell):
        return self.journals.joinpath(*cell.parts[-5:])

    def lines(self, cell):
        """All lines of a cell's journal."""
        segments = sorted(self.journal(cell).glob("segment-*.jsonl"))
        return [orjson.loads(line) for path in segments for line in path.read_bytes().splitlines()]

    def intents(self, cell):
        """The files of a cell's batches."""
        return [orjson.loads(path.read_bytes()) for path in sorted(self.journal(cell).glob("batches/*.json"))]

    def written(self):
        """Every byte that a session wrote beside its inputs."""
        paths = [path for path in self.journals.rglob("*") if path.is_file()]
        return b"\n".join(path.read_bytes() for path in paths)


def responses(cell):
    return [orjson.loads(line) for line in (cell / "responses.jsonl").read_bytes().splitlines()]
