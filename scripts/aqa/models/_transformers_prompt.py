"""Prompts of any image-text-to-text model, by its own processor and chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from jinja2 import TemplateError

from aqa.errors import UserError
from aqa.models._conversation import conversation, refused
from aqa.models._frames import Frames
from aqa.records import MediaPart, Message

if TYPE_CHECKING:
    from aqa.models.transformers import Options


@dataclass(frozen=True)
class Prepared:
    """A prompt as a model takes it: `ids` (1, tokens), and further `inputs` (pixels, grids, masks).

    The first `prefix` tokens hold all media, and depend on nothing after them; 0 where that is not known.
    """

    ids: torch.Tensor
    prefix: int
    media: tuple[MediaPart, ...]
    inputs: dict[str, torch.Tensor]


class Prompts(Protocol):
    """Builds the prompts of one model."""

    def prepare(self, messages: Sequence[Message], clips: Sequence[Frames]) -> Prepared:
        """Return the prompt; `clips` are those of the messages, in order.

        Raises:
            UserError: no such prompt can be built, whatever its clips.
            ValueError: these clips cannot be shown to the model.
        """
        ...


class GenericPrompts:
    """Prompts as the model's own processor builds them; the frames of a video are images."""

    def __init__(self, processor: Any, options: Options, place: str) -> None:
        self._processor = processor
        self._options = options
        if options.video == "video":
            raise UserError(
                f"{place}: options.video: video is for Qwen3-VL, whose prompts carry each frame's time; set "
                "it to frames (with frame_times: true if the model should read the times)"
            )

    def prepare(self, messages: Sequence[Message], clips: Sequence[Frames]) -> Prepared:
        """Return the prompt as the processor makes it.

        Raises:
            UserError: the chat template refuses the conversation.
            ValueError: the processor refuses a picture.
        """
        turns = conversation(messages, video=False, times=self._options.frame_times)
        pictures = iter([frame for frames in clips for frame in frames])
        for turn in turns:
            for part in turn["content"]:
                if part["type"] == "image":
                    part["image"] = next(pictures)
        try:
            made = self._processor.apply_chat_template(
                turns,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                **self._options.chat_template_kwargs,
            )
        except (TemplateError, TypeError, KeyError) as error:
            raise refused(error) from None
        inputs = {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}
        return Prepared(ids=inputs.pop("input_ids"), prefix=0, media=(), inputs=inputs)
