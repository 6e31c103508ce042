"""Whether a cell's prompts rest on texts that nobody has approved: `drafts.json` beside its requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import digest_file, first_problem, write_json
from aqa.records import Record, Sha256

FILE = "drafts.json"


class Drafts(Record):
    """The unapproved texts that a cell's requests show; `requests` is the sha256 of `requests.jsonl`."""

    requests: Sha256
    drafts: tuple[dict[str, Any], ...]


def write_drafts(cell: Path, drafts: Sequence[dict[str, Any]]) -> None:
    """Write `drafts.json` of a cell whose `requests.jsonl` is written."""
    write_json(cell / FILE, Drafts(requests=digest_file(cell / "requests.jsonl"), drafts=tuple(drafts)))


def read_drafts(cell: Path) -> int:
    """Return how many unapproved texts a cell's requests show; 0 where no `drafts.json` says so.

    Raises:
        UserError: the file is damaged, or is about other requests than those beside it.
    """
    return len(drafts_of(cell))


def drafts_of(cell: Path) -> tuple[dict[str, Any], ...]:
    """Return the unapproved texts that a cell's requests show; as `read_drafts`."""
    path = cell / FILE
    try:
        found = Drafts.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); render the requests again") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}; render the requests again") from error
    if found.requests != digest_file(cell / "requests.jsonl"):
        raise UserError(f"{path}: is about other requests than requests.jsonl; render the requests again")
    return found.drafts
