"""Whether a sentence states prior knowledge, an observation, both or neither (paper, section 3.6).

The rule, its entries, their reasons and sources are data: `lexicon.yaml`, beside this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from pydantic import Field, field_validator

from aqa.checked import Section, load_yaml, parse
from aqa.errors import UserError

FILE = Path(__file__).with_name("lexicon.yaml")

Statement: TypeAlias = Literal["prior", "observation", "both", "neither"]
"""What a sentence states."""

STATEMENTS: tuple[Statement, ...] = get_args(Statement)


class Entry(Section):
    """Markers of one kind: strong ones decide alone, weak ones where nothing strong speaks against them."""

    id: str = Field(pattern=r"^[a-z]+$")
    states: Literal["prior", "observation", "task"]
    weak: bool = False
    any: tuple[str, ...] = Field(min_length=1)
    why: str = Field(min_length=1)
    source: str = Field(min_length=1)
    example: str = Field(min_length=1)


class File(Section):
    """The file of the lexicon."""

    words: dict[str, str]
    entries: tuple[Entry, ...] = Field(min_length=1)

    @field_validator("entries")
    @classmethod
    def _differ(cls, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if len({entry.id for entry in entries}) < len(entries):
            raise ValueError("two entries have one id")
        return entries


@dataclass(frozen=True)
class Lexicon:
    """Compiled markers by what they state, each with its strength, and the single entries by id."""

    strong: Mapping[str, re.Pattern[str]]
    weak: Mapping[str, re.Pattern[str]]
    entries: Mapping[str, re.Pattern[str]]

    def statement(self, sentence: str) -> Statement:
        """Return what a sentence states; the rule stands at the head of the file."""
        text = " ".join(sentence.split())
        sees = bool(self.strong["observation"].search(text))
        if text.endswith("?") or self.strong["task"].search(text):
            return "observation" if sees else "neither"
        knows = bool(self.strong["prior"].search(text))
        guesses = bool(self.weak["prior"].search(text))
        prior = knows or (guesses and not sees)
        observation = sees or (not knows and not guesses and bool(self.weak["observation"].search(text)))
        if prior and observation:
            return "both"
        return "prior" if prior else "observation" if observation else "neither"

    def markers(self, sentence: str) -> list[str]:
        """Return the ids of the entries that are in a sentence, in the file's order."""
        text = " ".join(sentence.split())
        return [name for name, pattern in self.entries.items() if pattern.search(text)]


@cache
def load_lexicon(path: Path = FILE) -> Lexicon:
    """Read and compile a lexicon.

    Raises:
        UserError: the file is missing or wrong, or an entry is no pattern; names the place.
    """
    file = parse(File, load_yaml(path), str(path))
    words = {name: "".join(value.split()) for name, value in file.words.items()}
    patterns: dict[str, str] = {}
    for entry in file.entries:
        patterns[entry.id] = "|".join(_pattern(marker, words) for marker in entry.any)
        try:
            re.compile(patterns[entry.id], re.IGNORECASE)
        except re.error as error:
            raise UserError(f"{path}: entry '{entry.id}': no pattern ({error})") from error

    def joined(states: str, *, weak: bool) -> re.Pattern[str]:
        chosen = [patterns[e.id] for e in file.entries if e.states == states and e.weak == weak]
        return re.compile("|".join(chosen) or r"(?!)", re.IGNORECASE)

    return Lexicon(
        strong={states: joined(states, weak=False) for states in ("prior", "observation", "task")},
        weak={states: joined(states, weak=True) for states in ("prior", "observation")},
        entries={name: re.compile(pattern, re.IGNORECASE) for name, pattern in patterns.items()},
    )


def _pattern(marker: str, words: Mapping[str, str]) -> str:
    for name, value in words.items():
        marker = marker.replace(f"{{{name}}}", f"(?:{value})")
    return rf"(?<![\w])(?:{marker})(?![\w])"
