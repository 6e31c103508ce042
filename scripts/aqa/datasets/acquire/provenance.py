"""The provenance table: where every file of every dataset comes from, under which licence."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from aqa.datasets.acquire.sources import Open, Sources, Stored
from aqa.datasets.base import Metadata
from aqa.errors import UserError
from aqa.files import write_text

COLUMNS = ("dataset", "file", "version", "source", "licence", "sha256", "added", "note")


def rows(metadata: Metadata, sources: Sources | None) -> list[dict[str, str]]:
    """Return one row a file and source: each mirror, or the page where the file is to be had by hand.

    A dataset without sources has one row, of what its metadata say.
    """
    if sources is None:
        known = {"dataset": metadata.id, "source": metadata.access.url, "licence": _line(metadata.licence)}
        return [dict.fromkeys(COLUMNS, "") | known | {"note": _line(metadata.access.how)}]
    result = []
    for file in sources.files:
        urls = file.urls if isinstance(file, Open) and file.urls else (file.page,)
        access = {"gated": "on request", "broadcast": "from the web"}.get(file.kind, "")
        if isinstance(file, Open) and file.manual:
            access = "by hand"
        note = "; ".join(text for text in (access, file.note) if text)
        result += [
            {
                "dataset": metadata.id,
                "file": file.name,
                "version": file.version,
                "source": url,
                "licence": _line(file.licence or metadata.licence),
                "sha256": (file.sha256 or "") if isinstance(file, Stored) else "",
                "added": file.added.isoformat(),
                "note": _line(note),
            }
            for url in urls
        ]
    return result


def write(path: Path, table: Iterable[Mapping[str, str]]) -> None:
    """Write the table as `.csv` or `.md`, by the name of the file.

    Raises:
        UserError: another name, or the file cannot be written.
    """
    writers = {".csv": _csv, ".md": _markdown}
    if path.suffix not in writers:
        raise UserError(f"--output {path}: must end in .csv or .md")
    try:
        write_text(path, writers[path.suffix](table))
    except OSError as error:
        raise UserError(f"--output {path}: cannot be written ({error.strerror})") from None


def _csv(table: Iterable[Mapping[str, str]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return stream.getvalue()


def _markdown(table: Iterable[Mapping[str, str]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += [
        "| " + " | ".join(row[column].replace("|", "\\|") for column in COLUMNS) + " |" for row in table
    ]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())
