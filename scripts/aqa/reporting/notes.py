"""What is said below a table: everything a reader needs to judge its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aqa.grid import PLAIN, Cell
from aqa.reporting.entries import Entry, Row
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel
from aqa.scoring.rows import ScoreRow

POLICIES = {
    "strict": "Policy strict: an unusable answer (unparsed, truncated, refused, rejected, failed) counts as "
    "wrong; in regression it counts as the end of the scale farther from the truth for R-ℓ₂ and √R-ℓ₂, and "
    "as the middle of the scale for ρ.",
    "answered": "Policy answered: unusable answers (unparsed, truncated, refused, rejected, failed) are left "
    "out; the coverage stands in scores.csv.",
}

INTERVALS = {
    "cluster-expanded-percentile": "percentiles of a bootstrap of whole clusters, widened for their number "
    "(Hesterberg 2015), {resamples:,} resamples, seed {seed}",
    "cluster-jackknife-t": "jackknife over clusters with Student's t, for few clusters",
    "dyadic-jackknife-t": "dyadic-robust jackknife over both subjects of a pair with Student's t",
    "pigeonhole-jackknife-t": "jackknife over both subjects of a pair with Student's t, for few subjects",
}


def notes(rows: Sequence[Row], labels: Labels) -> list[str]:
    """Return the notes of a table as plain sentences; formats escape them."""
    entries = [entry for row in rows for entry in row.entries]
    said = ["PARTIAL: only what is answered so far."] if labels.partial else []
    if any(row.model and row.model.thinking for row in rows):
        said.append("† thinking mode.")
    models = {row.model.id: row.model for row in rows if row.model}
    said += [f"{model.name}: {model.note}" for model in models.values() if model.note]
    seen = {entry.cell.dataset for entry in entries if entry.cell and entry.state == "value"}
    said += [
        f"{dataset.title}: {dataset.visible_truth}."
        for dataset in labels.datasets
        if dataset.visible_truth and dataset.id in seen
    ]
    said += not_applicable(entries, labels)
    said += drafts(entries, labels)
    said += incomplete(entries, labels)
    if any(entry.state == "absent" and entry.cell for entry in entries):
        said.append("–: not run.")
    if any(entry.state == "undefined" for entry in entries):
        said.append("NaN: undefined for these predictions; the reason stands in the report.")
    said += chance(rows)
    said.append(POLICIES[labels.policy])
    said += samples(entries, labels)
    said += synthetic([dataset for dataset in labels.datasets if _scores(entries, dataset.id)], labels)
    said += definitions(entries)
    return said


def chance(rows: Iterable[Row]) -> list[str]:
    """Return what the row of chance holds, and why a place of it is empty."""
    entries = [entry for row in rows if row.model is None for entry in row.entries]
    if not entries:
        return []
    said = "Chance: expected value of guessing uniformly at random, in the unit of the metric"
    for reason in sorted({entry.reason for entry in entries if entry.reason}):
        said += f"; – where {reason}"
    return [f"{said}."]


def interval_note(rows: Iterable[Row], labels: Labels) -> str:
    """Return how the intervals were made, naming only the kinds that occur."""
    scores = [entry.score for row in rows for entry in row.entries if entry.score]
    kinds = sorted({score.interval for score in scores} & set(INTERVALS))
    made = [
        f"{kind}: {INTERVALS[kind].format(resamples=labels.resamples, seed=labels.seed)}" for kind in kinds
    ]
    return (
        "; ".join(
            [
                "Brackets: 95 % intervals over clusters (subjects, or source videos where nobody is named)",
                *made,
            ]
        )
        + "."
    )


def samples(entries: Iterable[Entry], labels: Labels) -> list[str]:
    """Return one sentence a dataset: judgements, limit, clusters, unit and kind of interval."""
    said = []
    shown = [entry for entry in entries if entry.cell is None or entry.cell.model not in labels.people]
    for dataset in labels.datasets:
        scores = _scores(shown, dataset.id)
        if not scores:
            continue
        facts = [f"n = {span(score.n // score.repeats for score in scores)} judgements"]
        if (often := span(score.repeats for score in scores)) != "1":
            facts.append(f"each asked {often} times (means over repeats)")
        facts += limited(dataset, [entry.cell for entry in shown if entry.score and entry.cell], labels)
        if clusters := [score.n_clusters for score in scores if score.n_clusters]:
            facts.append(f"{span(clusters)} clusters")
        units = sorted({score.unit for score in scores} - {""})
        if units and (dataset.kind == "classification" or units != ["item"]):
            facts.append(f"unit {', '.join(units)}")
        kinds = sorted({score.interval for score in scores} & set(INTERVALS))
        if kinds:
            facts.append(f"interval {', '.join(kinds)}")
        said.append(f"{dataset.title}: {', '.join(facts)}.")
    return said


def limited(dataset: DatasetLabel, cells: Iterable[Cell], labels: Labels) -> list[str]:
    """Return how a dataset's cells are limited to a part of its samples, as clauses."""
    mine = {cell for cell in cells if cell.dataset == dataset.id}
    blocks = [labels.limits[cell.path] for cell in mine if cell.path in labels.limits]
    clauses = [] if dataset.limit is None else [f"limited to {dataset.limit} samples"]
    if blocks:
        which = "" if len(blocks) == len(mine) else f"{len(blocks)} of {len(mine)} cells "
        clauses.append(f"{which}limited to {span(blocks)} samples")
    return clauses


def plain_limits(models: Iterable[ModelLabel], labels: Labels) -> list[str]:
    """Return how the plain cells, those of a skill, are limited: a sentence a dataset, then one a model."""
    said = [f"{one.title}: limited to {one.limit} samples." for one in labels.datasets if one.limit]
    for model in models:
        places: dict[int, list[str]] = {}
        for dataset in labels.datasets:
            limit = labels.limits.get(Cell(dataset.id, *PLAIN, model.id).path)
            if limit is not None:
                places.setdefault(limit, []).append(dataset.title)
        if places:
            where = "; ".join(f"{limit} samples of {listed(titles)}" for limit, titles in places.items())
            said.append(f"{model.name}: asked about at most {where}.")
    return said


def synthetic(datasets: Sequence[DatasetLabel], labels: Labels) -> list[str]:
    """Return the sentence that keeps synthetic data from being taken for the dataset of that name."""
    titles = [dataset.title for dataset in datasets if labels.is_synthetic(dataset.id)]
    if not titles:
        return []
    verb = "is" if len(titles) == 1 else "are"
    return [
        f"Synthetic: {listed(titles)} in this run {verb} the embedded benchmark, rendered by this "
        "project in the layout of the real dataset; these numbers say nothing about the real dataset."
    ]


def definitions(entries: Iterable[Entry]) -> list[str]:
    """Return what the metrics mean, in one sentence."""
    metrics = {entry.metric.id: entry.metric for entry in entries}
    said = " ".join(f"{metric.name}: {metric.definition}." for metric in metrics.values())
    return [said] if said else []


def not_applicable(entries: Iterable[Entry], labels: Labels) -> list[str]:
    """Return one sentence a reason, naming the cells that it holds for."""
    reasons: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.state == "not_applicable":
            reasons.setdefault(entry.reason, []).append(entry)
    models = {model.id: model.name for model in labels.models}
    datasets = {dataset.id: dataset.title for dataset in labels.datasets}
    said = []
    for reason, held in reasons.items():
        places: dict[str, list[str]] = {}
        for entry in held:
            assert entry.cell is not None
            names = places.setdefault(datasets[entry.cell.dataset], [])
            if models[entry.cell.model] not in names:
                names.append(models[entry.cell.model])
        where = "; ".join(f"{listed(names)} on {dataset}" for dataset, names in places.items())
        said.append(f"∗ {where}: {reason.rstrip('.')}.")
    return said


def incomplete(entries: Iterable[Entry], labels: Labels) -> list[str]:
    """Return sentences on what the numbers leave out: unusable answers, and what was not asked about."""
    models = {model.id: model.name for model in labels.models}
    datasets = {dataset.id: dataset.title for dataset in labels.datasets}
    held = list(entries)
    unusable: dict[str, None] = {}
    left_out: dict[str, None] = {}
    for entry in held:
        if entry.cell is None or entry.score is None:
            continue
        score, dataset = entry.score, datasets.get(entry.cell.dataset, entry.cell.dataset)
        if score.n_ok < score.n:
            model = models.get(entry.cell.model, entry.cell.model)
            unusable[f"{model} on {dataset} {score.n_ok} of {score.n}"] = None
        if score.n_left_out:
            what = "pairs" if entry.cell.task == "compare" else "samples"
            left_out[f"{score.n_left_out} {what} of {dataset}"] = None
    said = [*fewer(held, labels)]
    if unusable:
        said.append(f"Usable answers: {'; '.join(unusable)}; all others of all.")
    if left_out:
        why = "for lack of a clip that can be decoded or of an example"
        if labels.partial:
            why = "not answered yet, or for lack of a clip or an example"
        said.append(f"Left out, {why}: {'; '.join(left_out)}.")
    return said


def fewer(entries: Iterable[Entry], labels: Labels) -> list[str]:
    """Return the sentence that names the models that were asked less than others in a dataset and task."""
    models = {model.id: model.name for model in labels.models if not model.people}
    datasets = {dataset.id: dataset.title for dataset in labels.datasets}
    asked: dict[tuple[str, str], dict[str, set[int]]] = {}
    for entry in entries:
        if entry.cell is not None and entry.score is not None and entry.cell.model in models:
            mine = asked.setdefault((entry.cell.dataset, entry.cell.task), {})
            mine.setdefault(entry.cell.model, set()).add(entry.score.n // entry.score.repeats)
    parts = []
    for (dataset, _), by_model in asked.items():
        most = max(max(counts) for counts in by_model.values())
        for model, counts in by_model.items():
            if min(counts) < most:
                name = datasets.get(dataset, dataset)
                parts.append(f"{models[model]} on {name} {span(counts)} of {most:,} judgements")
    return [f"Asked about a part only: {'; '.join(parts)}."] if parts else []


def drafts(entries: Iterable[Entry], labels: Labels) -> list[str]:
    """Return the sentence that names the cells whose prompts rest on texts that nobody has approved."""
    models = {model.id: model.name for model in labels.models}
    datasets = {dataset.id: dataset.title for dataset in labels.datasets}
    titles = {label.id: label.title for label in (*labels.strategies, *labels.representations)}
    held: dict[tuple[str, ...], list[str]] = {}
    for entry in entries:
        if entry.cell is None or entry.score is None or not entry.score.drafts:
            continue
        cell = entry.cell
        how = (cell.task, *(titles.get(part, part) for part in (cell.representation, cell.strategy)))
        names = held.setdefault((datasets.get(cell.dataset, cell.dataset), ", ".join(how)), [])
        if (name := models.get(cell.model, cell.model)) not in names:
            names.append(name)
    if not held:
        return []
    where = "; ".join(f"{listed(names)} on {dataset} ({how})" for (dataset, how), names in held.items())
    return [f"‡ Draft, asked with texts that nobody has approved: {where}."]


def listed(names: Sequence[str]) -> str:
    """Return names as an English list."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _scores(entries: Iterable[Entry], dataset: str) -> list[ScoreRow]:
    return [entry.score for entry in entries if entry.score and entry.score.dataset == dataset]


def span(numbers: Iterable[int]) -> str:
    """Return the least and the greatest of some counts as text."""
    known = sorted(set(numbers))
    if not known:
        return "–"
    return f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,}–{known[-1]:,}"
