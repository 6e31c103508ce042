"""The form of an answer: the JSON object that every dataset's wording asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from aqa.records import Question, Value, answer_key

DECIMALS = 2
"""Of a score in an example's answer: more would show how the truth was computed."""

BOOLEAN = {"true": True, "false": False}


def answer(questions: Sequence[Question], truth: Mapping[str, Value]) -> str:
    """Return the true answer as a model is asked to write it: `{"knees": true}`, `{"score": 7.25}`.

    The options true and false are written as JSON booleans, other options as text, scores with at most
    `DECIMALS` decimals.
    """
    return json.dumps(
        {answer_key(question): _plain(question, truth[question.item]) for question in questions},
        ensure_ascii=False,
    )


def _plain(question: Question, value: Value) -> str | float | bool:
    if isinstance(value, str):
        boolean = question.options is not None and set(question.options) == set(BOOLEAN)
        return BOOLEAN[value] if boolean else value
    rounded = round(value, DECIMALS)
    return int(rounded) if rounded == int(rounded) else rounded
