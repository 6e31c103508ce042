"""`sources.yaml` of a dataset: the files that it is made of, where each comes from and belongs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, RootModel, StringConstraints, model_validator

from aqa.config import Section, load_yaml, parse
from aqa.datasets.discover import ROOT, dataset_ids
from aqa.errors import UserError, nearest

GIB = 1 << 30
SOURCES = "sources.yaml"

ArchiveKind: TypeAlias = Literal["zip", "tar", "split-tar", "rar"]

Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts or "\\" in path or not path.isprintable():
        raise ValueError(f"'{path}' is not a path inside the data folder (relative, /, no ..)")
    return path


def _web(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+/\S*", url):
        raise ValueError(f"'{url}' is not an http(s) address")
    return url


Inside: TypeAlias = Annotated[str, AfterValidator(_inside)]
"""A path or pattern (`*`, `?`, `**`) relative to the data folder, with `/`."""

Url: TypeAlias = Annotated[str, AfterValidator(_web)]


class Extract(Section):
    """What becomes of an archive."""

    kind: ArchiveKind = Field(description="`split-tar`: <path>.aa, <path>.ab, ... are one tar file.")
    to: Inside = Field(description="Folder that the members are put in; `.` is the data folder.")
    provides: Inside = Field(description="Pattern of what is there once the archive is extracted.")
    alternatives: tuple[Inside, ...] = Field((), description="Other patterns that are as good.")
    count: int | None = Field(None, ge=1, description="How many files or folders `provides` matches.")
    max_bytes: int = Field(100 * GIB, ge=1, description="Refuse an archive that holds more.")
    max_members: int = Field(200_000, ge=1, description="Refuse an archive of more members.")


class Listed(Section):
    """What every entry says. `page` is where a person reads about the file; None for the licence: the
    dataset's own. A file that is not `needed` may be absent."""

    name: Text
    path: Inside = Field(description="Where it belongs, below the first of `roots`.")
    alternatives: tuple[Inside, ...] = Field((), description="Other places where adapters find it.")
    description: Text | None = None
    page: Url
    version: Text
    licence: Text | None = None
    added: date
    note: str = ""
    needed: bool = True


class Stored(Listed):
    """A file, or with a pattern as `path` many (`count` of them when complete).

    `size` is in bytes. `sha256` is None where it is not known.
    """

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    size: int | None = Field(None, ge=0)
    count: int | None = Field(None, ge=1)
    extract: Extract | None = None


class Open(Stored):
    """A file that anyone may download: from `urls`, tried in order, or by hand from `page` (`manual`)."""

    kind: Literal["open"]
    urls: tuple[Url, ...] = ()
    manual: bool = False

    @model_validator(mode="after")
    def _has_a_source(self) -> Open:
        if bool(self.urls) == self.manual:
            raise ValueError("give either `urls`, or `manual: true` where no direct address is known")
        return self


class Gated(Stored):
    """A file that the owners hand out after a request."""

    kind: Literal["gated"]


class Broadcast(Section):
    """One video: `name` becomes <name>.mp4. None for the address: it is read from the user's list."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    url: Url | None = None


class Broadcasts(Listed):
    """Videos on the web that are re-encoded; `path` is their folder, `listing` the user's CSV (name,url)."""

    kind: Literal["broadcast"]
    listing: Inside
    frame_rate: int = Field(ge=1, le=120)
    broadcasts: tuple[Broadcast, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Broadcasts:
        _refuse_duplicates(broadcast.name for broadcast in self.broadcasts)
        return self


StoredFile: TypeAlias = Open | Gated

Source: TypeAlias = Annotated[Open | Gated | Broadcasts, Field(discriminator="kind")]


class Sources(Section):
    """All files of a dataset. `roots`: folders that a release may have around its files; the first is
    where files are put, and in all of them they are looked for."""

    roots: tuple[Annotated[str, AfterValidator(lambda root: root and _inside(root))], ...] = ("",)
    files: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Sources:
        _refuse_duplicates(file.name for file in self.files)
        return self

    def place(self, path: str) -> str:
        """Return where a path of an entry belongs, relative to the data folder."""
        return f"{self.roots[0]}/{path}" if self.roots[0] else path

    def only(self, name: str) -> Sources:
        """Return the sources with one entry."""
        return self.model_copy(update={"files": tuple(file for file in self.files if file.name == name)})

    def patterns(self, *paths: str) -> list[str]:
        """Return all patterns under which the paths may be found, the best first."""
        return [f"{root}/{path}" if root else path for path in paths for root in self.roots]


class _UserUrls(RootModel[dict[str, tuple[Url, ...]]]):
    """The user's own addresses: file name -> addresses, tried before the dataset's."""


def has_sources(dataset: str, root: Path = ROOT) -> bool:
    """Say whether a dataset has a `sources.yaml`; a user's own need not."""
    return (root / dataset.replace("-", "_") / SOURCES).is_file()


def load_sources(dataset: str, root: Path = ROOT) -> Sources:
    """Read and validate a dataset's `sources.yaml`.

    Raises:
        UserError: no such dataset (with the nearest id), or the file is missing or wrong.
    """
    known = dataset_ids(root)
    if dataset not in known:
        raise UserError(f"--dataset: no dataset '{dataset}'{nearest(dataset, known)}")
    path = root / dataset.replace("-", "_") / SOURCES
    if not path.is_file():
        raise UserError(
            f"{dataset}: nothing to fetch or check: its folder has no {SOURCES}; see its metadata.yaml"
        )
    return parse(Sources, load_yaml(path), str(path))


def with_user_urls(sources: Sources, path: Path) -> Sources:
    """Return the sources with the addresses of the user's file first.

    The file is YAML: `<file name>: [https://..., ...]`. A file that was `manual` becomes downloadable.

    Raises:
        UserError: the file is wrong, or names a file that is not open or not there.
    """
    given = parse(_UserUrls, load_yaml(path) or {}, str(path)).root
    names = [file.name for file in sources.files if isinstance(file, Open)]
    for name in given:
        if name not in names:
            raise UserError(f"{path}: '{name}' is not an open file of the dataset{nearest(name, names)}")
    files = tuple(_with_urls(file, given.get(file.name, ())) for file in sources.files)
    return sources.model_copy(update={"files": files})


def _with_urls(file: Source, urls: tuple[str, ...]) -> Source:
    if not urls or not isinstance(file, Open):
        return file
    return file.model_copy(update={"urls": tuple(dict.fromkeys((*urls, *file.urls))), "manual": False})


def _refuse_duplicates(names: Any) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f"'{twice[0]}' is listed twice")
