"""`serve` of a model's file: the flags of `vllm serve`, and which of them can change an answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from aqa.errors import UserError

_OURS = {
    "model": "set options.model",
    "served-model-name": "the server is asked under options.model",
    "revision": "set options.revision",
    "tokenizer-revision": "set options.revision",
    "code-revision": "set options.revision",
    "trust-remote-code": "set options.trust_remote_code",
    "host": "the server listens on 127.0.0.1",
    "port": "a free one is taken",
    "uds": "the server listens on 127.0.0.1",
    "api-key": "a random one is made for every session",
    "root-path": "the server is asked at its root",
    "config": "write the flags here",
    "headless": "the session asks the server itself",
    **dict.fromkeys(("nnodes", "node-rank", "master-addr", "master-port"), "set resources.nodes"),
    "grpc": "the session asks over HTTP",
    "trust-request-mm-kwargs": "requests carry no such arguments",
}
"""Flags that the session sets itself, with what to do instead."""

_NEUTRAL = {
    *("api-server-count", "tensor-parallel-size", "pipeline-parallel-size", "enable-expert-parallel"),
    *("mm-encoder-tp-mode", "distributed-executor-backend", "disable-custom-all-reduce", "all2all-backend"),
    *("gpu-memory-utilization", "kv-cache-memory-bytes", "block-size", "swap-space", "cpu-offload-gb"),
    *("max-num-seqs", "max-num-batched-tokens", "enable-chunked-prefill", "scheduling-policy"),
    *("enable-prefix-caching", "prefix-caching-hash-algo", "mm-processor-cache-gb", "async-scheduling"),
    *("mm-processor-cache-type", "limit-mm-per-prompt", "enforce-eager", "compilation-config"),
    *("download-dir", "max-parallel-loading-workers", "disable-log-stats", "enable-log-requests"),
    *("uvicorn-log-level", "disable-uvicorn-access-log", "shutdown-timeout", "renderer-num-workers"),
    *("structured-outputs-config", "skip-mm-profiling", "numa-bind"),
}
"""Flags that decide how fast and where, not what is answered; besides these all data-parallel-*."""

_NAME = re.compile(r"[a-z][a-z0-9]+(-[a-z0-9]+)*")
_SIZES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")

Serve = dict[str, Any]
"""Flags by their long names without dashes before them; values as YAML has them."""


def check(serve: Mapping[str, Any], place: str) -> Serve:
    """Return the flags with dashes in their names.

    Raises:
        UserError: a flag is ours to set, is written twice or in short, or its value cannot be a flag's.
    """
    flags: Serve = {}
    for written, value in serve.items():
        name = written.replace("_", "-").removeprefix("--")
        if not _NAME.fullmatch(name):
            raise UserError(
                f"{place}: options.serve: {written!r} is not the long name of a flag of `vllm serve` "
                "(write what is below a flag as a mapping)"
            )
        where = f"{place}: options.serve.{written}"
        for ours, instead in _OURS.items():
            # vLLM takes the beginning of a name for the name.
            if ours.startswith(name) or name.startswith("ssl-"):
                raise UserError(f"{where} is ours to set: {instead}; remove it")
        if name in flags:
            raise UserError(f"{where}: the flag is there twice")
        if not _fits(value):
            raise UserError(
                f"{where} is {value!r}; expected text, a number, true or false, a list or a mapping"
            )
        flags[name] = value
    for name in (*_SIZES, "api-server-count"):
        count = flags.get(name, 1)
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise UserError(f"{place}: options.serve.{name} is {count!r}; a number above 0 is expected")
    return flags


def _fits(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(_fits(item) and not isinstance(item, list | dict | bool) for item in value)
    if isinstance(value, str):
        return bool(value) and not value.startswith("-") and value.isprintable()
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            return False
    return isinstance(value, bool | int | dict)


def arguments(flags: Serve) -> list[str]:
    """Return the flags as a list of arguments, sorted by name."""
    written: list[str] = []
    for name, value in sorted(flags.items()):
        if isinstance(value, bool):
            written.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, list):
            written += [f"--{name}", *map(str, value)]
        else:
            written.append(f"--{name}={json.dumps(value) if isinstance(value, dict) else value}")
    return written


def counted(flags: Serve) -> Serve:
    """Return the flags that can change an answer: those of which nothing else is known, too."""
    return {
        name: value
        for name, value in flags.items()
        if name not in _NEUTRAL and not name.startswith("data-parallel-")
    }


def gpus(flags: Serve) -> int:
    """Return how many GPUs the server takes."""
    return math.prod(int(flags.get(name, 1)) for name in _SIZES)
