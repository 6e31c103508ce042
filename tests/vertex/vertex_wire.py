"""What the local Vertex AI puts on the wire and makes of what arrives there: faults, names, media."""

from __future__ import annotations

import asyncio
import io
import math
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Fault:
    """What happens to one request instead of an answer, or to it; see `_shape` and `_break`."""

    kind: str = "status"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    seconds: float = 60.0


class Refused(Exception):
    """An error that Google answers with a JSON body."""

    def __init__(self, status: int, message: str, word: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "message": message, "status": word}}


def raise_for(fault: Fault) -> None:
    """Answer with an error."""
    error = Refused(fault.status, f"scripted {fault.status}", "SCRIPTED")
    error.body["error"] |= fault.error
    raise error


def shape(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without text, of a kind that the service is known to give."""
    [candidate] = body["candidates"]
    usage = body["usageMetadata"]
    if kind == "blocked":
        del body["candidates"], usage["candidatesTokenCount"], usage["thoughtsTokenCount"]
        body["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not allowed."}
    elif kind == "safety":
        del candidate["content"], usage["candidatesTokenCount"]
        candidate["finishReason"] = "SAFETY"
    elif kind == "budget":
        candidate |= {"content": {"role": "model"}, "finishReason": "MAX_TOKENS"}
        usage |= {"candidatesTokenCount": 0, "thoughtsTokenCount": 65535}
    elif kind == "empty":
        candidate["content"] = {"role": "model", "parts": [{"text": ""}]}
        usage["candidatesTokenCount"] = 0
    elif kind == "cut":
        candidate["finishReason"] = "MAX_TOKENS"
    elif kind == "no_candidates":
        del body["candidates"]
    elif kind == "other":
        candidate |= {"content": {}, "finishReason": "OTHER"}
    return body


async def send(request: web.Request, fault: Fault | None, data: bytes) -> web.StreamResponse:
    """Send a body, or what the fault makes of it."""
    kind = fault.kind if fault else ""
    if kind == "malformed":
        data = data[: len(data) // 2]
    if kind == "html":
        return web.Response(body=b"<html>Sign in</html>", content_type="text/html")
    if kind == "redirect":
        raise web.HTTPFound("http://127.0.0.1:9/elsewhere")
    if kind not in ("hang", "drip", "reset", "truncate"):
        return web.Response(body=data, content_type="application/json")
    assert fault is not None and request.transport is not None
    if kind == "hang":
        await asyncio.sleep(fault.seconds)
        return web.Response(status=500)
    response = web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(data))}
    )
    await response.prepare(request)
    if kind == "drip":
        for byte in data[:40]:
            await response.write(bytes([byte]))
            await asyncio.sleep(fault.seconds)
        return response
    await response.write(data[: len(data) // 2])
    if kind == "reset":
        request.transport.abort()
    else:
        request.transport.close()
    return response


def known(values: dict[str, Any], names: set[str], place: str) -> None:
    """Refuse a field that the service does not know, in its words."""
    for name in values:
        if name not in names:
            message = f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.'
            raise Refused(400, message, "INVALID_ARGUMENT")


def camel(value: Any) -> Any:
    """Return JSON with camel-case names; the names of labels are their owner's."""
    if isinstance(value, list):
        return [camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): one for name, one in value.items()}
    return {name: one if name == "labels" else camel(one) for name, one in named.items()}


def sampled(data: bytes, fps: float) -> int:
    """Return how many frames a sampler at `fps` takes of a video; it must have nothing but pictures."""
    import av

    if not 0 < fps <= 24:
        raise Refused(400, f"fps {fps} is out of range (0, 24].", "INVALID_ARGUMENT")
    try:
        with av.open(io.BytesIO(data)) as container:
            kinds = [stream.type for stream in container.streams]
            stream = container.streams.video[0]
            ends = [
                float((frame.pts + frame.duration) * frame.time_base) for frame in container.decode(stream)
            ]
    except (av.FFmpegError, IndexError) as error:
        raise Refused(400, f"Unable to process input video: {error}", "INVALID_ARGUMENT") from None
    assert kinds == ["video"], f"not only pictures are sent: {kinds}"
    return math.ceil(max(ends) * fps - 1e-3)


def picture(data: bytes) -> None:
    """Decode an image."""
    import cv2
    import numpy as np

    if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None:
        raise Refused(400, "Unable to process input image.", "INVALID_ARGUMENT")
