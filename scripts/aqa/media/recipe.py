"""What decides a clip's bytes: a clip is made again when its recipe changes, and only then."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from aqa.files import digest, digest_file
from aqa.media import stills
from aqa.media.clips import PoseFile
from aqa.media.errors import MediaError
from aqa.media.masks import PADDING_S, Box
from aqa.media.profile import TOLERANCE_S, within
from aqa.media.target import Target
from aqa.records import Media

_ALWAYS = ("clips", "decode", "draft", "look", "passes", "picture", "profile", "stills", "store")
_MASKED = ("masks",)
_POSED = ("represent", "draw", "../pose/store")


class Recipes:
    """The recipes of clips. Counts each file and folder of a source once; keeps what it found."""

    def __init__(self) -> None:
        self._sources: dict[tuple[Path, Media], Any] = {}
        self._folders: dict[Path, dict[int, Path]] = {}

    @cached_property
    def code(self) -> dict[str, str]:
        """The digests of the modules, and the versions of the libraries, that decide a clip's bytes."""
        here = Path(__file__).parent
        files = {name: digest_file(here / f"{name}.py") for name in (*_ALWAYS, *_MASKED, *_POSED)}
        return {**files, "av": av.__version__, "opencv": cv2.__version__}

    def of(
        self,
        media: Media,
        path: Path,
        target: Target,
        boxes: tuple[Box, ...] = (),
        poses: PoseFile | None = None,
    ) -> str:
        """Return the digest of everything that decides a clip's bytes: source, interval, profile,
        representation, boxes and poses where they count, code and library versions.

        A video or image counts by its content (the digest in samples.jsonl, else of the file), a folder
        of images by the names, sizes and modification times of those in the interval.
        """
        recipe: dict[str, Any] = {
            "source": self._source(media, path),
            "interval": [media.kind, media.start_s, media.end_s, media.fps],
            "shown": [target.representation, target.profile.model_dump(mode="json")],
        }
        modules = [*_ALWAYS, "av", "opencv"]
        if target.representation != "skeleton_only" and (hiding := hides(boxes, media)):
            recipe["boxes"] = [box.model_dump(mode="json") for box in hiding]
            modules += _MASKED
        if target.posed:
            recipe["poses"] = None if poses is None else poses.sha256
            modules += _POSED
        recipe["code"] = {name: self.code[name] for name in modules}
        return digest(recipe)

    def _source(self, media: Media, path: Path) -> Any:
        if (path, media) not in self._sources:
            self._sources[path, media] = self._look_at(media, path)
        return self._sources[path, media]

    def _look_at(self, media: Media, path: Path) -> Any:
        if media.kind == "frames":
            return [media.sha256, self._listing(media, path)]
        return digest_file(path) if media.sha256 is None and path.is_file() else media.sha256

    def _listing(self, media: Media, folder: Path) -> list[tuple[str, int, int]]:
        try:
            if folder not in self._folders:
                self._folders[folder] = stills.numbered_images(folder)
            images = self._folders[folder]
            times = np.arange(max(images)) / (media.fps or stills.SEQUENCE_FPS)
            wanted = [images[i + 1] for i in within(times, media.start_s, media.end_s) if i + 1 in images]
            return [(image.name, image.stat().st_size, image.stat().st_mtime_ns) for image in wanted]
        except (MediaError, OSError):
            return []


def hides(boxes: tuple[Box, ...], media: Media) -> tuple[Box, ...]:
    """Return the boxes that may hide something during a clip."""
    around = PADDING_S + TOLERANCE_S
    start, end = media.start_s or 0.0, media.end_s
    return tuple(
        box
        for box in boxes
        if (box.end_s is None or box.end_s + around > start)
        and (end is None or box.start_s is None or box.start_s - around < end)
    )
