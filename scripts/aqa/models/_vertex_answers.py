"""Answers of Vertex AI's `generateContent`: outcome, text, thoughts, usage, counted frames, faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from aqa.errors import UserError
from aqa.models.base import Reply, TransientError
from aqa.records import Outcome, Usage

_REFUSED = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "MODEL_ARMOR",
}
_CUT = {"MAX_TOKENS", "CONTINUATION"}
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{120,}")
_TOKEN = re.compile(r"ya29\.[\w.-]+|Bearer\s+\S+|eyJ[\w-]+\.[\w-]+\.[\w-]+")
_PARAMETER = re.compile(
    r"unknown name|cannot find field|generation[_ ]?config|thinking[_ ]?level|top[_ -]?[kp]\b"
    r"|media[_ ]?resolution|api key|billing",
    re.I,
)
_REJECTED = {400, 413, 414, 422}
_RETRIED = {408, 409, 425, 429, 499}
_OVERLOADED = {429, 503}
_SNAKE = re.compile(r"([A-Z])")


@dataclass(frozen=True)
class Sent:
    """What was sent with a request, for the record.

    `frames` is the number of video frames, `frame_tokens` what the provider counts for one (None if not
    known): with them an answer's usage proves how many frames the model saw.
    """

    parameters: dict[str, Any]
    frames: int = 0
    frame_tokens: int | None = None


def read(raw: bytes | str, sent: Sent) -> Reply:
    """Return the reply that the body of a 200 carries.

    Raises:
        TransientError: the body is no complete answer.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise TransientError("the answer is not valid JSON") from None
    if not isinstance(body, dict):
        raise TransientError("the answer is not a JSON object")
    return reply_of(body, sent)


def reply_of(body: Mapping[str, Any], sent: Sent) -> Reply:
    """Return the reply that an answer's JSON object carries.

    An answer without text comes in four shapes: the prompt was blocked, the answer was stopped for
    safety (both refused), thinking used up the budget (truncated), or the model said nothing (ok, with
    nothing in it to parse).

    Raises:
        TransientError: there are neither candidates nor a reason why not.
    """
    usage = _get(body, "usageMetadata")
    usage = usage if isinstance(usage, dict) else None
    version = _get(body, "modelVersion")
    common: dict[str, Any] = {
        "usage": _usage(usage),
        "model_version": version if isinstance(version, str) else None,
        "sent": sent.parameters | _frames(usage, sent),
    }
    candidates = _get(body, "candidates")
    if not isinstance(candidates, list) or not candidates or not isinstance(candidates[0], dict):
        feedback = _get(body, "promptFeedback")
        reason = _get(feedback, "blockReason") if isinstance(feedback, dict) else None
        if not reason:
            raise TransientError("the answer has no candidates, and does not say why")
        said = _get(feedback, "blockReasonMessage")
        error = f"the prompt was blocked ({reason}{f': {clean(str(said))}' if said else ''})"
        return Reply(outcome="refused", finish_reason=str(reason), error=error, **common)
    candidate = candidates[0]
    text, thoughts = _texts(_get(candidate, "content"))
    given = _get(candidate, "finishReason")
    reason = given if isinstance(given, str) else None
    outcome, problem = _outcome(text, reason, common["usage"])
    if problem and (message := _get(candidate, "finishMessage")):
        problem = f"{problem}: {clean(str(message))}"
    return Reply(
        outcome=outcome, text=text, reasoning=thoughts, finish_reason=reason, error=problem, **common
    )


def _outcome(text: str, reason: str | None, usage: Usage) -> tuple[Outcome, str | None]:
    if reason in _REFUSED:
        return "refused", f"stopped by the provider ({reason})"
    if reason in _CUT:
        if text.strip():
            return "truncated", f"the answer was cut at the token limit ({reason})"
        return "truncated", f"thinking used up the token limit ({usage.reasoning_tokens or 0} tokens)"
    if not text.strip():
        if reason is None:
            raise TransientError("the answer has neither text nor a finish reason")
        if reason != "STOP":
            return "refused", f"no text (finish reason {reason})"
        return "ok", "no text (finish reason STOP)"
    return "ok", None


def _texts(content: Any) -> tuple[str, str]:
    """Return text and thoughts; both are split into parts at will."""
    parts = _get(content, "parts") if isinstance(content, dict) else None
    texts: dict[bool, list[str]] = {True: [], False: []}
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            texts[part.get("thought") is True].append(part["text"])
    return "".join(texts[False]), "".join(texts[True])


def _usage(usage: Mapping[str, Any] | None) -> Usage:
    """Return the usage; a count of zero is left out by the provider."""
    if usage is None or _count(usage, "promptTokenCount") is None:
        return Usage()
    thoughts = _count(usage, "thoughtsTokenCount") or 0
    return Usage(
        prompt_tokens=_count(usage, "promptTokenCount"),
        completion_tokens=(_count(usage, "candidatesTokenCount") or 0) + thoughts,
        reasoning_tokens=thoughts,
        cached_tokens=_count(usage, "cachedContentTokenCount") or 0,
    )


def _frames(usage: Mapping[str, Any] | None, sent: Sent) -> dict[str, Any]:
    """Return how many frames were sent and, by the tokens of the videos, counted."""
    if not sent.frames:
        return {}
    tokens = _modality(usage, "VIDEO")
    if tokens is None or not sent.frame_tokens:
        return {"frames": sent.frames}
    counted = tokens / sent.frame_tokens
    whole = int(counted) if counted.is_integer() else round(counted, 2)
    return {"frames": sent.frames, "frames_counted": whole}


def _modality(usage: Mapping[str, Any] | None, name: str) -> int | None:
    details = _get(usage, "promptTokensDetails") if usage else None
    found = [
        _count(detail, "tokenCount") or 0
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict) and detail.get("modality") == name
    ]
    return sum(found) if found else None


def _count(values: Mapping[str, Any], name: str) -> int | None:
    value = _get(values, name)
    if isinstance(value, str) and value.isdigit():  # 64-bit integers are strings in Google's JSON.
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _get(values: Mapping[str, Any], name: str) -> Any:
    """Return a field by its camel-case name, or as batches at times have it, in snake case."""
    found = values.get(name)
    return values.get(_SNAKE.sub(r"_\1", name).lower()) if found is None else found


def fault(status: int, body: Any, headers: Mapping[str, str], sent: dict[str, Any], now: float) -> Reply:
    """Return the final reply of a request that an error answers, or raise; `now` in epoch seconds.

    Raises:
        TransientError: worth another attempt.
        UserError: no request can succeed as things are configured; the text has no place yet.
    """
    from aqa.models._transport import retry_after

    error = body.get("error", body) if isinstance(body, dict) else {}
    error = error if isinstance(error, dict) else {"message": str(error)}
    message = clean(str(error.get("message") or error.get("status") or "no message"))
    shown = f"HTTP {status}: {message}"
    if status in _RETRIED or status >= 500:
        wait = retry_after(headers, now)
        raise TransientError(
            shown,
            retry_after=_retry_info(error) if wait is None else wait,
            throttled=status in _OVERLOADED,
            unbilled=True,
        )
    if status in _REJECTED:
        if error.get("status") == "FAILED_PRECONDITION" or _PARAMETER.search(message):
            raise UserError(f"{shown}; change `sampling` or `options` of the model's file, or the project")
        return Reply(outcome="rejected", error=shown, sent=sent)
    steps = {
        401: "log in again: gcloud auth application-default login",
        403: "let these credentials use Vertex AI in the project (role roles/aiplatform.user), and enable "
        "its API there",
        404: "correct `options.model`, `options.project` or `options.location`",
    }
    raise UserError(f"{shown}; {steps.get(status, 'correct `options`: nothing is served at this address')}")


def _retry_info(error: Mapping[str, Any]) -> float | None:
    """Return the seconds of a `google.rpc.RetryInfo` in an error's details."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay)):
            return float(match[1])
    return None


def label_of(line: bytes, name: str) -> str | None:
    """Return a label of the request that a line of a batch's output echoes, None where there is none."""
    try:
        value = orjson.loads(line)["request"]["labels"][name]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def row(line: bytes, sent: Sent) -> tuple[Reply | None, str]:
    """Read a line of a batch's output: the reply, or None and the cause.

    A failed row has a reply only where the provider can never accept the request (rejected).
    """
    values = orjson.loads(line)
    status, response = values.get("status"), values.get("response")
    if status or not isinstance(response, dict) or not response or "error" in response:
        error = response.get("error") if isinstance(response, dict) else None
        return _failed_row(status or error or "no response", sent)
    try:
        return reply_of(response, sent), ""
    except TransientError as error:
        return None, f"batch row: {error}"


def _failed_row(status: Any, sent: Sent) -> tuple[Reply | None, str]:
    text = status if isinstance(status, str) else orjson.dumps(status).decode()
    cause = f"batch row: {clean(text)}"
    found = re.search(r'"?code"?\s*[:=]?\s*(\d{3})\b', text)
    code = int(found[1]) if found else 0
    if code in _REJECTED or (not code and re.search(r"INVALID_ARGUMENT|Bad Request", text)):
        return Reply(outcome="rejected", error=cause, sent=sent.parameters), ""
    return None, cause


def clean(text: str) -> str:
    """Return a provider's text as one bounded line without media or tokens."""
    line = " ".join(_BASE64.sub("…", _TOKEN.sub("***", text)).split())
    return line if len(line) <= 500 else f"{line[:499]}…"
