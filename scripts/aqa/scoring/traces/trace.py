"""The reasoning of a cell's responses, with what became of each: the rows of the analysis of traces."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

from aqa.errors import UserError
from aqa.records import Prediction, Question, Response
from aqa.scoring.traces.lexicon import Lexicon, Statement
from aqa.scoring.traces.sentences import MAX_CHARACTERS, sentences, words
from aqa.scoring.traces.stated import agrees, stated

MIN_WORDS = 5
"""Fewer words ("The answer is:") are no reasoning."""

NEAR = 0.1
"""A score counts as correct here if it differs from the truth by at most this share of its scale."""

Result: TypeAlias = Literal["correct", "wrong", "unusable"]
RESULTS: tuple[Result, ...] = get_args(Result)

COMPARED = Question(item="answer", text="", options=("first", "second"))
"""The one question of the task compare."""

_OUTPUT = re.compile(r"<(?:output|answer)>", re.IGNORECASE)
_CLOSED = re.compile(r"</think(?:ing)?>", re.IGNORECASE)


@dataclass(frozen=True)
class Trace:
    """One response: what it says before its answer, read with the lexicon.

    `result`: correct if every question of the request is, unusable if one has no usable answer, else wrong.
    `tokens` are the reasoning tokens that the provider reports, None where it does not. `cut`: too long to be
    read whole. `counts` says how many sentences state what, `said` holds them (see `thinned`). `agree`,
    `differ`, `unstated` count the questions with a usable answer by whether the reasoning states that answer.
    """

    sample_id: str
    item: str
    repeat: int
    subject: str
    result: Result
    words: int
    tokens: int | None
    cut: bool = False
    counts: Counter[Statement] = field(default_factory=Counter)
    said: tuple[tuple[str, Statement], ...] = ()
    agree: int = 0
    differ: int = 0
    unstated: int = 0


@dataclass(frozen=True)
class Asked:
    """What reading a response needs besides it: the questions that were asked about each sample."""

    questions: Mapping[str, Mapping[str, Question]] = field(default_factory=dict)

    def about(self, task: str, row: Prediction) -> Question:
        """Return the question of a prediction.

        Raises:
            UserError: the samples do not hold it.
        """
        if task == "compare":
            return COMPARED
        found = self.questions.get(row.sample_id, {}).get(row.item)
        if found is None:
            raise UserError(
                f"sample '{row.sample_id}', item '{row.item}': not in the file of samples; score again"
            )
        return found


def free_text(response: Response) -> str:
    """Return what a response says before its answer: the reported reasoning, then the text before the answer.

    The answer begins at the last `<output>` tag, else at the last object in braces after the thinking; text
    without either is all free. At most `MAX_CHARACTERS` of each part.
    """
    text = response.text
    tags = list(_OUTPUT.finditer(text))
    thought = max((tag.end() for tag in _CLOSED.finditer(text)), default=0)
    if tags and tags[-1].start() >= thought:
        text = text[: tags[-1].start()]
    else:
        brace = text.rfind("{", thought)
        text = text if brace < 0 else text[:brace]
    return f"{response.reasoning[:MAX_CHARACTERS]}\n{text[:MAX_CHARACTERS]}"


def traces(
    task: str,
    responses: Sequence[Response],
    predictions: Sequence[Prediction],
    asked: Asked,
    lexicon: Lexicon,
) -> list[Trace]:
    """Read the reasoning of responses, in their order.

    Args:
        task: judge or compare.
        responses: of one cell, or some of them (`chosen`).
        predictions: all of the cell, whose rows say what became of each question.
        asked: the questions of the dataset.
        lexicon: what states prior knowledge, and what an observation.

    Raises:
        UserError: a response has no prediction, or a question is unknown.
    """
    rows: dict[tuple[str, int], list[Prediction]] = defaultdict(list)
    for row in predictions:
        rows[row.sample_id, row.repeat].append(row)
    found = []
    for response in responses:
        mine = [
            row
            for row in rows[response.sample_id, response.repeat]
            if not response.item or row.item == response.item
        ]
        if not mine:
            raise UserError(
                f"the response about '{response.sample_id}' has no row in predictions.csv; score again"
            )
        found.append(_trace(task, response, mine, asked, lexicon))
    return found


def chosen(responses: Sequence[Response], limit: int | None, seed: int) -> list[Response]:
    """Return at most `limit` responses in their order: those with the least digest of seed and key, so that
    a larger limit keeps every earlier one. None: all."""
    if limit is None or len(responses) <= limit:
        return list(responses)
    order = sorted(responses, key=lambda response: hashlib.sha256(f"{seed}:{response.key}".encode()).digest())
    kept = {response.key for response in order[:limit]}
    return [response for response in responses if response.key in kept]


def thinned(traces: Sequence[Trace], keep: int, seed: int) -> list[Trace]:
    """Return traces that hold their sentences for only `keep` responses, chosen by the seed: a large grid's
    reasoning is too long to hold."""
    order = sorted(
        (trace for trace in traces if trace.said),
        key=lambda t: hashlib.sha256(f"{seed}:{t.sample_id}:{t.item}:{t.repeat}".encode()).digest(),
    )
    kept = {id(trace) for trace in order[:keep]}
    return [trace if id(trace) in kept else replace(trace, said=()) for trace in traces]


def _trace(
    task: str, response: Response, rows: Sequence[Prediction], asked: Asked, lexicon: Lexicon
) -> Trace:
    text = free_text(response)
    count = words(text)
    cut = len(response.reasoning) > MAX_CHARACTERS or len(response.text) > MAX_CHARACTERS
    questions = [asked.about(task, row) for row in rows]
    place = (response.sample_id, response.item, response.repeat, rows[0].subject)
    result = _result(rows, questions)
    if count < MIN_WORDS:
        return Trace(*place, result, 0, response.usage.reasoning_tokens)
    lines = sentences(text)
    agreement = _agreement(lines, text, rows, questions)
    said = tuple((line, lexicon.statement(line)) for line in lines)
    return Trace(
        *place,
        result,
        count,
        response.usage.reasoning_tokens,
        cut,
        Counter(statement for _, statement in said),
        said,
        agreement["agree"],
        agreement["differ"],
        agreement["unstated"],
    )


def _agreement(
    lines: Sequence[str], text: str, rows: Sequence[Prediction], questions: Sequence[Question]
) -> Counter[str]:
    said = stated(lines, text, questions)
    counts: Counter[str] = Counter()
    for row, question in zip(rows, questions, strict=True):
        if row.outcome != "ok" or row.prediction is None:
            continue
        value = said[question.item]
        if value is None:
            counts["unstated"] += 1
        else:
            counts["agree" if agrees(value, row.prediction) else "differ"] += 1
    return counts


def _result(rows: Sequence[Prediction], questions: Iterable[Question]) -> Result:
    if any(row.outcome != "ok" or row.prediction is None for row in rows):
        return "unusable"
    right = all(_right(row, question) for row, question in zip(rows, questions, strict=True))
    return "correct" if right else "wrong"


def _right(row: Prediction, question: Question) -> bool:
    if isinstance(row.truth, str) or isinstance(row.prediction, str) or row.prediction is None:
        return row.truth == row.prediction
    low, high = question.minimum or 0.0, question.maximum or 0.0
    return abs(row.truth - row.prediction) <= NEAR * (high - low)
