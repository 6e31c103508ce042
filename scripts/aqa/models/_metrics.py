"""What a vLLM server counts of itself (`/metrics`, the text format of Prometheus)."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

_LINE = re.compile(r"^vllm:(\w+?)(?:_total)?(?:\{[^}\n]*\})? ([0-9.eE+-]+)$", re.M)


@dataclass(frozen=True)
class Counts:
    """Counters over the life of a server, summed over its engines.

    `prefix_cache_*` count tokens of prompts, `mm_cache_*` pictures and videos (the cache of what the
    processor made of them).
    """

    prompt_tokens: int = 0
    generation_tokens: int = 0
    prefix_cache_queries: int = 0
    prefix_cache_hits: int = 0
    mm_cache_queries: int = 0
    mm_cache_hits: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def report(self) -> dict[str, Any]:
        """Return the counts and the shares that the caches answered (None where nothing was asked)."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "prefix_cache_share": _share(self.prefix_cache_hits, self.prefix_cache_queries),
            "mm_cache_share": _share(self.mm_cache_hits, self.mm_cache_queries),
        }


def read_counts(text: str) -> Counts:
    """Read the counters from the answer of `/metrics`; one that is not there counts 0."""
    known = {field.name: 0.0 for field in fields(Counts)}
    for name, value in _LINE.findall(text):
        if name in known:
            known[name] += float(value)
    return Counts(**{name: int(value) for name, value in known.items()})


def _share(hits: int, queries: int) -> float | None:
    return round(hits / queries, 4) if queries else None
