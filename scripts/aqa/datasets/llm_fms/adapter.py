"""LLM-FMS on disk.

Layout: `FMSRules.json` (questions and options), `FMS-Keyframes/**/<keyframe>.jpg` and
`FMS-FineGrainedLabelInfo/**/<keyframe>.json` (see `labels.py`), the extracted archives of the release. A
label belongs to the image of the same path below its folder, else to the one image of that name. A
keyframe's movement (`m05`) and subject (`s12`) are tokens of its name, else of the folders around it.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from aqa.config import load_yaml
from aqa.datasets.base import Metadata, Settings
from aqa.datasets.discover import read_metadata
from aqa.datasets.llm_fms.labels import Results, read_labels
from aqa.datasets.llm_fms.rules import Movement, items, read_rules
from aqa.datasets.omitted import Omitted
from aqa.datasets.readers import child, examples, found, missing, subfolders
from aqa.errors import UserError
from aqa.records import Media, Question, Sample

log = logging.getLogger("aqa")

HERE = Path(__file__).parent

RULES = "FMSRules.json"
KEYFRAMES = "FMS-Keyframes"
LABELS = "FMS-FineGrainedLabelInfo"
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png")


def samples(folder: Path, settings: Settings) -> list[Sample]:  # noqa: ARG001
    """Return one sample a labelled keyframe, all of the split test; see `aqa.datasets.base.Adapter`.

    Each rule of the movement is a question with the file's own options; its truth is the labelled one.
    `details` hold the movement's name and the view. The keyframe's score is never read.
    """
    metadata = read_metadata(HERE)
    root = _locate(folder, metadata)
    rules_file = child(root, RULES) or root / RULES
    movements = read_rules(rules_file)
    exercises: dict[str, str] = load_yaml(HERE / "movements.yaml")
    unknown = set(movements) - set(exercises)
    if unknown:
        raise UserError(
            f"{rules_file}: movements.yaml does not say to which exercise {examples(unknown)} belong"
        )
    label_folder, keyframes = _extracted(root, LABELS, metadata), _extracted(root, KEYFRAMES, metadata)
    labels = _read_all(label_folder)
    media = _match(labels, keyframes, label_folder)
    omitted = Omitted(metadata.id)
    placed = {name: place for name in labels if (place := _place(name, media[name], movements, omitted))}
    first = _first_index({name: (place[0], labels[name]) for name, place in placed.items()}, movements)
    item_of = items(movements, exercises)
    result = []
    for name, (movement, subject) in placed.items():
        asked = movements[movement]
        options = _options(name, asked, labels[name], first)
        for rule in set(asked.rules) - set(options):
            omitted.add("question(s) without a label", f"{name} {rule}")
        result.append(
            Sample(
                sample_id=_sample_id(name),
                exercise=exercises[movement],
                subject=subject,
                split="test",
                media=Media(path=(keyframes / media[name]).relative_to(folder).as_posix(), kind="image"),
                questions=tuple(
                    Question(item=item_of[movement, rule], text=known.ruleQuestion, options=known.ruleOptions)
                    for rule, known in asked.rules.items()
                    if rule in options
                ),
                truth={item_of[movement, rule]: option for rule, option in options.items()},
                details={"movement": asked.actionName, "view": asked.view},
            )
        )
    omitted.report()
    return sorted(result, key=lambda sample: sample.sample_id)


def movement_and_subject(name: str) -> tuple[str | None, str | None]:
    """Return the movement and the subject that a keyframe's path names, as `m05` and `s12`.

    They are tokens: not inside a word or a longer number. The file's own name counts before its folders,
    the nearest first. Subjects may also be written `S1`, `subject12` or `sub_012`.
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts[::-1]
    movement = _token(parts, r"m([0-9]{1,2})")
    subject = _token(parts, r"s(?:ub(?:ject)?)?[_-]?([0-9]{1,3})")
    return (
        f"m{movement:02d}" if movement is not None else None,
        f"s{subject:02d}" if subject is not None else None,
    )


def _token(parts: tuple[str, ...], pattern: str) -> int | None:
    whole = re.compile(rf"(?<![A-Za-z0-9]){pattern}(?![0-9])", re.ASCII | re.IGNORECASE)
    for part in parts:
        match = whole.search(part)
        if match:
            return int(match[1])
    return None


def _locate(folder: Path, metadata: Metadata) -> Path:
    """Return the folder that holds the rules: `folder`, or one below it."""
    for path in (folder, *subfolders(folder)):
        if child(path, RULES) is not None:
            return path
    raise missing(metadata, folder, RULES)


def _extracted(root: Path, name: str, metadata: Metadata) -> Path:
    """Return the folder that an archive of the release was extracted to; extracting may have doubled it."""
    extracted = child(root, name)
    if extracted is not None and extracted.is_dir():
        inner = child(extracted, name)
        return inner if inner is not None and inner.is_dir() else extracted
    archive = child(root, f"{name}.rar")
    if archive is not None:
        raise UserError(
            f"{metadata.id}: {archive} is not extracted; install unar or bsdtar and run in {root}:  "
            f"unar -force-directory {archive.name}  (or: mkdir {name} && bsdtar -xf {archive.name} -C {name})"
        )
    raise missing(metadata, root, f"the folder {name}")


def _read_all(folder: Path) -> dict[str, Results]:
    """Return all labels by the keyframe's path below the folder, without extension."""
    labels: dict[str, Results] = {}
    for path in sorted(folder.rglob("*.json")):
        place = path.relative_to(folder)
        for inner, results in read_labels(path).items():
            name = (place.parent / PurePosixPath(inner.replace("\\", "/"))) if inner else place
            key = name.with_suffix("").as_posix() if _has_suffix(name) else name.as_posix()
            if key in labels:
                raise UserError(f"{path}: keyframe '{key}' is labelled twice; keep one label")
            labels[key] = results
    if not labels:
        raise UserError(f"{folder}: holds no label (.json); found there: {found(folder)}")
    return labels


def _has_suffix(path: Path) -> bool:
    return path.suffix.lower() in (*IMAGE_EXTENSIONS, ".json")


def _match(labels: Mapping[str, Results], keyframes: Path, label_folder: Path) -> dict[str, str]:
    """Return the image of each label, relative to `keyframes`; where it should be, if it is not there."""
    images = sorted(
        path.relative_to(keyframes)
        for path in keyframes.rglob("*")
        if path.suffix.lower() in IMAGE_EXTENSIONS
    )
    by_path = {path.with_suffix("").as_posix().lower(): path for path in images}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in images:
        by_name[path.stem.lower()].append(path)
    result: dict[str, str] = {}
    matched: set[Path] = set()
    for name in labels:
        named = by_name.get(PurePosixPath(name).name.lower(), [])
        image = by_path.get(name.lower()) or (named[0] if len(named) == 1 else None)
        if image is None and named:
            raise UserError(
                f"{label_folder}: label '{name}' fits {len(named)} images of {keyframes}: "
                f"{examples(map(str, named))}; arrange labels in the folders of their images"
            )
        result[name] = image.as_posix() if image else f"{name}.jpg"
        matched |= {image} if image else set()
    if images and not matched:
        raise UserError(
            f"{label_folder}: no label is named like an image of {keyframes}: labels {examples(labels)}; "
            f"images {examples(map(str, images))}"
        )
    if len(images) > len(matched):
        unlabelled = [str(path) for path in images if path not in matched]
        log.warning("%s: %d image(s) have no label: %s", keyframes, len(unlabelled), examples(unlabelled))
    return result


def _place(
    name: str, image: str, movements: Mapping[str, Movement], omitted: Omitted
) -> tuple[str, str] | None:
    """Return the movement and the subject of a keyframe, None if it is left out."""
    own, around = movement_and_subject(name), movement_and_subject(image)
    movement, subject = own[0] or around[0], own[1] or around[1]
    if movement is None or subject is None:
        omitted.add("keyframe(s) whose path does not name a movement (m05) and a subject (s12)", name)
    elif movement not in movements:
        omitted.add(f"keyframe(s) of movements that {RULES} does not have", name)
    else:
        return movement, subject
    return None


def _first_index(labels: Mapping[str, tuple[str, Results]], movements: Mapping[str, Movement]) -> int:
    """Return whether options are numbered from 0 or from 1: what all labels together allow."""
    from_zero, from_one, numbered = True, True, 0
    for movement, results in labels.values():
        for rule, value in results.items():
            known = movements[movement].rules.get(rule)
            number = _number(value, known.ruleOptions) if known else None
            if known is not None and number is not None:
                numbered += 1
                from_zero &= number < len(known.ruleOptions)
                from_one &= 0 < number <= len(known.ruleOptions)
    if numbered and from_zero == from_one:
        raise UserError(
            f"{LABELS}: options are given by number, but {numbered} numbers do not tell whether they count "
            "from 0 or from 1; check that the labels are complete and of the release of FMSRules.json"
        )
    return 0 if from_zero else 1


def _options(name: str, movement: Movement, results: Results, first: int) -> dict[str, str]:
    """Return the true option of each rule."""
    truth: dict[str, str] = {}
    for rule, value in results.items():
        known = movement.rules.get(rule)
        if known is None:
            raise UserError(
                f"{LABELS}: keyframe '{name}' has a result for '{rule}', but {movement.actionName} has the "
                f"rules {', '.join(movement.rules)}; get {RULES} and the labels of one release"
            )
        number = _number(value, known.ruleOptions)
        fitting = [option for option in known.ruleOptions if _fold(option) == _fold(str(value))]
        if number is not None:
            fitting = list(known.ruleOptions[number - first :][:1])
        if len(fitting) != 1:
            raise UserError(
                f"{LABELS}: keyframe '{name}': '{rule}' is {value!r:.60}, but its options are "
                f"{', '.join(map(repr, known.ruleOptions))}"
            )
        truth[rule] = fitting[0]
    return truth


def _number(value: str | int, options: tuple[str, ...]) -> int | None:
    """Return the number of an option, None if the value is the option's own text."""
    if isinstance(value, int):
        return value if value >= 0 else None
    text = value.strip()
    named = any(_fold(option) == _fold(text) for option in options)
    return int(text) if re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) and not named else None


def _sample_id(name: str) -> str:
    """Return a keyframe's path as an id that is a safe file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "keyframe"


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())
