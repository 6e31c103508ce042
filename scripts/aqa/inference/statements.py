"""The requests, without media, that ask a model what sentences of other models' reasoning state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from aqa.files import digest
from aqa.inference.annotation import NOBODY
from aqa.inference.requests import key
from aqa.prompts.statements import statement_message
from aqa.records import Message, Question, Request, TextPart

EXERCISE = "sentence"
"""The exercise of these requests."""

STATEMENTS = ("prior", "observation", "both", "neither")


def sentence_id(sentence: str) -> str:
    """Return the sample id of a sentence: the same sentence is asked about once."""
    return f"sentence.{hashlib.sha256(sentence.encode()).hexdigest()[:32]}"


def build(
    sentences: Iterable[str], *, identity: Mapping[str, Any], system: str | None = None
) -> list[Request]:
    """Return one request a different sentence, in order; the answer's key is `answer`.

    `identity` is the backend's: all of its settings that can change an answer.

    Raises:
        UserError: the template fails.
    """
    settings = digest(identity)
    requests = []
    for sentence in dict.fromkeys(sentences):
        messages = [statement_message(sentence)]
        if system is not None:
            messages.insert(0, Message(role="system", content=(TextPart(text=system),)))
        name = sentence_id(sentence)
        requests.append(
            Request(
                key=key(messages, settings, name),
                settings=settings,
                sample_id=name,
                subject=NOBODY,
                exercise=EXERCISE,
                messages=tuple(messages),
                questions=(Question(item="", text=sentence, options=STATEMENTS),),
            )
        )
    return requests
