"""A Qwen3-VL on arrays of numpy: prompts in, texts out, one after another."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aqa.errors import UserError
from aqa.models import _transformers_sampling as sampling
from aqa.models._frames import Frames
from aqa.models._in_process import Cancelled, Generated, Size
from aqa.models._numpy_decoder import Cache, Decoder, places_of
from aqa.models._numpy_tensors import Array, Tensors, read_config
from aqa.models._numpy_tokens import Tokens
from aqa.models._numpy_vision import Vision
from aqa.models._qwen_pixels import Grid, ImageSettings, Patches, VideoSettings
from aqa.models._qwen_prompt import IMAGE, Prompt, QwenPrompts, Special
from aqa.models._sampling import Scalar
from aqa.models._weights import Weights
from aqa.records import MediaPart, Request

if TYPE_CHECKING:
    from aqa.models.numpy import Options

_MODEL_TYPE = "qwen3_vl"

_NEUTRAL = {
    **dict.fromkeys(("repetition_penalty", "encoder_repetition_penalty", "typical_p", "num_beams"), 1),
    **dict.fromkeys(("min_new_tokens", "min_length", "no_repeat_ngram_size", "epsilon_cutoff"), 0),
    "eta_cutoff": 0,
    **dict.fromkeys(("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "sequence_bias")),
}
"""What weights may ask for beside sampling, and the value that asks for nothing."""


@dataclass(frozen=True)
class _Prefix:
    """What was computed for the beginning of a prompt; `place`: where the token after it stands."""

    ids: list[int]
    media: tuple[MediaPart, ...]
    cache: Cache
    place: int


class NumpyEngine:
    """One model with its tokenizer; see `_in_process.Engine`."""

    def __init__(
        self, folder: Path, weights: Weights, options: Options, chosen: dict[str, Scalar], place: str
    ) -> None:
        """Load the model.

        Raises:
            UserError: the folder holds another kind of model, or a file of it is missing or damaged.
        """
        self.version = weights.version
        self._sampling = chosen
        self._options = options
        self._cancelled: Callable[[], bool] = lambda: False
        self._prefix: _Prefix | None = None
        self._counts = {"requests": 0, "prompt_tokens": 0, "reused_tokens": 0}
        config: Any = read_config(folder, "config.json")
        if config.get("model_type") != _MODEL_TYPE:
            raise UserError(
                f"{place}: {folder}: the model is a {config.get('model_type')}; the backend numpy knows "
                f"{_MODEL_TYPE} alone: use the backend transformers"
            )
        generation: Any = read_config(folder, "generation_config.json")
        self._settings = {**generation, **sampling.settings(chosen, generation)}
        self._ends = _ends(generation, f"{place}: {folder}")
        tensors = Tensors(folder)
        try:
            self._vision = Vision(config["vision_config"], tensors, self._pause)
            self._decoder = Decoder(config["text_config"], tensors, self._pause)
            self._special = Special.of(config)
            longest = int(config["text_config"]["max_position_embeddings"])
        except (LookupError, TypeError, ValueError) as error:
            cause = f"{type(error).__name__}: {error}"
            raise UserError(
                f"{place}: {folder}: config.json and the weights do not fit ({cause}); use transformers"
            ) from None
        if options.context is not None and options.context > longest:
            raise UserError(f"{place}.context: the model reads {longest} tokens at most")
        self._context = options.context or longest
        self._parameters = tensors.count()
        self._tokens = Tokens(folder)
        self._prompts = _prompts(folder, options, self._tokens, self._special)
        self.sent = {"version": self.version, "dtype": "float32", **chosen, "generation": self._settings}

    def answer(
        self, request: Request, clips: Sequence[Frames], cancelled: Callable[[], bool]
    ) -> Generated | str:
        """Answer one request; see `_in_process.Engine`."""
        self._cancelled = cancelled
        try:
            prompt = self._prompts.prepare(request.messages, clips)
        except ValueError as error:
            return f"the model cannot take this prompt ({' '.join(str(error).split())[:300]})"
        room = self._context - len(prompt.ids)
        most = sampling.limit(self._sampling)
        if room < (most or 1):
            wanted = f" and {most} of the answer" if most else ""
            return (
                f"{len(prompt.ids)} tokens of the prompt{wanted} do not fit the context of "
                f"{self._context} tokens"
            )
        try:
            return self._generate(prompt, room if most is None else most, request.key)
        except MemoryError:
            self._prefix = None
            raise UserError(
                "out of memory; take a media profile with fewer or smaller frames, or set options.context"
            ) from None

    def facts(self) -> dict[str, Any]:
        """Return what runs here, and how much of the prompts did not have to be computed again."""
        return {
            "device": "cpu",
            "dtype": "float32",
            "threads": int(os.environ.get("OMP_NUM_THREADS", "0")) or None,
            "parameters": self._parameters,
            "model_type": _MODEL_TYPE,
            "weights": self.version,
            "context": self._context,
            "prefix": dict(self._counts),
            "versions": {
                "python": platform.python_version(),
                **{name: version(name) for name in ("numpy", "tokenizers", "safetensors", "pillow")},
            },
        }

    def _generate(self, prompt: Prompt, most: int, key: str) -> Generated:
        reused = self._enter(prompt)
        assert self._prefix is not None
        known, place = self._prefix.cache, self._prefix.place
        start = known.length
        cache = known.grown(len(prompt.ids) + most)
        self._prefix = _Prefix(prompt.ids[:start], prompt.media, cache, place)
        generator = np.random.default_rng(sampling.seed(self._sampling, key))
        new: list[int] = []
        try:
            waiting = prompt.ids[start:]
            while True:
                places = np.broadcast_to(np.arange(place, place + len(waiting)), (3, len(waiting)))
                logits = self._decoder(self._decoder.embedding[waiting], places, cache)
                place += len(waiting)
                token = choose(logits, self._settings, generator)
                new.append(token)
                if token in self._ends or len(new) >= most:
                    break
                waiting = [token]
        except BaseException:
            self._prefix = None
            raise
        cache.length = start
        for name, more in zip(self._counts, (1, len(prompt.ids), reused), strict=True):
            self._counts[name] += more
        return Generated(
            self._tokens.decode(new), new[-1] not in self._ends, len(prompt.ids), len(new), reused
        )

    def _enter(self, prompt: Prompt) -> int:
        """Have the prompt's prefix in the cache; return how many of its tokens were there already.

        The prefix is always computed by itself, with the same shapes, so that an answer has the same bits
        whether its prefix was there or not.
        """
        ids, known = prompt.ids[: prompt.prefix], self._prefix
        if self._options.reuse_prefix and known and known.media == prompt.media and known.ids == ids:
            return len(ids)
        self._prefix = None
        cache = self._decoder.cache(len(ids) + 512)
        place = 0
        if ids:
            kinds, shown = prompt.kinds[: prompt.prefix], prompt.shown
            places, place = places_of(kinds, shown.image_grids, shown.video_grids, self._special.merge)
            x = self._decoder.embedding[ids]
            visual = np.array(kinds) != 0
            pixels, deep = self._seen(prompt)
            x[visual] = pixels
            self._decoder(x, places, cache, visual, deep)
        self._prefix = _Prefix(ids, prompt.media, cache, place)
        return 0

    def _seen(self, prompt: Prompt) -> tuple[Array, list[Array]]:
        """Return what the vision tower makes of the pixels, in the order of the prompt's tokens."""
        shown = prompt.shown
        kinds = np.array([kind for kind in prompt.kinds if kind])
        total: Array | None = None
        layers: list[Array] = []
        for images, patches, grids in (
            (True, shown.images, shown.image_grids),
            (False, shown.videos, shown.video_grids),
        ):
            if patches is None:
                continue
            tokens, deep = self._vision(patches, grids)
            if total is None:
                total = np.empty((len(kinds), tokens.shape[1]), np.float32)
                layers = [np.empty_like(total) for _ in deep]
            at = (kinds == IMAGE) == images
            total[at] = tokens
            for layer, part in zip(layers, deep, strict=True):
                layer[at] = part
        assert total is not None
        return total, layers

    def _pause(self) -> None:
        if self._cancelled():
            raise Cancelled


def _ends(generation: Mapping[str, Any], place: str) -> frozenset[int]:
    """Return the tokens that end an answer.

    Raises:
        UserError: there are none, or the weights ask for something that is not done here.
    """
    for name, neutral in _NEUTRAL.items():
        if generation.get(name) not in (None, neutral):
            raise UserError(
                f"{place}: generation_config.json asks for {name} {generation[name]}, which this backend "
                "does not do: use transformers"
            )
    found = generation.get("eos_token_id")
    ends = found if isinstance(found, list) else [found]
    if not ends or not all(isinstance(end, int) for end in ends):
        raise UserError(f"{place}: generation_config.json names no eos_token_id, which ends an answer")
    return frozenset(ends)


def choose(logits: Array, settings: Mapping[str, Any], generator: np.random.Generator) -> int:
    """Return the next token: the likeliest, or one drawn as `temperature`, `top_k`, `top_p` and `min_p` say.

    Among equals the first counts; the filters apply in that order, after the temperature.
    """
    if not settings.get("do_sample"):
        return int(logits.argmax())
    scaled = logits.astype(np.float64) / float(settings.get("temperature") or 1.0)
    order = np.argsort(-scaled, kind="stable")
    chances = np.exp(scaled[order] - scaled[order[0]])
    kept = np.ones(len(order), np.bool_)
    if top_k := int(settings.get("top_k") or 0):
        kept[top_k:] = False
    chances = np.where(kept, chances, 0.0) / chances[kept].sum()
    top_p = settings.get("top_p")
    if top_p is not None and top_p < 1:
        # The token that reaches the share is kept as well.
        kept &= np.concatenate([[0.0], np.cumsum(chances)[:-1]]) < max(float(top_p), 1e-12)
    if min_p := settings.get("min_p"):
        kept &= chances >= float(min_p) * chances[0]
    chances = np.where(kept, chances, 0.0)
    return int(order[generator.choice(len(order), p=chances / chances.sum())])


def _pixels(size: Size | None) -> dict[str, int] | None:
    return None if size is None else size.model_dump()


def _prompts(folder: Path, options: Options, tokens: Tokens, special: Special) -> QwenPrompts:
    images = ImageSettings.read(folder, _pixels(options.image_size))

    def cut(frames: Sequence[Any]) -> tuple[Patches, list[Grid]]:
        made = [images.patches(frame[None]) for frame in frames]
        return np.concatenate([patches for patches, _ in made]), [grid for _, grid in made]

    videos = None
    if options.video == "video":
        videos = VideoSettings.read(folder, _pixels(options.video_size))
    return QwenPrompts(
        tokens,
        special,
        cut,
        videos,
        frame_times=options.frame_times,
        variables=options.chat_template_kwargs,
    )
