"""Drafts of the texts that a person has to approve: what is missing, what a rule or a model proposes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aqa.datasets import Wording
from aqa.datasets.reviewed import Reviewed, correct_option, entries_about, key
from aqa.prompts.conversation import noun
from aqa.prompts.guidelines import missing
from aqa.prompts.polarity import opposite
from aqa.prompts.strategy import POLARITIES, fill
from aqa.records import Message, Question, Sample, TextPart

TEMPLATE = Path(__file__).with_name("correct_option.j2")


class Proposal(NamedTuple):
    """The option that a model takes for correct execution, None where it gave none, and why."""

    option: str | None
    reason: str


NO_PROPOSALS: Mapping[tuple[str, str], Proposal] = {}


def lacking(samples: Sequence[Sample], texts: Reviewed) -> list[dict[str, str]]:
    """Return every missing text: guidelines of either polarity, and options that mean correct execution."""
    lines = [
        {"kind": f"{text.polarity} guideline"} | {k: v for k, v in text._asdict().items() if k != "polarity"}
        for polarity in POLARITIES
        for text in missing(samples, texts, polarity)
    ]
    for sample, question in open_options(samples, texts):
        place = {"exercise": sample.exercise, "item": question.item, "sha256": key(question.text)}
        lines.append({"kind": "correct option", **place, "question": question.text})
    return lines


def open_options(samples: Iterable[Sample], texts: Reviewed) -> list[tuple[Sample, Question]]:
    """Return each choice of which nobody has said, not even in a draft, which option means correct execution.

    Each question of an exercise once, with the first sample that is asked it, by exercise and item.
    """
    return [
        (sample, question)
        for sample, question in _questions(samples)
        if _lacks_option(sample.exercise, question, texts)
    ]


def option_message(sample: Sample, question: Question, *, exercise: str, wording: Wording) -> Message:
    """Return the request, without media, to say which option of a question means correct execution.

    The model reads the dataset's own task for the question; no truth enters.

    Args:
        sample: one that is asked the question.
        question: the choice.
        exercise: the exercise's title.
        wording: the dataset's.

    Raises:
        UserError: the template or the dataset's wording fails.
    """
    kind: Literal["image", "video"] = "image" if sample.media.kind == "image" else "video"
    asked = question.model_copy(update={"correct": None})
    facts = {
        "media": noun(wording.noun, kind, "original"),
        "exercise": exercise,
        "details": sample.details,
        "questions": [asked],
    }
    task = fill(wording.judge.task, facts, f"wording of {sample.exercise}")
    template = TEMPLATE.read_text(encoding="utf-8")
    text = fill(template, {**facts, "task": task, "question": asked}, str(TEMPLATE))
    return Message(role="user", content=(TextPart(text=text),))


def draft(
    samples: Sequence[Sample],
    texts: Reviewed,
    proposals: Mapping[tuple[str, str], Proposal] = NO_PROPOSALS,
) -> dict[str, Any]:
    """Return unreviewed entries for what is missing, in the form of `guidelines.yaml`.

    A question that is a positive guideline is turned round by rule (`aqa.prompts.polarity`); of another,
    with a correct option that is approved or proposed, the answer is stated and denied. What neither a
    rule nor a model has written stays null. `proposals` are a model's, by exercise and `key` of the
    question's text.
    """
    needed = {
        (text.exercise, text.sha256) for polarity in POLARITIES for text in missing(samples, texts, polarity)
    }
    guidelines: dict[str, list[dict[str, Any]]] = {}
    options: dict[str, list[dict[str, Any]]] = {}
    for sample, question in _questions(samples):
        exercise = sample.exercise
        place = exercise, key(question.text)
        proposal = proposals.get(place)
        about = {"sha256": place[1], "text": " ".join(question.text.split())}
        if place in needed:
            positive, negative = _pair(exercise, question, texts, proposal)
            entry = {**about, "positive": positive, "negative": negative, "reviewed": False}
            guidelines.setdefault(exercise, []).append(entry)
        if _lacks_option(exercise, question, texts):
            found = proposal or Proposal(None, f"one of: {', '.join(question.options or ())}")
            options.setdefault(exercise, []).append({**about, **found._asdict(), "reviewed": False})
    return {"guidelines": guidelines, "correct_options": options}


def _pair(
    exercise: str, question: Question, texts: Reviewed, proposal: Proposal | None
) -> tuple[str | None, str | None]:
    if texts.positive_is_question:
        positive = " ".join(question.text.split())
        return positive, opposite(positive)
    correct = question.correct or correct_option(texts, exercise, question)
    correct = correct or (proposal.option if proposal is not None else None)
    if correct is None:
        return None, None
    positive = f'The answer to the question "{" ".join(question.text.split())}" should be "{correct}".'
    return positive, positive.replace('" should be "', '" not being "')


def _lacks_option(exercise: str, question: Question, texts: Reviewed) -> bool:
    if question.options is None or question.correct is not None:
        return False
    drafted = any(entry.option for entry in entries_about(texts.correct_options, exercise, question))
    return not drafted and correct_option(texts, exercise, question) is None


def _questions(samples: Iterable[Sample]) -> list[tuple[Sample, Question]]:
    """Return each question of each exercise once, with a sample that is asked it, by exercise and item."""
    found: dict[tuple[str, str, str], tuple[Sample, Question]] = {}
    for sample in sorted(samples, key=lambda sample: sample.sample_id):
        for question in sample.questions:
            found.setdefault((sample.exercise, question.item, key(question.text)), (sample, question))
    unique = {(place[0], place[2]): asked for place, asked in sorted(found.items(), key=lambda one: one[0])}
    return list(unique.values())
