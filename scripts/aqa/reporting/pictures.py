"""What the report page says about pictures and poses, as plain data: the template only lays it out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aqa.reporting.appearance import Appearance, PoseQuality, Row, Shown
from aqa.reporting.labels import DatasetLabel, Labels


@dataclass(frozen=True)
class Picture:
    """A frame in one representation; `uri` "" where it may not be shown or was not made."""

    uri: str
    alt: str
    caption: tuple[str, ...]
    problem: str


@dataclass(frozen=True)
class SheetRow:
    """A clip in all representations."""

    name: str
    exercise: str
    shown: tuple[Picture, ...]


@dataclass(frozen=True)
class Sheet:
    """The contact sheet of a dataset."""

    label: DatasetLabel
    synthetic: bool
    publish: bool
    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class PoseRow:
    """How well the poses of a dataset are known; `texts` are the cells of the table."""

    title: str
    synthetic: bool
    texts: tuple[str, ...]
    look_at: str


def sheets(found: Iterable[Appearance], labels: Labels) -> list[Sheet]:
    """Return the contact sheets, in the order of the labels."""
    by_dataset = {item.dataset: item for item in found}
    titles = {label.id: label.title for label in labels.representations}
    return [
        Sheet(
            label=label,
            synthetic=labels.is_synthetic(label.id),
            publish=item.publish,
            columns=tuple(titles.get(name, name) for name in item.representations),
            rows=tuple(_row(row, label, titles) for row in item.rows),
            broken=tuple(
                f"{titles.get(bad.representation, bad.representation)}: {bad.count} of {bad.of} clips could "
                f"not be made; the first: {bad.first}"
                for bad in item.broken
            ),
        )
        for label in labels.datasets
        if (item := by_dataset.get(label.id)) is not None
    ]


def pose_rows(found: Iterable[Appearance], labels: Labels) -> list[PoseRow]:
    """Return the datasets that have poses, in the order of the labels."""
    by_dataset = {item.dataset: item.poses for item in found}
    return [
        PoseRow(label.title, labels.is_synthetic(label.id), _texts(poses), _look_at(poses))
        for label in labels.datasets
        if (poses := by_dataset.get(label.id)) is not None
    ]


def key(found: Sequence[Appearance]) -> dict[str, str]:
    """Return what the colours of skeletons mean; empty where none is shown."""
    drawn = [item for item in found if {"skeleton_overlay", "skeleton_only"} & set(item.representations)]
    colours = drawn[0].colours if drawn else {}
    return {side: colours[side] for side in ("left", "right", "neither") if side in colours}


def _row(row: Row, dataset: DatasetLabel, titles: dict[str, str]) -> SheetRow:
    exercise = next((each.title for each in dataset.exercises if each.id == row.exercise), row.exercise)
    what = f"{dataset.title}, {exercise}, {row.sample_id}"
    return SheetRow(
        row.sample_id,
        exercise,
        tuple(_picture(shown, what, titles) for shown in row.shown),
    )


def _picture(shown: Shown, what: str, titles: dict[str, str]) -> Picture:
    if shown.problem:
        return Picture("", "", (), shown.problem)
    size = f"{shown.width}×{shown.height}"
    moment = f"frame {shown.number} of {shown.total}, {shown.time_s:.2f} s"
    caption = (size,) if shown.total == 1 else (size, moment)
    title = titles.get(shown.representation, shown.representation)
    alt = f"{title}: {what}" + ("" if shown.total == 1 else f", at {shown.time_s:.2f} s")
    return Picture(shown.uri, alt, caption, "")


def _texts(poses: PoseQuality) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f} %"

    return (
        f"{poses.clips:,}",
        f"{poses.missing:,}",
        share(poses.coverage),
        share(poses.lowest),
        "–" if poses.confidence is None else f"{poses.confidence:.2f}",
        share(poses.interpolated),
        f"{poses.low_margin:,}",
    )


def _look_at(poses: PoseQuality) -> str:
    more = poses.low_margin - len(poses.look_at)
    return ", ".join(poses.look_at) + (f" and {more:,} more" if more else "")
