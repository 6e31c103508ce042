"""Prompts of Qwen3-VL, token by token: the frames that we chose, at the times that we know."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from aqa.errors import UserError
from aqa.models._conversation import conversation, refused
from aqa.models._frames import Frames
from aqa.models._qwen_pixels import Grid, Patches, VideoSettings
from aqa.records import MediaPart, Message

IMAGE, VIDEO = 1, 2
"""What a token stands for, in `Prompt.kinds`; 0 is text."""


class Tokenizer(Protocol):
    """What the tokenizers of transformers offer, as far as prompts need it."""

    def apply_chat_template(
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool, **variables: Any
    ) -> Any:
        """Return the text of a conversation."""
        ...

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Return the names of tokens."""
        ...

    def encode(self, text: str, *, add_special_tokens: bool) -> Any:
        """Return the ids of a text's tokens."""
        ...


Images: TypeAlias = Callable[[Sequence[NDArray[np.uint8]]], tuple[Patches, list[Grid]]]
"""Returns the patches of images, in order, and the grid of each."""


@dataclass(frozen=True)
class Special:
    """The ids of the tokens for media, and how many patches of a side one token stands for."""

    image: int
    video: int
    start: int
    end: int
    merge: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Special:
        """Return what `config.json` of the weights says."""
        return cls(
            image=config["image_token_id"],
            video=config["video_token_id"],
            start=config["vision_start_token_id"],
            end=config["vision_end_token_id"],
            merge=config["vision_config"]["spatial_merge_size"],
        )


@dataclass(frozen=True)
class Shown:
    """The pixels of a prompt: patches and grids of its images, then of its videos, each in order."""

    images: Patches | None
    image_grids: tuple[Grid, ...]
    videos: Patches | None
    video_grids: tuple[Grid, ...]


@dataclass(frozen=True)
class Prompt:
    """A prompt: its tokens, what each stands for, and the pixels.

    The first `prefix` tokens hold all media, and depend on nothing after them.
    """

    ids: list[int]
    kinds: list[int]
    prefix: int
    media: tuple[MediaPart, ...]
    shown: Shown


class QwenPrompts:
    """Builds prompts of Qwen3-VL. Everything up to the end of the last clip is a reusable prefix."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        special: Special,
        images: Images,
        videos: VideoSettings | None,
        *,
        frame_times: bool = False,
        video_wrapper: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """Prepare to build prompts.

        Args:
            tokenizer: of the weights.
            special: the tokens for media.
            images: makes patches of images.
            videos: how videos are shown; None: each frame is an image.
            frame_times: write the time before each frame that is an image.
            video_wrapper: keep the chat template's pair of vision tags around a video.
            variables: for the chat template.
        """
        self._tokenizer = tokenizer
        self._special = special
        self._images = images
        self._videos = videos
        self._frame_times = frame_times
        self._video_wrapper = video_wrapper
        self._variables = dict(variables or {})
        ids = [special.image, special.video, special.start, special.end]
        self._own = tuple(tokenizer.convert_ids_to_tokens(ids))
        self._image, self._video, self._start, self._end = self._own
        self._seen: tuple[tuple[MediaPart, ...], Shown, list[str]] | None = None

    def prepare(self, messages: Sequence[Message], clips: Sequence[Frames]) -> Prompt:
        """Return the prompt's tokens, with the pixels.

        Raises:
            UserError: the text of a message contains one of the model's tokens for media, or the chat
                template refuses the conversation.
            ValueError: a picture is too elongated.
        """
        parts = [part for message in messages for part in message.content]
        for text in (part.text for part in parts if not isinstance(part, MediaPart)):
            if own := next((token for token in self._own if token in text), None):
                raise UserError(f"a text contains the model's own token {own}; correct the text")
        media = tuple(part for part in parts if isinstance(part, MediaPart))
        if self._seen is None or self._seen[0] != media:
            self._seen = (media, *self._media(media, clips))
        _, shown, texts = self._seen
        turns = conversation(messages, video=self._videos is not None, times=self._frame_times)
        try:
            text = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True, **self._variables
            )
        except TemplateError as error:
            raise refused(error) from None
        ids = list(self._tokenizer.encode(self._fill(text, texts), add_special_tokens=False))
        kinds = {self._special.image: IMAGE, self._special.video: VIDEO}
        visual = [at for at, token in enumerate(ids) if token in kinds or token == self._special.end]
        prefix = visual[-1] + 1 if media else 0
        return Prompt(ids, [kinds.get(token, 0) for token in ids], prefix, media, shown)

    def _media(self, media: Sequence[MediaPart], clips: Sequence[Frames]) -> tuple[Shown, list[str]]:
        """Return the pixels of the media, and what stands for each in the prompt, in order."""
        images: list[NDArray[np.uint8]] = []
        videos: list[tuple[Patches, Grid]] = []
        texts = []
        for part, frames in zip(media, clips, strict=True):
            if part.kind == "video" and self._videos is not None:
                patches, grid = self._videos.patches(frames)
                videos.append((patches, grid))
                texts.append(self._video_text(self._videos, part, grid))
            else:
                texts += [""] * len(frames)  # Their sizes are known once they are processed.
                images += list(frames)
        pixels, grids = self._images(images) if images else (None, [])
        counts = iter([times * rows * columns // self._special.merge**2 for times, rows, columns in grids])
        shown = Shown(
            images=pixels,
            image_grids=tuple(grids),
            videos=np.concatenate([patches for patches, _ in videos]) if videos else None,
            video_grids=tuple(grid for _, grid in videos),
        )
        return shown, [text or self._image * next(counts) for text in texts]

    def _video_text(self, settings: VideoSettings, part: MediaPart, grid: Grid) -> str:
        tokens = self._video * (grid[1] * grid[2] // settings.merge**2)
        times = settings.times(part.timestamps)
        return "".join(f"<{time:.1f} seconds>{self._start}{tokens}{self._end}" for time in times)

    def _fill(self, text: str, shown: Sequence[str]) -> str:
        """Put what stands for the media into a rendered chat template."""
        video = re.escape(self._video)
        if not self._video_wrapper:
            video = f"{re.escape(self._start)}{video}{re.escape(self._end)}"
        pattern = f"{video}|{re.escape(self._image)}"
        places = len(re.findall(pattern, text))
        if places != len(shown):
            raise UserError(
                f"a prompt has {places} places for {len(shown)} pictures and videos: the chat template "
                "leaves some out, or makes some up"
            )
        texts = iter(shown)
        return re.sub(pattern, lambda _: next(texts), text)
