"""All guidelines as one Markdown page: both polarities of each criterion side by side."""

from __future__ import annotations

from collections.abc import Mapping

from aqa.datasets import Metadata
from aqa.datasets.reviewed import Entry, Guideline, Reviewed

_INTRODUCTION = """\
# Guidelines in both polarities

Made by `scripts/wording.py table` from the datasets' `guidelines.yaml`; do not edit. Positive and negative
guidelines carry the same content and differ in polarity only (paper, section 3.4). Questions that are
found by the digest of their text are listed by its first twelve digits.
"""

_OWN_TEXT = """
The questions are positive guidelines themselves and come with the dataset's own files; where no entry is
listed, the positive guideline is the question's text and the negative one has to be supplied.
"""


def table(datasets: Mapping[str, tuple[Metadata, Reviewed]]) -> str:
    """Return the page; a dataset without reviewed texts is left out."""
    parts = [_INTRODUCTION]
    for metadata, texts in datasets.values():
        if not texts.guidelines and not texts.positive_is_question:
            continue
        parts.append(f"\n## {metadata.title}\n")
        if texts.positive_is_question:
            parts.append(_OWN_TEXT)
        for exercise, entries in texts.guidelines.items():
            parts.append(f"\n### {metadata.exercises.get(exercise, exercise)}\n\n")
            parts.append("| about | positive | negative | reviewed |\n|---|---|---|---|\n")
            for entry in entries:
                positive = entry.positive or (entry.text if texts.positive_is_question else None)
                parts.append(_row(_about(entry), positive, entry.negative, entry))
        for exercise, options in texts.correct_options.items():
            title = metadata.exercises.get(exercise, exercise)
            parts.append(f"\n### {title}: options that mean correct execution\n\n")
            parts.append("| about | option | reason | reviewed |\n|---|---|---|---|\n")
            parts += [_row(_question(entry), entry.option, entry.reason or "–", entry) for entry in options]
    return "".join(parts)


def _row(about: str, one: str | None, other: str | None, entry: Entry) -> str:
    cells = (about, one or "missing", other or "missing", "yes" if entry.reviewed else "draft")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').strip() for cell in cells)} |\n"


def _question(entry: Entry) -> str:
    return entry.text or (entry.item if entry.item is not None else (entry.sha256 or "")[:12]) or "score"


def _about(entry: Guideline) -> str:
    conditions = ", ".join(f"{name}: {value}" for name, value in entry.when.items())
    return f"{_question(entry)} ({conditions})" if conditions else _question(entry)
