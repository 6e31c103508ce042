"""Reading answers of the chat completions protocol: outcome, text, reasoning, usage, faults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from aqa.errors import UserError
from aqa.models.base import Reply, TransientError
from aqa.records import Outcome, Usage

ThinkTags: TypeAlias = Literal["none", "pair", "closing"]

_DATA_URI = re.compile(r"data:[\w/+.-]*;base64,[A-Za-z0-9+/=,]*")
_FILTERED = {
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
}
_PARAMETER_CODES = {"unknown_parameter", "unsupported_parameter", "unsupported_value"}
_PARAMETER_TEXT = re.compile(
    r"trust.request.mm.kwargs|unrecognized request argument|extra (inputs|fields) (are )?not permitted", re.I
)
_OVERLOADED = {429, 503}


@dataclass(frozen=True)
class Answer:
    """What a server said. `retry_after` is in seconds, from now."""

    status: int
    content_type: str
    body: bytes
    retry_after: float | None = None


@dataclass(frozen=True)
class Fault:
    """An error as a server describes it."""

    status: int
    message: str
    code: str = ""
    flagged: bool = False


def read(answer: Answer, *, think_tags: ThinkTags, sent: dict[str, Any]) -> Reply:
    """Return the reply that an HTTP answer carries.

    A `choices` list that is missing or empty says nothing about the request, so it is transient. A
    choice without text is final: truncated where the budget ran out, refused where the server says that
    something was held back, else the model's own empty answer (ok, and nothing in it to parse).

    Raises:
        TransientError: overload, a server's fault, or a body that is not a complete answer.
        UserError: no request can succeed as things are configured; the text has no place yet.
    """
    if answer.status != 200:
        return _fault(_describe(answer), answer.retry_after, sent)
    if "json" not in answer.content_type:
        raise TransientError(f"the answer is {answer.content_type or 'of no type'}, not JSON")
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise TransientError("the answer is not valid JSON") from None
    if not isinstance(body, dict):
        raise TransientError("the answer is not a JSON object")
    choices = body.get("choices")
    if not choices and body.get("error"):
        return _fault(_describe(answer), answer.retry_after, sent)
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise TransientError("the answer has no choices")
    return _choice(choices[0], body, think_tags, sent)


def _choice(
    choice: dict[str, Any], body: dict[str, Any], think_tags: ThinkTags, sent: dict[str, Any]
) -> Reply:
    message = choice.get("message")
    reason = choice.get("finish_reason")
    if not isinstance(message, dict):
        raise TransientError("the answer has no message")
    if choice.get("error") or reason in {"error", "abort"}:
        raise TransientError(f"the server gave up on the answer ({_text(choice.get('error') or reason)})")
    content = _content(message.get("content"))
    given = message.get("reasoning") or message.get("reasoning_content")
    reasoning = given if isinstance(given, str) else ""
    if not reasoning:
        reasoning, content = split_thinking(content, think_tags, cut=reason == "length")
    outcome, error = _outcome(content, reason, message.get("refusal"), bool(reasoning))
    if outcome == "ok" and reason is None and not content.strip():
        raise TransientError("the answer has neither text nor a finish reason")
    return Reply(
        outcome=outcome,
        text=content,
        reasoning=reasoning,
        finish_reason=reason if isinstance(reason, str) else None,
        usage=_usage(body.get("usage")),
        model_version=body["model"] if isinstance(body.get("model"), str) else None,
        error=error,
        sent=sent,
    )


def _outcome(text: str, reason: Any, refusal: Any, reasoned: bool) -> tuple[Outcome, str | None]:
    if isinstance(refusal, str) and refusal:
        return "refused", _clean(refusal)
    if reason == "content_filter":
        return "refused", "stopped by the provider's content filter"
    if reason == "length":
        return "truncated", "the answer was cut at the token limit"
    if not text.strip():
        return "ok", f"{'only reasoning' if reasoned else 'no text'} (finish reason {_text(reason)})"
    return "ok", None


def split_thinking(text: str, tags: ThinkTags, *, cut: bool) -> tuple[str, str]:
    """Return the reasoning and the rest of a text that carries both.

    `pair`: the text begins with `<think>`. `closing`: a lone `</think>` also ends reasoning (the
    opening tag was part of the prompt); a text that was `cut` before it is all reasoning.
    """
    if tags == "none":
        return "", text
    opened = text.lstrip().startswith("<think>")
    if not opened and tags == "pair":
        return "", text
    before, closing, after = text.partition("</think>")
    if not closing and not opened and not cut:
        return "", text
    return before.lstrip().removeprefix("<think>").strip(), after.strip() if closing else ""


def _content(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    raise TransientError("the answer's content is neither text nor a list of parts")


def _usage(usage: Any) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        cached_tokens=_count(usage.get("prompt_tokens_details"), "cached_tokens"),
    )


def _count(values: Any, name: str) -> int | None:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _describe(answer: Answer) -> Fault:
    """Read the error formats of vLLM, OpenAI, OpenRouter, Azure and FastAPI."""
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return Fault(answer.status, _clean(answer.body[:4000].decode("utf-8", "replace")))
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return Fault(answer.status, _text(error))
    code = error.get("code") or error.get("type") or ""
    status = answer.status
    if status == 200:
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
    inner = error.get("innererror")
    if isinstance(inner, dict) and inner.get("code") in _FILTERED:
        code = inner["code"]
    metadata = error.get("metadata")
    flagged = isinstance(metadata, dict) and ("flagged_input" in metadata or "reasons" in metadata)
    message = error.get("message") or error.get("detail") or error
    return Fault(status, _text(message), str(code), flagged)


def _fault(fault: Fault, retry_after: float | None, sent: dict[str, Any]) -> Reply:
    """Return the final reply of a request that was refused or rejected, or raise."""
    shown = f"HTTP {fault.status}: {fault.message or 'no message'}"
    if fault.flagged or fault.code in _FILTERED:
        return Reply(outcome="refused", error=shown, sent=sent)
    status = fault.status
    if status in {400, 413, 414, 422, 431, 451}:
        if fault.code in _PARAMETER_CODES or _PARAMETER_TEXT.search(fault.message):
            raise UserError(f"{shown}; change `sampling` or `options`, or the server's flags")
        return Reply(outcome="rejected", error=shown, sent=sent)
    if fault.code == "insufficient_quota":
        raise UserError(f"{shown}; add credit to the account")
    if status in {408, 409, 425, 499} or status in _OVERLOADED or status >= 500:
        overloaded = status in _OVERLOADED
        raise TransientError(shown, retry_after=retry_after, throttled=overloaded, unbilled=True)
    raise _configuration(status, shown)


def _configuration(status: int, shown: str) -> UserError:
    steps = {
        401: "set the API key in the environment variable that `options.api_key_env` names",
        402: "add credit to the account",
        403: "the key may not use this model; use another key or model",
        404: "correct `options.model` (the server lists its names at /models) or `options.base_url`",
    }
    step = steps.get(status, "correct `options.base_url`: no chat completions are served there")
    return UserError(f"{shown}; {step}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict) and isinstance(value.get("message"), str):
        return _clean(value["message"])
    return _clean(orjson.dumps(value).decode())


def _clean(text: str) -> str:
    """Return a server's text as one bounded line, without media."""
    line = " ".join(_DATA_URI.sub("data:…", text).split())
    return line if len(line) <= 500 else f"{line[:499]}…"
