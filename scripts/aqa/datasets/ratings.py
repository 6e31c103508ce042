"""Single ratings: what each person said about a sample, for the row of human agreement.

Only the module `ratings.py` of a dataset whose metadata say `human` reads them, from the owners' files, when
that row is scored. They are never written down: nothing that a model could see holds them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from aqa.datasets.base import Settings
from aqa.datasets.discover import load_metadata
from aqa.errors import UserError
from aqa.records import Rating, Value


class Ratings(Protocol):
    """The module `ratings.py` of a dataset."""

    def ratings(self, folder: Path, settings: Settings) -> list[Rating]:
        """Return all ratings of samples, by more than one person or not; see `Adapter.samples`."""
        ...

    def verdict(self, values: Sequence[Value], settings: Settings) -> Value | None:
        """Return what some people's ratings of one question come to; None if they are too few, or divided."""
        ...


def load_ratings(dataset: str) -> Ratings:
    """Import the module that reads a dataset's single ratings.

    Raises:
        UserError: the dataset has none.
    """
    if load_metadata(dataset).human is None:
        raise UserError(
            f"{dataset}: no single ratings are known, so no human can be compared with the others"
        )
    return cast(Ratings, importlib.import_module(f"aqa.datasets.{dataset.replace('-', '_')}.ratings"))
