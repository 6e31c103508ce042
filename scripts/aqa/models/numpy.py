"""Backend `numpy`: a small Qwen3-VL in this process, on the CPU, without PyTorch.

For networks of a few million parameters, whose answers take less time than loading PyTorch. The arithmetic
is that of 32-bit floats.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from aqa.config import ModelFile, parse
from aqa.errors import UserError
from aqa.models import _transformers_sampling as sampling
from aqa.models._in_process import Engine, InProcess, Shared, Size, check
from aqa.models._weights import Weights
from aqa.models.base import Context

_UNKNOWN = ("frequency_penalty", "presence_penalty", "repetition_penalty", "min_tokens", "stop")


class Options(Shared):
    """Settings of the backend: `options` of a model's file."""

    model: str = Field(min_length=1, description="A folder that holds the weights of a Qwen3-VL.")
    video: Literal["frames", "video"] = Field(
        "video", description="How a video is given: `video` (with its times) or `frames` (each an image)."
    )
    image_size: Size | None = Field(None, description="Pixels of an image; null takes the weights' own.")


def create(model: ModelFile, context: Context, place: str = "model") -> Numpy:
    """Return the backend of a model's file; nothing is loaded yet.

    Raises:
        UserError: an option is wrong, or a sampling parameter is not known.
    """
    options = parse(Options, model.options, f"{place}: options")
    sampling.check(model.sampling, place)
    for name in _UNKNOWN:
        if name in model.sampling:
            raise UserError(f"{place}: the backend numpy does not know sampling.{name}; use transformers")
    check(model, options, place)
    return Numpy(model, options, context, place)


class Numpy(InProcess):
    """One small model in this process; see `InProcess`."""

    def __init__(self, model: ModelFile, options: Options, context: Context, place: str) -> None:
        super().__init__(place, context.media, options.think_tags, options.cache_mb)
        self._options = options
        self._sampling = dict(model.sampling)

    @cached_property
    def _weights(self) -> Weights:
        return Weights(self._options.model, None, code=False, local_files_only=True, place=self._place)

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer; weights count by their content.

        Raises:
            UserError: the folder is missing, or holds no safetensors weights.
        """
        options = self._options
        return {
            "backend": "numpy",
            **self._weights.identity(),
            "sampling": self._sampling,
            **options.model_dump(
                include={
                    *("context", "video", "frame_times", "image_size", "video_size"),
                    *("chat_template_kwargs", "think_tags"),
                }
            ),
        }

    def _load(self) -> Engine:
        from aqa.models._numpy_engine import NumpyEngine

        return NumpyEngine(self._weights.fetch(), self._weights, self._options, self._sampling, self._place)
