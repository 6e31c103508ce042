"""Prompts of Qwen3-VL, token by token: the frames that we chose, at the times that we know.

Its own processor would need torchvision for videos, and a rate instead of times. What is done here equals
it (tests compare): sizes, pixels, patches and timestamps.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jinja2 import TemplateError
from numpy.typing import NDArray
from PIL import Image

from aqa.errors import UserError
from aqa.models._transformers_frames import Frames
from aqa.models._transformers_prompt import Prepared, conversation, refused
from aqa.records import MediaPart, Message

if TYPE_CHECKING:
    from aqa.models.transformers import Options

MODEL_TYPES = frozenset({"qwen3_vl"})

_MOST_ELONGATED = 200


@dataclass(frozen=True)
class VideoSettings:
    """What `video_preprocessor_config.json` says: pixels of a whole video, patches, scale of the values."""

    fewest_pixels: int
    most_pixels: int
    patch: int
    merge: int
    temporal: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def read(cls, folder: Path, size: Mapping[str, int] | None) -> VideoSettings:
        """Read the settings from a folder of weights; `size` replaces the pixels.

        Raises:
            UserError: they are not there, or ask for something else than the model's usual steps.
        """
        path = folder / "video_preprocessor_config.json"
        try:
            if path.is_file():
                values = json.loads(path.read_bytes())
            else:
                path = folder / "processor_config.json"
                values = json.loads(path.read_bytes())["video_processor"]
            pixels = size or values["size"]
            settings = cls(
                fewest_pixels=int(pixels["shortest_edge"]),
                most_pixels=int(pixels["longest_edge"]),
                patch=int(values["patch_size"]),
                merge=int(values["merge_size"]),
                temporal=int(values["temporal_patch_size"]),
                mean=tuple(map(float, values["image_mean"])),
                std=tuple(map(float, values["image_std"])),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: no settings of a video processor ({type(error).__name__}: {error}); set "
                "options.video: frames"
            ) from None
        usual = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
        for name, expected in usual.items():
            if values.get(name, expected) != expected:
                raise UserError(f"{path}: {name} is {values[name]}; set options.video: frames")
        return settings

    @property
    def factor(self) -> int:
        """Pixels of the side of the square that one token stands for."""
        return self.patch * self.merge

    def resized(self, frames: int, height: int, width: int) -> tuple[int, int]:
        """Return the height and width to which the frames of a video are resized.

        Raises:
            ValueError: the picture is too elongated.
        """
        factor = self.factor
        if min(height, width) < factor:
            scale = max(factor / height, factor / width)
            height, width = int(height * scale), int(width * scale)
        if max(height, width) / min(height, width) > _MOST_ELONGATED:
            raise ValueError(f"{width}x{height} is too elongated")
        rounded = round(height / factor) * factor, round(width / factor) * factor
        volume = round(frames / self.temporal) * self.temporal * rounded[0] * rounded[1]
        if volume > self.most_pixels:
            shrink = math.sqrt(frames * height * width / self.most_pixels)
            return (
                max(factor, math.floor(height / shrink / factor) * factor),
                max(factor, math.floor(width / shrink / factor) * factor),
            )
        if volume < self.fewest_pixels:
            grow = math.sqrt(self.fewest_pixels / (frames * height * width))
            return math.ceil(height * grow / factor) * factor, math.ceil(width * grow / factor) * factor
        return rounded

    def times(self, timestamps: Sequence[float]) -> list[float]:
        """Return the time of each temporal patch: the middle between its first and last frame."""
        padded = [*timestamps, *[timestamps[-1]] * (-len(timestamps) % self.temporal)]
        groups = range(0, len(padded), self.temporal)
        return [(padded[at] + padded[at + self.temporal - 1]) / 2 for at in groups]

    def patches(self, frames: Frames) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
        """Return the patches of a video, (patches, values), and its grid: times, rows, columns of patches.

        A single frame counts as shown twice; an odd number has its last frame repeated.
        """
        padding = -len(frames) % self.temporal
        count = len(frames) + (padding if len(frames) < self.temporal else 0)
        height, width = self.resized(count, *frames.shape[1:3])
        pixels = np.empty((len(frames) + padding, 3, height, width), np.float32)
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        for number, frame in enumerate(frames):
            image = Image.fromarray(frame)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BICUBIC)
            values = np.asarray(image, np.float32).transpose(2, 0, 1)
            pixels[number] = (values - mean * np.float32(255)) / (std * np.float32(255))
        pixels[len(frames) :] = pixels[len(frames) - 1]
        grid = len(pixels) // self.temporal, height // self.patch, width // self.patch
        times, rows, columns = grid
        blocks = pixels.reshape(
            *(times, self.temporal, 3),
            *(rows // self.merge, self.merge, self.patch),
            *(columns // self.merge, self.merge, self.patch),
        )
        ordered = blocks.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
        return ordered.reshape(times * rows * columns, -1), grid


class QwenPrompts:
    """Builds prompts of Qwen3-VL. Everything up to the end of the last clip is a reusable prefix."""

    def __init__(
        self, folder: Path, config: Any, tokenizer: Any, image_processor: Any, options: Options
    ) -> None:
        self._tokenizer = tokenizer
        self._images = image_processor
        size = options.video_size
        self._settings = (
            VideoSettings.read(folder, None if size is None else size.model_dump())
            if options.video == "video"
            else None
        )
        self._options = options
        ids = (config.image_token_id, config.video_token_id, config.vision_start_token_id)
        self._image_id, self._video_id, _ = ids
        self._end_id = config.vision_end_token_id
        names = tokenizer.convert_ids_to_tokens([*ids, self._end_id])
        self._image, self._video, self._start, self._end = names
        self._seen: tuple[tuple[MediaPart, ...], dict[str, torch.Tensor], list[str]] | None = None

    def prepare(self, messages: Sequence[Message], clips: Sequence[Frames]) -> Prepared:
        """Return the prompt's tokens, with the pixels.

        Raises:
            UserError: the text of a message contains one of the model's tokens for media, or the chat
                template refuses the conversation.
            ValueError: a picture is too elongated.
        """
        media = tuple(part for message in messages for part in message.content if isinstance(part, MediaPart))
        if self._seen is None or self._seen[0] != media:
            self._seen = (media, *self._media(media, clips))
        _, inputs, shown = self._seen
        turns = conversation(messages, video=self._settings is not None, times=self._options.frame_times)
        try:
            text = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **self._options.chat_template_kwargs
            )
        except TemplateError as error:
            raise refused(error) from None
        ids = self._tokenizer(self._fill(text, shown), add_special_tokens=False)["input_ids"]
        kinds = {self._image_id: 1, self._video_id: 2}
        visual = [at for at, token in enumerate(ids) if token in kinds or token == self._end_id]
        types = torch.tensor([[kinds.get(token, 0) for token in ids]])
        return Prepared(
            ids=torch.tensor([ids]),
            prefix=visual[-1] + 1 if media else 0,
            media=media,
            inputs={**inputs, "mm_token_type_ids": types} if media else {},
        )

    def _media(
        self, media: Sequence[MediaPart], clips: Sequence[Frames]
    ) -> tuple[dict[str, torch.Tensor], list[str]]:
        """Return the model's inputs for the media, and what stands for each in the prompt, in order."""
        images: list[NDArray[np.uint8]] = []
        videos: list[tuple[NDArray[np.float32], tuple[int, int, int]]] = []
        shown = []
        for part, frames in zip(media, clips, strict=True):
            if part.kind == "video" and self._settings is not None:
                patches, grid = self._settings.patches(frames)
                videos.append((patches, grid))
                shown.append(self._video_text(self._settings, part, grid))
            else:
                shown += [""] * len(frames)  # Their sizes are known once they are processed.
                images += list(frames)
        inputs: dict[str, torch.Tensor] = {}
        if videos:
            values = np.concatenate([patches for patches, _ in videos])
            inputs["pixel_values_videos"] = torch.from_numpy(values)
            inputs["video_grid_thw"] = torch.tensor([grid for _, grid in videos])
        if images:
            processed = self._images(images=images, return_tensors="pt")
            inputs["pixel_values"] = processed["pixel_values"]
            inputs["image_grid_thw"] = processed["image_grid_thw"]
            counts = iter((inputs["image_grid_thw"].prod(-1) // self._images.merge_size**2).tolist())
            shown = [text or self._image * next(counts) for text in shown]
        return inputs, shown

    def _video_text(self, settings: VideoSettings, part: MediaPart, grid: tuple[int, int, int]) -> str:
        tokens = self._video * (grid[1] * grid[2] // settings.merge**2)
        times = settings.times(part.timestamps)
        return "".join(f"<{time:.1f} seconds>{self._start}{tokens}{self._end}" for time in times)

    def _fill(self, text: str, shown: Sequence[str]) -> str:
        """Put what stands for the media into a rendered chat template."""
        video = re.escape(self._video)
        if not self._options.video_wrapper:
            video = f"{re.escape(self._start)}{video}{re.escape(self._end)}"
        pattern = f"{video}|{re.escape(self._image)}"
        places = len(re.findall(pattern, text))
        if places != len(shown):
            raise UserError(
                f"a prompt has {places} places for {len(shown)} pictures and videos: the chat template "
                "leaves some out, or a text contains the model's own tokens; correct the text"
            )
        texts = iter(shown)
        return re.sub(pattern, lambda _: next(texts), text)
