"""A model of transformers, loaded: prompts in, texts out, one after another on one thread."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
import safetensors
import tokenizers
import torch
import transformers
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    DynamicCache,
    LogitsProcessor,
    LogitsProcessorList,
)

from aqa.errors import UserError
from aqa.models import _transformers_sampling as sampling
from aqa.models._frames import Frames
from aqa.models._in_process import Cancelled, Generated
from aqa.models._sampling import Scalar
from aqa.models._transformers_prompt import GenericPrompts, Prepared, Prompts
from aqa.models._transformers_qwen import MODEL_TYPES, TorchQwenPrompts
from aqa.models._weights import Weights
from aqa.records import Request

if TYPE_CHECKING:
    from aqa.models.transformers import Options


@dataclass(frozen=True)
class _Prefix:
    """What was computed for the beginning of a prompt; `delta`: Qwen's offset of the positions after it."""

    ids: torch.Tensor
    media: tuple[Any, ...]
    cache: Any
    delta: Any


class TorchEngine:
    """One model with its tokenizer and processors. Not thread-safe: one request at a time."""

    def __init__(
        self, folder: Path, weights: Weights, options: Options, chosen: dict[str, Scalar], place: str
    ) -> None:
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        self._options = options
        self._sampling = chosen
        self._place = place
        self.version = weights.version
        self._cancelled: Callable[[], bool] = lambda: False
        self._prefix: _Prefix | None = None
        self._counts = {"requests": 0, "prompt_tokens": 0, "reused_tokens": 0}
        self._device = _device(options.device, place)
        self._model = _model(folder, options, weights.code, place).to(self._device)
        for module in self._model.modules():
            if isinstance(module, torch.nn.ModuleList):
                for layer in module:
                    layer.register_forward_pre_hook(self._pause)
        self._tokenizer, self._prompts = _prompts(folder, self._model.config, options, weights.code, place)
        self._generation = deepcopy(self._model.generation_config)
        settings = sampling.settings(chosen, self._generation.to_dict())
        for name, value in settings.items():
            setattr(self._generation, name, value)
        self._generation.max_length = None
        self._context = options.context or _context(self._model.config)
        self.sent = {
            **{"version": self.version, "dtype": options.dtype, "attention": options.attention},
            **chosen,
            "generation": json.loads(self._generation.to_json_string(use_diff=True)),
        }

    def answer(
        self, request: Request, clips: Sequence[Frames], cancelled: Callable[[], bool]
    ) -> Generated | str:
        """Answer one request, or return why it can never be answered.

        Raises:
            UserError: memory is short, or the prompt cannot be built.
            Cancelled: `cancelled` said so; asked between any two layers.
        """
        self._cancelled = cancelled
        try:
            try:
                prompt = self._prompts.prepare(request.messages, clips)
            except ValueError as error:
                return f"the model cannot take this prompt ({' '.join(str(error).split())[:300]})"
            room = self._context - prompt.ids.shape[1]
            most = sampling.limit(self._sampling)
            if room < (most or 1):
                wanted = f" and {most} of the answer" if most else ""
                return (
                    f"{prompt.ids.shape[1]} tokens of the prompt{wanted} do not fit the context of "
                    f"{self._context} tokens"
                )
            result: Generated = self._generate(prompt, room if most is None else most, request.key)
            return result
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise self._short_of_memory(error) from None
        except RuntimeError as error:
            if "alloc" not in str(error).lower():
                raise
            raise self._short_of_memory(error) from None

    def facts(self) -> dict[str, Any]:
        """Return what runs here, and how much of the prompts did not have to be computed again."""
        gpu = torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else None
        return {
            "device": str(self._device),
            "gpu": gpu,
            "cuda": torch.version.cuda if gpu else None,
            "dtype": self._options.dtype,
            "attention": self._options.attention,
            "threads": torch.get_num_threads(),
            "parameters": sum(parameter.numel() for parameter in self._model.parameters()),
            "model_type": self._model.config.model_type,
            "weights": self.version,
            "context": self._context,
            "prefix": dict(self._counts),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "tokenizers": tokenizers.__version__,
                "safetensors": safetensors.__version__,
                "pillow": PIL.__version__,
            },
        }

    @torch.inference_mode()  # type: ignore[untyped-decorator, unused-ignore]
    def _generate(self, prompt: Prepared, most: int, key: str) -> Generated:
        ids = prompt.ids.to(self._device)
        inputs: dict[str, Any] = self._place_inputs(prompt)
        reused = 0
        if prompt.prefix:
            reused = self._enter(prompt, ids, inputs)
            assert self._prefix is not None
            inputs = {"past_key_values": self._prefix.cache}
        try:
            with torch.random.fork_rng([self._device] if self._device.type == "cuda" else []):
                torch.manual_seed(sampling.seed(self._sampling, key))
                output = self._model.generate(
                    input_ids=ids,
                    **({"attention_mask": torch.ones_like(ids)} | inputs),
                    generation_config=self._generation,
                    max_new_tokens=most,
                    logits_processor=LogitsProcessorList(_penalties(self._sampling, ids.shape[1])),
                    **({"tokenizer": self._tokenizer} if self._generation.stop_strings else {}),
                )
        except BaseException:
            self._prefix = None
            raise
        self._leave()
        new = output[0, ids.shape[1] :].tolist()
        self._count(ids.shape[1], reused)
        text, ended = self._text(new)
        return Generated(text, not ended, ids.shape[1], len(new), reused)

    def _enter(self, prompt: Prepared, ids: torch.Tensor, inputs: dict[str, Any]) -> int:
        """Have the prompt's prefix in the cache; return how many of its tokens were there already.

        The prefix is always computed by itself, with the same shapes, so that an answer has the same bits
        whether its prefix was there or not.
        """
        start = ids[:, : prompt.prefix]
        known = self._prefix
        if (
            self._options.reuse_prefix
            and known is not None
            and known.media == prompt.media
            and torch.equal(known.ids, start)
        ):
            self._model.model.rope_deltas = known.delta
            return prompt.prefix
        self._prefix = None
        cache = DynamicCache(config=self._model.config)
        given = inputs | {"mm_token_type_ids": inputs["mm_token_type_ids"][:, : prompt.prefix]}
        self._model(input_ids=start, **given, past_key_values=cache, use_cache=True, logits_to_keep=1)
        self._prefix = _Prefix(start, prompt.media, cache, self._model.model.rope_deltas)
        return 0

    def _leave(self) -> None:
        """Take everything after the prefix out of the cache again."""
        if self._prefix is not None:
            cache = self._prefix.cache
            cache.crop(self._prefix.ids.shape[1] - cache.get_seq_length())

    def _place_inputs(self, prompt: Prepared) -> dict[str, Any]:
        floats = self._model.dtype
        return {
            name: value.to(self._device, floats) if value.is_floating_point() else value.to(self._device)
            for name, value in prompt.inputs.items()
        }

    def _text(self, new: list[int]) -> tuple[str, bool]:
        """Return the text of new tokens, and whether it came to its end."""
        text = str(self._tokenizer.decode(new, skip_special_tokens=True))
        for stop in self._generation.stop_strings or ():
            before, found, _ = text.partition(stop)
            if found:
                return before, True
        ends = self._generation.eos_token_id
        return text, bool(new) and new[-1] in (ends if isinstance(ends, list) else [ends])

    def _count(self, prompt: int, reused: int) -> None:
        for name, more in zip(self._counts, (1, prompt, reused), strict=True):
            self._counts[name] += more

    def _pause(self, _module: torch.nn.Module, _inputs: Any) -> None:
        if self._cancelled():
            raise Cancelled

    def _short_of_memory(self, error: BaseException) -> UserError:
        self._prefix = None
        cause = " ".join(str(error).split())[:200]
        return UserError(
            f"out of memory on {self._device} ({cause}); take a smaller model or dtype, a media profile with "
            "fewer or smaller frames, or set options.context"
        )


class _Penalty(LogitsProcessor):  # type: ignore[misc]
    """OpenAI's penalties for tokens that the answer already has: once, and for each time."""

    def __init__(self, presence: float, frequency: float, start: int) -> None:
        self._presence = presence
        self._frequency = frequency
        self._start = start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        counts = torch.zeros_like(scores)
        answer = input_ids[:, self._start :]
        counts.scatter_add_(1, answer, torch.ones_like(answer, dtype=scores.dtype))
        return scores - self._presence * (counts > 0) - self._frequency * counts


def _penalties(chosen: dict[str, Scalar], start: int) -> list[LogitsProcessor]:
    presence, frequency = (float(chosen.get(f"{name}_penalty", 0)) for name in ("presence", "frequency"))
    return [_Penalty(presence, frequency, start)] if presence or frequency else []


def _device(name: str, place: str) -> torch.device:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    device = torch.device(name)
    if not available[device.type] or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise UserError(
            f"{place}: options.device: this machine, or its torch {torch.__version__}, has no {name}; "
            "set it to auto or cpu"
        )
    return device


def _model(folder: Path, options: Options, code: bool, place: str) -> Any:
    try:
        model, report = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=getattr(torch, options.dtype),
            attn_implementation=options.attention,
            use_safetensors=True,
            trust_remote_code=code,
            local_files_only=True,
            output_loading_info=True,
        )
    except (ValueError, OSError, ImportError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        cause = " ".join(str(error).split())[:400]
        raise UserError(
            f"{place}: {folder}: transformers {transformers.__version__} cannot load the model ({cause})"
        ) from None
    for problem in ("missing_keys", "mismatched_keys"):
        if names := sorted(map(str, report.get(problem) or ())):
            raise UserError(
                f"{place}: {folder}: the weights lack {len(names)} tensors that the model needs ({problem}, "
                f"the first {names[0]}); they would be random numbers: fetch the model again"
            )
    return model.eval()


def _prompts(folder: Path, config: Any, options: Options, code: bool, place: str) -> tuple[Any, Prompts]:
    common = {"trust_remote_code": code, "local_files_only": True}
    try:
        if config.model_type in MODEL_TYPES:
            tokenizer = AutoTokenizer.from_pretrained(folder, **common)
            images = AutoImageProcessor.from_pretrained(folder, backend="pil", **common)
            _override(images, options.image_processor, place)
            _require_template(folder, tokenizer.chat_template, place)
            return tokenizer, TorchQwenPrompts(folder, config, tokenizer, images, options)
        processor = AutoProcessor.from_pretrained(folder, backend="pil", **common)
    except (ImportError, OSError, ValueError, TypeError) as error:
        cause = " ".join(str(error).split())[:400]
        step = "; pip install torchvision, the release that fits your torch" if "torchvision" in cause else ""
        raise UserError(f"{place}: {folder}: the processor cannot be loaded ({cause}){step}") from None
    _override(processor.image_processor, options.image_processor, place)
    _require_template(folder, processor.chat_template or processor.tokenizer.chat_template, place)
    return processor.tokenizer, GenericPrompts(processor, options, place)


def _require_template(folder: Path, template: Any, place: str) -> None:
    if not template:
        raise UserError(f"{place}: {folder}: the model has no chat template; use an instruction-tuned one")


def _override(image_processor: Any, values: dict[str, Any], place: str) -> None:
    for name, value in values.items():
        if not hasattr(image_processor, name):
            owner = type(image_processor).__name__
            raise UserError(f"{place}: options.image_processor.{name}: {owner} has no such setting")
        setattr(image_processor, name, value)


def _context(config: Any) -> int:
    return int(config.get_text_config().max_position_embeddings)
