"""A part of the report that an analysis writes for itself, in a form that needs no template of its own.

An analysis is a command line that reads what scoring wrote, and writes its numbers as CSV, its figures, and
a section: a JSON file that the page lays out. All text is plain; the page escapes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from aqa.errors import UserError
from aqa.files import first_problem, write_json
from aqa.records import Name, Record


class Text(Record):
    """A paragraph."""

    type: Literal["text"] = "text"
    text: str


class Head(Record):
    """The head of a column; neighbours with the same `above` stand under one common head.

    `wide`: it holds sentences, which run over several lines.
    """

    text: str
    left: bool = False
    wide: bool = False
    above: str = ""


class Grid(Record):
    """A table of texts, each row as long as `heads`. `folded`: shown when a reader opens it.

    The first column names the row. `notes` stand below.
    """

    type: Literal["grid"] = "grid"
    title: str = ""
    heads: tuple[Head, ...] = Field(min_length=1)
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    folded: bool = False

    @model_validator(mode="after")
    def _rows_fit(self) -> Self:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.heads):
                raise ValueError(f"row {number} has {len(row)} places, not {len(self.heads)}")
        return self


class Drawing(Record):
    """A figure: the name, without suffix, of files in the folder of figures."""

    type: Literal["drawing"] = "drawing"
    name: Name
    caption: str


class Quote(Record):
    """What a model said, and where: untrusted text, shown as text."""

    text: str
    source: str


class Quotes(Record):
    """Quotations under a title."""

    type: Literal["quotes"] = "quotes"
    title: str
    quotes: tuple[Quote, ...]


Part: TypeAlias = Annotated[Text | Grid | Drawing | Quotes, Field(discriminator="type")]


class Section(Record):
    """A section of the report. `short` names it in the navigation; `files`, beside it, hold its numbers.

    `top`: it stands before everything else.
    """

    id: Name
    title: str = Field(min_length=1)
    short: str = Field(min_length=1)
    parts: tuple[Part, ...]
    files: tuple[Name, ...] = ()
    top: bool = False


def write_section(path: Path, section: Section) -> None:
    """Write a section atomically."""
    write_json(path, section.model_dump(mode="json"))


def read_sections(paths: Iterable[Path]) -> list[Section]:
    """Read sections, in the order given.

    Raises:
        UserError: a file is missing or does not fit, or two sections have one id.
    """
    found = []
    for path in paths:
        try:
            found.append(Section.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
        except ValidationError as error:
            raise UserError(f"{path}: {first_problem(error)}; make it again") from error
    counts = Counter(section.id for section in found)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise UserError(f"two sections of the report have the id '{twice[0]}'; give each its own")
    return found


def grouped(heads: Sequence[Head]) -> list[tuple[str, int]]:
    """Return the common heads with how many columns each spans; empty if no column has one."""
    if not any(head.above for head in heads):
        return []
    spans: list[tuple[str, int]] = []
    for head in heads:
        if spans and spans[-1][0] == head.above:
            spans[-1] = (head.above, spans[-1][1] + 1)
        else:
            spans.append((head.above, 1))
    return spans
