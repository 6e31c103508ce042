"""The members of an archive: what may be extracted, and what is refused whatever the kind of archive."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from aqa.datasets.acquire.sources import GIB
from aqa.errors import UserError

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 2048
MAX_DEPTH = 32
RATIO_FLOOR = 16 * 1024 * 1024
"""An archive may always hold this many bytes, however small it is."""

AGAIN = "get the archive from its owners again"
BY_HAND = "extract it by hand to where its files belong"

_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most; `ratio` is its content over its own size."""

    max_bytes: int = 100 * GIB
    max_members: int = 200_000
    ratio: int = 200


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder to extract; `path` is relative, with `/`, and safe."""

    path: str
    size: int
    folder: bool


@dataclass
class Listing:
    """The members of an archive as they are found; each is checked when it is added.

    `archive` names the archive in errors; `size` is its size in bytes.
    """

    archive: Path
    size: int
    limits: Limits
    members: list[Member] = field(default_factory=list)
    total: int = 0
    _seen: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    _files: set[str] = field(default_factory=set)

    def add(self, name: str, size: int, *, folder: bool) -> Member | None:
        """Check a member and keep it; None for the archive's own root (`./`).

        Raises:
            UserError: it could reach outside, hide, replace another member, or is too much.
        """
        problem = name_problem(name)
        if problem:
            raise self.refusal(name, problem)
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if not parts:
            if not folder:
                raise self.refusal(name, "has no name")
            return None
        path = self._claim(name, parts, folder)
        if size < 0:
            raise self.refusal(name, "has a negative size")
        self.total += size
        self._check_amount(name)
        member = Member(path, size, folder)
        self.members.append(member)
        return member

    def most_by_ratio(self) -> int:
        """Return how many bytes an archive of this size may hold."""
        return max(RATIO_FLOOR, self.limits.ratio * self.size)

    def refusal(self, name: str | None, problem: str, hint: str = AGAIN) -> UserError:
        """Return the error that names the archive, the member and what is wrong with it."""
        member = f"member '{shown(name)}' " if name is not None else ""
        return UserError(f"{self.archive}: refused: {member}{problem}; nothing was extracted, {hint}")

    def _claim(self, name: str, parts: list[str], folder: bool) -> str:
        path = ""
        for depth, part in enumerate(parts, start=1):
            path = f"{path}/{part}" if path else part
            last = depth == len(parts)
            if last or path not in self._folders:
                self._enter(name, path, folder or not last)
        return path

    def _enter(self, name: str, path: str, folder: bool) -> None:
        key = fold(path)
        if key not in self._seen:
            self._seen[key] = (path, folder)
        spelling, was_folder = self._seen[key]
        if spelling != path:
            raise self.refusal(
                name, f"differs from '{shown(spelling)}' only by upper and lower case or by Unicode form"
            )
        if folder != was_folder:
            raise self.refusal(name, f"makes '{shown(path)}' both a file and a folder")
        if folder:
            self._folders.add(path)
        elif path in self._files:
            raise self.refusal(name, "occurs twice")
        else:
            self._files.add(path)

    def _check_amount(self, name: str) -> None:
        if len(self.members) >= self.limits.max_members:
            raise self.refusal(None, f"it has more than {self.limits.max_members} members")
        if self.total > self.limits.max_bytes:
            raise self.refusal(
                name, f"brings the content to {self.total} bytes, more than {self.limits.max_bytes}"
            )
        if self.total > self.most_by_ratio():
            raise self.refusal(
                name,
                f"brings the content to {self.total} bytes, more than {self.limits.ratio} times the "
                f"archive's {self.size}",
            )


def name_problem(name: str) -> str | None:
    """Return why a member of this name is refused, None if it stays inside its folder."""
    checks = (
        (not name, "has no name"),
        (name.startswith("/"), "has an absolute path"),
        ("\\" in name, "has a backslash in its name"),
        (re.match(r"[A-Za-z]:", name) is not None, "names a drive"),
        (".." in name.split("/"), "climbs out of the folder with '..'"),
        (
            any(unicodedata.category(character) in _UNPRINTABLE for character in name),
            "has an unprintable character in its name",
        ),
        (name.count("/") > MAX_DEPTH, f"lies deeper than {MAX_DEPTH} folders"),
    )
    for wrong, problem in checks:
        if wrong:
            return problem
    if len(name.encode()) > MAX_PATH_BYTES or any(
        len(part.encode()) > MAX_NAME_BYTES for part in name.split("/")
    ):
        return "has too long a name"
    return None


def fold(path: str) -> str:
    """Return what is the same for paths that some file system holds to be one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def shown(name: str) -> str:
    """Return a name that is safe to print: escaped and not too long."""
    text = "".join(
        character
        if unicodedata.category(character) not in _UNPRINTABLE
        else character.encode("unicode_escape").decode()
        for character in name
    )
    return text if len(text) <= 120 else f"{text[:117]}..."
