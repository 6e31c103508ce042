"""FineFS on disk.

Layout: `[data/]annotation/<id>.json` and `[data/]video/<id>.mp4`, ids 0 to 1166. An annotation's
`executed_element` maps `element<n>` to the called code, its type (`coarse_class`, sometimes null), the
base value `bv`, the panel's points `goe`, `score_of_pannel` (so spelled: bv + goe), the marks of the
judges `judge_score` and `time`, "M-S,M-S" in whole seconds of the video. All times here are seconds, so it
does not matter whether the videos have 25 or 30 frames a second.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from aqa.datasets.base import Metadata, Settings
from aqa.datasets.discover import read_metadata, read_wording
from aqa.datasets.finefs.elements import announced, element_type
from aqa.datasets.omitted import Omitted
from aqa.datasets.readers import (
    VIDEO_EXTENSIONS,
    child,
    entries,
    examples,
    media_files,
    missing,
    read_json,
    subfolders,
)
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.records import Media, Question, Sample

log = logging.getLogger("aqa")

HERE = Path(__file__).parent

SCALE = 5.0
"""Grades of execution run from -SCALE to SCALE."""

TOLERANCE = 0.05
"""A score of panel further than this from bv + goe is a typing error (898.json: 1639 for 16.39)."""

ANNOTATION_FILE = re.compile(r"0*([0-9]{1,6})\.json", re.ASCII)
ELEMENT_KEY = re.compile(r"element_?0*([0-9]{1,2})", re.ASCII | re.IGNORECASE)
TIME = re.compile(r"\s*([0-9]{1,3})-([0-9]{1,2})\s*,\s*([0-9]{1,3})-([0-9]{1,2})\s*", re.ASCII)


def _present(marks: Any) -> Any:
    """Drop the places of absent judges."""
    return [mark for mark in marks if mark not in (None, "", "-")] if isinstance(marks, list) else marks


class Element(BaseModel):
    """One executed element as annotated; what is null or not there is None."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    element: str = Field(min_length=1)
    coarse_class: str | None = None
    bv: float | None = None
    goe: float | None = None
    score_of_pannel: float | None = None
    judge_score: Annotated[
        tuple[Annotated[float, Field(ge=-SCALE, le=SCALE)], ...], BeforeValidator(_present)
    ] = ()
    time: str | None = None

    @property
    def grade(self) -> float | None:
        """Mean mark without one highest and one lowest; None for fewer than three judges."""
        return trimmed_mean(self.judge_score)

    @property
    def mistyped(self) -> bool:
        """Whether the score of the panel is not what its parts, bv + goe, add up to."""
        if self.bv is None or self.goe is None or self.score_of_pannel is None:
            return False
        return abs(self.score_of_pannel - (self.bv + self.goe)) > TOLERANCE + 1e-9


def trimmed_mean(marks: Sequence[float]) -> float | None:
    """Return the mean mark without one highest and one lowest; None for fewer than three marks."""
    kept = sorted(marks)[1:-1]
    return round(sum(kept) / len(kept), 9) if kept else None


def samples(folder: Path, settings: Settings) -> list[Sample]:
    """Return one sample an executed element; see `aqa.datasets.base.Adapter`.

    Truth is the grade of execution of item "", -5 to 5: the judges' trimmed mean, or the panel's points
    (setting `ground_truth`). `Sample.subject` is the source video. `details.element` is the code without
    the marks of the technical panel, which tell what went wrong. All samples are of the split test.
    """
    metadata, wording = read_metadata(HERE), read_wording(HERE)
    root = locate(folder, metadata)
    files = annotation_files(root, metadata)
    videos = _videos(root, folder)
    omitted = Omitted(metadata.id)
    points = settings["ground_truth"] == "points"
    elements: dict[str, Element] = {}
    result: list[Sample] = []
    for number, path in files.items():
        video = videos.get(number, (root / "video" / f"{number}.mp4").relative_to(folder).as_posix())
        for order, element in read_elements(path, omitted).items():
            sample_id = element_id(number, order)
            usable = _usable(sample_id, element, points, omitted)
            if usable is None:
                continue
            exercise, (start, end), truth = usable
            text = wording.questions[exercise][""]
            elements[sample_id] = element
            result.append(
                Sample(
                    sample_id=sample_id,
                    exercise=exercise,
                    subject=f"video-{number:04d}",
                    split="test",
                    media=Media(path=video, kind="video", start_s=start, end_s=end),
                    questions=(Question(item="", text=text, minimum=-SCALE, maximum=SCALE),),
                    truth={"": truth},
                    details={"element": announced(element.element)},
                )
            )
    omitted.report()
    _report_faults(elements, points, metadata)
    return sorted(result, key=lambda sample: sample.sample_id)


def element_id(number: int, order: int) -> str:
    """Return the id of the sample of an element: that of its video, and its number in it."""
    return f"{number:04d}-e{order:02d}"


def parse_time(text: str) -> tuple[float, float] | None:
    """Return (start, end) in seconds of "M-S,M-S"; None unless it is that, S below 60 and start < end."""
    match = TIME.fullmatch(text)
    if match is None:
        return None
    minute, second, end_minute, end_second = (int(part) for part in match.groups())
    start, end = 60 * minute + second, 60 * end_minute + end_second
    return (float(start), float(end)) if max(second, end_second) < 60 and start < end else None


def _usable(
    place: str, element: Element, points: bool, omitted: Omitted
) -> tuple[str, tuple[float, float], float] | None:
    """Return the type, the seconds and the truth of an element, None if it lacks one of them."""
    exercise = element_type(element.element, element.coarse_class)
    seconds = parse_time(element.time or "")
    truth = element.goe if points else element.grade
    if exercise is None:
        omitted.add("element(s) whose type cannot be told", f"{place} ({element.element})")
    elif seconds is None:
        omitted.add("element(s) without a valid time", f"{place} ({element.time})")
    elif truth is None:
        omitted.add(f"element(s) without {'points' if points else 'enough marks'}", place)
    else:
        return exercise, seconds, min(max(truth, -SCALE), SCALE)
    return None


def _report_faults(elements: dict[str, Element], points: bool, metadata: Metadata) -> None:
    mistyped = [sample_id for sample_id, element in elements.items() if element.mistyped]
    if mistyped:
        log.warning(
            "%s: %d element(s) have a score_of_pannel that is not bv + goe; goe counts: %s",
            metadata.id,
            len(mistyped),
            examples(mistyped),
        )
    beyond = [sample_id for sample_id, element in elements.items() if abs(element.goe or 0) > SCALE]
    if points and beyond:
        log.warning(
            "%s: %d element(s) have points beyond the scale of -5 to 5; its end is their truth: %s",
            metadata.id,
            len(beyond),
            examples(beyond),
        )


def locate(folder: Path, metadata: Metadata) -> Path:
    """Return the folder that holds `annotation`: `folder`, or below it as the release has it."""
    places = [folder, *subfolders(folder)]
    places += [path / "data" for path in subfolders(folder)]
    holding = [path for path in places if child(path, "annotation") is not None]
    if len(holding) > 1:
        found = ", ".join(str(path) for path in holding)
        raise UserError(f"{metadata.id}: more than one folder annotation below {folder}: {found}; name one")
    if not holding:
        raise missing(metadata, folder, "the folder annotation")
    return holding[0]


def annotation_files(root: Path, metadata: Metadata) -> dict[int, Path]:
    """Return the annotation of each video, by number."""
    folder = child(root, "annotation")
    result: dict[int, Path] = {}
    for path in entries(folder) if folder and folder.is_dir() else []:
        match = ANNOTATION_FILE.fullmatch(path.name)
        if match and int(match[1]) in result:
            raise UserError(
                f"{path}: video {match[1]} is annotated twice, also in {result[int(match[1])].name}"
            )
        if match:
            result[int(match[1])] = path
    if not result:
        raise missing(metadata, root / "annotation", "annotation files like 0.json")
    return result


def _videos(root: Path, folder: Path) -> dict[int, str]:
    """Return the videos that are there, by number, relative to `folder`."""
    place = child(root, "video") or root / "video"
    found = media_files([place], VIDEO_EXTENSIONS)
    if not found and (archive := child(root, "video.zip")):
        log.warning("%s is not unpacked: unpack it where it is", archive)
    result: dict[int, str] = {}
    for path in found:
        if re.fullmatch(r"[0-9]{1,6}", path.stem, re.ASCII):
            result.setdefault(int(path.stem), path.relative_to(folder).as_posix())
    return result


def read_elements(path: Path, omitted: Omitted) -> dict[int, Element]:
    """Return the elements of one annotation file, by their number in it."""
    annotation = read_json(path)
    executed = annotation.get("executed_element") if isinstance(annotation, dict) else None
    if not isinstance(executed, dict):
        keys = (
            ", ".join(sorted(annotation)[:8]) if isinstance(annotation, dict) else type(annotation).__name__
        )
        raise UserError(f"{path}: must have 'executed_element' with elements by name, but holds {keys}")
    result: dict[int, Element] = {}
    for key, value in executed.items():
        match = ELEMENT_KEY.fullmatch(key)
        place = f"{path.name} {key}"
        if match is None or int(match[1]) in result:
            omitted.add("element(s) with a name unlike element1, or one used twice", f"{place:.60}")
            continue
        try:
            result[int(match[1])] = Element.model_validate(value)
        except ValidationError as error:
            omitted.add("element(s) that cannot be read", f"{place} ({first_problem(error)})")
    return result
