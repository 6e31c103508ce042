"""Clips as content parts of the chat completions protocol, already serialised as JSON."""

from __future__ import annotations

from base64 import b64encode
from typing import Literal, TypeAlias

from aqa.errors import UserError
from aqa.records import MediaPart

VideoForm: TypeAlias = Literal["frames", "video_url_jpeg", "video_url"]


class Encoder:
    """Turns the frames of a clip into content parts, joined by commas; base64 is never escaped again.

    The bytes of a frame arrive at the server as they are in the clip. Nothing but frames is sent: no
    audio, no metadata of the source.
    """

    def __init__(self, video: VideoForm, *, times: bool = False, detail: str | None = None) -> None:
        self._video = video
        self._times = times
        self._detail = f',"detail":"{detail}"'.encode() if detail else b""

    def __call__(self, part: MediaPart, frames: list[bytes]) -> bytes:
        """Return the JSON of the content parts of one clip.

        Raises:
            UserError: a frame is neither JPEG nor PNG, or not JPEG where the form needs it.
        """
        if part.kind == "image":
            return self._image(frames[0], part.file)
        if self._video == "video_url":
            return _video(b"mp4", _mp4(frames, part))
        if self._video == "video_url_jpeg":
            if any(_kind(frame, part.file) != b"jpeg" for frame in frames):
                raise UserError(f"{part.file}: video_url_jpeg needs JPEG frames; set options.video to frames")
            return _video(b"jpeg", b",".join(map(b64encode, frames)))
        images = [self._image(frame, part.file) for frame in frames]
        if self._times:
            times = [b'{"type":"text","text":"<%.1f seconds>"}' % time for time in part.timestamps]
            images = [piece for pair in zip(times, images, strict=True) for piece in pair]
        return b",".join(images)

    def _image(self, frame: bytes, file: str) -> bytes:
        return b"".join(
            (
                b'{"type":"image_url","image_url":{"url":"data:image/',
                _kind(frame, file),
                b";base64,",
                b64encode(frame),
                b'"',
                self._detail,
                b"}}",
            )
        )


def _video(kind: bytes, data: bytes) -> bytes:
    return b'{"type":"video_url","video_url":{"url":"data:video/%b;base64,%b"}}' % (kind, data)


def _mp4(frames: list[bytes], part: MediaPart) -> bytes:
    from aqa.media.encode import mp4

    try:
        return b64encode(mp4(frames, part.timestamps))
    except ValueError as error:
        raise UserError(f"{part.file}: cannot be sent as a video ({error}); render it again") from None


def _kind(frame: bytes, file: str) -> bytes:
    if frame.startswith(b"\xff\xd8\xff"):
        return b"jpeg"
    if frame.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"png"
    raise UserError(f"{file}: a frame is neither JPEG nor PNG; run the media stage again")
