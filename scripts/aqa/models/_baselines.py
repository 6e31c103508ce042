"""What the baselines share: nothing to open, and answers in the form that prompts ask for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from aqa.errors import UserError
from aqa.models.base import Unbilled
from aqa.records import Question, Value, answer_key


class Baseline(Unbilled):
    """A backend without anything to open."""

    remote = False
    draws = False
    """Whether repeats of a request may be answered differently."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def scale(question: Question) -> tuple[float, float]:
    """Return the least and the greatest score of a question.

    Raises:
        UserError: it does not state them.
    """
    if question.minimum is None or question.maximum is None:
        raise UserError(f"the score question '{question.item}' has no minimum and maximum")
    return question.minimum, question.maximum


def answer_text(questions: Iterable[Question], answers: Mapping[str, Value]) -> str:
    """Return the answers, by item, as the JSON that prompts ask for."""
    shown: dict[str, Value | bool] = {}
    for question in questions:
        shown[answer_key(question)] = _plain(answers[question.item])
    return json.dumps(shown, ensure_ascii=False)


def _plain(value: Value) -> Value | bool:
    folded = value.casefold() if isinstance(value, str) else None
    return folded == "true" if folded in ("true", "false") else value
