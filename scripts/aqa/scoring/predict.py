"""From answers to predictions: one for every request, question and repeat."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from aqa.errors import UserError
from aqa.files import atomic, first_problem
from aqa.records import Name, Outcome, Prediction, Question, Request, Response, Sample, Sha256, Value
from aqa.scoring.parse import parse

Kind: TypeAlias = Literal["classification", "regression"]

COLUMNS = tuple(Prediction.model_fields)


class Asked(BaseModel):
    """What scoring needs of a line of `requests.jsonl`; the messages are left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: Sha256
    sample_id: Name
    subject: Name
    exercise: Name
    item: str = ""
    repeat: int = 0
    questions: tuple[Question, ...]


def predict(
    requests: Sequence[Request | Asked], responses: Sequence[Response], samples: Mapping[str, Sample]
) -> list[Prediction]:
    """Parse the answers of a cell.

    Args:
        requests: the cell's requests; the order of the result.
        responses: one for each request, found by key.
        samples: the dataset's samples by id, for the truth.

    Returns:
        One prediction a question of a request, in the order of requests and questions. An answer
        (outcome ok) is ok or unparsed for each question; any other outcome holds for all of them.

    Raises:
        UserError: a request without an answer, an answer without a request, either twice, an unknown
            sample, or a truth that is no possible answer.
    """
    answers = matched(requests, responses)
    predictions = []
    for request in requests:
        response = answers[request.key]
        parsed: dict[str, Value | None] = {}
        if response.outcome == "ok":
            parsed = parse(response.text, request.questions)
        for question in request.questions:
            value = parsed.get(question.item)
            predictions.append(
                Prediction(
                    sample_id=request.sample_id,
                    item=question.item,
                    exercise=request.exercise,
                    subject=request.subject,
                    truth=_truth(samples, request, question),
                    prediction=value,
                    outcome=usable_outcome(response.outcome, value),
                    repeat=request.repeat,
                )
            )
    return predictions


def usable_outcome(outcome: Outcome, value: Value | None) -> Outcome:
    """Return what became of a question: an answer that gives it no value is unparsed."""
    return "unparsed" if outcome == "ok" and value is None else outcome


def matched(requests: Sequence[Request | Asked], responses: Sequence[Response]) -> dict[str, Response]:
    """Return the answers by key, one for each request.

    Raises:
        UserError: a request without an answer, an answer without a request, or either twice.
    """
    asked = {request.key: request for request in requests}
    answers = {response.key: response for response in responses}
    for records, keys, name in ((requests, asked, "request"), (responses, answers, "answer")):
        if len(keys) < len(records):
            key, times = Counter(record.key for record in records).most_common(1)[0]
            raise UserError(f"{name} {key[:12]}… is there {times} times; render and infer this cell again")
    if missing := [request for key, request in asked.items() if key not in answers]:
        first = missing[0]
        raise UserError(
            f"{len(missing)} of {len(requests)} requests have no answer, the first for sample "
            f"'{first.sample_id}' (request {first.key[:12]}…); run inference for this cell again"
        )
    if foreign := [response for key, response in answers.items() if key not in asked]:
        first_answer = foreign[0]
        raise UserError(
            f"{len(foreign)} answers belong to no request, the first for sample "
            f"'{first_answer.sample_id}' (request {first_answer.key[:12]}…); the requests have changed "
            "since: run inference for this cell again"
        )
    return answers


def _truth(samples: Mapping[str, Sample], request: Request | Asked, question: Question) -> Value:
    place = f"sample '{request.sample_id}', item '{question.item}'"
    sample = samples.get(request.sample_id)
    if sample is None:
        raise UserError(f"sample '{request.sample_id}' is not in the file of samples; render this cell again")
    if question.item not in sample.truth:
        raise UserError(f"{place}: the samples hold no truth for it; index the dataset again")
    truth = sample.truth[question.item]
    if question.options is not None:
        fits = truth in question.options
    else:
        fits = (
            not isinstance(truth, str)
            and (question.minimum is None or question.minimum <= truth)
            and (question.maximum is None or truth <= question.maximum)
        )
    if not fits:
        allowed = question.options or f"{question.minimum}..{question.maximum}"
        raise UserError(
            f"{place}: the truth {truth!r} is no possible answer ({allowed}); index the dataset again"
        )
    return truth


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write `predictions.csv` atomically; a missing prediction is an empty field, a float its repr."""
    with atomic(path, "w") as stream:
        plain = csv.writer(stream, lineterminator="\n")
        quoted = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(COLUMNS)
        for prediction in predictions:
            fields = [_field(getattr(prediction, column)) for column in COLUMNS]
            # The plain writer leaves a lone carriage return unquoted, and readers end the line there.
            writer = quoted if any("\r" in field for field in fields) else plain
            writer.writerow(fields)


def _field(value: Value | int | None) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def read_predictions(path: Path, kind: Kind) -> list[Prediction]:
    """Read `predictions.csv`; with kind `regression` truths and predictions are floats.

    Raises:
        UserError: the file is missing or does not fit; names the file and the line.
    """
    try:
        stream = path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); score this cell") from error
    with stream:
        reader = csv.reader(stream)
        if tuple(next(reader, ())) != COLUMNS:
            raise UserError(f"{path}: the columns are not {', '.join(COLUMNS)}; score this cell again")
        predictions = []
        for fields in reader:
            try:
                predictions.append(_prediction(fields, kind))
            except ValidationError as error:
                raise UserError(f"{path}, line {reader.line_num}: {first_problem(error)}") from error
            except ValueError as error:
                raise UserError(f"{path}, line {reader.line_num}: {error}") from error
    return predictions


def _prediction(fields: Sequence[str], kind: Kind) -> Prediction:
    if len(fields) != len(COLUMNS):
        raise ValueError(f"the line has {len(fields)} fields, not {len(COLUMNS)}")
    row = dict(zip(COLUMNS, fields, strict=True))
    values: dict[str, object] = {**row, "repeat": int(row["repeat"])}
    if row["outcome"] != "ok":
        values["prediction"] = None
    if kind == "regression":
        for name in ("truth", "prediction"):
            value = values[name]
            values[name] = None if value is None else float(str(value))
    return Prediction.model_validate(values)
