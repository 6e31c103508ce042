"""What judgements cost beside how good they are: reading cells, and the section of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from aqa import models
from aqa.config import ModelFile, load_yaml, parse
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.models.base import Batching, Context
from aqa.records import Response
from aqa.reporting.labels import Labels
from aqa.reporting.layout import JUDGE_METRICS
from aqa.reporting.predictions import cell_of
from aqa.reporting.scores import Scores
from aqa.reporting.section import Drawing, Grid, Head, Part, Section, Text
from aqa.reporting.views import in_print_order
from aqa.scoring.costs import Cost, Paid, cost_of, means
from aqa.scoring.rows import ALL

NAME = "costs"


def paid_models(files: Sequence[Path], seed: int) -> dict[str, Paid]:
    """Return the prices of the models that have one, by id: the names of their files.

    Raises:
        UserError: a file is wrong.
    """
    found = {}
    for path in files:
        file = parse(ModelFile, load_yaml(path), str(path))
        if file.baseline:
            continue
        backend = models.create(file, Context(Path(), seed), str(path))
        batching: Batching | None = getattr(backend, "batching", None)
        if backend.price is not None:
            found[path.stem] = Paid(backend.price, batching is not None and batching.enabled)
    return found


def read_costs(
    folders: Sequence[Path], scores: Scores, labels: Labels, paid: Mapping[str, Paid]
) -> list[Cost]:
    """Return what every cell cost, in print order, then the means over datasets.

    Raises:
        UserError: a cell's responses are missing or do not fit.
    """
    kinds = {dataset.id: dataset.kind for dataset in labels.datasets}
    cells = {cell_of(folder): folder for folder in folders}
    found = []
    for cell in in_print_order(cells, labels):
        metric = "accuracy" if cell.task == "compare" else JUDGE_METRICS[kinds[cell.dataset]][0]
        score = scores.find(cell, metric, labels)
        if score is not None:
            responses = read_jsonl(cells[cell] / "responses.jsonl", Response)
            found.append(cost_of(cell, responses, score, paid.get(cell.model)))
    return [*found, *means(found)]


def costs_section(costs: Sequence[Cost], labels: Labels) -> Section:
    """Return the section: what is known of costs, the figure and the numbers."""
    known = [cost for cost in costs if cost.n_reported]
    baselines = {model.id for model in labels.models if model.baseline}
    models_ = {item.id: item.name for item in labels.models}
    ran = dict.fromkeys(cost.model for cost in costs if cost.model not in baselines)
    silent = [models_.get(name, name) for name in ran if all(c.model != name for c in known)]
    said = [_introduction(known)]
    if silent:
        said.append(f"No tokens are reported for {', '.join(silent)}.")
    parts: list[Part] = [Text(text=" ".join(said))]
    if known:
        caption = (
            "Quality against cost. Up: the headline metric with its 95 % interval and, last, mean skill "
            "over the datasets (0 is chance, 1 perfect). Right, on a logarithmic scale: tokens a judgement, "
            "prompt and answer together; below, where a price is known, US dollars for 1,000 judgements. "
            "Dashed grey lines are baselines. Local models have tokens and no price."
        )
        parts += [Drawing(name=NAME, caption=caption), _grid(known, labels)]
    return Section(
        id=NAME, title="Cost against quality", short="Cost", parts=tuple(parts), files=(f"{NAME}.csv",)
    )


def _introduction(known: Sequence[Cost]) -> str:
    if not known:
        return (
            "No answer of this grid reports tokens: baselines read no prompt. With a model under test, its "
            "tokens, and its price where one is known, stand here against its quality."
        )
    dates = sorted({cost.priced for cost in known if cost.priced and cost.dataset != ALL})
    said = (
        "Tokens are those that the model's server reports, a judgement being one question about one clip: "
        "a request that asks several questions shares its tokens among them. "
    )
    if dates:
        return said + f"Money is at the prices of {', '.join(dates)}, without attempts that were lost."
    return (
        said
        + "None of these models has a known price; what local models cost is machine time, not counted here."
    )


def _grid(known: Sequence[Cost], labels: Labels) -> Grid:
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets} | {ALL: "All, mean"}
    models_ = {item.id: item.name for item in labels.models}
    titles = {item.id: item.title for item in (*labels.strategies, *labels.representations)}
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Model", "Setting")),
        *(
            Head(text=text, above="Tokens a judgement")
            for text in ("Prompt", "cached", "Answer", "reasoning")
        ),
        Head(text="USD for 1,000"),
        Head(text="Quality"),
        Head(text="Skill"),
    )
    rows = []
    for cost in known:
        setting = [] if cost.task == "judge" else ["Compare"]
        setting += [] if cost.representation == "original" else [titles.get(cost.representation, "")]
        setting += [titles.get(cost.strategy, cost.strategy)]
        rows.append(
            (
                datasets.get(cost.dataset, cost.dataset),
                models_.get(cost.model, cost.model),
                ", ".join(setting),
                *(
                    "–" if math.isnan(value) else f"{value:,.0f}"
                    for value in (
                        *(cost.prompt_tokens, cost.cached_tokens),
                        *(cost.completion_tokens, cost.reasoning_tokens),
                    )
                ),
                "–" if math.isnan(cost.usd_per_1000) else f"{cost.usd_per_1000:,.2f}",
                "–" if math.isnan(cost.value) else f"{cost.value:.3f}",
                "–" if math.isnan(cost.skill) else f"{cost.skill:.3f}",
            )
        )
    note = "Cached is a part of prompt, reasoning a part of answer. –: not reported, or no price known."
    return Grid(title="Costs in numbers", heads=heads, rows=tuple(rows), notes=(note,), folded=True)


def settings_of(costs: Sequence[Cost]) -> list[Cost]:
    """Return what the figure shows: the judge task on original media, cells and means."""
    return [cost for cost in costs if cost.task == "judge" and cost.representation == "original"]


def of_panel(costs: Sequence[Cost], dataset: str, model: str) -> list[Cost]:
    """Return the costs of one model in one panel."""
    return [cost for cost in costs if (cost.dataset, cost.model) == (dataset, model)]


def cell_of_cost(cost: Cost) -> Cell:
    """Return the cell of a cost."""
    return Cell(cost.dataset, cost.task, cost.representation, cost.strategy, cost.model)
