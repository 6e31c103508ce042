"""Texts that a person has to approve before a result may rest on them: `guidelines.yaml` of a dataset.

An entry belongs to an exercise and to a question: by the question's item, or by the sha256 of its text
(`key`), so that what ships fits a user's own files without repeating their words. A text that nobody has
written is missing, never invented; one that nobody has approved (`reviewed: false`) is a draft.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from aqa.config import Section, load_yaml, parse
from aqa.datasets.base import Text
from aqa.datasets.discover import ROOT
from aqa.errors import UserError
from aqa.records import Name, Question, Sample, Sha256

FILE = "guidelines.yaml"


class Entry(Section):
    """What all reviewed texts have in common.

    One of `item` (as in `Question.item`, "" for the score) and `sha256` (`key` of the question's text)
    says which question it is about. `text` may repeat that text for the reader; it is checked.
    `reason` says why the entry is right. `reviewed`: a person has approved it.
    """

    item: str | None = None
    sha256: Sha256 | None = None
    text: Text | None = None
    reason: Text | None = None
    reviewed: StrictBool

    @model_validator(mode="after")
    def _about_one_question(self) -> Entry:
        if (self.item is None) == (self.sha256 is None):
            raise ValueError("give either item or sha256")
        if self.text is not None and self.sha256 is not None and key(self.text) != self.sha256:
            raise ValueError(f"sha256 is not that of the text, which is {key(self.text)}")
        return self

    def about(self, question: Question) -> bool:
        """Say whether the entry is about this question."""
        return self.item == question.item if self.sha256 is None else self.sha256 == key(question.text)


class Guideline(Entry):
    """A quality criterion in both polarities: the same content, once as it should be, once as an error.

    `when` limits it to samples with these details (such as `position: tuck`). A polarity that is null is
    missing.
    """

    when: dict[str, StrictStr | StrictInt | StrictFloat] = Field(default_factory=dict)
    positive: Text | None = None
    negative: Text | None = None

    def applies(self, sample: Sample) -> bool:
        """Say whether the sample's details are those that the guideline is for."""
        return all(sample.details.get(name) == value for name, value in self.when.items())


class CorrectOption(Entry):
    """The option of a question that means correct execution; null: missing."""

    option: Text | None = None


class Reviewed(Section):
    """`guidelines.yaml` of a dataset, or a user's additions to it in the same form.

    `positive_is_question`: the dataset's questions are positive guidelines themselves; where no entry
    says otherwise, the question's own text is the positive guideline. `texts_in` names further files of
    the same folder whose lists of texts carry, among others, the fields of `SharedText`.
    """

    positive_is_question: bool = False
    texts_in: tuple[Name, ...] = ()
    guidelines: dict[Name, tuple[Guideline, ...]] = Field(default_factory=dict)
    correct_options: dict[Name, tuple[CorrectOption, ...]] = Field(default_factory=dict)


class SharedText(Section):
    """What a list of texts about questions says about guidelines and correct options.

    `question` is the question's text, `correct` the option that means correct execution. Other fields of
    such an entry belong to other readers. Naming the list in `texts_in` approves its texts, except those
    that say otherwise.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    exercise: Name
    question: Text
    positive: Text | None = None
    negative: Text | None = None
    correct: Text | None = None
    reason: Text | None = None
    reviewed: StrictBool = True


EntryT = TypeVar("EntryT", bound=Entry)


def key(text: str) -> str:
    """Return the sha256 by which a text is found: of its words with single spaces, as UTF-8."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def load_reviewed(dataset_id: str, extra: Path | None = None, root: Path = ROOT) -> Reviewed:
    """Return the reviewed texts of a dataset, those of the user's file `extra` in front.

    For a question that both have entries about, only the user's count. A dataset without such a file has
    no texts but the user's.

    Raises:
        UserError: one of the files is wrong.
    """
    path = root / dataset_id.replace("-", "_") / FILE
    shipped = _read(path) if path.is_file() else Reviewed()
    if extra is None:
        return shipped
    added = _read(extra)
    return Reviewed(
        positive_is_question=shipped.positive_is_question or added.positive_is_question,
        guidelines=_merged(added.guidelines, shipped.guidelines),
        correct_options=_merged(added.correct_options, shipped.correct_options),
    )


def _read(path: Path) -> Reviewed:
    """Read one file and the lists that it names; its own entries replace theirs."""
    own = parse(Reviewed, load_yaml(path), str(path))
    guidelines: dict[str, tuple[Guideline, ...]] = {}
    options: dict[str, tuple[CorrectOption, ...]] = {}
    for text in (text for name in own.texts_in for text in _listed(path.parent / name)):
        about = {"sha256": key(text.question), "text": text.question, "reviewed": text.reviewed}
        if text.positive is not None or text.negative is not None:
            added = Guideline(**about, positive=text.positive, negative=text.negative)
            guidelines[text.exercise] = (*guidelines.get(text.exercise, ()), added)
        if text.correct is not None:
            option = CorrectOption(**about, option=text.correct, reason=text.reason)
            options[text.exercise] = (*options.get(text.exercise, ()), option)
    return own.model_copy(
        update={
            "guidelines": _merged(own.guidelines, guidelines),
            "correct_options": _merged(own.correct_options, options),
        }
    )


def _listed(path: Path) -> list[SharedText]:
    values = load_yaml(path)
    entries = values.get("texts") if isinstance(values, dict) else values
    if not isinstance(entries, list):
        raise UserError(f"{path}: must hold a list of texts, each with an exercise and a question")
    return [parse(SharedText, value, f"{path}: text {number}") for number, value in enumerate(entries)]


def entries_about(
    entries: Mapping[str, tuple[EntryT, ...]], exercise: str, question: Question
) -> tuple[EntryT, ...]:
    """Return the entries about a question of an exercise, in the order of the file."""
    return tuple(entry for entry in entries.get(exercise, ()) if entry.about(question))


def correct_option(texts: Reviewed, exercise: str, question: Question) -> str | None:
    """Return the approved option that means correct execution, None where none is approved.

    Raises:
        UserError: the approved option is none of the question's.
    """
    for entry in entries_about(texts.correct_options, exercise, question):
        if entry.reviewed and entry.option is not None:
            if entry.option not in (question.options or ()):
                raise UserError(
                    f"correct_options.{exercise}: '{entry.option}' is no option of {question.item} "
                    f"({', '.join(question.options or ())})"
                )
            return entry.option
    return None


def with_correct(samples: Iterable[Sample], texts: Reviewed) -> list[Sample]:
    """Return the samples with `Question.correct` from the approved entries, where it is not yet set."""
    return [
        sample.model_copy(
            update={"questions": tuple(map(partial(_corrected, texts, sample.exercise), sample.questions))}
        )
        for sample in samples
    ]


def _corrected(texts: Reviewed, exercise: str, question: Question) -> Question:
    if question.correct is not None or question.options is None:
        return question
    return question.model_copy(update={"correct": correct_option(texts, exercise, question)})


def _merged(
    added: Mapping[str, tuple[EntryT, ...]], shipped: Mapping[str, tuple[EntryT, ...]]
) -> dict[str, tuple[EntryT, ...]]:
    result: dict[str, tuple[EntryT, ...]] = {}
    for exercise in (*added, *(name for name in shipped if name not in added)):
        own = added.get(exercise, ())
        replaced = {(entry.item, entry.sha256) for entry in own}
        kept = (entry for entry in shipped.get(exercise, ()) if (entry.item, entry.sha256) not in replaced)
        result[exercise] = (*own, *kept)
    return result
