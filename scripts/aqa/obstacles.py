"""Why a plan cannot be carried out yet: data or poses that are missing, media that may not be sent."""

from __future__ import annotations

from pathlib import Path

from aqa import models
from aqa.errors import UserError
from aqa.media.masks import load_masks
from aqa.models import Context
from aqa.plan import Plan
from aqa.pose import needs


def obstacle(plan: Plan) -> str | None:
    """Return why the plan cannot be carried out on this machine yet, as one line; None if it can.

    Checked before jobs start, not while planning: a plan can be looked at without the data.
    """
    for dataset, chosen in plan.config.datasets.items():
        made = Path(f"{plan.config.results}/datasets/{dataset}/samples.jsonl")
        if not plan.embedded(dataset) and not Path(chosen.data).is_dir() and not made.is_file():
            return f"datasets.{dataset}.data: no folder '{chosen.data}'. {plan.metadata[dataset].access.how}"
    for dataset in plan.config.datasets:
        if problem := _no_poses(plan, dataset):
            return problem
    asked = dict.fromkeys((cell.dataset, cell.model) for cell in plan.grid)
    refused = {pair: _not_to_be_sent(plan, *pair) for pair in asked}
    for cell in plan.grid:
        if not plan.models[cell.model].baseline and (leak := _leak(plan, cell.dataset)):
            return leak
        answered = Path(plan.file(cell, "responses.jsonl")).is_file()
        if not answered and (refusal := refused[cell.dataset, cell.model]):
            return refusal
    return None


def refusal(plan: Plan, dataset: str, model: str) -> str | None:
    """Return why a model must get nothing of a dataset, as one line; None if it may.

    A session holds to it too: in a module of another workflow nobody looks for obstacles before jobs start.
    """
    leak = None if plan.models[model].baseline else _leak(plan, dataset)
    return leak or _not_to_be_sent(plan, dataset, model)


def _no_poses(plan: Plan, dataset: str) -> str | None:
    """Return what the dataset's pose backend lacks, where its poses are needed and not there yet."""
    made = Path(f"{plan.config.results}/pose/{dataset}/manifest.jsonl")
    if not plan.posed(dataset) or made.is_file():
        return None
    lacking = needs.missing(plan.pose(dataset), Path(plan.data(dataset)), embedded=plan.embedded(dataset))
    if lacking is None:
        return None
    cells = [cell for cell in plan.grid if cell.dataset == dataset]
    shown = any(cell.representation != "original" for cell in cells)
    judges = ", ".join(dict.fromkeys(cell.model for cell in cells if plan.poses([cell])))
    return f"{dataset}: {lacking}" + ("" if shown else f" (or leave out {judges}, judging by joints)")


def _leak(plan: Plan, dataset: str) -> str | None:
    """Return why a model would read the answer in a dataset's pictures, and what to do; None if it cannot."""
    shows, chosen = plan.metadata[dataset].visible_truth, plan.config.datasets[dataset]
    if shows is None or chosen.accept_visible_truth:
        return None
    if plan.masks(dataset) is None:
        return (
            f"{dataset}: {shows}: a model would read the answer; run `snakemake propose_masks_{dataset}`, "
            f"look at {plan.config.results}/masks/{dataset}/proposed.html and approve its boxes in "
            f"{chosen.data}/masks.yaml (or leave the dataset out, or set datasets.{dataset}."
            "accept_visible_truth: true)"
        )
    try:
        for file in plan.own_masks(dataset):
            load_masks(Path(file))
    except UserError as error:
        return str(error)
    return None


def _not_to_be_sent(plan: Plan, dataset: str, model: str) -> str | None:
    """Return why a dataset's media must not go to a remote model; None if it may, or the model is none."""
    metadata, chosen = plan.metadata[dataset], plan.config.datasets[dataset]
    if plan.embedded(dataset) or chosen.i_may_upload or metadata.upload:
        return None
    if not models.create(plan.models[model], Context(media=Path(), seed=plan.config.seed)).remote:
        return None
    return (
        f"{model} is a remote model and the terms of {dataset} ({metadata.licence}) do not allow sending it "
        f"media; if you have the right to, set datasets.{dataset}.i_may_upload: true"
    )
