"""What an adapter leaves out of a dataset: collected by reason, reported with counts, never silent."""

from __future__ import annotations

import logging

from aqa.datasets.readers import examples

log = logging.getLogger("aqa")


class Omitted:
    """Collects what is left out, by reason."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._places: dict[str, list[str]] = {}

    def add(self, reason: str, place: str) -> None:
        """Note that `place` is left out; `reason` continues the phrase `left out: 3 `."""
        self._places.setdefault(reason, []).append(place)

    def report(self) -> None:
        """Log one warning a reason: how many are left out, and the first few of them."""
        for reason, places in self._places.items():
            log.warning("%s: left out: %d %s: %s", self._dataset, len(places), reason, examples(places))
