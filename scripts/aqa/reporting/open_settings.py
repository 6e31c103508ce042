"""The report's section on what the study leaves open, with our choice and its reason."""

from __future__ import annotations

from aqa.records import Record
from aqa.reporting.labels import Labels, OpenChoice
from aqa.reporting.section import Grid, Head, Section, Text

INTRODUCTION = (
    "What the text of the study does not settle, and what this run took. A name with dots is a setting of "
    "the configuration; * marks a value that is not our default. The reasons are the datasets' own texts "
    "(metadata.yaml)."
)
HEADS = (
    Head(text="Dataset", left=True),
    Head(text="Setting or choice", left=True),
    Head(text="Value", left=True),
    Head(text="Default", left=True),
    Head(text="Reason", left=True, wide=True),
)


class SettingRow(Record):
    """A choice: a line of settings.csv.

    `dataset` is empty for what holds for all; `value` is empty for what is no setting.
    """

    dataset: str
    name: str
    value: str
    default: str
    reason: str


def settings_section(labels: Labels) -> Section:
    """Return the section, in the order of the datasets; what holds for all of them comes first."""
    rows = [_row("All", choice) for choice in labels.open]
    for dataset in labels.datasets:
        rows += [_row(dataset.title, choice) for choice in dataset.open]
    return Section(
        id="settings",
        title="Settings that the paper leaves open",
        short="Settings",
        parts=(Text(text=INTRODUCTION), Grid(heads=HEADS, rows=tuple(rows))),
        files=("settings.csv",),
    )


def setting_rows(labels: Labels) -> list[SettingRow]:
    """Return the lines of settings.csv."""
    owners = [("", labels.open), *((dataset.id, dataset.open) for dataset in labels.datasets)]
    return [
        SettingRow(dataset=owner, **choice.model_dump()) for owner, choices in owners for choice in choices
    ]


def _row(owner: str, choice: OpenChoice) -> tuple[str, ...]:
    mark = " *" if choice.value != choice.default else ""
    return owner, choice.name, f"{choice.value}{mark}" or "–", choice.default or "–", choice.reason
