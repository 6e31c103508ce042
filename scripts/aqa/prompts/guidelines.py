"""Which guidelines a sample is asked with, and which of them are missing or not yet approved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from aqa.datasets.reviewed import Guideline, Reviewed, entries_about, key
from aqa.errors import UserError
from aqa.prompts.strategy import Polarity
from aqa.records import Question, Sample

SHOWN = 5


class Text(NamedTuple):
    """A text that is needed: a guideline of one polarity about a question of an exercise."""

    exercise: str
    item: str
    sha256: str
    question: str
    polarity: Polarity


def texts_for(sample: Sample, texts: Reviewed, polarity: Polarity) -> list[str]:
    """Return the guidelines for a sample in the order of its questions, drafts included, each once."""
    found = (text for question in sample.questions for text in _written(sample, question, texts, polarity))
    return list(dict.fromkeys(found))


def missing(samples: Iterable[Sample], texts: Reviewed, polarity: Polarity) -> list[Text]:
    """Return the texts that nobody has written: those of the questions without any guideline."""
    lacking = {
        _needed(sample, question, polarity): None
        for sample in samples
        for question in sample.questions
        if not _written(sample, question, texts, polarity)
    }
    return list(lacking)


def drafts(samples: Iterable[Sample], texts: Reviewed, polarity: Polarity) -> list[Text]:
    """Return the texts that are used and that nobody has approved."""
    unapproved = {
        _needed(sample, question, polarity): None
        for sample in samples
        for question in sample.questions
        if any(
            not entry.reviewed and getattr(entry, polarity) is not None
            for entry in _about(sample, question, texts)
        )
    }
    return list(unapproved)


def require(
    samples: Sequence[Sample], texts: Reviewed, polarity: Polarity, *, allow_draft: bool
) -> list[Text]:
    """Check that every question of every sample has its guidelines; return the drafts among them.

    Raises:
        UserError: texts are missing, or are drafts and these are not allowed: lists them and says how to
            supply them.
    """
    lacking = missing(samples, texts, polarity)
    unapproved = drafts(samples, texts, polarity)
    if lacking:
        raise UserError(
            f"{_listed(f'{polarity} guidelines are missing', lacking)}; write them into a file like the "
            "dataset's guidelines.yaml and name it with --wording; `scripts/wording.py missing` lists all, "
            "`scripts/wording.py draft` writes a file to start from"
        )
    if unapproved and not allow_draft:
        raise UserError(
            f"{_listed(f'{polarity} guidelines are drafts that nobody has approved', unapproved)}; read them "
            "and set `reviewed: true`, or run with --allow-draft"
        )
    return unapproved


def _about(sample: Sample, question: Question, texts: Reviewed) -> list[Guideline]:
    entries = entries_about(texts.guidelines, sample.exercise, question)
    return [entry for entry in entries if entry.applies(sample)]


def _written(sample: Sample, question: Question, texts: Reviewed, polarity: Polarity) -> list[str]:
    written = [getattr(entry, polarity) for entry in _about(sample, question, texts)]
    found = [text for text in written if text is not None]
    if not found and polarity == "positive" and texts.positive_is_question:
        return [question.text]
    return found


def _needed(sample: Sample, question: Question, polarity: Polarity) -> Text:
    return Text(sample.exercise, question.item, key(question.text), question.text, polarity)


def _listed(problem: str, texts: Sequence[Text]) -> str:
    shown = "; ".join(f"{text.exercise}, {text.item or 'score'}: {text.question}" for text in texts[:SHOWN])
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return f"{len(texts)} {problem}: {shown}{more}"
