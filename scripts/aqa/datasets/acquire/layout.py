"""What of a dataset is in the user's folder: found, incomplete, not extracted, wrong or missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from aqa.datasets.acquire import archives
from aqa.datasets.acquire.probe import declared_rate
from aqa.datasets.acquire.sources import Broadcasts, Open, Source, Sources, StoredFile
from aqa.datasets.acquire.workspace import Workspace
from aqa.datasets.base import Metadata
from aqa.datasets.readers import examples, found
from aqa.files import digest_file

Status = Literal["ok", "incomplete", "archived", "wrong", "missing", "optional"]


@dataclass(frozen=True)
class Finding:
    """What was found of one entry. `archived`: its archive is there, but not extracted."""

    file: Source
    status: Status
    text: str

    @property
    def fine(self) -> bool:
        """Say whether nothing that is needed is lacking."""
        return self.status in ("ok", "optional") or not self.file.needed


def inspect(sources: Sources, data: Path, *, checksums: bool = True) -> list[Finding]:
    """Look for every entry in the user's folder; known checksums are verified unless told otherwise."""
    return [_inspect(sources, file, data, checksums) for file in sources.files]


def matches(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return what the first pattern that matches anything matches, sorted, hidden names left out.

    `*` and `?` stay within a name, `**` is any number of folders; upper and lower case are the same.
    """
    for pattern in patterns:
        hits = sorted(set(_matches(folder, [part for part in pattern.split("/") if part != "."])))
        if hits:
            return hits
    return []


def archive_of(sources: Sources, file: StoredFile, data: Path) -> Path:
    """Return where the archive is, or where it belongs; of a split one the name without `.aa`."""
    patterns = sources.patterns(file.path, *file.alternatives)
    split = file.extract is not None and file.extract.kind == "split-tar"
    hits = matches(data, [f"{pattern}.[a-z][a-z]" for pattern in patterns] if split else patterns)
    if not hits:
        return data / sources.place(file.path)
    return hits[0].with_suffix("") if split else hits[0]


def extracted(sources: Sources, file: StoredFile, data: Path) -> tuple[bool, int]:
    """Return whether what an archive provides is there completely, and how much of it is."""
    assert file.extract is not None
    count = len(matches(data, sources.patterns(file.extract.provides, *file.extract.alternatives)))
    moving = Workspace(data).mark(file.path).exists()
    return count >= (file.extract.count or 1) and not moving, count


def summary(metadata: Metadata, findings: list[Finding], data: Path) -> str:
    """Return the lines that a person reads: what is there, and if something lacks, how to get it."""
    lines = [f"{metadata.title} ({metadata.id}) in {data}"]
    lines += [f"  {finding.status:<10}  {finding.file.name}: {finding.text}" for finding in findings]
    if not all(finding.fine for finding in findings):
        access = metadata.access
        lines += [
            f"found there: {found(data)}",
            f"{'apply' if access.gated else 'get it'}: {access.url}",
            f"how: {access.how}",
            f"put it: {access.layout}",
        ]
    return "\n".join(lines)


def _inspect(sources: Sources, file: Source, data: Path, checksums: bool) -> Finding:
    if isinstance(file, Broadcasts):
        return _broadcasts(sources, file, data)
    if file.extract is not None:
        return _archive(sources, file, data, checksums)
    hits = matches(data, sources.patterns(file.path, *file.alternatives))
    if not hits:
        return _absent(sources, file)
    if file.count is not None:
        text = f"{len(hits)} of {file.count} files"
        return Finding(file, "ok" if len(hits) >= file.count else "incomplete", text)
    return _single(file, hits[0], checksums)


def _single(file: StoredFile, path: Path, checksums: bool) -> Finding:
    if file.size is not None and path.stat().st_size != file.size:
        return Finding(file, "wrong", f"{path} has {path.stat().st_size} bytes, not {file.size}")
    if file.sha256 is None or not checksums:
        return Finding(file, "ok", f"{path} (no checksum is known)" if file.sha256 is None else f"{path}")
    actual = digest_file(path)
    if actual != file.sha256:
        return Finding(file, "wrong", f"{path} has sha256 {actual}, not {file.sha256}: get it again")
    return Finding(file, "ok", f"{path}, sha256 verified")


def _archive(sources: Sources, file: StoredFile, data: Path, checksums: bool) -> Finding:
    assert file.extract is not None
    done, count = extracted(sources, file, data)
    if done:
        return Finding(file, "ok", f"extracted, {count} files or folders")
    if Workspace(data).mark(file.path).exists():
        text = f"{count} files or folders; moving the rest was interrupted: run `acquire.py extract`"
        return Finding(file, "incomplete", text)
    archive = archive_of(sources, file, data)
    if not archives.present(archive, file.extract.kind):
        absent = _absent(sources, file)
        text = f"{absent.text}, and only {count} of {file.extract.count} extracted" if count else absent.text
        return Finding(file, "incomplete" if count else absent.status, text)
    if file.extract.kind != "split-tar":
        single = _single(file, archive, checksums)
        if single.status != "ok":
            return single
    return Finding(file, "archived", f"{archive} is there, but not extracted: run `acquire.py extract`")


def _absent(sources: Sources, file: Source) -> Finding:
    text = f"belongs at {sources.place(file.path)}"
    if isinstance(file, Open):
        text += f", by hand from {file.page}" if file.manual else ", run `acquire.py download`"
    return Finding(file, "missing" if file.needed else "optional", text)


def _broadcasts(sources: Sources, file: Broadcasts, data: Path) -> Finding:
    there = {one.name: broadcast_files(sources, file, data, one.name) for one in file.broadcasts}
    lacking = [name for name, files in there.items() if not files]
    text = f"{len(there) - len(lacking)} of {len(there)} videos in {sources.place(file.path)}"
    for files in there.values():
        rate = declared_rate(files[0]) if files else file.frame_rate
        if rate != file.frame_rate:
            said = "cannot be read as a video" if rate is None else f"has {float(rate):g} frames a second"
            wrong = f"{text}; {files[0]} {said}, and annotations count {file.frame_rate}: move it away"
            return Finding(file, "wrong", f"{wrong} and run `acquire.py broadcasts`")
    if not lacking:
        return Finding(file, "ok", text)
    text += f", lacking {examples(lacking)}; list their addresses in {file.listing} (name,url), run "
    status: Status = "incomplete" if len(lacking) < len(there) else "missing"
    return Finding(file, status, text + "`acquire.py broadcasts`")


def broadcast_files(sources: Sources, file: Broadcasts, data: Path, name: str) -> list[Path]:
    """Return the video of a broadcast, wherever adapters find it; [] if it is not there."""
    folders = (file.path, *file.alternatives)
    return matches(data, sources.patterns(*(f"{folder}/{name}.mp4" for folder in folders)))


def _matches(folder: Path, parts: list[str]) -> Iterator[Path]:
    if not parts:
        yield folder
        return
    first, *rest = parts
    if first == "**":
        yield from _matches(folder, rest)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if first == "**":
            if entry.is_dir(follow_symlinks=False):
                yield from _matches(Path(entry.path), parts)
        elif fnmatchcase(entry.name.casefold(), first.casefold()):
            yield from _matches(Path(entry.path), rest)
