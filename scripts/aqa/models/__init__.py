"""The backends: one module each, found by the name in a model's file."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import NamedTuple, cast

from aqa.config import ModelFile
from aqa.datasets.geometry import has_rules
from aqa.errors import UserError, nearest
from aqa.models.base import Backend, Context, Reply, TransientError

__all__ = ["Backend", "Context", "Reply", "TransientError", "backends", "create", "impossible", "needs"]

_HEAVY = {"transformers", "vllm"}
"""Backends whose libraries are an environment of their own: envs/<backend>.yaml."""

_BY_POSES = {"geometry"}
"""Backends that judge by the joints of who is judged, with rules that a dataset brings."""

_BY_TRUTH = {"simulated"}
"""Backends that read which of two samples is the better one."""


def backends() -> set[str]:
    """Return the names of all backends."""
    return {
        module.name
        for module in pkgutil.iter_modules(__path__)
        if module.name not in {"base", "prices", "tokens"} and not module.name.startswith("_")
    }


def create(model: ModelFile, context: Context, place: str = "model") -> Backend:
    """Return the backend of a model; nothing is started or opened yet.

    Raises:
        UserError: the backend is not known, or a setting of the model's file is wrong.
    """
    if model.backend not in backends():
        raise UserError(f"{place}: unknown backend '{model.backend}'{nearest(model.backend, backends())}")
    needs(model, place)
    module = importlib.import_module(f"{__name__}.{model.backend}")
    return cast(Backend, module.create(model, context, place))


def deterministic(model: ModelFile) -> str | None:
    """Return why a model gives the same answer to the same question every time; None if it may not."""
    if model.sampling.get("temperature") == 0:
        return "it is sampled at temperature 0"
    backend = create(model, Context(Path(), 0))
    return "it draws nothing" if getattr(backend, "draws", True) is False else None


class Needs(NamedTuple):
    """What a job that asks a model needs; `environment` is a file of `envs`, None the one for all; `poses`:
    the manifest of the dataset's poses; `pairs`: the pairs that it compares, with their truth; `light`: so
    little that it is not worth a cluster's while."""

    environment: str | None
    threads: int
    resources: dict[str, int | str]
    poses: bool
    pairs: bool
    light: bool


def needs(model: ModelFile, place: str = "model") -> Needs:
    """Return what a job that asks a model needs: what its file says, and 2 GB for a day.

    Raises:
        UserError: `threads` is not a number of threads.
    """
    resources: dict[str, int | str] = {"mem_mb": 2000, "runtime": 1440, **(model.resources or {})}
    threads = resources.pop("threads", 1)
    if not isinstance(threads, int) or threads < 1:
        raise UserError(f"{place}: resources.threads is {threads!r}; a number above 0 is expected")
    environment = f"{model.backend}.yaml" if model.backend in _HEAVY else None
    light = model.baseline and model.resources is None
    by_poses, by_truth = model.backend in _BY_POSES, model.backend in _BY_TRUTH
    return Needs(environment, threads, resources, poses=by_poses, pairs=by_truth, light=light)


def impossible(model: ModelFile, dataset: str) -> str | None:
    """Return why a model cannot judge a dataset; None if it can."""
    if model.backend in _BY_POSES and not has_rules(dataset):
        return "no geometry rules are written for this dataset"
    return None
