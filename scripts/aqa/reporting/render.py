"""Writing a table as CSV (raw numbers), LaTeX (booktabs) and Markdown, and its companion of intervals."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from aqa.files import write_text
from aqa.reporting import escape
from aqa.reporting.entries import Block, Entry, Row, Table
from aqa.reporting.labels import Labels
from aqa.reporting.notes import interval_note
from aqa.reporting.scores import COUNTS, counts, has_interval

INTERVAL_DIGITS = 3
ENTRY_COLUMNS = ("dataset", "task", "representation", "strategy", "model", "metric")
COMPANION_COLUMNS = (
    *ENTRY_COLUMNS,
    "state",
    "reason",
    "mark",
    "policy",
    "unit",
    "value",
    "ci_low",
    "ci_high",
    "interval",
    "n_clusters",
    "chance",
    *COUNTS,
    "drafts",
)


def write_table(table: Table, labels: Labels, stem: Path) -> list[Path]:
    """Write `<stem>.csv`, `.tex`, `.md` and the companion `<stem>_intervals.csv`, `.tex`, `.md`.

    Returns the paths. All bytes follow from the table and the labels.
    """
    companion = stem.with_name(f"{stem.name}_intervals")
    contents = {
        stem.with_name(f"{stem.name}.csv"): as_csv(table),
        stem.with_name(f"{stem.name}.tex"): as_latex(table, labels),
        stem.with_name(f"{stem.name}.md"): as_markdown(table, labels),
        companion.with_name(f"{companion.name}.csv"): companion_csv(table),
        companion.with_name(f"{companion.name}.tex"): as_latex(table, labels, intervals=True),
        companion.with_name(f"{companion.name}.md"): as_markdown(table, labels, intervals=True),
    }
    for path, text in contents.items():
        write_text(path, text)
    return list(contents)


def as_csv(table: Table) -> str:
    """Return the table with raw numbers: one line a row, one column `<column>/<metric>`.

    Empty where there is no number; the companion's `state` says why.
    """
    by_dataset = any(row.dataset for row in table.rows)
    keys = list(dict.fromkeys(column.key for block in table.blocks for column in block.columns))
    head = [*(["dataset"] if by_dataset else []), "model", "title", "baseline", "thinking"]
    lines: list[list[object]] = [[*head, *keys]]
    for block in table.blocks:
        for row in block.rows:
            values = {
                column.key: repr(entry.value) if entry.state == "value" else ""
                for column, entry in zip(block.columns, row.entries, strict=True)
            }
            model = row.model
            lines.append(
                [
                    *([row.dataset.id if row.dataset else ""] if by_dataset else []),
                    model.id if model else "chance",
                    escape.plain(model.title if model else row.name),
                    str(model.baseline if model else True).lower(),
                    str(model.thinking if model else False).lower(),
                    *(values.get(key, "") for key in keys),
                ]
            )
    return _csv(lines)


def companion_csv(table: Table) -> str:
    """Return one line a place of the table with its interval, counts, state and reason (tidy)."""
    lines: list[list[object]] = [list(COMPANION_COLUMNS)]
    for entry in table.entries:
        cell, score = entry.cell, entry.score
        if cell is None:
            continue
        names = [cell.dataset, cell.task, cell.representation, cell.strategy, cell.model, entry.metric.id]
        state = [entry.state, escape.plain(entry.reason), entry.mark]
        if score is None:
            lines.append([*names, *state, *[""] * (len(COMPANION_COLUMNS) - 9)])
            continue
        numbers = [score.value, score.ci_low, score.ci_high]
        lines.append(
            [
                *names,
                *state,
                score.policy,
                score.unit,
                *(_raw(number) for number in numbers),
                score.interval,
                score.n_clusters,
                _raw(score.chance),
                *counts(score).values(),
                score.drafts,
            ]
        )
    return _csv(lines)


def shown(entry: Entry) -> str:
    """Return what stands in the entry's place, unmarked: a number, NaN, – or –∗; ‡ says draft."""
    draft = "‡" if entry.score is not None and entry.score.drafts else ""
    if entry.state == "value":
        return f"{entry.metric.text(entry.value)}{draft}"
    return {"undefined": f"NaN{draft}", "not_applicable": "–∗", "absent": "–"}[entry.state]


def shown_interval(entry: Entry) -> str:
    """Return the interval in brackets, or nothing where there is none."""
    if entry.state != "value" or entry.score is None or not has_interval(entry.score):
        return ""
    low, high = (
        entry.metric.text(end, min(entry.metric.digits, INTERVAL_DIGITS))
        for end in (entry.score.ci_low, entry.score.ci_high)
    )
    return f"[{low}, {high}]"


def table_notes(table: Table, labels: Labels, second: str, *, intervals: bool) -> list[str]:
    """Return the notes; `second` is how the format marks the second best."""
    said = list(table.notes)
    if any(entry.mark for entry in table.entries):
        said.insert(0, f"Bold: best of the {table.compared}; {second}: second best (ties share a mark).")
    return [*said, interval_note(table.rows, labels)] if intervals else said


def as_markdown(table: Table, labels: Labels, *, intervals: bool = False) -> str:
    """Return the table as GitHub Markdown, each number with its interval if `intervals`."""
    name = f"Table {table.number} with intervals" if intervals else f"Table {table.number}"
    parts = [f"**{name}.** {escape.markdown(table.caption)}"]
    for block in table.blocks:
        if block.title:
            parts.append(f"**{escape.markdown(block.title)}**")
        parts.append(_markdown_block(block, intervals=intervals))
    notes = table_notes(table, labels, "italic", intervals=intervals)
    parts.append("\n".join(f"- {escape.markdown(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: Block, *, intervals: bool) -> str:
    by_dataset = any(row.dataset for row in block.rows)
    head = ["Dataset", "Model"] if by_dataset else ["Model"]
    heads = [
        f"{escape.markdown(column.above[-1])}<br>{escape.markdown(column.metric.heading)}"
        for column in block.columns
    ]
    lines = [[*head, *heads], [*["---"] * len(head), *["---:"] * len(heads)]]
    for row in block.rows:
        names = [escape.markdown(row.dataset_name)] if row.dataset else []
        entries = [_markdown_entry(entry, intervals=intervals) for entry in row.entries]
        lines.append([*names, escape.markdown(row.name), *entries])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_entry(entry: Entry, *, intervals: bool) -> str:
    sign = {"best": "**", "second": "*", "": ""}[entry.mark]
    interval = escape.markdown(shown_interval(entry)) if intervals else ""
    return f"{sign}{shown(entry)}{sign}{'<br>' if interval else ''}{interval}"


def as_latex(table: Table, labels: Labels, *, intervals: bool = False) -> str:
    r"""Return a `table` environment; it needs `\usepackage{booktabs}` and nothing else."""
    width = max(len(block.columns) for block in table.blocks)
    by_dataset = any(row.dataset for row in table.rows)
    names = 2 if by_dataset else 1
    label = f"tab:table{table.number}{'-intervals' if intervals else ''}"
    lines = [
        "% Needs \\usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape.latex(table.caption)}{' With intervals.' if intervals else ''}}}",
        rf"\label{{{label}}}",
        r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{'2.5' if intervals else '4'}pt}}",
        rf"\begin{{tabular}}{{{'l' * names}{'c' * width}}}",
        r"\toprule",
    ]
    for number, block in enumerate(table.blocks):
        lines += [r"\midrule"] if number else []
        lines += _latex_head(block, names, width)
        lines += _latex_rows(block, names, width, intervals=intervals)
    lines += [r"\bottomrule", r"\end{tabular}", "", r"\smallskip", r"\begin{minipage}{\linewidth}\scriptsize"]
    notes = table_notes(table, labels, "underlined", intervals=intervals)
    lines.append(" \\\\\n".join(escape.latex(note) for note in notes))
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"]) + "\n"


def _latex_head(block: Block, names: int, width: int) -> list[str]:
    span = width // len(block.columns)
    lines = []
    for level in range(len(block.columns[0].above)):
        groups = [
            (title, len(list(columns)) * span)
            for (title, _), columns in groupby(
                (column.above[: level + 1] for column in block.columns), key=lambda above: (above[-1], above)
            )
        ]
        lines.append(_latex_line([*[""] * names, *(_spanning(title, size) for title, size in groups)]))
        rules, at = [], names + 1
        for _, size in groups:
            rules.append(rf"\cmidrule(lr){{{at}-{at + size - 1}}}")
            at += size
        lines.append("".join(rules))
    first = ["Dataset", "Model"] if names == 2 else ["Model"]
    if block.title:
        first[0] = rf"\textit{{{escape.latex(block.title)}}}"
    heads = [_spanning(column.metric.heading, span) for column in block.columns]
    return [*lines, _latex_line([*first, *heads]), r"\midrule"]


def _latex_rows(block: Block, names: int, width: int, *, intervals: bool) -> list[str]:
    span = width // len(block.columns)
    lines: list[str] = []
    group: str | None = None
    for row in block.rows:
        new = row.group != group
        if new and group is not None:
            lines.append(r"\midrule")
        group = row.group
        lines.append(_latex_row(row, names, span, _latex_entry, named=new))
        if intervals and any(shown_interval(entry) for entry in row.entries):
            lines.append(_latex_row(row, names, span, _latex_interval, named=None))
    return lines


def _latex_row(row: Row, names: int, span: int, text: Callable[[Entry], str], *, named: bool | None) -> str:
    """`named`: print the dataset and the model; False: only the model; None: neither."""
    first = ["", escape.latex(row.name) if named is not None else ""][-names:]
    if names == 2 and named:
        first[0] = escape.latex(row.dataset_name)
    entries = [text(entry) for entry in row.entries]
    if span > 1:
        entries = [rf"\multicolumn{{{span}}}{{c}}{{{entry}}}" for entry in entries]
    return _latex_line([*first, *entries])


def _latex_entry(entry: Entry) -> str:
    if entry.state != "value":
        return escape.latex(shown(entry))
    number = escape.latex(shown(entry)).replace("-", "$-$")
    return {"best": rf"\textbf{{{number}}}", "second": rf"\underline{{{number}}}", "": number}[entry.mark]


def _latex_interval(entry: Entry) -> str:
    interval = shown_interval(entry)
    return rf"{{\tiny {escape.latex(interval).replace('-', '$-$')}}}" if interval else ""


def _spanning(title: str, size: int) -> str:
    return rf"\multicolumn{{{size}}}{{c}}{{{escape.latex(title)}}}"


def _latex_line(parts: Sequence[str]) -> str:
    return " & ".join(parts) + r" \\"


def _raw(number: float) -> str:
    return "" if math.isnan(number) else repr(number)


def _csv(lines: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()
