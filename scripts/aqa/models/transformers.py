"""Backend `transformers`: a model in this process, on the CPU or on one GPU; no server, no network."""

from __future__ import annotations

import importlib
import os
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from aqa.config import ModelFile, parse
from aqa.errors import UserError, lacking
from aqa.models import _transformers_sampling as sampling
from aqa.models._in_process import Engine, InProcess, Shared, check
from aqa.models._weights import Weights
from aqa.models.base import Context

_NEEDED = ("torch", "transformers", "PIL")


class Options(Shared):
    """Settings of the backend: `options` of a model's file."""

    model: str = Field(
        min_length=1,
        description="A folder that holds the weights or, with `revision`, a repository of the Hugging Face "
        "hub (organisation/name).",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="Full commit of the repository, 40 hexadecimal digits; null where `model` is a folder.",
    )
    trust_remote_code: bool = Field(
        False, description="Run the Python code of the repository at this commit. Read it first."
    )
    local_files_only: bool = Field(False, description="Take the repository from the local cache only.")
    dtype: Literal["bfloat16", "float16", "float32"] = Field(
        "bfloat16", description="Number format of the weights."
    )
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field(
        "sdpa", description="Implementation of attention."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where the model runs; `auto`: the first GPU, else the CPU.",
    )
    video_wrapper: bool = Field(
        False,
        description="With `video`: keep the chat template's pair of vision tags around the frames' own "
        "pairs, as transformers 5 does; false leaves it out, as vLLM and Qwen's first release do.",
    )
    image_processor: dict[str, Any] = Field(
        default_factory=dict, description="Settings of the image processor that replace the weights' own."
    )


def create(model: ModelFile, context: Context, place: str = "model") -> Transformers:
    """Return the backend of a model's file; nothing is loaded, and no package is needed yet.

    Raises:
        UserError: an option is wrong, or a sampling parameter is not known.
    """
    options = parse(Options, model.options, f"{place}: options")
    sampling.check(model.sampling, place)
    if options.trust_remote_code and options.revision is None:
        raise UserError(
            f"{place}: options.trust_remote_code needs a repository of the hub and its full commit in "
            "options.revision: code from a folder is not pinned"
        )
    check(model, options, place, image_processor=options.image_processor)
    return Transformers(model, options, context, place)


class Transformers(InProcess):
    """One model of transformers in this process; see `InProcess`."""

    def __init__(self, model: ModelFile, options: Options, context: Context, place: str) -> None:
        super().__init__(place, context.media, options.think_tags, options.cache_mb)
        self._options = options
        self._sampling = dict(model.sampling)

    @cached_property
    def _weights(self) -> Weights:
        options = self._options
        return Weights(
            options.model,
            options.revision,
            code=options.trust_remote_code,
            local_files_only=options.local_files_only,
            place=self._place,
        )

    def identity(self) -> dict[str, Any]:
        """Return every setting that can change an answer; weights in a folder count by their content.

        Device, threads and versions of libraries are not in it: they change rounding, not the model, and
        are recorded with the answers (`facts`).

        Raises:
            UserError: the folder is missing, or holds no safetensors weights.
        """
        options = self._options
        size = options.video_size
        return {
            "backend": "transformers",
            **self._weights.identity(),
            "dtype": options.dtype,
            "attention": options.attention,
            "context": options.context,
            "sampling": self._sampling,
            "video": options.video,
            "frame_times": options.frame_times,
            "video_wrapper": options.video_wrapper,
            "image_processor": options.image_processor,
            "video_size": None if size is None else size.model_dump(),
            "chat_template_kwargs": options.chat_template_kwargs,
            "think_tags": options.think_tags,
        }

    def _load(self) -> Engine:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
        for package in _NEEDED:
            try:
                importlib.import_module(package)
            except ImportError as error:
                raise lacking(f"{self._place}: the backend transformers", error, "transformers") from None
        from aqa.models._transformers_engine import TorchEngine

        folder = self._weights.fetch()
        return TorchEngine(folder, self._weights, self._options, self._sampling, self._place)
