"""What models write before they answer (paper, section 3.6): reading cells, and the section of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Question, Response, Sample
from aqa.reporting.escape import plain
from aqa.reporting.labels import Labels
from aqa.reporting.predictions import cell_of
from aqa.reporting.section import Drawing, Grid, Head, Part, Quote, Quotes, Section, Text
from aqa.reporting.views import in_print_order
from aqa.scoring.predict import read_predictions
from aqa.scoring.rows import ALL
from aqa.scoring.traces.agreement import Agreement
from aqa.scoring.traces.lexicon import Lexicon
from aqa.scoring.traces.rates import Rate
from aqa.scoring.traces.trace import NEAR, Asked, Trace, chosen, thinned, traces

NAME, BY_RESULT = "traces", "traces_results"
QUOTES_A_MODEL = 3
KEPT = 25
"""Responses of a cell whose sentences are kept, to be quoted or shown to a judge."""

LONGEST = 240
"""Characters of a quotation."""

RESULT_NAMES = {ALL: "all", "correct": "correct", "wrong": "wrong", "unusable": "unusable"}
FLOOR = (
    "The lexicon reads English. On sentences in the style of models, written and labelled by us and never "
    "used to make it, it is right in about nine of ten that it calls prior knowledge and in more than four "
    "of five that it calls an observation; it finds about half of the former and nearly three quarters of "
    "the latter. Rates are therefore rather too low than too high, and best compared with each other."
)


def read_traces(
    folders: Sequence[Path],
    samples: Sequence[Path],
    labels: Labels,
    lexicon: Lexicon,
    *,
    limit: int | None,
    seed: int,
) -> dict[Cell, list[Trace]]:
    """Read the reasoning of all cells but baselines', in print order; at most `limit` responses of a cell.

    Raises:
        UserError: a file is missing or does not fit.
    """
    baselines = {model.id for model in labels.models if model.baseline}
    kinds = {dataset.id: dataset.kind for dataset in labels.datasets}
    cells = {cell_of(folder): folder for folder in folders}
    asked: dict[str, Asked] = {}
    files = {path.absolute().parent.name: path for path in samples}
    found = {}
    for cell in in_print_order(cells, labels):
        if cell.model in baselines:
            continue
        if cell.dataset not in kinds or cell.dataset not in files:
            raise UserError(f"{cells[cell]}: labels.json or the files of samples do not name this dataset")
        if cell.dataset not in asked:
            asked[cell.dataset] = Asked(_questions(read_jsonl(files[cell.dataset], Sample)))
        kind = "classification" if cell.task == "compare" else kinds[cell.dataset]
        predictions = read_predictions(cells[cell] / "predictions.csv", kind)
        responses = chosen(read_jsonl(cells[cell] / "responses.jsonl", Response), limit, seed)
        read = traces(cell.task, responses, predictions, asked[cell.dataset], lexicon)
        found[cell] = thinned(read, KEPT, seed)
    return found


def _questions(samples: Sequence[Sample]) -> dict[str, dict[str, Question]]:
    return {sample.sample_id: {q.item: q for q in sample.questions} for sample in samples}


def traces_section(
    rates: Sequence[Rate], quotes: Sequence[Quotes], agreement: Sequence[Agreement], labels: Labels
) -> Section:
    """Return the section: what reasoning there is, the figures, the numbers, and quotations."""
    pooled = [rate for rate in rates if rate.strategy == ALL and rate.result == ALL]
    reasoned = [rate for rate in pooled if rate.n_traces]
    parts: list[Part] = [Text(text=_introduction(pooled, labels))]
    if reasoned:
        parts.append(Text(text=FLOOR))
        caption = (
            "Share of the sentences of models' reasoning that state prior knowledge (how the movement "
            "usually goes, should go or must have gone) and that state an observation, with 95 % intervals "
            "over clusters; all prompts and representations together."
        )
        parts.append(Drawing(name=NAME, caption=caption))
        caption = (
            "Prior knowledge as a share of all statements of either kind, by what became of the answer. A "
            f"score is correct here if it is off by at most {100 * NEAR:g} % of its scale."
        )
        parts.append(Drawing(name=BY_RESULT, caption=caption))
        parts.append(_grid("Reasoning in numbers", reasoned, labels))
        strategies = [r for r in rates if r.strategy != ALL and r.result == ALL and r.n_traces]
        parts.append(_grid("By prompt and representation", strategies, labels))
        results = [r for r in rates if r.strategy == ALL and r.result != ALL and r.n_traces]
        parts.append(_grid("By what became of the answer", results, labels))
        if agreement:
            parts.append(_agreement(agreement, labels))
        parts += [quote for quote in quotes if quote.quotes]
    files = (f"{NAME}.csv", *(("traces_judge.csv",) if agreement else ()))
    return Section(id=NAME, title="Reasoning traces", short="Reasoning", parts=tuple(parts), files=files)


def _introduction(pooled: Sequence[Rate], labels: Labels) -> str:
    if not pooled:
        return (
            "This grid has no model under test: baselines do not reason, so there is nothing to read. With "
            "a model that thinks, or a prompt that asks for a description, this section says how much of the "
            "reasoning states prior knowledge, and how much states what is seen."
        )
    read, traced = sum(rate.n for rate in pooled), sum(rate.n_traces for rate in pooled)
    if not traced:
        return (
            f"None of the {read:,} responses read holds any reasoning: no model reports its thoughts, "
            "and none writes text before its answer."
        )
    thinking = {model.id for model in labels.models if model.thinking}
    said = f"{traced:,} of the {read:,} responses read hold reasoning of at least five words. "
    if all(rate.model not in thinking for rate in pooled):
        said += "No model of this grid thinks before it answers: what is read is the free text that stands "
        said += "before an answer, as the prompts “two-step observation” and “structured reasoning” ask for. "
    if cut := sum(rate.n_cut for rate in pooled):
        said += f"{cut:,} are longer than what is read of one. "
    return said + (
        "A sentence states prior knowledge, an observation, both or neither, as a documented lexicon says "
        "(scripts/aqa/scoring/traces/lexicon.yaml)."
    )


def _grid(title: str, rates: Sequence[Rate], labels: Labels) -> Grid:
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets}
    models = {item.id: item.name for item in labels.models}
    titles = {item.id: item.title for item in (*labels.strategies, *labels.representations)}
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Model", "Setting", "Answer")),
        *(Head(text=text) for text in ("Reasonings", "Words", "Tokens")),
        *(Head(text=text, above="Sentences that state, %") for text in ("Prior", "Observation")),
        *(Head(text=text) for text in ("Prior of both, %", "95 % interval", "Any prior, %", "Clusters")),
        *(Head(text=text, above="Stated answer") for text in ("Is given", "Differs", "Not stated")),
    )
    rows = []
    for rate in rates:
        setting = [] if rate.task == "judge" else ["Compare"]
        setting += [] if rate.representation in ("original", ALL) else [titles.get(rate.representation, "")]
        setting += [titles.get(rate.strategy, "all" if rate.strategy == ALL else rate.strategy)]
        rows.append(
            (
                datasets.get(rate.dataset, rate.dataset),
                models.get(rate.model, rate.model),
                ", ".join(setting),
                RESULT_NAMES[rate.result],
                f"{rate.n_traces:,} of {rate.n:,}",
                *(_number(value) for value in (rate.words, rate.reasoning_tokens)),
                *(_percent(value) for value in (rate.prior, rate.observation, rate.prior_share)),
                f"[{_percent(rate.prior_share_low)}, {_percent(rate.prior_share_high)}]",
                _percent(rate.traces_prior),
                str(rate.n_clusters),
                *(f"{count:,}" for count in (rate.agree, rate.differ, rate.unstated)),
            )
        )
    notes = (
        "Words: mean of a reasoning. Tokens: mean of the reasoning tokens that the provider reports. "
        "Prior of both: statements of prior knowledge among those of prior knowledge and of observation. "
        "Any prior: reasonings with at least one such statement. Stated answer: over questions with a "
        "usable answer, whether the answer is the one that the reasoning states last.",
    )
    return Grid(title=title, heads=heads, rows=tuple(rows), notes=notes, folded=True)


def _agreement(agreement: Sequence[Agreement], labels: Labels) -> Grid:
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets} | {ALL: "All"}
    models = {item.id: item.name for item in labels.models} | {ALL: "all"}
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Model")),
        *(Head(text=text) for text in ("Sentences", "Unusable")),
        *(Head(text=text, above="Prior, %") for text in ("Lexicon", "Judge")),
        *(Head(text=text, above="Observation, %") for text in ("Lexicon", "Judge")),
        *(Head(text=text, above="Agreement") for text in ("Same, %", "κ")),
    )
    rows = tuple(
        (
            datasets.get(row.dataset, row.dataset),
            models.get(row.model, row.model),
            f"{row.n:,}",
            f"{row.n_unusable:,}",
            *(_percent(v) for v in (row.lexicon_prior, row.judge_prior)),
            *(_percent(v) for v in (row.lexicon_observation, row.judge_observation)),
            _percent(row.same),
            "–" if math.isnan(row.kappa) else f"{row.kappa:.2f}",
        )
        for row in agreement
    )
    note = (
        f"The judge is {plain(agreement[0].judge)}, asked about each sentence alone with the labelling "
        "guide of the lexicon. κ: Cohen's, over the four labels; 0 is chance agreement."
    )
    return Grid(title="A judge model beside the lexicon", heads=heads, rows=rows, notes=(note,))


def quotations(cells: Mapping[Cell, Sequence[Trace]], labels: Labels, seed: int) -> list[Quotes]:
    """Return a few sentences of each model, chosen at random with the seed: one list a kind of statement."""
    datasets = {item.id: item.title for item in labels.datasets}
    models = {item.id: item.name for item in labels.models}
    titles = {item.id: item.title for item in labels.strategies}
    found = []
    for statement, title in (("prior", "Called prior knowledge"), ("observation", "Called an observation")):
        quotes = []
        for place, model in enumerate(dict.fromkeys(cell.model for cell in cells)):
            said = sorted(
                {
                    (text, cell, trace.sample_id, trace.result)
                    for cell, read in cells.items()
                    if cell.model == model
                    for trace in read
                    for text, stated in trace.said
                    if stated == statement
                }
            )
            generator = np.random.default_rng([seed, place, len(statement)])
            order = generator.permutation(len(said))[:QUOTES_A_MODEL]
            for text, cell, sample_id, result in (said[number] for number in sorted(order)):
                where = (models.get(model, model), datasets.get(cell.dataset, cell.dataset))
                prompt = titles.get(cell.strategy, cell.strategy)
                source = f"{', '.join(where)}, {prompt}, {sample_id}; the answer was {result}"
                quotes.append(Quote(text=shortened(text), source=source))
        found.append(Quotes(title=title, quotes=tuple(quotes)))
    return found


def shortened(text: str) -> str:
    """Return a text of at most `LONGEST` characters on one line, cut at a space where there is one."""
    shown = plain(text)
    if len(shown) <= LONGEST:
        return shown
    return f"{shown[:LONGEST].rsplit(' ', 1)[0]} …"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.1f}"
