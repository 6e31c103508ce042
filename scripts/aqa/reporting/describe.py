"""The names that a plan gives to print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aqa import datasets, prompts
from aqa.config import REPRESENTATIONS, Scoring
from aqa.datasets.base import StudyItems
from aqa.masking.verdicts import Verification
from aqa.plan import HUMAN, Plan
from aqa.reporting.labels import (
    DatasetLabel,
    Label,
    Labels,
    ModelLabel,
    NotApplicableCell,
    OpenChoice,
)

_REPRESENTATIONS = dict(
    zip(REPRESENTATIONS, ("Original", "Cropped", "Skeleton overlay", "Skeleton only"), strict=True)
)


def labels(plan: Plan, verifications: Sequence[Verification] = ()) -> Labels:
    """Return the labels of everything that a plan declares, in the order of its configuration.

    Args:
        plan: the checked configuration.
        verifications: of the datasets whose pictures show the truth and are masked.
    """
    config = plan.config
    verified = {verification.dataset: verification for verification in verifications}
    return Labels(
        datasets=tuple(
            DatasetLabel(
                id=dataset,
                title=metadata.title,
                kind=metadata.kind,
                limit=config.datasets[dataset].limit,
                publish_frames=plan.may_show(dataset),
                visible_truth=_visible(plan, dataset, verified.get(dataset)),
                exercises=tuple(Label(id=name, title=title) for name, title in metadata.exercises.items()),
                expected_shift=metadata.expected_shift,
                study_items=_study_items(plan, dataset),
                open=tuple(_open_choices(plan, dataset)),
            )
            for dataset, metadata in plan.metadata.items()
        ),
        models=(
            *(
                ModelLabel(
                    id=model, title=file.title, baseline=file.baseline, thinking=file.thinking, note=file.note
                )
                for model, file in plan.models.items()
            ),
            *_people(plan),
        ),
        strategies=tuple(Label(id=name, title=prompts.title(name)) for name in prompts.strategies()),
        representations=tuple(Label(id=name, title=title) for name, title in _REPRESENTATIONS.items()),
        not_applicable=tuple(
            NotApplicableCell.model_validate({**cell._asdict(), "reason": reason})
            for cell, reason in plan.grid.not_applicable.items()
        ),
        policy=config.scoring.policy,
        unit={dataset: plan.unit(dataset) for dataset in plan.metadata},
        limits={cell.path: limit for cell, limit in plan.grid.limits.items()},
        seed=config.seed,
        resamples=config.scoring.resamples,
        open=tuple(_general_choices(config.scoring)),
        synthetic=tuple(dataset for dataset in plan.metadata if plan.embedded(dataset)),
        results=config.results,
    )


def _people(plan: Plan) -> list[ModelLabel]:
    """Return the row of human agreement, if some dataset has one: what it is, and where it is not."""
    rated = [plan.metadata[cell.dataset] for cell in plan.people()]
    if not rated:
        return []
    what = "; ".join(f"{metadata.title}, {metadata.human}" for metadata in rated)
    note = (
        f"people against one another, each rater in turn, where a sample has several: {what}. Their truth is "
        "not the models' (it leaves the rater out), their samples are fewer, and two or three raters make a "
        "rough one. No single ratings are published for the other datasets"
    )
    return [ModelLabel(id=HUMAN, title="Human", baseline=True, people=True, note=f"{note}.")]


def _study_items(plan: Plan, dataset: str) -> StudyItems | None:
    """Return whether the samples that are asked about are the study's own."""
    metadata, configured = plan.metadata[dataset], plan.config.datasets[dataset]
    stated, why = metadata.study_items, []
    if stated is None or not stated.same:
        return stated
    if configured.limit is not None:
        why.append(f"limited to {configured.limit} samples")
    chosen = datasets.resolve_settings(metadata, configured.settings)
    why += [
        f"settings.{name} is {_value(chosen[name])} instead of {_value(setting.default)}"
        for name, setting in metadata.settings.items()
        if chosen[name] != setting.default
    ]
    return StudyItems(same=False, why="; ".join(why)) if why else stated


def _open_choices(plan: Plan, dataset: str) -> Iterator[OpenChoice]:
    """Yield what the study leaves open about a dataset; the texts are the dataset's own."""
    metadata, place = plan.metadata[dataset], f"datasets.{dataset}"
    chosen = datasets.resolve_settings(metadata, plan.config.datasets[dataset].settings)
    if metadata.unit_reason:
        yield OpenChoice(
            name=f"{place}.unit", value=plan.unit(dataset), default=metadata.unit, reason=metadata.unit_reason
        )
    for name, setting in metadata.settings.items():
        yield OpenChoice(
            name=f"{place}.settings.{name}",
            value=_value(chosen[name]),
            default=_value(setting.default),
            reason=setting.description,
        )
    for title, text in metadata.open.items():
        yield OpenChoice(name=title, reason=text)


def _general_choices(scoring: Scoring) -> Iterator[OpenChoice]:
    """Yield what the study leaves open about scoring; the texts are those of the configuration."""
    for name in ("policy", "gap_bins"):
        field = Scoring.model_fields[name]
        yield OpenChoice(
            name=f"scoring.{name}",
            value=_value(getattr(scoring, name)),
            default=_value(field.default),
            reason=field.description or "",
        )


def _value(value: object) -> str:
    """Return a setting's value as YAML would show it."""
    if isinstance(value, tuple):
        return str(list(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _visible(plan: Plan, dataset: str, verification: Verification | None) -> str | None:
    """Return how a dataset's pictures show the truth, and what hides it, as clauses; None if they do not."""
    shows = plan.metadata[dataset].visible_truth
    if shows is None:
        return None
    if verification is not None:
        return f"{shows}; {verification.sentence(plan.config.datasets[dataset].accept_unmasked)}"
    hidden = "whether the masks hide it is not verified" if plan.masks(dataset) else "nothing masks it"
    return f"{shows}, and {hidden}"
