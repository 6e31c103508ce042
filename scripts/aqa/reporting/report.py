"""The report: one HTML page that holds everything and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from aqa.errors import UserError
from aqa.files import write_text
from aqa.reporting import pictures, render, tables, views
from aqa.reporting.appearance import Appearance, read_appearances
from aqa.reporting.entries import Table
from aqa.reporting.escape import plain
from aqa.reporting.labels import Labels
from aqa.reporting.layout import LAYOUTS
from aqa.reporting.metrics import CellMetrics, read_metrics
from aqa.reporting.notes import POLICIES, interval_note, synthetic
from aqa.reporting.scores import Scores, read_scores
from aqa.reporting.section import Drawing, Section, grouped, read_sections

FOLDER = Path(__file__).parent
FIGURES: Mapping[int, str] = {
    1: "How favourably models judge, against the ground truth (diamond and dashed line). Classification: the "
    "share of usable answers that mean correct execution. Regression: the mean predicted score, over the "
    "distribution of the predictions. Open markers are baselines; “usable” is the share of requests "
    "with a usable answer, the smallest over the prompts.",
    2: "Accuracy of the compare task against the gap between the two true scores. Points: bins of pairs, at "
    "their mean gap, with 95 % intervals over both subjects; ticks at the foot: where bins meet. Lines: "
    "logistic trend. Dashed: chance. Open markers are baselines; a bin of fewer than five pairs shows no "
    "interval.",
}
TABLE_FILES = ((".csv", "text/csv"), (".md", "text/markdown"), (".tex", "text/x-tex"))


@dataclass(frozen=True)
class Attached:
    """A file inside the page, as a data URI."""

    name: str
    uri: str


@dataclass(frozen=True)
class TableView:
    """A table with the files that hold it."""

    table: Table
    notes: tuple[str, ...]
    files: tuple[Attached, ...]


@dataclass(frozen=True)
class FigureView:
    """A figure, inside the page as an image, which can neither run scripts nor load anything."""

    number: int
    caption: str
    image: Attached


@dataclass(frozen=True)
class SectionView:
    """A section with the drawings, by name, and the files that it shows."""

    section: Section
    drawings: Mapping[str, Attached]
    files: tuple[Attached, ...]


def write_report(
    *,
    scores: Path,
    labels: Labels,
    tables: Path,
    figures: Path,
    metrics: Sequence[Path],
    output: Path,
    appearances: Sequence[Path] = (),
    sections: Sequence[Path] = (),
) -> None:
    """Write the page from `scores.csv`, the folders of tables and figures, and `metrics.json` files.

    `appearances` are what `scripts/appearance.py` wrote of each dataset; `sections` what analyses wrote
    (`aqa.reporting.section`), in the order of the page.

    All bytes follow from the inputs. Whatever comes from data, a model or the configuration is
    escaped, and the page's own policy forbids scripts and every connection.

    Raises:
        UserError: an input is missing or does not fit.
    """
    read = read_scores(scores)
    shown = _tables(tables, read, labels)
    html = page(
        read,
        labels,
        shown,
        _figures(figures),
        read_metrics(metrics),
        appearances=read_appearances(appearances),
        sections=_sections(sections, figures),
    )
    write_text(output, html)


def page(
    scores: Scores,
    labels: Labels,
    shown: Sequence[TableView],
    figures: Sequence[FigureView],
    metrics: Sequence[CellMetrics],
    *,
    appearances: Sequence[Appearance] = (),
    sections: Sequence[SectionView] = (),
) -> str:
    """Return the page as HTML."""
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = (FOLDER / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    allowed = f"style-src 'sha256-{digest}'; img-src data:"
    undefined, remarks = views.note_rows(metrics, labels)
    return environment.get_template("report.html.j2").render(
        css=Markup(css),  # noqa: S704 (our own file, and its digest is the policy)
        policy=f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'",
        labels=labels,
        facts=_facts(scores, labels),
        headline_policy=POLICIES[labels.policy],
        intervals=interval_note(shown[0].table.rows, labels),
        synthetic=synthetic(labels.datasets, labels),
        forests=views.forests(scores, labels),
        datasets=views.dataset_rows(scores, labels),
        appearances=pictures.sheets(appearances, labels),
        key=pictures.key(appearances),
        poses=pictures.pose_rows(appearances, labels),
        tables=shown,
        shown=render.shown,
        shown_interval=render.shown_interval,
        figures=figures,
        sections=sections,
        grouped=grouped,
        exercises=views.exercise_tables(scores, labels),
        answers=views.answer_rows(scores, labels),
        outcomes=views.OUTCOMES,
        undefined=undefined,
        remarks=remarks,
        not_applicable=_not_applicable(labels),
        drafts=_drafts(metrics, labels),
        versions=_versions(metrics),
        model_versions=_model_versions(metrics, labels),
        commands=_commands(labels, shown, figures, scores),
    )


def _printable(value: Any) -> Any:
    """Print text without control characters or characters that turn the reading direction."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _facts(scores: Scores, labels: Labels) -> list[tuple[str, str]]:
    done = [cell for cell in scores.cells() if cell.model not in labels.people]
    ran = {cell.model for cell in done}
    tested = sum(model.id in ran and not model.baseline for model in labels.models)
    baselines = sum(model.id in ran and model.baseline for model in labels.models)
    counted = [
        (len({cell.dataset for cell in done}), "dataset", "datasets"),
        (tested, "model under test", "models under test"),
        (baselines, "baseline", "baselines"),
        (len(done), "cell scored", "cells scored"),
        (len(labels.not_applicable), "cell not applicable", "cells not applicable"),
    ]
    return [(f"{count:,}", one if count == 1 else many) for count, one, many in counted]


def _tables(folder: Path, scores: Scores, labels: Labels) -> list[TableView]:
    found = []
    for number, layout in LAYOUTS.items():
        if not (folder / f"table{number}.csv").exists():
            continue
        table = tables.build(layout, scores, labels)
        notes = render.table_notes(table, labels, "underlined", intervals=True)
        names = [
            (f"table{number}{part}{suffix}", kind)
            for part in ("", "_intervals")
            for suffix, kind in TABLE_FILES
        ]
        files = tuple(_attached(folder / name, kind) for name, kind in names)
        found.append(TableView(table, tuple(notes), files))
    if not found:
        raise UserError(f"{folder}: no table1.csv; make the tables first (scripts/table.py)")
    return found


def _figures(folder: Path) -> list[FigureView]:
    found = [
        FigureView(number, caption, _attached(folder / f"figure{number}.svg", "image/svg+xml"))
        for number, caption in FIGURES.items()
        if (folder / f"figure{number}.svg").exists()
    ]
    if not found:
        raise UserError(f"{folder}: no figure1.svg; make the figures first (scripts/figure.py)")
    return found


def _sections(files: Sequence[Path], figures: Path) -> list[SectionView]:
    found = []
    for path, section in zip(files, read_sections(files), strict=True):
        names = [part.name for part in section.parts if isinstance(part, Drawing)]
        drawings = {name: _attached(figures / f"{name}.svg", "image/svg+xml") for name in names}
        attached = tuple(_attached(path.parent / name, "text/csv") for name in section.files)
        found.append(SectionView(section, drawings, attached))
    return found


def _attached(path: Path, kind: str) -> Attached:
    try:
        content = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    return Attached(path.name, f"data:{kind};base64,{content}")


def _not_applicable(labels: Labels) -> list[views.NoteRow]:
    reasons = {item.cell: item.reason for item in labels.not_applicable}
    return [
        views.NoteRow(views.cell_names(cell, labels), "", reasons[cell])
        for cell in views.in_print_order(reasons, labels)
    ]


def _drafts(metrics: Sequence[CellMetrics], labels: Labels) -> list[views.NoteRow]:
    """Return the cells whose prompts rest on texts that nobody has approved."""
    found = {item.cell: item.drafts for item in metrics if item.drafts}
    return [
        views.NoteRow(
            views.cell_names(cell, labels), "", f"{found[cell]} {'text' if found[cell] == 1 else 'texts'}"
        )
        for cell in views.in_print_order(found, labels)
    ]


def _versions(metrics: Sequence[CellMetrics]) -> list[tuple[str, str]]:
    """Return every version of a library that scored a cell: more than one is worth knowing."""
    seen: dict[str, set[str]] = {}
    for cell in metrics:
        for name, version in cell.versions.items():
            seen.setdefault(name, set()).add(version)
    return [(name, ", ".join(sorted(versions))) for name, versions in sorted(seen.items())]


def _model_versions(metrics: Sequence[CellMetrics], labels: Labels) -> list[tuple[str, str, bool]]:
    """Return the versions that models reported of themselves, and whether a cell mixes some."""
    found = []
    for model in labels.models:
        mine = [cell for cell in metrics if cell.model == model.id]
        versions = sorted({version for cell in mine for version in cell.model_versions})
        if versions:
            found.append((model.name, ", ".join(versions), any(cell.mixed_model_versions for cell in mine)))
    return found


def _commands(
    labels: Labels, shown: Sequence[TableView], figures: Sequence[FigureView], scores: Scores
) -> list[tuple[str, str]]:
    def make(what: str, *paths: str, force: bool = False) -> tuple[str, str]:
        files = " ".join(f"{labels.results}/{path}" for path in paths)
        return what, f"{labels.command} {'--force ' if force else ''}{files}"

    commands = [make("This page", "report.html")]
    for view in shown:
        number = view.table.number
        commands.append(make(f"Table {number}", f"tables/table{number}.csv"))
    commands += [make(f"Figure {view.number}", f"figures/figure{view.number}.svg") for view in figures]
    commands.append(make("All scores", "scores.csv"))
    cells = views.in_print_order(scores.cells(), labels)
    if cells:
        commands.append(make("One cell, if it is missing", f"cells/{cells[0].path}/metrics.json"))
        commands.append(make("One cell, scored anew", f"cells/{cells[0].path}/metrics.json", force=True))
    return commands
