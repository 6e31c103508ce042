"""Sampling parameters of a model in this process: those of the protocol that generation here knows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from aqa.errors import UserError
from aqa.models import _sampling
from aqa.models._sampling import Scalar

PARAMETERS = {
    name: _sampling.PARAMETERS[name]
    for name in (
        *("frequency_penalty", "max_completion_tokens", "max_tokens", "min_p", "min_tokens", "n"),
        *("presence_penalty", "repetition_penalty", "seed", "stop", "temperature", "top_k", "top_p"),
    )
}
"""Those of the protocol's parameters that this backend can honour."""

_SAME_NAME = ("temperature", "top_p", "min_p", "repetition_penalty")
_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p")


def check(sampling: Mapping[str, Scalar], place: str) -> None:
    """Refuse a parameter that this backend does not know, or that cannot be right.

    Raises:
        UserError: as said.
    """
    _sampling.check(sampling, place, PARAMETERS, " (the backend transformers has no other parameters)")
    if sampling.get("repetition_penalty") == 0:
        raise UserError(f"{place}: sampling.repetition_penalty is 0; it must be above 0 (1 changes nothing)")
    if "max_tokens" in sampling and "max_completion_tokens" in sampling:
        raise UserError(f"{place}: sampling has max_tokens and max_completion_tokens; keep one")


def limit(sampling: Mapping[str, Scalar]) -> int | None:
    """Return the most tokens of an answer, None where only the context limits it."""
    value = sampling.get("max_tokens", sampling.get("max_completion_tokens"))
    return None if value is None else int(value)


def settings(sampling: Mapping[str, Scalar], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what generation is to be set to, in the words of transformers' GenerationConfig.

    What `sampling` leaves out is the weights' own (`own`: their generation_config.json), as in vLLM.
    Temperature 0 is greedy. `top_k` 0 and -1 keep every token.
    """
    chosen: dict[str, Any] = {name: sampling[name] for name in _SAME_NAME if name in sampling}
    if "top_k" in sampling:
        chosen["top_k"] = max(0, int(sampling["top_k"]))
    if "min_tokens" in sampling:
        chosen["min_new_tokens"] = sampling["min_tokens"]
    if "stop" in sampling:
        chosen["stop_strings"] = [sampling["stop"]]
    if "temperature" in sampling:
        chosen["do_sample"] = float(sampling["temperature"]) > 0
    if not chosen.get("do_sample", own.get("do_sample")):
        chosen.update(dict.fromkeys(_OF_SAMPLING), do_sample=False)
    return chosen


def seed(sampling: Mapping[str, Scalar], key: str) -> int:
    """Return the seed of a request: its key and `sampling.seed` decide it, not the order of requests."""
    text = f"{sampling.get('seed', 0)}:{key}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
