"""Reading words in pictures. The reader is optional: without one nothing is claimed about what is read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

from aqa.errors import UserError
from aqa.masking.boxes import Rectangle
from aqa.media.picture import Image

MODES = (6, 11)
"""Page segmentation modes of tesseract whose words are joined: a block of text, and sparse text."""

LEGIBLE_ROWS = 720
"""Smaller pictures are enlarged to about this height: letters of ten pixels are not read."""

SURE = 40.0
"""Confidence, in percent, from which a word counts."""

_SECONDS = 60
_SCORE = re.compile(r"(?<![\d.])[+-]?\d{1,3}\.\d{1,2}(?![\d.])|[+-]\d{1,3}(?![\d.])")
_MARKS = str.maketrans({"−": "-", "–": "-", "—": "-", ",": "."})


@dataclass(frozen=True)
class Word:
    """A word, how sure the reader is (percent), and where it stands in the picture (pixels)."""

    text: str
    confidence: float
    box: Rectangle


class Reader(Protocol):
    """What reads words."""

    @property
    def name(self) -> str:
        """Name and version, for the record."""
        ...

    def read(self, pictures: Sequence[Image]) -> list[list[Word]]:
        """Return the words of each picture, unsure and repeated ones included.

        Raises:
            UserError: the reader does not work.
        """
        ...


def scores(words: Sequence[Word]) -> list[Word]:
    """Return the words that may be a score: surely read, and a number with decimals or a sign."""
    return [word for word in words if word.confidence >= SURE and _SCORE.search(word.text.translate(_MARKS))]


@dataclass(frozen=True)
class Tesseract:
    """The `tesseract` program."""

    program: str
    version: str

    @property
    def name(self) -> str:
        """Name and version, for the record."""
        return f"tesseract {self.version}"

    def read(self, pictures: Sequence[Image]) -> list[list[Word]]:
        """Return the words of each picture that any of `MODES` reads; one process a mode, one thread."""
        if not pictures:
            return []
        words: list[list[Word]] = [[] for _ in pictures]
        with tempfile.TemporaryDirectory(prefix="aqa-words-") as name:
            folder = Path(name)
            factors = [_store(picture, folder / f"{i}.png") for i, picture in enumerate(pictures)]
            listed = folder / "pictures.txt"
            listed.write_text("".join(f"{folder / f'{i}.png'}\n" for i in range(len(pictures))))
            for mode in MODES:
                for page, word in self._words(listed, mode, len(pictures)):
                    words[page].append(_shrunk(word, factors[page]))
        return words

    def _words(self, listed: Path, mode: int, count: int) -> list[tuple[int, Word]]:
        command = [self.program, str(listed), "stdout", "-l", "eng", "--psm", str(mode), "tsv"]
        done = _run(command, timeout=_SECONDS * count)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UserError(f"{self.program} failed ({last[:200]}); repair it, or remove it from PATH")
        return [found for line in done.stdout.splitlines() if (found := _parse(line, count)) is not None]


def find_reader() -> Tesseract | None:
    """Return the reader of this machine; None where tesseract, or its English, is not installed."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    languages = _run([program, "--list-langs"], timeout=_SECONDS)
    if languages.returncode != 0 or "eng" not in (languages.stdout + languages.stderr).split():
        return None
    said = _run([program, "--version"], timeout=_SECONDS)
    version = [*(said.stdout or said.stderr).split(), "", "of unknown version"][1]
    return Tesseract(program, version)


def _run(command: list[str], timeout: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{command[0]} did not end within {timeout} s") from None
    except OSError as error:
        raise UserError(f"{command[0]} cannot be run ({error.strerror})") from None


def _store(picture: Image, path: Path) -> float:
    """Write a picture, enlarged if it is small; return the factor."""
    factor: float = min(4.0, max(1.0, LEGIBLE_ROWS / int(picture.shape[0])))
    large = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    if not cv2.imwrite(str(path), large):
        raise UserError(f"{path}: cannot be written; is there room for temporary files?")
    return factor


def _parse(line: str, count: int) -> tuple[int, Word] | None:
    """Return the picture and the word of a line of TSV; None for lines about blocks, and unfit ones."""
    fields = line.split("\t")
    if len(fields) != 12 or fields[0] != "5" or not fields[11].strip():
        return None
    try:
        page, left, top, width, height = (int(fields[i]) for i in (1, 6, 7, 8, 9))
        confidence = float(fields[10])
    except ValueError:
        return None
    if not 1 <= page <= count:
        return None
    return page - 1, Word(fields[11].strip(), confidence, (left, top, left + width, top + height))


def _shrunk(word: Word, factor: float) -> Word:
    left, top, right, bottom = (round(edge / factor) for edge in word.box)
    return Word(word.text, word.confidence, (left, top, max(right, left + 1), max(bottom, top + 1)))
