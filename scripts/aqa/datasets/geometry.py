"""Geometry rules: what the joints alone say about an execution, the baseline that needs no model.

A dataset's folder may hold a module `geometry` with the functions of `Rules`. They are definitions: which
joints, which angle or ratio, which threshold and why, from the exercise's own definition; no number in them
is fitted to samples. This module finds them and reads nothing that planning lacks (no numpy).
"""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from aqa.datasets.discover import ROOT
from aqa.errors import UserError
from aqa.records import Question, Value

if TYPE_CHECKING:
    from aqa.datasets.kinematics import Motion

MODULE = "geometry"
_SHARED = ("geometry.py", "kinematics.py", "criteria.py")


class NoRule(Exception):
    """No rule of the dataset is about a question."""


class NotSeen(Exception):
    """The joints that a rule needs are not known."""


class Rules(Protocol):
    """The module `geometry.py` of a dataset. Both functions raise `NoRule` and `NotSeen`."""

    def judge(self, exercise: str, question: Question, motion: Motion) -> Value:
        """Return the answer to a question about a clip: an option, or a score."""
        ...

    def merit(self, exercise: str, text: str, motion: Motion) -> float:
        """Return how well a clip fits the text of a comparison: of two clips the one with more is named."""
        ...


def has_rules(dataset: str) -> bool:
    """Say whether a dataset has geometry rules; a user's own data have none."""
    return (_folder(dataset) / f"{MODULE}.py").is_file()


def load_rules(dataset: str) -> Rules:
    """Import the geometry rules of a dataset.

    Raises:
        UserError: it has none.
    """
    if not has_rules(dataset):
        raise UserError(
            f"{dataset}: has no geometry rules (scripts/aqa/datasets/{_folder(dataset).name}/{MODULE}.py); "
            "declare its geometry cells not applicable"
        )
    return cast(Rules, importlib.import_module(f"aqa.datasets.{_folder(dataset).name}.{MODULE}"))


def rules_digest(dataset: str) -> str:
    """Return the sha256 of the code that decides a dataset's geometry answers, and of the texts it reads."""
    folder = _folder(dataset)
    digest = hashlib.sha256()
    files = [ROOT / name for name in _SHARED]
    files += sorted(folder.glob(f"{MODULE}*.py")) + sorted(folder.glob("*contrastive*.yaml"))
    for file in files:
        digest.update(file.name.encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def decides_geometry(file: Path) -> bool:
    """Say whether a file of the library decides geometry answers and nothing else of a dataset."""
    inside = file.is_relative_to(ROOT)
    return inside and (file.name in _SHARED or (file.suffix == ".py" and file.name.startswith(MODULE)))


def _folder(dataset: str) -> Path:
    return ROOT / dataset.replace("-", "_")
