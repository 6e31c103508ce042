"""A tokenizer and a chat template without transformers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aqa.errors import UserError
from aqa.models._numpy_tensors import read_config


class Tokens:
    """The tokenizer and the chat template of a folder of weights; see `_qwen_prompt.Tokenizer`."""

    def __init__(self, folder: Path) -> None:
        """Read both.

        Raises:
            UserError: one of them is missing or damaged.
        """
        from tokenizers import Tokenizer

        path = folder / "tokenizer.json"
        try:
            self._tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except Exception as error:  # The library raises bare exceptions.
            raise UserError(f"{path}: no tokenizer ({error}); fetch the model again") from None
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        environment.filters["tojson"] = _json
        try:
            self._template = environment.from_string(_template(folder))
        except TemplateError as error:
            raise UserError(
                f"{folder}: the chat template is damaged ({error}); fetch the model again"
            ) from None

    def apply_chat_template(
        self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool, **variables: Any
    ) -> str:
        """Return the text of a conversation; it is never turned into tokens here."""
        del tokenize
        try:
            return self._template.render(
                messages=conversation, add_generation_prompt=add_generation_prompt, **variables
            )
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise TemplateError(f"{type(error).__name__}: {error}") from None

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str | None]:
        """Return the names of tokens."""
        return [self._tokenizer.id_to_token(number) for number in ids]

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the ids of a text's tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens, without those that stand for no text."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def _template(folder: Path) -> str:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: cannot be read ({error}); fetch the model again") from None
    template = read_config(folder, "tokenizer_config.json").get("chat_template")
    if not isinstance(template, str):
        raise UserError(f"{folder}: the model has no chat template; use an instruction-tuned one")
    return template


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
