"""Embedded broadcasts with scoreboards, the clips that models receive of them, a reader that stands in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from aqa.datasets.finefs import embedded
from aqa.datasets.index import index
from aqa.files import read_jsonl, write_jsonl
from aqa.masking.boxes import Rectangle
from aqa.masking.reader import Word
from aqa.records import Clip
from aqa.synthetic.scoreboard import Shown

SCRIPTS = Path(__file__).parents[2] / "scripts"
DATASET = "finefs"
SIZE = embedded.Size(competitions=4, programs=1, elements=5)
PROFILES = {"native": {}, "half": {"fps": 5, "scale": 0.5}}


@dataclass(frozen=True)
class Broadcasts:
    """A folder of data, samples.jsonl, and the true boards by source."""

    data: Path
    samples: Path
    boards: dict[str, Shown]

    @property
    def masks(self) -> Path:
        return self.data / "masks.yaml"


def make_broadcasts(folder: Path) -> Broadcasts:
    """Render one short program of each of the four designs."""
    data = folder / "data"
    embedded.write(data, 3, 2, SIZE)
    samples = folder / "samples.jsonl"
    write_jsonl(samples, index(DATASET, data, {}))
    return Broadcasts(data, samples, {b.media: b for b in read_jsonl(data / "scoreboards.jsonl", Shown)})


def run(script: str, *arguments: object, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command line of the project; `path` replaces PATH."""
    environment = {**os.environ} if path is None else {**os.environ, "PATH": path}
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def make_clips(broadcasts: Broadcasts, media: Path, masks: Path | None) -> list[Path]:
    """Make the clips that models receive; return the manifests."""
    targets = [
        json.dumps({"representation": "original", "name": name, "profile": profile})
        for name, profile in PROFILES.items()
    ]
    chosen = [] if masks is None else ["--masks", masks]
    done = run(
        *("media.py", "--samples", broadcasts.samples, "--data", broadcasts.data, "--target", *targets),
        *("--workers", 2, "--media", media, *chosen),
    )
    assert done.returncode == 0, done.stderr
    return [media / "original" / name / "manifest.jsonl" for name in PROFILES]


def clips_of(manifest: Path) -> dict[str, Clip]:
    return {clip.sample_id: clip for clip in read_jsonl(manifest, Clip)}


def write_masks(path: Path, sources: dict[str, list[dict]], **changes: object) -> Path:
    """Write a reviewed file of masks."""
    path.write_text(yaml.safe_dump({"status": "reviewed", "by": "a test", "sources": sources, **changes}))
    return path


@dataclass(frozen=True)
class Beholder:
    """Reads a score wherever a board's white letters stand on its dark ground in one of the given boxes.

    `boxes` are in pixels of a picture that is `width` wide; `blind` reads nothing.
    """

    boxes: tuple[Rectangle, ...]
    width: int = 320
    blind: bool = False
    name: str = "beholder 1"

    def read(self, pictures: Sequence[np.ndarray]) -> list[list[Word]]:
        return [[] if self.blind else self._words(picture) for picture in pictures]

    def _words(self, picture: np.ndarray) -> list[Word]:
        factor = picture.shape[1] / self.width
        words = []
        for box in self.boxes:
            left, top, right, bottom = (round(edge * factor) for edge in box)
            part = picture[top:bottom, left:right].astype(int)
            letters = float((part.min(axis=2) > 190).mean())
            _, counts = np.unique((part // 20).reshape(-1, 3), axis=0, return_counts=True)
            ground = float(np.sort(counts)[-4:].sum() / counts.sum())
            if 0.02 < letters < 0.3 and ground > 0.45 and float(np.median(part)) < 110:
                words.append(Word("+1.23", 90.0, (left + 2, top + 2, right - 2, bottom - 2)))
        return words
