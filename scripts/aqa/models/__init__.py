"""The backends: one module each, found by the name in a model's file."""

from __future__ import annotations

import importlib
import pkgutil
from typing import cast

from aqa.config import ModelFile
from aqa.errors import UserError, nearest
from aqa.models.base import Backend, Context, Reply, TransientError

__all__ = ["Backend", "Context", "Reply", "TransientError", "backends", "create"]


def backends() -> set[str]:
    """Return the names of all backends."""
    return {
        module.name
        for module in pkgutil.iter_modules(__path__)
        if module.name != "base" and not module.name.startswith("_")
    }


def create(model: ModelFile, context: Context, place: str = "model") -> Backend:
    """Return the backend of a model; nothing is started or opened yet.

    Raises:
        UserError: the backend is not known, or a setting of the model's file is wrong.
    """
    if model.backend not in backends():
        raise UserError(f"{place}: unknown backend '{model.backend}'{nearest(model.backend, backends())}")
    module = importlib.import_module(f"{__name__}.{model.backend}")
    return cast(Backend, module.create(model, context, place))
