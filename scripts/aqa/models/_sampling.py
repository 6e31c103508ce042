"""Sampling parameters of the chat completions protocol: which exist, and what they may be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from aqa.errors import UserError, nearest

Scalar: TypeAlias = float | int | bool | str


class Parameter(NamedTuple):
    """The kind of a parameter and its bounds, both inclusive."""

    kind: Literal["number", "integer", "flag", "text"]
    low: float = -math.inf
    high: float = math.inf


PARAMETERS: dict[str, Parameter] = {
    "frequency_penalty": Parameter("number", -2, 2),
    "ignore_eos": Parameter("flag"),
    "include_stop_str_in_output": Parameter("flag"),
    "length_penalty": Parameter("number"),
    "max_completion_tokens": Parameter("integer", 1),
    "max_tokens": Parameter("integer", 1),
    "min_p": Parameter("number", 0, 1),
    "min_tokens": Parameter("integer", 0),
    "n": Parameter("integer", 1, 1),
    "presence_penalty": Parameter("number", -2, 2),
    "reasoning_effort": Parameter("text"),
    "repetition_penalty": Parameter("number", 0),
    "seed": Parameter("integer"),
    "skip_special_tokens": Parameter("flag"),
    "spaces_between_special_tokens": Parameter("flag"),
    "stop": Parameter("text"),
    "temperature": Parameter("number", 0),
    "thinking_token_budget": Parameter("integer", 0),
    "top_k": Parameter("integer", -1),
    "top_p": Parameter("number", 0, 1),
}
"""OpenAI's chat completions API, and vLLM's additions to it (vLLM 0.33, `ChatCompletionRequest`)."""

_KINDS: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "flag": (bool,),
    "text": (str,),
}


def of_repeat(sampling: Mapping[str, Scalar], repeat: int) -> dict[str, Scalar]:
    """Return the parameters that a repeat changes: a configured seed grows by one with each."""
    seed = sampling.get("seed")
    return {"seed": int(seed) + repeat} if seed is not None and repeat else {}


_HINT = " (a field of one server only goes into options.extra_body)"


def check(
    sampling: Mapping[str, Scalar],
    place: str,
    parameters: Mapping[str, Parameter] = PARAMETERS,
    hint: str = _HINT,
) -> None:
    """Refuse a parameter that servers would ignore, or that they would reject in every request.

    `parameters` are those that exist; `hint` ends the message about one that does not.

    Raises:
        UserError: the name is not known (with the nearest one), or the value cannot be right.
    """
    for name, value in sampling.items():
        parameter = parameters.get(name)
        if parameter is None:
            raise UserError(f"{place}: unknown sampling parameter '{name}'{nearest(name, parameters)}{hint}")
        fits = isinstance(value, _KINDS[parameter.kind]) and isinstance(value, bool) == (
            parameter.kind == "flag"
        )
        if not fits:
            raise UserError(f"{place}: sampling.{name} is {value!r}; a {parameter.kind} is expected")
        if isinstance(value, int | float) and not (
            math.isfinite(value) and parameter.low <= value <= parameter.high
        ):
            bounds = f"[{parameter.low:g}, {parameter.high:g}]"
            raise UserError(f"{place}: sampling.{name} is {value!r}; it must lie in {bounds}")
