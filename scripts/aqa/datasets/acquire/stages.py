"""The steps that bring a dataset into a folder: download, extract, broadcasts, check."""

from __future__ import annotations

import logging
from pathlib import Path, PurePosixPath

from aqa.datasets import load_metadata
from aqa.datasets.acquire import archives
from aqa.datasets.acquire.layout import archive_of, extracted, inspect, matches, summary
from aqa.datasets.acquire.members import Limits
from aqa.datasets.acquire.sources import Broadcasts, Open, Sources, StoredFile, load_sources, with_user_urls
from aqa.datasets.acquire.workspace import Workspace, workspace
from aqa.errors import UserError

log = logging.getLogger("aqa")

USER_URLS = "urls.yaml"
"""The user's own addresses, read from the data folder if it is there."""


def sources_of(dataset: str, data: Path, urls: Path | None = None) -> Sources:
    """Return a dataset's sources with the user's addresses, of `urls` or of urls.yaml in the data folder."""
    sources = load_sources(dataset)
    chosen = urls or data / USER_URLS
    return with_user_urls(sources, chosen) if urls or chosen.is_file() else sources


def get(sources: Sources, data: Path, threads: int) -> list[str]:
    """Do everything that can be done without a person, and return what failed, one line each."""
    failures = download(sources, data) + extract(sources, data)
    for file in sources.files:
        listed = isinstance(file, Broadcasts) and (
            any(one.url for one in file.broadcasts) or matches(data, sources.patterns(file.listing))
        )
        if listed:
            failures += broadcasts(sources, data, threads)
    return failures


def download(sources: Sources, data: Path) -> list[str]:
    """Download every open file with an address that is not there, and return what failed.

    An archive whose content is there is not downloaded.
    """
    failures = []
    for file in sources.files:
        if not isinstance(file, Open) or not file.urls or not _lacks(sources, file, data):
            continue
        from aqa.datasets.acquire.download import download as fetch

        with workspace(data) as work:
            try:
                fetch(file, data / sources.place(file.path), work)
            except UserError as error:
                log.error("%s", error)
                failures.append(str(error))
    return failures


def extract(sources: Sources, data: Path) -> list[str]:
    """Extract every archive that is there and whose content is not, and return what failed.

    A known checksum is verified before.
    """
    failures = []
    for file in sources.files:
        if not isinstance(file, StoredFile) or file.extract is None:
            continue
        archive = archive_of(sources, file, data)
        done, _ = extracted(sources, file, data)
        if done or not archives.present(archive, file.extract.kind):
            continue
        with workspace(data) as work:
            try:
                _extract(sources, file, archive, work)
            except UserError as error:
                log.error("%s", error)
                failures.append(str(error))
    return failures


def broadcasts(sources: Sources, data: Path, threads: int) -> list[str]:
    """Download and re-encode the dataset's videos on the web, and return what failed.

    Raises:
        UserError: the dataset has none, or the list of addresses is missing or wrong.
    """
    files = [file for file in sources.files if isinstance(file, Broadcasts)]
    if not files:
        raise UserError("--dataset: this dataset has no videos on the web; see `acquire.py check`")
    from aqa.datasets.acquire.broadcasts import fetch_broadcasts

    failures: list[str] = []
    for file in files:
        with workspace(data) as work:
            failures += fetch_broadcasts(sources, file, work, threads)
    return failures


def check(dataset: str, sources: Sources, data: Path) -> str:
    """Return what is in the folder, as text.

    Raises:
        Incomplete: something that is needed is missing, incomplete or wrong.
    """
    findings = inspect(sources, data)
    text = summary(load_metadata(dataset), findings, data)
    lacking = [finding.file.name for finding in findings if not finding.fine]
    if lacking:
        raise Incomplete(
            text,
            f"{dataset}: {len(lacking)} of {len(findings)} parts are not there or not right in {data}: "
            f"{', '.join(lacking)}",
        )
    return text


class Incomplete(UserError):
    """A dataset lacks something; `text` tells of all its parts."""

    def __init__(self, text: str, message: str) -> None:
        super().__init__(message)
        self.text = text


def _lacks(sources: Sources, file: Open, data: Path) -> bool:
    if file.extract is not None and extracted(sources, file, data)[0]:
        return False
    return not matches(data, sources.patterns(file.path, *file.alternatives))


def _extract(sources: Sources, file: StoredFile, archive: Path, work: Workspace) -> None:
    assert file.extract is not None
    if file.sha256 is not None:
        finding = next(one for one in inspect(sources.only(file.name), work.data) if one.file == file)
        if finding.status == "wrong":
            raise UserError(finding.text)
    limits = Limits(max_bytes=file.extract.max_bytes, max_members=file.extract.max_members)
    archives.extract(
        archive,
        file.extract.kind,
        _target(archive, sources, file, work.data),
        work.folder,
        limits=limits,
        mark=work.mark(file.path),
    )


def _target(archive: Path, sources: Sources, file: StoredFile, data: Path) -> Path:
    """Return the folder that the members go to, in the root in which the archive was found."""
    assert file.extract is not None
    depth = len(PurePosixPath(file.path).parts)
    if archive.parts[-depth:] == PurePosixPath(file.path).parts:
        return archive.parents[depth - 1] / file.extract.to
    return data / sources.place(file.extract.to)
