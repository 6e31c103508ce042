"""The request to say whether a sentence of a model's reasoning states prior knowledge or an observation."""

from __future__ import annotations

from pathlib import Path

from aqa.prompts.strategy import fill
from aqa.records import Message, TextPart

TEMPLATE = Path(__file__).with_name("statement.j2")


def statement_message(sentence: str) -> Message:
    """Return the request, without media, to label one sentence.

    Angle brackets in the sentence are shown as round ones, so that it cannot end its own tag.

    Raises:
        UserError: the template fails.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    safe = sentence.replace("<", "(").replace(">", ")")
    return Message(role="user", content=(TextPart(text=fill(text, {"sentence": safe}, str(TEMPLATE))),))
