"""Messages in the form that chat templates take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aqa.errors import UserError
from aqa.records import MediaPart, Message


def refused(error: Exception) -> UserError:
    """Return what to tell a user whose prompts do not fit the model's chat template."""
    cause = " ".join(str(error).split())[:300]
    return UserError(
        f"the model's chat template refuses a prompt ({type(error).__name__}: {cause}); leave the strategy "
        "out for this model, or change `system` or options.chat_template_kwargs"
    )


def conversation(messages: Sequence[Message], *, video: bool, times: bool) -> list[dict[str, Any]]:
    """Return the messages in the form that chat templates take.

    With `video` a clip is one part, else each of its frames is; `times` writes the time before each frame.
    """
    turns = []
    for message in messages:
        content: list[dict[str, Any]] = []
        for part in message.content:
            if not isinstance(part, MediaPart):
                content.append({"type": "text", "text": part.text})
            elif part.kind == "image":
                content.append({"type": "image"})
            elif video:
                content.append({"type": "video"})
            else:
                for time in part.timestamps:
                    content += [{"type": "text", "text": f"<{time:.1f} seconds>"}] * times
                    content.append({"type": "image"})
        turns.append({"role": message.role, "content": content})
    return turns
