"""The conversation that asks about a sample: media before text (design decision 3), truth nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from aqa.config import Representation
from aqa.datasets import TaskWording, Wording
from aqa.datasets.base import Noun
from aqa.datasets.reviewed import Reviewed
from aqa.errors import UserError
from aqa.prompts.answers import answer
from aqa.prompts.guidelines import texts_for
from aqa.prompts.strategy import Strategy, fill, load_strategy
from aqa.records import Clip, MediaPart, Message, Sample, TextPart

SKELETONS: tuple[Representation, ...] = ("skeleton_overlay", "skeleton_only")

_SUBJECT = " of someone"
_WITH_JOINTS = " showing skeleton joints (COCO17 format) of someone"


def render(
    sample: Sample,
    clip: Clip,
    *,
    exercise: str,
    strategy: str,
    wording: Wording,
    representation: Representation = "original",
    texts: Reviewed | None = None,
    examples: Sequence[tuple[Sample, Clip]] = (),
) -> tuple[Message, ...]:
    """Return the conversation that asks about a sample.

    Each example is a turn of the user, with its media and the same text, and a turn of the assistant,
    its true answer in the form asked for. The truth of `sample` never enters: templates see its
    questions, exercise and details.

    Args:
        sample: what is asked about.
        clip: its frames.
        exercise: the exercise's title.
        strategy: name of the template.
        wording: the dataset's.
        representation: of the pixels; skeletons change the noun phrase (paper, appendix B).
        texts: the dataset's reviewed texts, for strategies with guidelines.
        examples: shown first, in this order; samples of the same exercise.

    Raises:
        UserError: a clip has no frames, or a template fails.
    """
    chosen = load_strategy(strategy)
    messages: list[Message] = []
    for shown, shown_clip in (*examples, (sample, clip)):
        kind: Literal["image", "video"] = "image" if shown.media.kind == "image" else "video"
        facts = _facts(shown, noun(wording.noun, kind, representation), exercise)
        criteria = texts_for(shown, texts or Reviewed(), chosen.guidelines) if chosen.guidelines else []
        text = fill_task(chosen, wording.judge, facts, criteria, shown.exercise)
        part = media_part(shown_clip, kind)
        messages.append(Message(role="user", content=(part, TextPart(text=text))))
        if shown is not sample:
            reply = answer(shown.questions, shown.truth)
            messages.append(Message(role="assistant", content=(TextPart(text=reply),)))
    return tuple(messages)


def fill_task(
    strategy: Strategy, wording: TaskWording, facts: dict[str, Any], criteria: Sequence[str], exercise: str
) -> str:
    """Return a strategy's text over the dataset's wording of a task (judge or compare).

    `facts` are the variables of `TaskWording`; `criteria` the guidelines, if the strategy uses them;
    `exercise` names the place in errors.
    """
    parts: dict[str, Any] = {
        "task": fill(wording.task, facts, f"wording of {exercise}"),
        "answer": fill(wording.answer, facts, f"wording of {exercise}"),
    }
    if strategy.guidelines:
        parts["guidelines"] = "\n".join(f"- {text}" for text in criteria)
    return strategy.text(parts)


def media_part(clip: Clip, kind: Literal["image", "video"]) -> MediaPart:
    """Return a clip as a part of a message.

    Raises:
        UserError: the clip has no frames.
    """
    if clip.file is None or clip.sha256 is None:
        raise UserError(f"{clip.sample_id}: its clip could not be prepared ({clip.error})")
    return MediaPart(
        kind=kind,
        file=clip.file,
        sha256=clip.sha256,
        width=clip.width,
        height=clip.height,
        timestamps=clip.timestamps,
    )


def noun(nouns: Noun, kind: Literal["image", "video"], representation: Representation) -> str:
    """Return the noun phrase for the pixels: `a video of someone`, with joints for skeletons."""
    phrase = str(getattr(nouns, kind))
    return phrase.removesuffix(_SUBJECT) + _WITH_JOINTS if representation in SKELETONS else phrase


def _facts(sample: Sample, media: str, exercise: str) -> dict[str, Any]:
    return {
        "media": media,
        "exercise": exercise,
        "details": sample.details,
        "questions": [question.model_copy(update={"correct": None}) for question in sample.questions],
    }
