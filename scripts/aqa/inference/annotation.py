"""The requests, without media, that ask a model which option of a question means correct execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aqa.datasets import Wording, reviewed
from aqa.datasets.reviewed import Reviewed
from aqa.files import digest
from aqa.inference.requests import key
from aqa.prompts.drafting import open_options, option_message
from aqa.records import Message, Question, Request, Sample, TextPart

NOBODY = "nobody"
"""The subject of these requests: they are about no one."""


def build(
    samples: Sequence[Sample],
    texts: Reviewed,
    *,
    exercises: Mapping[str, str],
    wording: Wording,
    identity: Mapping[str, Any],
    system: str | None = None,
) -> list[Request]:
    """Return one request a question of an exercise whose correct option nobody has written down.

    Arguments are those of `requests.build`. The `sample_id` is the exercise and the digest of the
    question's text; the one question of a request has item "", so its answer's key is `answer`.

    Raises:
        UserError: a template fails.
    """
    settings = digest(identity)
    requests = []
    for sample, question in open_options(samples, texts):
        title = exercises.get(sample.exercise, sample.exercise)
        messages = [option_message(sample, question, exercise=title, wording=wording)]
        if system is not None:
            messages.insert(0, Message(role="system", content=(TextPart(text=system),)))
        name = f"{sample.exercise}.{reviewed.key(question.text)}"
        requests.append(
            Request(
                key=key(messages, settings, name),
                settings=settings,
                sample_id=name,
                subject=NOBODY,
                exercise=sample.exercise,
                messages=tuple(messages),
                questions=(Question(item="", text=question.text, options=question.options),),
            )
        )
    return requests
