"""What adapters share: finding files in a user's folder and reading them, with errors that help."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aqa.datasets.base import Metadata
from aqa.errors import UserError

VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mkv", ".webm", ".mov", ".avi")

MAX_JSON_BYTES = 256 * 1024 * 1024
"""Larger than any annotation file of the supported datasets; a larger one is not an annotation file."""

_SHOWN = 8


def missing(metadata: Metadata, folder: Path, what: str) -> UserError:
    """Return the error for files that are not there: what, what was found, where to get and put it."""
    access = metadata.access
    return UserError(
        f"{metadata.id}: {what} not found in {folder} (found there: {found(folder)}); "
        f"get it: {access.how} ({access.url}); put it: {access.layout}"
    )


def found(folder: Path) -> str:
    """Describe what a folder holds, in a few words."""
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file, not a folder"
    names = [path.name + ("/" if path.is_dir() else "") for path in entries(folder)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) if names else "nothing"


def entries(folder: Path) -> list[Path]:
    """Return what lies directly in a folder, sorted by name, hidden files left out.

    Raises:
        UserError: the folder cannot be read.
    """
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_name)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly in a folder, sorted by name; [] if there is no such folder."""
    return [path for path in entries(folder) if path.is_dir()] if folder.is_dir() else []


def child(folder: Path, name: str) -> Path | None:
    """Return the entry of that name, whatever its case (releases differ); the exact name first."""
    if (folder / name).exists():
        return folder / name
    if not folder.is_dir():
        return None
    return next((path for path in entries(folder) if path.name.lower() == name.lower()), None)


def media_files(folders: Iterable[Path], extensions: tuple[str, ...]) -> list[Path]:
    """Return the media files directly in these folders, in the order of the folders, then by name."""
    return [
        path
        for folder in folders
        if folder.is_dir()
        for path in entries(folder)
        if path.suffix.lower() in extensions and path.is_file()
    ]


def read_json(path: Path) -> Any:
    """Read one JSON document; a key that occurs twice in an object is an error, not the last value.

    Raises:
        UserError: the file cannot be read, is too large, or is not such JSON.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UserError(f"{path}: {path.stat().st_size} bytes are too many for an annotation file")
        return json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise UserError(f"{path}: not an annotation file (nested too deep)") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); get the file from its source again") from None


def examples(names: Iterable[str]) -> str:
    """Return the first few names, for a message."""
    listed = sorted(names)
    more = ", ..." if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key '{key}' occurs twice")
        result[key] = value
    return result


def _name(path: Path) -> str:
    return path.name
