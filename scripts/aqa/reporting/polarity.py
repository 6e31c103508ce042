"""The report's section on correctness bias and linguistic sensitivity (paper, section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from aqa.reporting.forest import Point, forest
from aqa.reporting.labels import DatasetLabel, Labels
from aqa.reporting.notes import span
from aqa.reporting.printed import (
    ALPHA,
    NONE,
    Names,
    between,
    count,
    number,
    probability,
    with_interval,
)
from aqa.reporting.section import Drawing, Grid, Head, Part, Section, Text
from aqa.scoring.polarity import MEAN, VARIANTS, LevelRow, ShiftRow

FIGURE = "polarity_shift"

INTRODUCTION = (
    "How favourably a model judges: the share of its usable answers that mean correct execution or, for "
    "scores, its mean predicted score. Bias: the same less the truth of the same judgements; * its 95 % "
    "interval over clusters does not hold 0. A model that judges by what it sees has no bias; one that "
    "says “correct” whatever it sees has a large one."
)
ABOUT_SHIFTS = (
    "Positive and negative guidelines say the same in opposite words, so any shift from negative to "
    "positive is due to the phrasing. It is taken over the judgements with a usable answer under both, and "
    "tested by swapping the two cells' answers by whole cluster; Holm's correction is over the models of a "
    "dataset. “Share of scale” compares rates with scores. The study saw shifts towards correct execution "
    "where a question or a guideline is put, away from it where errors are to be found, and hardly any in "
    "scores."
)
EXPECTED = {"up": "towards correct", "down": "away from correct", None: "hardly any"}
CAPTION = (
    "Polarity shift: level under positive less level under negative guidelines, as a share of the scale, "
    "with 95 % intervals. Open circles are baselines."
)

SHIFT_HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Model", left=True),
    Head(text="Positive"),
    Head(text="Negative"),
    Head(text="Shift"),
    Head(text="95 % interval"),
    Head(text="Share of scale"),
    Head(text="p"),
    Head(text="p (Holm)"),
    Head(text="Detectable"),
    Head(text="Clusters"),
)
SENSITIVITY_HEADS = (
    Head(text="Dataset", left=True),
    Head(text="The study saw", left=True),
    Head(text="Mean shift of the models"),
    Head(text="p"),
    Head(text="Mean size, share of scale"),
    Head(text="Up"),
    Head(text="Down"),
    Head(text="Clear after Holm"),
)


def draw_shifts(shifts: Sequence[ShiftRow], labels: Labels, stem: Path) -> list[Path]:
    """Draw the polarity shift of every model on every dataset."""
    points = [
        Point(row.dataset, row.model, *(value / row.scale for value in (row.shift, row.ci_low, row.ci_high)))
        for row in shifts
        if row.model != MEAN
    ]
    return forest(points, labels, stem, axis="Shift (share of the scale)")


def polarity_section(levels: Sequence[LevelRow], shifts: Sequence[ShiftRow], labels: Labels) -> Section:
    """Return the section; its figure is `draw_shifts`'s."""
    names = Names(labels)
    seen = {row.dataset for row in levels}
    parts: list[Part] = [Text(text=" ".join([INTRODUCTION, *names.synthetic(seen)]))]
    if levels:
        variants = [name for name in VARIANTS if any(row.strategy == name for row in levels)]
        one = _one_truth(levels)
        heads = _level_heads(variants, labels, one_truth=one)
        lines = tuple(_level_rows(levels, variants, names, one_truth=one))
        parts.append(Grid(title="Correctness bias", heads=heads, rows=lines))
    if shifts:
        parts.append(Text(text=ABOUT_SHIFTS))
        parts.append(Drawing(name=FIGURE, caption=" ".join([CAPTION, *names.synthetic(seen)])))
        rows = tuple(_shift_rows(shifts, names))
        parts.append(Grid(title="Polarity shift", heads=SHIFT_HEADS, rows=rows))
        if sensitive := tuple(_sensitivity_rows(shifts, labels)):
            parts.append(Grid(title="Linguistic sensitivity", heads=SENSITIVITY_HEADS, rows=sensitive))
    return Section(
        id="polarity",
        title="Prompt bias: correctness and polarity",
        short="Bias",
        parts=tuple(parts),
        files=("polarity_levels.csv", "polarity_shifts.csv"),
    )


def _one_truth(levels: Sequence[LevelRow]) -> bool:
    """Say whether a model's variants were all asked about judgements of the same truth."""
    truths: dict[tuple[str, str], set[str]] = {}
    for row in levels:
        truths.setdefault((row.dataset, row.model), set()).add(number(row.truth))
    return all(len(found) == 1 for found in truths.values())


def _level_heads(variants: Sequence[str], labels: Labels, *, one_truth: bool) -> tuple[Head, ...]:
    titles = {item.id: item.title for item in labels.strategies}
    heads = [Head(text="Dataset", left=True), Head(text="Model", left=True)]
    heads += [Head(text="Truth")] if one_truth else []
    for name in variants:
        each = ("Level", "Bias") if one_truth else ("Truth", "Level", "Bias")
        heads += [Head(text=text, above=titles.get(name, name)) for text in each]
    return (*heads, Head(text="Usable"), Head(text="Clusters"))


def _level_rows(
    levels: Sequence[LevelRow], variants: Sequence[str], names: Names, *, one_truth: bool
) -> Iterator[tuple[str, ...]]:
    found = {(row.dataset, row.model, row.strategy): row for row in levels}
    for dataset, model in sorted({key[:2] for key in found}, key=lambda key: names.order(*key)):
        mine = [found.get((dataset, model, name)) for name in variants]
        there = [row for row in mine if row is not None]
        places = [number(there[0].truth)] if one_truth else []
        for row in mine:
            texts = [NONE] * 3 if row is None else [number(row.truth), *_level(row)]
            places += texts[1:] if one_truth else texts
        yield (
            names.dataset(dataset),
            names.model(model),
            *places,
            f"{100 * min(row.n_ok / row.n for row in there):.1f} %",
            span(row.n_clusters for row in there),
        )


def _level(row: LevelRow) -> list[str]:
    clear = row.bias_low > 0 or row.bias_high < 0
    bias = with_interval(row.bias, row.bias_low, row.bias_high, signed=True)
    return [with_interval(row.level, row.level_low, row.level_high), f"{bias}{' *' if clear else ''}"]


def _shift_rows(shifts: Sequence[ShiftRow], names: Names) -> Iterator[tuple[str, ...]]:
    for row in sorted(shifts, key=lambda row: names.order(row.dataset, row.model)):
        yield (
            names.dataset(row.dataset),
            "Mean of the models" if row.model == MEAN else names.model(row.model),
            number(row.positive),
            number(row.negative),
            number(row.shift, signed=True),
            between(row.ci_low, row.ci_high, signed=True),
            _share(row.shift, row, signed=True),
            probability(row.p),
            f"{probability(row.p_holm)}{' *' if row.p_holm < ALPHA else ''}",
            number(row.detectable),
            str(row.n_clusters),
        )


def _share(value: float, row: ShiftRow, *, signed: bool = False) -> str:
    share = number(100 * value / row.scale if row.scale else math.nan, 1, signed=signed)
    return share if share == NONE else f"{share} %"


def _sensitivity_rows(shifts: Sequence[ShiftRow], labels: Labels) -> Iterator[tuple[str, ...]]:
    """Yield a line a dataset with models under test: where they go, and how far."""
    baselines = {model.id for model in labels.models if model.baseline}
    for dataset in labels.datasets:
        mine = [row for row in shifts if row.dataset == dataset.id and row.model not in baselines]
        tested = [row for row in mine if row.model != MEAN]
        if tested:
            whole = next((row for row in mine if row.model == MEAN), tested[0])
            size = sum(abs(row.shift) for row in tested) / len(tested)
            clear = [row for row in tested if row.p_holm < ALPHA]
            yield (
                labels.dataset_name(dataset),
                _expected(dataset),
                with_interval(whole.shift, whole.ci_low, whole.ci_high, signed=True),
                probability(whole.p),
                _share(size, whole),
                str(sum(row.shift > 0 for row in tested)),
                str(sum(row.shift < 0 for row in tested)),
                _clear(clear, dataset, len(tested)),
            )


def _expected(dataset: DatasetLabel) -> str:
    """Return what the study saw; nothing of a dataset that it does not have."""
    unknown = dataset.study_items is None and dataset.expected_shift is None
    return NONE if unknown else EXPECTED[dataset.expected_shift]


def _clear(clear: Sequence[ShiftRow], dataset: DatasetLabel, tested: int) -> str:
    said = f"{len(clear)} of {count(tested, 'model')}"
    if clear and dataset.expected_shift is not None:
        sign = 1 if dataset.expected_shift == "up" else -1
        said += f", {sum(sign * row.shift > 0 for row in clear)} as the study saw"
    return said
