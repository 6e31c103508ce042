"""Prompts of Qwen3-VL as its network in transformers takes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aqa.models._frames import Frames
from aqa.models._qwen_pixels import Grid, Patches, VideoSettings
from aqa.models._qwen_prompt import QwenPrompts, Special
from aqa.models._transformers_prompt import Prepared
from aqa.records import MediaPart, Message

if TYPE_CHECKING:
    from aqa.models.transformers import Options

MODEL_TYPES = frozenset({"qwen3_vl"})


class TorchQwenPrompts:
    """Builds prompts of Qwen3-VL as tensors."""

    def __init__(
        self, folder: Path, config: Any, tokenizer: Any, image_processor: Any, options: Options
    ) -> None:
        size = options.video_size
        videos = None
        if options.video == "video":
            videos = VideoSettings.read(folder, None if size is None else size.model_dump())

        def images(frames: Sequence[NDArray[np.uint8]]) -> tuple[Patches, list[Grid]]:
            made = image_processor(images=list(frames), return_tensors="np")
            grids: list[Grid] = [(int(t), int(h), int(w)) for t, h, w in made["image_grid_thw"]]
            return made["pixel_values"], grids

        self._prompts = QwenPrompts(
            tokenizer,
            Special.of(config.to_dict()),
            images,
            videos,
            frame_times=options.frame_times,
            video_wrapper=options.video_wrapper,
            variables=options.chat_template_kwargs,
        )
        self._made: tuple[tuple[MediaPart, ...], dict[str, torch.Tensor]] | None = None

    def prepare(self, messages: Sequence[Message], clips: Sequence[Frames]) -> Prepared:
        """Return the prompt; see `QwenPrompts.prepare`."""
        prompt = self._prompts.prepare(messages, clips)
        ids = torch.tensor([prompt.ids])
        if not prompt.media:
            return Prepared(ids=ids, prefix=0, media=(), inputs={})
        if self._made is None or self._made[0] != prompt.media:
            shown, inputs = prompt.shown, {}
            if shown.videos is not None:
                inputs["pixel_values_videos"] = torch.from_numpy(shown.videos)
                inputs["video_grid_thw"] = torch.tensor(shown.video_grids)
            if shown.images is not None:
                inputs["pixel_values"] = torch.from_numpy(shown.images)
                inputs["image_grid_thw"] = torch.tensor(shown.image_grids)
            self._made = (prompt.media, inputs)
        return Prepared(
            ids=ids,
            prefix=prompt.prefix,
            media=prompt.media,
            inputs={**self._made[1], "mm_token_type_ids": torch.tensor([prompt.kinds])},
        )
