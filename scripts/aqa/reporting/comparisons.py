"""The report's section on the compare task: accuracy, consistency, position preference, score gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from aqa.grid import Cell
from aqa.reporting import views
from aqa.reporting.forest import Point, forest
from aqa.reporting.gaps import LEAST
from aqa.reporting.labels import Labels
from aqa.reporting.notes import POLICIES
from aqa.reporting.printed import Names, between, count, number, with_interval
from aqa.reporting.scores import Scores
from aqa.reporting.section import Drawing, Grid, Head, Part, Section, Text
from aqa.scoring.gaps import GapRow, TrendRow
from aqa.scoring.rows import ScoreRow

FIGURE = "position_bias"

INTRODUCTION = (
    "Each pair is asked about in both orders, and its answers count together. Accuracy: share of answers "
    "that name the better sample. Consistency: share of pairs for which both orders name the same sample; "
    "a model that always says “first” is never consistent, a guess is half of the time. Position "
    "preference: share of usable answers that say “first”, less one half. Brackets: 95 % intervals over "
    "both subjects of the pairs."
)

CAPTION = (
    "Position preference: how much more or less often than half a model names the sample that was shown "
    "first, with 95 % intervals. Open circles are baselines."
)

HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Model", left=True),
    Head(text="Asked as", left=True),
    Head(text="Accuracy"),
    Head(text="Consistency"),
    Head(text="Position preference"),
    Head(text="Usable answers"),
    Head(text="Subjects"),
)
GAP_HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Model", left=True),
    Head(text="Gap, points"),
    Head(text="Mean gap"),
    Head(text="Accuracy"),
    Head(text="Pairs"),
    Head(text="Subjects"),
)
TREND_HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Model", left=True),
    Head(text="Slope a point"),
    Head(text="95 % interval"),
    Head(text="Pairs"),
    Head(text="Remark", left=True),
)


def draw_position_bias(scores: Scores, labels: Labels, stem: Path) -> list[Path]:
    """Draw the position preference of every model on every dataset."""
    axis = "Said “first”: share less one half"
    return forest(_preferences(scores, labels), labels, stem, axis=axis, limits=(-0.53, 0.53))


def _preferences(scores: Scores, labels: Labels) -> list[Point]:
    return [
        Point(cell.dataset, cell.model, row.value, row.ci_low, row.ci_high)
        for cell in _compared(scores)
        if cell[2:4] == ("original", "base")
        if (row := scores.find(cell, "position_bias", labels)) is not None
    ]


def comparisons_section(
    scores: Scores, gaps: Sequence[GapRow], trends: Sequence[TrendRow], labels: Labels
) -> Section:
    """Return the section; its figure is `draw_position_bias`'s."""
    cells = views.in_print_order(_compared(scores), labels)
    parts: list[Part] = [Text(text=INTRODUCTION), Text(text=POLICIES[labels.policy])]
    parts.append(Grid(heads=HEADS, rows=tuple(_printed(cells, scores, labels))))
    if _preferences(scores, labels):
        parts.append(
            Drawing(
                name=FIGURE,
                caption=" ".join([CAPTION, *Names(labels).synthetic(cell.dataset for cell in cells)]),
            )
        )
    mine = [row for row in gaps if row.policy == labels.policy]
    if mine:
        parts.append(Text(text=_about_gaps(trends, labels)))
        trend_title = "How the log-odds of a right answer change with the gap"
        parts += [
            Grid(title=trend_title, heads=TREND_HEADS, rows=tuple(_trend_rows(trends, labels))),
            Grid(title="Accuracy by gap", heads=GAP_HEADS, rows=tuple(_gap_rows(mine, labels)), folded=True),
        ]
    return Section(
        id="comparisons",
        title="Which of two is better",
        short="Compare",
        parts=tuple(parts),
        files=("gaps.csv", "gap_trends.csv"),
    )


def _compared(scores: Scores) -> list[Cell]:
    return [cell for cell in scores.cells() if cell.task == "compare"]


def _printed(cells: Iterable[Cell], scores: Scores, labels: Labels) -> Iterator[tuple[str, ...]]:
    for cell in cells:
        found = [scores.find(cell, metric, labels) for metric in ("accuracy", "consistency", "position_bias")]
        accuracy, consistency, bias = found
        if accuracy is None:
            continue
        _, _, representation, strategy, model = views.cell_names(cell, labels)
        yield (
            Names(labels).dataset(cell.dataset),
            model,
            f"{representation}, {strategy}",
            _estimate(accuracy),
            _estimate(consistency),
            _estimate(bias, signed=True),
            f"{accuracy.n_ok:,} of {accuracy.n:,}",
            str(accuracy.n_clusters),
        )


def _estimate(row: ScoreRow | None, *, signed: bool = False) -> str:
    if row is None:
        return number(math.nan)
    return with_interval(row.value, row.ci_low, row.ci_high, signed=signed)


def _about_gaps(trends: Sequence[TrendRow], labels: Labels) -> str:
    baselines = {model.id for model in labels.models if model.baseline}
    tested = [
        row
        for row in trends
        if row.policy == labels.policy and row.model not in baselines and math.isfinite(row.ci_low)
    ]
    text = (
        f"Where truths are scores, pairs differ in their gap (Figure 2; a point without a bar has fewer than "
        f"{LEAST} pairs, or no interval is defined). The trend is a logistic regression of right answers on "
        "the gap; its interval rests on both subjects of the pairs."
    )
    if not tested:
        return text
    rising = sum(row.ci_low > 0 for row in tested)
    return (
        f"{text} Accuracy clearly rises with the gap in {rising} of {count(len(tested), 'cell')} of models."
    )


def _trend_rows(trends: Sequence[TrendRow], labels: Labels) -> Iterator[tuple[str, ...]]:
    for row in _ordered([row for row in trends if row.policy == labels.policy], labels):
        yield (
            *_names(row, labels),
            number(row.slope, signed=True),
            between(row.ci_low, row.ci_high, signed=True),
            f"{row.n_pairs:,}",
            row.note,
        )


def _gap_rows(gaps: Sequence[GapRow], labels: Labels) -> Iterator[tuple[str, ...]]:
    for row in _ordered(gaps, labels):
        yield (
            *_names(row, labels),
            f"{number(row.gap_low, 2)} to {number(row.gap_high, 2)}",
            number(row.gap, 2),
            with_interval(row.accuracy, row.ci_low, row.ci_high),
            f"{row.n_pairs:,}",
            str(row.n_clusters),
        )


def _cell(row: GapRow | TrendRow) -> Cell:
    return Cell(row.dataset, "compare", row.representation, row.strategy, row.model)


def _names(row: GapRow | TrendRow, labels: Labels) -> tuple[str, str]:
    names = views.cell_names(_cell(row), labels)
    how = "" if (row.representation, row.strategy) == ("original", "base") else f" ({names[2]}, {names[3]})"
    return Names(labels).dataset(row.dataset), f"{names[4]}{how}"


RowT = TypeVar("RowT", GapRow, TrendRow)


def _ordered(rows: Sequence[RowT], labels: Labels) -> list[RowT]:
    places = {
        cell: place for place, cell in enumerate(views.in_print_order({_cell(r) for r in rows}, labels))
    }
    return sorted(rows, key=lambda row: places[_cell(row)])
