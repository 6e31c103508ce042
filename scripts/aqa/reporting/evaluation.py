"""The compact summary of one model: its headline numbers on every dataset, and its skill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aqa.errors import UserError
from aqa.files import read_jsonl, write_json, write_text
from aqa.grid import PLAIN
from aqa.plan import Plan
from aqa.records import Sample
from aqa.reporting.describe import labels
from aqa.reporting.escape import markdown
from aqa.reporting.labels import DatasetLabel, Labels
from aqa.reporting.layout import JUDGE_METRICS, METRICS
from aqa.reporting.notes import POLICIES, plain_limits, synthetic
from aqa.reporting.scores import Scores, has_interval, is_defined
from aqa.reporting.skill import DEFINITION, INTERVAL, text
from aqa.scoring.rows import ALL, ScoreRow, read_rows
from aqa.scoring.skill import Skill, skills

HEADS = ("Dataset", "Metric", "Value", "95 % interval", "Chance", "Usable answers", "Clusters", "Repeats")


def write_evaluation(plan: Plan, stem: Path) -> list[Path]:
    """Write `<stem>.json` and `<stem>.md` of the model that a plan evaluates; returns the paths.

    Raises:
        UserError: the plan evaluates no model, or a file is missing or does not fit.
    """
    model = plan.config.model
    cells = [cell for cell in plan.grid if cell.model == model and cell[1:4] == PLAIN]
    if model is None or not cells:
        raise UserError("there is no model to evaluate; give one: --config model=<id>")
    folders = {cell: Path(plan.file(cell, "metrics.json")).parent for cell in cells}
    samples = {
        cell.dataset: {
            one.sample_id: one
            for one in read_jsonl(Path(plan.dataset_files([cell], "samples.jsonl")[0]), Sample)
        }
        for cell in cells
    }
    policy = plan.config.scoring.policy
    found = {one.scope: one for one in skills(folders, samples, list(plan.config.datasets), [policy])}
    names = labels(plan)
    scores = Scores(row for folder in folders.values() for row in read_rows(folder / "metrics.json"))
    rows = {
        cell.dataset: scores.find(cell, JUDGE_METRICS[plan.metadata[cell.dataset].kind][0], names)
        for cell in cells
    }
    paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".json", ".md")]
    write_json(paths[0], _as_json(model, rows, found, names))
    write_text(paths[1], as_markdown(model, rows, found, names))
    return paths


def _as_json(
    model: str, rows: Mapping[str, ScoreRow | None], skill: Mapping[str, Skill], names: Labels
) -> dict[str, Any]:
    return {
        "model": model,
        "policy": names.policy,
        "skill": _known(skill[ALL]._asdict()) | {"complete": skill[ALL].complete},
        "datasets": {
            dataset: None
            if row is None
            else _known(row.model_dump()) | {"skill": _number(skill[dataset].value)}
            for dataset, row in rows.items()
        },
        "synthetic": names.synthetic,
    }


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in fields.items()}


def _number(value: Any) -> Any:
    """Return what JSON can hold: no NaN, no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_markdown(
    model: str, rows: Mapping[str, ScoreRow | None], skill: Mapping[str, Skill], names: Labels
) -> str:
    """Return the summary as a page of Markdown that a terminal shows well."""
    title = next(label.name for label in names.models if label.id == model)
    whole = skill[ALL]
    said = (
        f"[{text(whole.ci_low)}, {text(whole.ci_high)}]" if not math.isnan(whole.ci_low) else "(no interval)"
    )
    body = [HEADS, *(_line(dataset, rows.get(dataset.id), names) for dataset in names.datasets)]
    widths = [max(len(line[column]) for line in body) for column in range(len(HEADS))]
    table = [
        "| " + " | ".join(field.ljust(width) for field, width in zip(line, widths, strict=True)) + " |"
        for line in body
    ]
    table.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    partial = "" if whole.complete else ": PARTIAL, not comparable with the full set"
    return "\n".join(
        [
            f"# {markdown(title)}",
            "",
            f"Skill {text(whole.value)} {said} over {whole.n_datasets} of {whole.of} datasets{partial}",
            *([f"(missing: {markdown(whole.missing)})"] if whole.missing else []),
            "",
            *table,
            "",
            *(f"- {markdown(note)}" for note in _notes(names)),
            "",
        ]
    )


def _line(dataset: DatasetLabel, row: ScoreRow | None, names: Labels) -> tuple[str, ...]:
    name = markdown(names.dataset_name(dataset))
    if row is None:
        return (name, *["–"] * (len(HEADS) - 1))
    metric = METRICS[row.metric]
    interval = f"[{metric.text(row.ci_low)}, {metric.text(row.ci_high)}]" if has_interval(row) else "–"
    return (
        name,
        metric.name,
        metric.text(row.value) if is_defined(row) else "NaN",
        interval,
        "–" if math.isnan(row.chance) else metric.text(row.chance),
        f"{row.n_ok:,} of {row.n:,}",
        f"{row.n_clusters:,}",
        str(row.repeats),
    )


def _notes(names: Labels) -> list[str]:
    limits = plain_limits(names.models, names)
    return [DEFINITION, INTERVAL, POLICIES[names.policy], *limits, *synthetic(names.datasets, names)]
