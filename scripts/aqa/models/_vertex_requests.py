"""Requests of Vertex AI's `generateContent`, as its JSON has them (camel case), without media encoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aqa.errors import UserError, nearest
from aqa.models._sampling import Parameter, Scalar, check
from aqa.records import MediaPart, Message, Request, TextPart

MOST_FPS = 24.0
"""Highest frame rate that the provider samples a video at."""

KEY_LABEL = "vlm-aqa-key"
"""Label of a request in a batch: which key its row answers."""

PARAMETERS: dict[str, Parameter] = {
    "candidate_count": Parameter("integer", 1, 1),
    "frequency_penalty": Parameter("number", -2, 2),
    "max_output_tokens": Parameter("integer", 1),
    "media_resolution": Parameter("text"),
    "presence_penalty": Parameter("number", -2, 2),
    "seed": Parameter("integer"),
    "temperature": Parameter("number", 0, 2),
    "thinking_level": Parameter("text"),
    "top_k": Parameter("integer", 1),
    "top_p": Parameter("number", 0, 1),
}

_CHOICES = {
    "media_resolution": {"low", "medium", "high"},
    "thinking_level": {"minimal", "low", "medium", "high"},
}
_NAMES = {
    "candidate_count": "candidateCount",
    "frequency_penalty": "frequencyPenalty",
    "max_output_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "top_k": "topK",
    "top_p": "topP",
}
_ROLES = {"user": "user", "assistant": "model"}


def check_sampling(sampling: Mapping[str, Scalar], place: str) -> None:
    """Refuse a parameter that the provider does not know, or a value that cannot be right.

    Raises:
        UserError: with the nearest name or value.
    """
    check(sampling, place, PARAMETERS, hint="")
    for name, valid in _CHOICES.items():
        value = sampling.get(name)
        if value is not None and value not in valid:
            raise UserError(f"{place}: sampling.{name} is {value!r}{nearest(str(value), valid)}")


def generation_config(sampling: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return `generationConfig`: the parameters as they are, thoughts always included."""
    config: dict[str, Any] = {"thinkingConfig": {"includeThoughts": True}}
    for name, value in sampling.items():
        if name == "thinking_level":
            config["thinkingConfig"]["thinkingLevel"] = str(value).upper()
        elif name == "media_resolution":
            config["mediaResolution"] = f"MEDIA_RESOLUTION_{str(value).upper()}"
        else:
            config[_NAMES.get(name, name)] = value
    return config


def media_of(request: Request) -> list[MediaPart]:
    """Return the clips of a request, in order."""
    return [part for message in request.messages for part in message.content if isinstance(part, MediaPart)]


def fps_of(part: MediaPart) -> float:
    """Return the constant rate of a video's frames, at which the provider takes each exactly once.

    Raises:
        UserError: it cannot sample so fast.
    """
    from aqa.media.encode import rate_of

    try:
        rate = float(rate_of(part.timestamps))
    except ValueError as error:
        raise UserError(f"{part.file}: cannot be sent as a video ({error}); render it again") from None
    if rate > MOST_FPS:
        raise UserError(
            f"{part.file}: {rate:g} frames a second, but the provider samples at most {MOST_FPS:g}; "
            "choose a media profile with a lower fps in the model's file"
        )
    return rate


def body(request: Request, sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return `contents` and, where there is one, `systemInstruction`.

    `sources` says for each clip, in order, where it is: `{"inlineData": …}` or `{"fileData": …}`.

    Raises:
        UserError: a video is too fast for the provider.
    """
    rest = iter(sources)
    contents = []
    system = []
    for message in request.messages:
        parts = _parts(message, rest)
        if message.role == "system":
            system += parts
        else:
            contents.append({"role": _ROLES[message.role], "parts": parts})
    return {"contents": contents, **({"systemInstruction": {"parts": system}} if system else {})}


def _parts(message: Message, sources: Any) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for part in message.content:
        if isinstance(part, TextPart):
            parts.append({"text": part.text})
        elif part.kind == "image":
            parts.append(dict(next(sources)))
        else:
            parts.append({**next(sources), "videoMetadata": {"fps": fps_of(part)}})
    return parts


def encode(part: MediaPart, frames: list[bytes]) -> bytes:
    """Return a clip as it is sent: the image itself, or an mp4 of exactly these frames, without sound.

    Raises:
        UserError: the frames cannot be encoded, or are no images.
    """
    if part.kind == "image":
        mime_of(part, frames[0])
        return frames[0]
    from aqa.media.encode import mp4

    try:
        return mp4(frames, part.timestamps)
    except ValueError as error:
        raise UserError(f"{part.file}: cannot be sent as a video ({error}); render it again") from None


def mime_of(part: MediaPart, data: bytes) -> str:
    """Return the media type of an encoded clip.

    Raises:
        UserError: an image is neither JPEG nor PNG.
    """
    if part.kind == "video":
        return "video/mp4"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    raise UserError(f"{part.file}: a frame is neither JPEG nor PNG; run the media stage again")
