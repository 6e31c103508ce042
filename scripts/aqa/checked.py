"""Checking what users write: YAML documents against typed sections, with errors that name the place."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from aqa.errors import UserError, nearest

ConfigT = TypeVar("ConfigT", bound=BaseModel)

MAX_BINS = 50


def _fit_for_bins(bins: Any) -> Any:
    if isinstance(bins, list | tuple):
        fits = bool(bins) and all(isinstance(share, float | int) for share in bins)
        fits = fits and all(low < high for low, high in pairwise((0, *bins, 1)))
    else:
        fits = isinstance(bins, int) and not isinstance(bins, bool) and 2 <= bins <= MAX_BINS
    if not fits:
        raise ValueError(f"give a whole number from 2 to {MAX_BINS}, or ascending shares between 0 and 1")
    return bins


Bins: TypeAlias = Annotated[int | tuple[float, ...], BeforeValidator(_fit_for_bins)]
"""So many bins, or where bins meet, as shares of a scale."""


class Section(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse(schema: type[ConfigT], values: Any, place: str) -> ConfigT:
    """Validate `values` against `schema`.

    Raises:
        UserError: one line with the cause, the place (`place` and the key's path) and, for a name that
            is not known, the nearest valid one.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{place}: {_explain(schema, error.errors()[0])}") from None


def load_yaml(path: Path) -> Any:
    """Read one YAML document.

    Raises:
        UserError: the file cannot be read, or is not YAML; names the file and the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from None


def _explain(schema: type[BaseModel], problem: ErrorDetails) -> str:
    path = [part for part in problem["loc"] if part not in ("[key]",)]
    place = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        valid = _keys(schema, path[:-1])
        inside = ".".join(str(part) for part in path[:-1])
        where = f" in '{inside}'" if inside else ""
        return f"unknown key '{path[-1]}'{where}{nearest(str(path[-1]), valid)}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        expected = problem.get("ctx", {}).get("expected", "")
        valid = {name.strip("' ") for name in expected.replace(" or ", ",").split(",")}
        return f"'{place}' is '{problem['input']}'{nearest(problem['input'], valid)}"
    if problem["type"] == "missing":
        return f"'{place}' is missing"
    shown = repr(problem["input"]) if not isinstance(problem["input"], Mapping) else "a mapping"
    return f"'{place}' is {shown[:60]}: {problem['msg'].removeprefix('Value error, ')}"


def _keys(schema: type[BaseModel], path: list[int | str]) -> set[str]:
    """Return the keys that are valid at `path` below `schema` (empty where keys are free)."""
    at: Any = schema
    for part in path:
        field = at.model_fields.get(str(part)) if _is_section(at) else None
        at = _inner(field.annotation) if field else at  # A name or a number leads to the section inside.
    return set(at.model_fields) if _is_section(at) else set()


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _inner(annotation: Any) -> Any:
    """Return the model class inside a container or optional annotation, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _inner(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation
