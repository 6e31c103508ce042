"""Which cells lack usable answers, and why: the rates of every outcome, as numbers, figure and section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from aqa.grid import Cell
from aqa.records import Record
from aqa.reporting import style
from aqa.reporting.labels import DatasetLabel, Labels, ModelLabel
from aqa.reporting.panels import datasets_of, models_of, titles
from aqa.reporting.scores import Scores
from aqa.reporting.section import Drawing, Grid, Head, Part, Section, Text
from aqa.reporting.style import short
from aqa.reporting.views import OUTCOMES, in_print_order
from aqa.scoring.rows import ALL, MaybeNaN, ScoreRow

NAME = "outcomes"
UNUSABLE = {"unparsed": "U", "truncated": "T", "refused": "R", "rejected": "J", "failed": "F"}
"""Outcomes without a usable answer, and the letter that stands for each in the figure."""

ALARM = 0.05
"""The page lists the cells with a larger share of unusable answers."""

Setting: TypeAlias = tuple[str, str, str]
"""Task, representation, strategy."""


class OutcomeRate(Record):
    """The shares of a cell's judgements by outcome: a line of outcomes.csv; NaN in an empty cell."""

    dataset: str
    task: str
    representation: str
    strategy: str
    model: str
    n: int
    n_ok: int
    n_unparsed: int
    n_truncated: int
    n_refused: int
    n_rejected: int
    n_failed: int
    ok: MaybeNaN
    unparsed: MaybeNaN
    truncated: MaybeNaN
    refused: MaybeNaN
    rejected: MaybeNaN
    failed: MaybeNaN

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.dataset, self.task, self.representation, self.strategy, self.model)

    @property
    def unusable(self) -> float:
        """Share of judgements without a usable answer."""
        return (self.n - self.n_ok) / self.n if self.n else float("nan")

    @property
    def cause(self) -> str:
        """The most frequent outcome without a usable answer; empty if there is none."""
        counts = {name: getattr(self, f"n_{name}") for name in UNUSABLE}
        worst = max(counts, key=lambda name: counts[name])
        return worst if counts[worst] else ""


def outcome_rates(scores: Scores, labels: Labels) -> list[OutcomeRate]:
    """Return the rates of every cell, in print order."""
    rows: dict[Cell, ScoreRow] = {}
    for row in scores.rows:
        if row.scope == ALL and row.model not in labels.people:
            rows.setdefault(Cell(*row.cell), row)
    found = []
    for cell in in_print_order(rows, labels):
        row = rows[cell]
        counts = {name: getattr(row, f"n_{name}") for name in OUTCOMES}
        shares = {name: count / row.n if row.n else float("nan") for name, count in counts.items()}
        numbers = {f"n_{name}": count for name, count in counts.items()} | shares
        found.append(OutcomeRate.model_validate({**cell._asdict(), "n": row.n, **numbers}))
    return found


def outcomes_figure(rates: Sequence[OutcomeRate], labels: Labels, stem: Path) -> list[Path]:
    """Draw the share of unusable answers of every cell: a line a model, a column a setting."""
    with style.publishable():
        return style.save(_heat_map(rates, labels), stem)


def _heat_map(rates: Sequence[OutcomeRate], labels: Labels) -> Figure:
    settings = _settings(rates, labels)
    lines: list[tuple[DatasetLabel, ModelLabel | None]] = []
    cells = [rate.cell for rate in rates]
    for dataset in datasets_of(cells, labels):
        mine = [cell for cell in cells if cell.dataset == dataset.id]
        lines += [(dataset, None), *((dataset, model) for model in models_of(mine, labels))]
    places = {(dataset.id, model.id): place for place, (dataset, model) in enumerate(lines) if model}
    values = np.full((len(lines), len(settings)), np.nan)
    figure = Figure(
        figsize=(max(5.6, 3.2 + 0.5 * len(settings)), 1.9 + 0.19 * len(lines)), layout="constrained"
    )
    axis = figure.subplots()
    for rate in rates:
        place = places[rate.dataset, rate.model], settings.index(rate.cell[1:4])
        values[place] = rate.unusable
        _write(axis, rate, place)
    for cell in (item.cell for item in labels.not_applicable):
        if (cell.dataset, cell.model) in places and cell[1:4] in settings:
            at = settings.index(cell[1:4]) + 0.5, places[cell.dataset, cell.model] + 0.5
            axis.text(*at, "–∗", ha="center", va="center", fontsize=6, color="#595959")
    steps = ["#f7f7f7", "#fdd0a2", style.VERMILION, "#5a1a00"]
    colours = LinearSegmentedColormap.from_list("unusable", steps, N=256).with_extremes(bad="white")
    mesh = axis.pcolormesh(
        values, cmap=colours, norm=PowerNorm(0.5, vmin=0, vmax=1), edgecolors="white", linewidth=0.8
    )
    _frame(axis, lines, settings, labels)
    bar = figure.colorbar(mesh, ax=axis, shrink=min(1.0, 12 / max(len(lines), 1)), aspect=14, pad=0.02)
    bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1 %", "5 %", "20 %", "50 %", "100 %"])
    bar.outline.set_visible(False)
    present = [f"{UNUSABLE[name]} {name}" for name in UNUSABLE if any(rate.cause == name for rate in rates)]
    axis.set_xlabel(
        f"Judgements without a usable answer, per cent{': ' if present else ''}{', '.join(present)}"
    )
    return figure


def _write(axis: Axes, rate: OutcomeRate, place: tuple[int, int]) -> None:
    """Write the share and the letter of its main cause into a cell of the map."""
    if not rate.cause:
        return
    share = 100 * rate.unusable
    text = f"{share:.0f}" if share >= 9.5 else f"{share:.1f}" if share >= 0.05 else "<0.1"
    colour = "white" if rate.unusable > 0.45 else style.INK
    line, column = place
    look: Mapping[str, Any] = {"ha": "center", "va": "center", "fontsize": 6, "color": colour}
    axis.text(column + 0.5, line + 0.5, f"{text} {UNUSABLE[rate.cause]}", **look)


def _frame(
    axis: Axes,
    lines: Sequence[tuple[DatasetLabel, ModelLabel | None]],
    settings: Sequence[Setting],
    labels: Labels,
) -> None:
    names = titles(labels)
    axis.set_xticks(
        np.arange(len(settings)) + 0.5,
        [short(_setting_name(setting, names), 26) for setting in settings],
        rotation=40,
        ha="left",
        rotation_mode="anchor",
    )
    axis.xaxis.tick_top()
    shown = [short(model.name if model else labels.dataset_name(dataset)) for dataset, model in lines]
    axis.set_yticks(np.arange(len(lines)) + 0.5, shown)
    for tick, (_, model) in zip(axis.get_yticklabels(), lines, strict=True):
        tick.set_fontweight("normal" if model else "bold")
    axis.tick_params(length=0)
    axis.invert_yaxis()
    for side in axis.spines.values():
        side.set_visible(False)


def _settings(rates: Sequence[OutcomeRate], labels: Labels) -> list[Setting]:
    """Return the settings that some cell has, in print order."""
    strategies = [item.id for item in labels.strategies]
    representations = [item.id for item in labels.representations]

    def order(setting: Setting) -> tuple[bool, bool, int, int, Setting]:
        task, representation, strategy = setting
        plain = representation == "original"
        where = representations.index(representation) if representation in representations else 99
        how = strategies.index(strategy) if strategy in strategies else 99
        return task != "judge", not plain, where, how, setting

    return sorted({rate.cell[1:4] for rate in rates}, key=order)


def _setting_name(setting: Setting, known: Mapping[str, str]) -> str:
    task, representation, strategy = setting
    parts = [] if task == "judge" else ["Compare"]
    parts += [] if representation == "original" else [known.get(representation, representation)]
    if strategy != "base" or not parts:
        parts.append(known.get(strategy, strategy))
    return ", ".join(parts)


def outcomes_section(rates: Sequence[OutcomeRate], labels: Labels) -> Section:
    """Return the section: the figure, and the cells that lack many usable answers."""
    total = sum(rate.n for rate in rates)
    lost = total - sum(rate.n_ok for rate in rates)
    bad = [rate for rate in rates if rate.unusable > ALARM]
    said = f"{total:,} judgements in {len(rates):,} cells; {lost:,} have no usable answer"
    said += f" ({100 * lost / total:.2g} %)." if lost else "."
    if bad:
        said += (
            f" In {len(bad):,} {'cell' if len(bad) == 1 else 'cells'} more than {100 * ALARM:g} % are lost."
        )
    parts: list[Part] = [Text(text=said)]
    caption = (
        "Share of judgements without a usable answer, and its most frequent cause. What is dark for a model "
        "is a prompt whose answer format the model does not keep, or media that it cannot take."
    )
    parts.append(Drawing(name=NAME, caption=caption))
    if bad:
        parts.append(_grid(bad, labels))
    return Section(
        id=NAME,
        title="Answers that cannot be used",
        short="Outcomes",
        parts=tuple(parts),
        files=(f"{NAME}.csv",),
    )


def _grid(rates: Sequence[OutcomeRate], labels: Labels) -> Grid:
    names = titles(labels)
    datasets = {item.id: labels.dataset_name(item) for item in labels.datasets}
    models = {item.id: item.name for item in labels.models}
    heads = (
        *(Head(text=text, left=True) for text in ("Dataset", "Setting", "Model")),
        *(Head(text=text) for text in ("Judgements", "Usable")),
        *(Head(text=name.capitalize(), above="Share without a usable answer") for name in UNUSABLE),
    )
    rows = tuple(
        (
            datasets.get(rate.dataset, rate.dataset),
            _setting_name(rate.cell[1:4], names),
            models.get(rate.model, rate.model),
            f"{rate.n:,}",
            f"{100 * rate.ok:.1f} %",
            *(
                f"{100 * getattr(rate, name):.1f} %" if getattr(rate, f"n_{name}") else "–"
                for name in UNUSABLE
            ),
        )
        for rate in sorted(rates, key=lambda rate: -rate.unusable)
    )
    return Grid(title=f"Cells that lose more than {100 * ALARM:g} %", heads=heads, rows=rows, folded=True)
