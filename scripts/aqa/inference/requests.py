"""The requests of a cell, and the keys by which answers are found again (design decision 4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aqa.config import Representation
from aqa.datasets import Wording
from aqa.datasets.examples import group_of, origins, usable
from aqa.datasets.readers import examples as few
from aqa.datasets.reviewed import Reviewed
from aqa.errors import UserError
from aqa.files import digest
from aqa.prompts import load_strategy, render
from aqa.records import Clip, Examples, MediaPart, Message, Request, Sample, TextPart

log = logging.getLogger("aqa")

Shown = Mapping[str, Sequence[tuple[Sample, Clip]]]
"""The examples that each sample is asked with, by sample id."""


def build(
    samples: Sequence[Sample],
    clips: Mapping[str, Clip],
    *,
    exercises: Mapping[str, str],
    strategy: str,
    wording: Wording,
    identity: Mapping[str, Any],
    system: str | None = None,
    representation: Representation = "original",
    texts: Reviewed | None = None,
    examples: Shown | None = None,
) -> list[Request]:
    """Return one request a sample, in the order of `samples`.

    `clips` maps sample ids to the clips of the model's media profile, their files relative to the folder of
    all media (`placed`); samples whose clip could not be
    prepared are left out (the media stage has reported them), and so are, for a strategy with examples,
    samples that have none (`examples`, from `with_examples`). `identity` is the backend's: all of its
    settings that can change an answer. `texts` are the dataset's reviewed texts.

    Raises:
        UserError: a template fails, or the strategy needs examples and `examples` is None.
    """
    needed = load_strategy(strategy).examples
    if needed and examples is None:
        raise UserError(f"strategy {strategy}: needs examples; give the file that lists them")
    shown: Shown = examples if needed and examples is not None else {}
    settings = digest(identity)
    requests = []
    for sample in samples:
        clip = clips[sample.sample_id]
        if clip.file is None or (needed and sample.sample_id not in shown):
            continue
        messages = render(
            sample,
            clip,
            exercise=exercises.get(sample.exercise, sample.exercise),
            strategy=strategy,
            wording=wording,
            representation=representation,
            texts=texts,
            examples=shown.get(sample.sample_id, ()),
        )
        if system is not None:
            messages = (Message(role="system", content=(TextPart(text=system),)), *messages)
        requests.append(
            Request(
                key=key(messages, settings, sample.sample_id),
                settings=settings,
                sample_id=sample.sample_id,
                subject=sample.subject,
                exercise=sample.exercise,
                messages=messages,
                questions=sample.questions,
            )
        )
    return requests


def repeated(requests: Sequence[Request], repeats: int) -> list[Request]:
    """Return every request as often as it is asked: all once, then all again with the next `repeat`.

    Nested: the first n repeats, keys included, are the same whatever `repeats` is.
    """
    return [
        request
        if repeat == request.repeat
        else request.model_copy(
            update={
                "repeat": repeat,
                "key": key(request.messages, request.settings, request.sample_id, request.item, repeat),
            }
        )
        for repeat in range(repeats)
        for request in requests
    ]


def placed(clips: Sequence[Clip], folder: str) -> list[Clip]:
    """Return the clips of a manifest with their files relative to the folder of all media.

    `folder` is the manifest's own folder below that.
    """
    return [
        clip.model_copy(update={"file": f"{folder}/{clip.file}"}) if clip.file is not None else clip
        for clip in clips
    ]


def with_examples(
    asked: Sequence[Sample],
    everyone: Sequence[Sample],
    clips: Mapping[str, Clip],
    chosen: Sequence[Examples],
) -> Shown:
    """Return the examples of each sample that is asked about; samples that have none are not in it.

    `everyone` are all samples of the dataset, `chosen` what `aqa.datasets.examples.choose` returned. A set
    with a clip that could not be prepared is not used. Samples without examples are reported.

    Raises:
        UserError: `chosen` does not fit the samples or the clips.
    """
    by_id = {sample.sample_id: sample for sample in everyone}
    by_group = {(examples.exercise, examples.items): examples for examples in chosen}
    origin = origins(everyone)
    result: dict[str, list[tuple[Sample, Clip]]] = {}
    lacking = []
    for sample in asked:
        examples = by_group.get(group_of(sample))
        if examples is None:
            raise UserError(f"{sample.sample_id}: no examples are listed for its exercise and questions")
        names = usable(sample, _prepared(examples, by_id, clips), by_id, origin)
        if names is None:
            lacking.append(sample.sample_id)
        else:
            items = [question.item for question in sample.questions]
            result[sample.sample_id] = [(_cut(by_id[name], items), clips[name]) for name in names]
    if lacking:
        log.warning(
            "%d of %d samples have no in-context example and are not asked about: %s",
            len(lacking),
            len(asked),
            few(lacking),
        )
    return result


def _prepared(examples: Examples, known: Mapping[str, Sample], clips: Mapping[str, Clip]) -> Examples:
    """Return the examples without the sets that have a clip without frames."""
    for name in (*examples.samples, *examples.alternate):
        if name not in known or name not in clips:
            raise UserError(f"in-context examples: no {'clip' if name in known else 'sample'} '{name}'")
    return examples.model_copy(
        update={
            name: names if all(clips[one].file is not None for one in names) else ()
            for name, names in (("samples", examples.samples), ("alternate", examples.alternate))
        }
    )


def _cut(sample: Sample, items: Sequence[str]) -> Sample:
    """Return the sample with these questions only, in this order."""
    questions = {question.item: question for question in sample.questions}
    return sample.model_copy(update={"questions": tuple(questions[item] for item in items)})


def key(messages: Sequence[Message], settings: str, sample_id: str, item: str = "", repeat: int = 0) -> str:
    """Return the sha256 of everything that can change the answer, and of nothing else.

    Media count by content and timestamps, never by name or place, so that a moved folder asks
    nothing again and changed pixels under an old name do.
    """
    conversation = [
        [
            message.role,
            [
                [part.kind, part.sha256, part.timestamps] if isinstance(part, MediaPart) else part.text
                for part in message.content
            ],
        ]
        for message in messages
    ]
    return digest(
        {
            "messages": conversation,
            "settings": settings,
            "sample_id": sample_id,
            "item": item,
            "repeat": repeat,
        }
    )
