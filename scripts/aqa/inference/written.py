"""What a session writes about its answers: the response of each, and the record of each cell."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import aqa
from aqa.inference.cell import Cell
from aqa.models import Reply
from aqa.records import Request, Response

FILE = "session.json"


def response(request: Request, reply: Reply) -> Response:
    """Return the response that a reply is."""
    return Response(
        key=request.key,
        sample_id=request.sample_id,
        item=request.item,
        repeat=request.repeat,
        outcome=reply.outcome,
        text=clean(reply.text),
        reasoning=clean(reply.reasoning),
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        model_version=reply.model_version,
        error=None if reply.error is None else clean(reply.error),
    )


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON from a server may hold but no UTF-8 file can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text


def record(cell: Cell, model: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return what is known about the answers of a cell so far: settings, versions, counts.

    `model` says what was asked, `facts` what the live model said about itself in this session; what it
    said in earlier ones, where that differs, is kept as `earlier`.
    """
    packages = {}
    for name in ("aiohttp", "numpy", "orjson", "pydantic"):
        with suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    outcomes = cell.outcomes()
    return {
        **model,
        "backend": facts,
        "earlier": _earlier(cell.journal / FILE, facts),
        "model_versions": outcomes.model_versions,
        "outcomes": outcomes.by_outcome,
        "tokens": outcomes.tokens,
        "requests": len(cell.keys),
        "versions": {"vlm-aqa": aqa.__version__, "python": platform.python_version(), **packages},
    }


def _earlier(path: Path, facts: dict[str, Any]) -> list[Any]:
    """Return what the file says that a live model said before, without repeats."""
    try:
        before = json.loads(path.read_bytes())
        said = [*before["earlier"], before["backend"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    kept: list[Any] = []
    for one in said:
        if one and one != facts and one not in kept:
            kept.append(one)
    return kept
