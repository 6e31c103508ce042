"""What editors and readers see of the configuration, generated from its one definition."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from aqa.config import Config, ModelFile, Section

DEFAULT: Mapping[str, Any] = {
    "datasets": {
        dataset: {} for dataset in ("llm-fms", "egoexo-fitness", "fitness-aqa", "finefs", "mtl-aqa")
    },
    "models": ["random", "constant", "geometry"],
    "cells": {
        "include": [
            {"tasks": ["judge"], "representations": ["original"]},
            {
                "tasks": ["judge"],
                "representations": ["cropped", "skeleton_overlay", "skeleton_only"],
                "strategies": ["base"],
            },
            {"tasks": ["compare"], "representations": ["original"], "strategies": ["base"]},
        ]
    },
}
"""What the default configuration says beyond the defaults of the keys: the embedded benchmark."""

_HEADER = """\
# yaml-language-server: $schema=schema.json
# The default configuration: the embedded benchmark, which runs anywhere in minutes.
# Generated from scripts/aqa/config.py by `make config`. Copy it and run
# `snakemake --configfile my.yaml`: a configuration stands for itself, it is not merged with this one.
"""


def json_schema(section: type[BaseModel]) -> str:
    """Return the JSON schema of a configuration file."""
    return json.dumps(section.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def default_yaml() -> str:
    """Return the default configuration with every key and its description."""
    config = Config.model_validate(DEFAULT)
    return _HEADER + "\n".join(_section(config, 0)) + "\n"


def generated() -> dict[str, str]:
    """Return every generated file: path from the repository's root -> text."""
    return {
        "config/config.yaml": default_yaml(),
        "config/schema.json": json_schema(Config),
        "config/schema.model.json": json_schema(ModelFile),
    }


def _section(values: Section, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in type(values).model_fields.items():
        value = getattr(values, name)
        if depth == 0:
            yield ""
        width = 100 - len(indent)
        yield from (f"{indent}# {line}" for line in textwrap.wrap(field.description or "", width))
        if isinstance(value, Section):
            yield f"{indent}{name}:"
            yield from _section(value, depth + 1)
        elif _is_sections(value):
            yield f"{indent}{name}:"
            for number, (key, item) in enumerate(value.items()):
                yield f"{indent}  {key}:"
                yield from _section(item, depth + 2) if number == 0 else _plain(item, depth + 2)
        else:
            yield f"{indent}{name}: {_flow(value)}"


def _plain(values: Section, depth: int) -> Iterator[str]:
    """Yield the first key of a section alone: its descriptions stand above."""
    first = next(iter(type(values).model_fields))
    yield f"{'  ' * depth}{first}: {_flow(getattr(values, first))}"


def _is_sections(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(v, Section) for v in value.values())


def _flow(value: Any) -> str:
    """Return a value as one line of YAML, keys that keep their default left out."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_unset=True)
    elif isinstance(value, tuple | list):
        value = [
            item.model_dump(exclude_unset=True) if isinstance(item, BaseModel) else item for item in value
        ]
        value = [
            {key: list(v) if isinstance(v, tuple) else v for key, v in item.items()}
            if isinstance(item, dict)
            else item
            for item in value
        ]
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return text.strip().removesuffix("...").strip()
