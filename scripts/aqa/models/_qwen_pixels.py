"""Pixels of Qwen3-VL: how large its frames are, and the patches that they are cut into.

Its own processor would need torchvision for videos. What is done here equals it (tests compare).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aqa.errors import UserError
from aqa.models._frames import Frames

Patches: TypeAlias = NDArray[np.float32]
"""(patches, values): the patches of a clip, those of one token together."""

Grid: TypeAlias = tuple[int, int, int]
"""Times, rows and columns of patches."""

_MOST_ELONGATED = 200


@dataclass(frozen=True)
class VideoSettings:
    """What `video_preprocessor_config.json` says: pixels of a whole video, patches, scale of the values."""

    FILE: ClassVar = "video_preprocessor_config.json"
    PART: ClassVar = "video_processor"
    STEP: ClassVar = "set options.video: frames"

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
        path = folder / cls.FILE
        try:
            if path.is_file():
                values = json.loads(path.read_bytes())
            else:
                path = folder / "processor_config.json"
                values = json.loads(path.read_bytes())[cls.PART]
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
                f"{path}: no settings of the {cls.PART.replace('_', ' ')} ({type(error).__name__}: {error}); "
                f"{cls.STEP}"
            ) from None
        usual = {"do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255}
        for name, expected in usual.items():
            if values.get(name, expected) != expected:
                raise UserError(f"{path}: {name} is {values[name]}; {cls.STEP}")
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

    def patches(self, frames: Frames) -> tuple[Patches, Grid]:
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


class ImageSettings(VideoSettings):
    """What `preprocessor_config.json` says of single images."""

    FILE: ClassVar = "preprocessor_config.json"
    PART: ClassVar = "image_processor"
    STEP: ClassVar = "use the backend transformers"

    def resized(self, frames: int, height: int, width: int) -> tuple[int, int]:  # noqa: ARG002
        """Return the height and width to which an image is resized.

        Raises:
            ValueError: the picture is too elongated.
        """
        if max(height, width) / min(height, width) > _MOST_ELONGATED:
            raise ValueError(f"{width}x{height} is too elongated")
        factor = self.factor
        rounded = round(height / factor) * factor, round(width / factor) * factor
        area = rounded[0] * rounded[1]
        if area > self.most_pixels:
            shrink = math.sqrt(height * width / self.most_pixels)
            return (
                max(factor, math.floor(height / shrink / factor) * factor),
                max(factor, math.floor(width / shrink / factor) * factor),
            )
        if area < self.fewest_pixels:
            grow = math.sqrt(self.fewest_pixels / (height * width))
            return math.ceil(height * grow / factor) * factor, math.ceil(width * grow / factor) * factor
        return rounded
