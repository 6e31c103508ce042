"""The faults of the test server: every way in which a chat completions server fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Fault:
    """What happens to one request instead of an answer (or to it).

    `kind`: status, hang, drip, reset, truncate, malformed, html, huge, empty_choices, no_message,
    no_content, no_reason, content_filter, refusal, abort, error_in_200, redirect, duplicate_id.
    """

    kind: str = "status"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 60.0


async def _status(_: web.Request, fault: Fault, __: dict[str, Any]) -> web.Response:
    error = {"message": f"scripted {fault.status}", "type": "ScriptedError", "code": fault.status}
    body = {"error": error} if fault.body is None else fault.body
    return web.json_response(body, status=fault.status, headers=fault.headers)


async def _hang(_: web.Request, fault: Fault, __: dict[str, Any]) -> web.Response:
    await asyncio.sleep(fault.seconds)
    return web.Response(status=500)


async def _stream(request: web.Request, data: bytes, pause: float) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(data))}
    )
    await response.prepare(request)
    for start in range(0, len(data) // 2, 8):
        await response.write(data[start : start + 8])
        await asyncio.sleep(pause)
    return response


async def _drip(request: web.Request, fault: Fault, body: dict[str, Any]) -> web.StreamResponse:
    return await _stream(request, orjson.dumps(body), fault.seconds)


async def _reset(request: web.Request, __: Fault, body: dict[str, Any]) -> web.StreamResponse:
    response = await _stream(request, orjson.dumps(body), 0)
    assert request.transport is not None
    request.transport.abort()
    return response


async def _truncate(request: web.Request, __: Fault, body: dict[str, Any]) -> web.StreamResponse:
    response = await _stream(request, orjson.dumps(body), 0)
    assert request.transport is not None
    request.transport.close()
    return response


async def _raw(_: web.Request, fault: Fault, body: dict[str, Any]) -> web.Response:
    texts = {
        "malformed": ("application/json", orjson.dumps(body)[:-20]),
        "html": ("text/html", b"<html><title>Sign in</title></html>"),
        "huge": ("application/json", b'{"choices": "' + b"x" * (40 << 20) + b'"}'),
        "error_in_200": ("application/json", orjson.dumps(fault.body)),
    }
    kind, data = texts[fault.kind]
    return web.Response(body=data, headers={"Content-Type": kind, **fault.headers})


async def _redirect(request: web.Request, _: Fault, __: dict[str, Any]) -> web.Response:
    return web.Response(status=307, headers={"Location": f"{request.url}"})


async def _changed(_: web.Request, fault: Fault, body: dict[str, Any]) -> web.Response:
    choice = body["choices"][0]
    changes: dict[str, Callable[[], Any]] = {
        "empty_choices": lambda: body.update(choices=[]),
        "no_message": lambda: choice.pop("message"),
        "no_content": lambda: choice["message"].update(content=None),
        "no_reason": lambda: (choice["message"].update(content=None), choice.update(finish_reason=None)),
        "content_filter": lambda: choice.update(finish_reason="content_filter"),
        "refusal": lambda: choice["message"].update(content=None, refusal="I cannot judge people."),
        "abort": lambda: choice.update(finish_reason="abort"),
        "duplicate_id": lambda: body.update(id="chatcmpl-same"),
        "message": lambda: choice.update(**fault.body),
    }
    changes[fault.kind]()
    return web.json_response(body)


FAULTS: dict[str, Callable[..., Awaitable[web.StreamResponse]]] = {
    "status": _status,
    "hang": _hang,
    "drip": _drip,
    "reset": _reset,
    "truncate": _truncate,
    "redirect": _redirect,
    **dict.fromkeys(("malformed", "html", "huge", "error_in_200"), _raw),
    **dict.fromkeys(
        ("empty_choices", "no_message", "no_content", "no_reason", "content_filter", "refusal", "abort"),
        _changed,
    ),
    **dict.fromkeys(("duplicate_id", "message"), _changed),
}
