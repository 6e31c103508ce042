"""Rephrased questions of the embedded data, which lie among its other texts (`embedded_texts.yaml`)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from aqa.config import load_yaml
from aqa.datasets.base import Text
from aqa.datasets.contrastive import ContrastiveText
from aqa.datasets.reviewed import key
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.records import Name

FILE = Path(__file__).parent / "embedded_texts.yaml"


class _Compare(BaseModel):
    """The question about two images; `options`: that of the image asked for, and its opposite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: Text
    options: tuple[Text, Text]


class _Entry(BaseModel):
    """What the task needs of an entry; all other texts are left unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    exercise: Name
    question: Text
    options: tuple[Text, ...]
    compare: _Compare


def texts() -> list[ContrastiveText]:
    """Return the rephrased questions of the embedded data; options that are not opposite are boundaries.

    Raises:
        UserError: the file is not of this form.
    """
    try:
        entries = TypeAdapter(list[_Entry]).validate_python(load_yaml(FILE))
    except ValidationError as error:
        raise UserError(f"{FILE}: {first_problem(error)}") from None
    return [
        ContrastiveText(
            exercise=entry.exercise,
            question=entry.question,
            sha256=key(entry.question),
            rephrased=entry.compare.question,
            first_option=entry.compare.options[0],
            other_options=entry.compare.options[1:],
            boundary=tuple(option for option in entry.options if option not in entry.compare.options),
            reviewed=True,
        )
        for entry in entries
    ]
