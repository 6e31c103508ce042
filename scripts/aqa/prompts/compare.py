"""The conversation that asks which of two samples is better (paper, section 3.5), truth nowhere."""

from __future__ import annotations

from typing import Literal

from aqa.config import Representation
from aqa.datasets import Wording
from aqa.errors import UserError
from aqa.prompts.conversation import fill_task, media_part, noun
from aqa.prompts.strategy import load_strategy
from aqa.records import Clip, Message, Pair, Question, TextPart

ITEM = "answer"
"""The item of a comparison's question, and the key of its answer: a word that says nothing about quality,
because some questions ask in which of the two something is wrong."""

FIRST, SECOND = "first", "second"
"""The options: which of the two that are shown."""


def question(pair: Pair) -> Question:
    """Return the one question about a pair."""
    return Question(item=ITEM, text=pair.text, options=(FIRST, SECOND))


def render_pair(
    pair: Pair,
    clips: tuple[Clip, Clip],
    *,
    kind: Literal["image", "video"],
    exercise: str,
    strategy: str,
    wording: Wording,
    representation: Representation = "original",
) -> tuple[Message, ...]:
    """Return the conversation that asks about a pair: the first clip, the second, then the text.

    Templates see the exercise and the one question; of the two samples they see neither details nor
    truth, so the text is the same in both orders.

    Args:
        pair: what is compared.
        clips: in the order in which they are shown.
        kind: what both clips are.
        exercise: the exercise's title.
        strategy: name of a template without guidelines and examples.
        wording: the dataset's.
        representation: of the pixels; skeletons change the noun phrase.

    Raises:
        UserError: the dataset has no wording for the task, the strategy needs what pairs do not have, a
            clip has no frames, or a template fails.
    """
    chosen = load_strategy(strategy)
    if wording.compare is None:
        raise UserError(f"{pair.exercise}: the dataset's wording.yaml has no 'compare'; write it")
    if chosen.guidelines or chosen.examples:
        needs = "guidelines" if chosen.guidelines else "examples"
        raise UserError(f"strategy {strategy}: needs {needs}, which the task compare does not have")
    facts = {
        "media": noun(wording.noun, kind, representation),
        "exercise": exercise,
        "details": {},
        "questions": [question(pair)],
    }
    text = fill_task(chosen, wording.compare, facts, [], pair.exercise)
    first, second = (media_part(clip, kind) for clip in clips)
    content = (
        TextPart(text=f"First {kind}:"),
        first,
        TextPart(text=f"Second {kind}:"),
        second,
        TextPart(text=text),
    )
    return (Message(role="user", content=content),)
