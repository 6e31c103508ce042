"""Rephrased questions for the compare task: `contrastive.yaml` of a dataset (paper, section 3.5).

A question such as "What is the height of the hip relative to the knee?" with options Higher, Equal and
Lower becomes "In which image is the hip lower relative to the knee?". Which options are opposite, and
which lie between them, is written down by a person; what nobody has approved is a draft.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, StrictBool, model_validator

from aqa.config import Section, load_yaml, parse
from aqa.datasets.base import Text
from aqa.datasets.discover import ROOT
from aqa.datasets.reviewed import key
from aqa.errors import UserError
from aqa.records import Name, Question, Sha256

FILE = "contrastive.yaml"

BETWEEN = frozenset({"equal", "same", "level", "medium", "middle", "moderate", "neutral", "unclear"})
"""Options that a draft takes for boundary options."""

COMPARATIVES = {"high": "higher", "low": "lower", "near": "nearer", "far": "farther"}
"""Options that a draft can put into a question as they are, or in another form."""

_HEIGHT = re.compile(
    r"What is the (?:height|height type|position) of (?P<what>.+?) relative to (?P<other>.+?)\?",
    re.IGNORECASE,
)


class ContrastiveText(Section):
    """A question of an exercise, rephrased so that it asks in which of two images something holds.

    `sha256` is `aqa.datasets.reviewed.key` of the question's text; `question` repeats that text for the
    reader and is checked. A sample with `first_option` is the answer to `rephrased` when the other has
    one of `other_options`; a sample with one of `boundary` is not compared. Together they are all
    options of the question. `reviewed`: a person has approved it.
    """

    exercise: Name
    question: Text | None = None
    sha256: Sha256
    rephrased: Text
    first_option: Text
    other_options: tuple[Text, ...] = Field(min_length=1)
    boundary: tuple[Text, ...] = ()
    reviewed: StrictBool

    @model_validator(mode="after")
    def _consistent(self) -> ContrastiveText:
        if self.question is not None and key(self.question) != self.sha256:
            raise ValueError(f"sha256 is not that of the question, which is {key(self.question)}")
        options = self.options
        if len(set(options)) < len(options):
            raise ValueError("an option is named twice in first_option, other_options and boundary")
        return self

    @property
    def options(self) -> tuple[str, ...]:
        """All options of the question."""
        return (self.first_option, *self.other_options, *self.boundary)


class ContrastiveFile(Section):
    """`contrastive.yaml` of a dataset, or a user's additions to it in the same form."""

    texts: tuple[ContrastiveText, ...]


@dataclass(frozen=True)
class Contrastive:
    """The rephrased questions of a dataset, by exercise and `key` of the question's text."""

    texts: Mapping[tuple[str, str], ContrastiveText]

    def find(self, exercise: str, question: Question) -> ContrastiveText | None:
        """Return the text of a question, None if nobody has written it.

        Raises:
            UserError: the text was written for other options than the question has.
        """
        text = self.texts.get((exercise, key(question.text)))
        if text is not None and set(text.options) != set(question.options or ()):
            raise UserError(
                f"rephrased question of {exercise} '{question.text}': its options are "
                f"{', '.join(text.options)}, but the question has {', '.join(question.options or ())}; "
                f"correct first_option, other_options and boundary in {FILE}"
            )
        return text


def load_contrastive(dataset_id: str, extra: Sequence[Path] = (), root: Path = ROOT) -> Contrastive | None:
    """Return a dataset's rephrased questions, those of the user's files `extra` in front.

    They are in the folder's `contrastive.yaml`, and where it has a module `contrastive`, in what its
    function `texts() -> list[ContrastiveText]` returns; a dataset that does not ship has neither. None
    without any of them: the dataset's samples are compared as they are.

    Raises:
        UserError: a file is wrong, or has two texts for one question.
    """
    folder = root / dataset_id.replace("-", "_")
    shipped = [folder / FILE] if (folder / FILE).is_file() else []
    sources = [
        (str(path), parse(ContrastiveFile, load_yaml(path), str(path)).texts) for path in (*extra, *shipped)
    ]
    if (folder / "contrastive.py").is_file():
        module = importlib.import_module(f"aqa.datasets.{folder.name}.contrastive")
        sources.append((str(folder), tuple(module.texts())))
    found: dict[tuple[str, str], ContrastiveText] = {}
    for place, texts in sources:
        own = {(text.exercise, text.sha256): text for text in texts}
        if len(own) < len(texts):
            raise UserError(f"{place}: has two texts for one question of an exercise; keep one")
        found = {**own, **found}
    return Contrastive(found) if sources else None


def draft(exercise: str, question: Question, kind: str) -> ContrastiveText:
    """Return a mechanical draft of a question's text, for a person to correct and approve.

    Options that sound like something in between become boundary options; the first of the others is
    the one asked for. Only a question about a height is turned into the paper's form; any other is
    quoted whole.

    Args:
        exercise: the exercise's id.
        question: a choice with at least two options.
        kind: `image` or `video`.
    """
    options = question.options or ()
    boundary = tuple(option for option in options if option.strip().casefold() in BETWEEN)
    clear = [option for option in options if option not in boundary]
    if len(clear) < 2:
        boundary, clear = (), list(options)
    first = clear[0]
    return ContrastiveText(
        exercise=exercise,
        question=question.text,
        sha256=key(question.text),
        rephrased=_rephrased(question.text, first, kind),
        first_option=first,
        other_options=tuple(clear[1:]),
        boundary=boundary,
        reviewed=False,
    )


def _rephrased(text: str, option: str, kind: str) -> str:
    match = _HEIGHT.fullmatch(" ".join(text.split()))
    word = option.strip().casefold()
    word = COMPARATIVES.get(word, word)
    if match and word in COMPARATIVES.values():
        return f"In which {kind} is {match['what']} {word} relative to {match['other']}?"
    return f'In which {kind} does "{option}" fit better as the answer to the question "{text.strip()}"?'
