"""Sessions (`scripts/infer.py`) over cells on disk, with a server that the session starts itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from aqa import models
from aqa.config import ModelFile
from aqa.files import digest, write_jsonl
from aqa.records import MediaPart, Question
from openai_requests import clip, jpeg, request

INFER = Path(__file__).parents[2] / "scripts" / "infer.py"
QUESTION = Question(item="", text="How well?", minimum=0, maximum=10)


def wait_until(true: Callable[[], Any], seconds: float = 30) -> float:
    """Wait until something holds; return how long it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"still not true after {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def running(pid: int) -> bool:
    """Say whether a process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Managed:
    """A folder with a model's file, clips, cells, journals, and a place for servers' records."""

    def __init__(self, folder: Path, backend: str = "vllm", concurrency: int = 4, **fields: Any) -> None:
        self.folder = folder
        self.media = folder / "media"
        self.temporary = folder / "tmp"
        for path in (self.media, self.temporary):
            path.mkdir(parents=True, exist_ok=True)
        values = {"title": "Managed", "backend": backend, "concurrency": concurrency, **fields}
        self.model = ModelFile.model_validate(values)
        self.model_file = folder / "local.yaml"
        self.model_file.write_text(yaml.safe_dump(self.model.model_dump(mode="json", exclude_defaults=True)))

    def clips(self, number: int, frames: int = 1, side: int = 48) -> list[MediaPart]:
        """Make clips, each different: images, or videos of several frames."""
        kind = "image" if frames == 1 else "video"
        return [
            clip(self.media, f"{kind}-{n}", [jpeg(n * frames + k, side) for k in range(frames)], kind)
            for n in range(number)
        ]

    def cell(self, clips: Sequence[MediaPart], strategy: str = "base", text: str = "") -> Path:
        """Write a cell that asks one question about each clip."""
        context = models.Context(media=self.media, seed=0)
        settings = digest(models.create(self.model, context, "test").identity())
        folder = self.folder / "cells" / "bench" / "judge" / "original" / strategy / "local"
        lines = []
        for shown in clips:
            asked = request(shown, text or f"{strategy}: how well is it done?")
            name = shown.file.removesuffix(".zip")
            key = digest([strategy, text, name, settings])
            fields = {"key": key, "settings": settings, "sample_id": name, "questions": (QUESTION,)}
            lines.append(asked.model_copy(update=fields))
        write_jsonl(folder / "requests.jsonl", lines)
        return folder

    def start(self, cells: Sequence[Path], **environment: str) -> subprocess.Popen[str]:
        """Start a session in a process group of its own."""
        command = [
            *(sys.executable, str(INFER), "--model-id", "local", "--model", str(self.model_file)),
            *("--media", str(self.media), "--journals", str(self.folder / "journals"), "--seed", "0"),
            *("--cells", *map(str, cells)),
        ]
        return subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.temporary), **environment},
        )

    def infer(self, cells: Sequence[Path], status: int = 0, timeout: float = 60, **environment: str) -> str:
        """Run a session to its end; return what it said."""
        with self.start(cells, **environment) as process:
            said = process.communicate(timeout=timeout)[1]
        assert process.returncode == status, said
        return said

    def record(self, cell: Path) -> dict[str, Any]:
        """Return what the session wrote down about a cell's live model."""
        path = self.folder.joinpath("journals", *cell.parts[-5:], "session.json")
        backend: dict[str, Any] = json.loads(path.read_bytes())["backend"]
        return backend

    def records(self) -> list[Path]:
        """Return the records of servers that were not ended in order."""
        return list(self.temporary.glob("vlm-aqa-*/*.json"))


def responses(cell: Path) -> list[dict[str, Any]]:
    """Return the responses of a cell."""
    return [orjson.loads(line) for line in (cell / "responses.jsonl").read_bytes().splitlines()]


def outcomes(cell: Path) -> Counter[str]:
    """Return how many responses of a cell have which outcome; each request has exactly one."""
    asked = [orjson.loads(line)["key"] for line in (cell / "requests.jsonl").read_bytes().splitlines()]
    answered = responses(cell)
    assert [response["key"] for response in answered] == asked
    return Counter(response["outcome"] for response in answered)
