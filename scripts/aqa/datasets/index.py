"""Turn a dataset's folder into `samples.jsonl`: run the adapter, check what it says, hash the media."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from aqa.datasets.base import Metadata, resolve_settings
from aqa.datasets.discover import resolve
from aqa.datasets.readers import entries, examples, missing
from aqa.datasets.reviewed import load_reviewed, with_correct
from aqa.errors import UserError
from aqa.files import digest, digest_file
from aqa.records import Media, Question, Sample, Value

log = logging.getLogger("aqa")


def index(
    dataset_id: str,
    folder: Path,
    settings: Mapping[str, object],
    *,
    require_media: bool = False,
    wording: Path | None = None,
) -> list[Sample]:
    """Return all samples of a dataset, sorted by `sample_id`, with the digest of every media file.

    A missing file leaves `Media.sha256` None and is reported in the log, as are the counts, what
    differs from the paper, and content that occurs in both splits.

    Args:
        dataset_id: one of `aqa.datasets.dataset_ids()`, or any other if `folder` holds a `dataset.yaml`.
        folder: the dataset's files as their owners distribute them.
        settings: the dataset's settings that differ from their defaults.
        require_media: make a missing file of the evaluated split an error.
        wording: a user's own reviewed texts; they say which options mean correct execution.

    Raises:
        UserError: the folder, a file in it or a setting is wrong; says what to do.
    """
    dataset = resolve(dataset_id, folder)
    metadata = dataset.metadata
    resolved = resolve_settings(metadata, settings)
    if not folder.is_dir() or not entries(folder):
        raise missing(metadata, folder, "the dataset")
    texts = load_reviewed(dataset_id, wording)
    samples = with_correct(dataset.adapter.samples(folder, resolved), texts)
    check(samples, metadata)
    samples = _with_digests(samples, folder)
    _report_missing(samples, metadata, folder, require_media)
    _report_counts(samples, metadata)
    for group in shared_content(samples):
        log.warning("%s: the same content is in both splits: %s", dataset_id, ", ".join(group))
    return samples


def check(samples: list[Sample], metadata: Metadata) -> None:
    """Check that an adapter's samples keep the contracts of `Sample` and fit the metadata.

    Raises:
        UserError: names the first sample that does not, and why.
    """
    ids = [sample.sample_id for sample in samples]
    if ids != sorted(set(ids)):
        raise UserError(f"{metadata.id}: the adapter's samples are not sorted by a unique sample_id")
    for sample in samples:
        problem = _problem(sample, metadata)
        if problem:
            raise UserError(f"{metadata.id}: sample {sample.sample_id}: {problem}")
    if not any(sample.split == metadata.evaluated_split for sample in samples):
        raise UserError(
            f"{metadata.id}: the files name no usable sample of the {metadata.evaluated_split} split"
        )


def shared_content(samples: Iterable[Sample]) -> list[tuple[str, ...]]:
    """Return the groups of sample ids that have the same content and are not all of one split.

    Same content: the same file digest and the same seconds of it. Samples without a digest are in no
    group. Ids within a group, and groups, are sorted.
    """
    groups: dict[tuple[object, ...], list[Sample]] = {}
    for sample in samples:
        if sample.media.sha256 is not None:
            content = (sample.media.sha256, sample.media.start_s, sample.media.end_s)
            groups.setdefault(content, []).append(sample)
    return sorted(
        tuple(sorted(sample.sample_id for sample in group))
        for group in groups.values()
        if len({sample.split for sample in group}) > 1
    )


def _problem(sample: Sample, metadata: Metadata) -> str | None:
    if sample.exercise not in metadata.exercises:
        return f"exercise '{sample.exercise}' is not declared"
    if sample.split not in (metadata.evaluated_split, metadata.train_split):
        return f"split '{sample.split}' is not declared"
    path = PurePosixPath(sample.media.path)
    if path.is_absolute() or ".." in path.parts:
        return f"media path '{path}' leaves the data folder"
    start, end = sample.media.start_s, sample.media.end_s
    if (start is None) != (end is None) or (start is not None and end is not None and not 0 <= start < end):
        return f"seconds {start} to {end} are not a clip"
    items = [question.item for question in sample.questions]
    if not items or len(set(items)) < len(items) or set(items) != set(sample.truth):
        return "questions and truth do not name the same items"
    bad = [question for question in sample.questions if not _fits(sample.truth[question.item], question)]
    return f"truth {sample.truth[bad[0].item]!r} is no answer to question '{bad[0].item}'" if bad else None


def _fits(truth: Value, question: Question) -> bool:
    if question.options is not None:
        return truth in question.options and question.correct in (None, *question.options)
    if question.minimum is None or question.maximum is None or isinstance(truth, str):
        return False
    return question.minimum <= truth <= question.maximum


def _with_digests(samples: list[Sample], folder: Path) -> list[Sample]:
    digests: dict[str, str | None] = {}
    for media in (sample.media for sample in samples):
        if media.path not in digests:
            digests[media.path] = _digest_media(folder / media.path, media)
    return [
        sample.model_copy(
            update={"media": sample.media.model_copy(update={"sha256": digests[sample.media.path]})}
        )
        for sample in samples
    ]


def _digest_media(path: Path, media: Media) -> str | None:
    """Return the digest of a file, or of the names and digests of a folder's images; None if absent."""
    try:
        if media.kind == "frames":
            images = entries(path) if path.is_dir() else []
            return digest([[image.name, digest_file(image)] for image in images]) if images else None
        return digest_file(path) if path.is_file() else None
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be read ({error.strerror})") from None


def _report_missing(samples: list[Sample], metadata: Metadata, folder: Path, require_media: bool) -> None:
    needed = {sample.media.path for sample in samples}
    absent = {sample.media.path for sample in samples if sample.media.sha256 is None}
    evaluated = {sample.media.path for sample in samples if sample.split == metadata.evaluated_split}
    if require_media and absent & evaluated:
        lost = absent & evaluated
        what = f"{len(lost)} of {len(evaluated)} media files of the {metadata.evaluated_split} split"
        raise missing(metadata, folder, f"{what} ({examples(lost)})")
    if absent:
        log.warning(
            "%s: %d of %d media files are missing in %s (%s): their samples are listed without a digest",
            metadata.id,
            len(absent),
            len(needed),
            folder,
            examples(absent),
        )


def _report_counts(samples: list[Sample], metadata: Metadata) -> None:
    counts = Counter((sample.exercise, sample.split) for sample in samples)
    for exercise, split in sorted(counts):
        log.info("%s: %s: %d samples in %s", metadata.id, exercise, counts[exercise, split], split)
    for exercise, reported in metadata.reported.items():
        held = counts[exercise, metadata.evaluated_split]
        if held != reported:
            log.info(
                "%s: %s: the paper reports %d samples in %s, the files hold %d",
                metadata.id,
                exercise,
                reported,
                metadata.evaluated_split,
                held,
            )
