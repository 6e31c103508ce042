"""Nothing that a model receives says what the right answer is: every dataset, from its files to the wire."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest

from aqa import datasets, models
from aqa.config import ModelFile
from aqa.datasets.contrastive import load_contrastive
from aqa.datasets.egoexo_fitness import embedded as egoexo_fitness
from aqa.datasets.egoexo_fitness import embedded_plan
from aqa.datasets.examples import choose
from aqa.datasets.finefs import embedded as finefs
from aqa.datasets.fitness_aqa import embedded as fitness_aqa
from aqa.datasets.index import index
from aqa.datasets.llm_fms import embedded as llm_fms
from aqa.datasets.mtl_aqa import embedded as mtl_aqa
from aqa.datasets.pairs import make_pairs
from aqa.datasets.reviewed import load_reviewed
from aqa.inference import comparisons, requests
from aqa.media.prepare import Order, prepare
from aqa.media.profile import Profile
from aqa.media.target import Target
from aqa.prompts import load_strategy, strategies
from aqa.records import Clip, Examples, MediaPart, Pair, Request, Sample, TextPart
from openai_server import Server

pytestmark = pytest.mark.thorough

SEED = 1
SMALL: dict[str, tuple[Any, Any]] = {
    "egoexo-fitness": (egoexo_fitness, embedded_plan.Size(persons=4, entries=4)),
    "finefs": (finefs, finefs.Size(competitions=4, programs=1, elements=13)),
    "fitness-aqa": (fitness_aqa, fitness_aqa.Size(train=4, val=1, test=6, unlabeled=0)),
    "llm-fms": (llm_fms, llm_fms.Size(subjects=6)),
    "mtl-aqa": (mtl_aqa, mtl_aqa.Size(train=1, test=3, train_dives=4, test_dives=3)),
}
PLAIN = [
    name for name in strategies() if not load_strategy(name).guidelines and not load_strategy(name).examples
]


@dataclass(frozen=True)
class Study:
    """A dataset's embedded data as far as the requests."""

    dataset: str
    media: Path
    samples: dict[str, Sample]
    asked: list[Sample]
    clips: dict[str, Clip]
    examples: list[Examples]
    pairs: list[Pair]

    def judge(self, strategy: str, asked: list[Sample] | None = None) -> list[Request]:
        everyone = list(self.samples.values())
        chosen = self.asked if asked is None else asked
        shown = requests.with_examples(chosen, everyone, self.clips, self.examples)
        return requests.build(
            chosen,
            self.clips,
            texts=load_reviewed(self.dataset),
            examples=shown,
            **self._common(strategy),
        )

    def compare(self, strategy: str, pairs: list[Pair] | None = None) -> list[Request]:
        chosen = self.pairs if pairs is None else pairs
        return comparisons.build(chosen, self.samples, self.clips, **self._common(strategy))

    def all_requests(self) -> Iterator[Request]:
        for strategy in strategies():
            yield from self.judge(strategy)
        for strategy in PLAIN:
            yield from self.compare(strategy)

    def _common(self, strategy: str) -> dict[str, Any]:
        dataset = datasets.resolve(self.dataset)
        exercises = dataset.metadata.exercises
        return {"exercises": exercises, "strategy": strategy, "wording": dataset.wording, "identity": {}}


@pytest.fixture(scope="module", params=sorted(SMALL))
def study(request, tmp_path_factory) -> Study:
    """A small embedded dataset, prepared like any other."""
    dataset = request.param
    module, size = SMALL[dataset]
    data = tmp_path_factory.mktemp(dataset)
    module.write(data, SEED, 2, size)
    samples = index(dataset, data, {}, require_media=True)
    metadata = datasets.resolve(dataset).metadata
    asked = [sample for sample in samples if sample.split == metadata.evaluated_split]
    media = tmp_path_factory.mktemp("media")
    target = Target(name="tiny", profile=Profile(max_frames=2, scale=0.25))
    folder = f"{dataset}/{target.path}"
    prepared = prepare({target: samples}, Order(data, media / dataset), 2, lambda done, total: None)
    assert not prepared.broken
    pairing = make_pairs(
        samples,
        [sample.sample_id for sample in asked],
        split=metadata.evaluated_split,
        seed=SEED,
        contrastive=load_contrastive(dataset),
    )
    examples = choose(samples, asked, train_split=metadata.train_split, seed=SEED)
    return Study(
        dataset=dataset,
        media=media,
        samples={sample.sample_id: sample for sample in samples},
        asked=asked,
        clips={clip.sample_id: clip for clip in requests.placed(prepared.clips[target], folder)},
        examples=examples,
        pairs=pairing.pairs,
    )


def media_of(request: Request) -> list[MediaPart]:
    return [part for message in request.messages for part in message.content if isinstance(part, MediaPart)]


def texts_of(request: Request) -> list[str]:
    return [
        part.text for message in request.messages for part in message.content if isinstance(part, TextPart)
    ]


def otherwise(sample: Sample) -> Sample:
    """Return the sample with another answer to each of its questions."""
    truth: dict[str, str | float] = {}
    for question in sample.questions:
        value = sample.truth[question.item]
        if question.options is None:
            truth[question.item] = 1.25 if value != 1.25 else 2.5
        else:
            truth[question.item] = next(option for option in question.options if option != value)
    return sample.model_copy(update={"truth": truth})


def test_no_example_shares_a_subject_a_source_or_content_with_what_is_asked(study):
    owners: dict[str, list[Sample]] = {}
    for name, clip in study.clips.items():
        owners.setdefault(clip.sha256, []).append(study.samples[name])
    built = study.judge("in_context")
    assert built
    for request in built:
        asked = study.samples[request.sample_id]
        *shown, last = media_of(request)
        assert last.sha256 == study.clips[asked.sample_id].sha256
        assert shown
        for example in (owner for part in shown for owner in owners[part.sha256]):
            assert example.exercise == asked.exercise
            assert example.subject != asked.subject
            assert example.media.path != asked.media.path
            assert example.media.sha256 != asked.media.sha256


def test_no_example_comes_from_the_evaluated_split_where_there_is_a_training_split(study):
    if datasets.resolve(study.dataset).metadata.train_split is None:
        assert {sample.split for sample in study.samples.values()} == {"test"}
        return
    evaluated = {sample.sample_id for sample in study.asked}
    for examples in study.examples:
        assert not evaluated & {*examples.samples, *examples.alternate}


def test_the_two_of_a_pair_share_neither_subject_nor_content(study):
    assert study.pairs
    for pair in study.pairs:
        one, other = study.samples[pair.anchor], study.samples[pair.partner]
        assert one.subject != other.subject
        assert one.exercise == other.exercise
        assert study.clips[one.sample_id].sha256 != study.clips[other.sample_id].sha256


def test_the_right_answer_of_comparisons_is_exactly_as_often_first_as_second(study):
    better = {pair.pair_id: getattr(pair, pair.better) for pair in study.pairs}
    for strategy in PLAIN:
        places: Counter[tuple[str, int]] = Counter()
        for request in study.compare(strategy):
            digests = [part.sha256 for part in media_of(request)]
            places[request.sample_id, digests.index(study.clips[better[request.sample_id]].sha256)] += 1
        assert places == {(pair_id, place): 1 for pair_id in better for place in (0, 1)}


def test_both_orders_of_a_pair_are_asked_in_the_same_words(study):
    words: dict[str, set[tuple[str, ...]]] = {}
    for request in study.compare("base"):
        words.setdefault(request.sample_id, set()).add(tuple(texts_of(request)))
    assert all(len(found) == 1 for found in words.values())


def test_messages_and_keys_stay_the_same_when_the_truth_of_what_is_asked_changes(study):
    changed = [otherwise(sample) for sample in study.asked]
    assert all(one.truth != other.truth for one, other in zip(study.asked, changed, strict=True))
    for strategy in strategies():
        assert study.judge(strategy, changed) == study.judge(strategy)
    turned = {"anchor": "partner", "partner": "anchor"}
    pairs = [pair.model_copy(update={"better": turned[pair.better], "gap": None}) for pair in study.pairs]
    for strategy in PLAIN:
        assert study.compare(strategy, pairs) == study.compare(strategy)


def test_what_is_known_about_a_sample_never_tells_its_truth(study):
    """Samples that agree in a detail differ in truth: no detail is the answer, or another name for it."""
    seen: dict[str, dict[tuple[object, ...], set[object]]] = {}
    for sample in study.samples.values():
        for detail, value in sample.details.items():
            for item, truth in sample.truth.items():
                found = seen.setdefault(detail, {})
                found.setdefault((sample.exercise, item, value), set()).add(truth)
    for detail, truths in seen.items():
        assert any(len(found) > 1 for found in truths.values()), detail


def names_of(sample: Sample) -> set[str]:
    """Return every name that a sample and its files go by; a digit tells them from plain words."""
    parts = {sample.sample_id, sample.subject, sample.media.path, *Path(sample.media.path).parts}
    parts |= {Path(sample.media.path).stem, sample.media.sha256 or sample.sample_id}
    return {part for part in parts if len(part) > 3 and re.search(r"\d", part)}


def spoken(names: set[str], text: str) -> list[str]:
    return [name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)]


def test_no_name_of_a_sample_a_subject_or_a_file_is_in_a_text(study):
    names = set().union(*(names_of(sample) for sample in study.samples.values()))
    names |= {clip.sha256 for clip in study.clips.values()} | {pair.pair_id for pair in study.pairs}
    for request in study.all_requests():
        for text in texts_of(request):
            assert spoken(names, text) == []


def test_a_clip_s_file_holds_numbered_frames_and_no_word_besides(study):
    for clip in study.clips.values():
        with zipfile.ZipFile(study.media / clip.file) as archive:
            members = archive.infolist()
            assert archive.comment == b""
        assert [member.filename for member in members] == [f"{n:06d}.jpg" for n in range(len(members))]
        for member in members:
            assert (member.comment, member.extra, member.date_time) == (b"", b"", (1980, 1, 1, 0, 0, 0))


def segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment before the picture data."""
    place = 2
    while jpeg[place + 1] != 0xDA:
        assert jpeg[place] == 0xFF
        length = int.from_bytes(jpeg[place + 2 : place + 4])
        yield jpeg[place + 1], jpeg[place + 4 : place + 2 + length]
        place += 2 + length


def is_bare_jpeg(data: bytes) -> bool:
    """Say whether a JPEG has nothing but tables and picture: no EXIF, no comment, nothing behind its end."""
    found = list(segments(data))
    words = [content for marker, content in found if marker == 0xFE or 0xE0 <= marker <= 0xEF]
    return all(content.startswith(b"JFIF\0") for content in words) and data.endswith(b"\xff\xd9")


def metadata_of_mp4(data: bytes) -> set[str]:
    """Return every key of a video's metadata; it has one stream, of pictures."""
    with av.open(io.BytesIO(data)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        return {*container.metadata, *container.streams[0].metadata}


@pytest.mark.parametrize("form", ["frames", "video_url"])
def test_what_goes_over_the_wire_names_nothing_and_carries_no_metadata(study, form):
    sent = [next(iter(study.judge("in_context"))), *study.compare("base")[:2]]
    with Server() as server:
        options = {"base_url": server.url, "model": "test-model", "video": form}
        model = ModelFile(title="M", backend="openai", options=options)

        async def ask() -> None:
            async with models.create(model, models.Context(study.media, SEED)) as backend:
                for request in sent:
                    assert (await backend.ask(request)).outcome == "ok"

        asyncio.run(ask())
        received = list(server.received)
    names = set().union(*(names_of(sample) for sample in study.samples.values()))
    assert len(received) == len(sent)
    for one, request in zip(received, sent, strict=True):
        plain = f"{one.headers} {one.parameters} {one.texts}"
        assert spoken(names | {request.sample_id, request.key}, plain) == []
        assert one.media
        for data in one.media:
            if data.startswith(b"\xff\xd8"):
                assert is_bare_jpeg(data)
            else:
                allowed = {"major_brand", "minor_version", "compatible_brands"}
                assert metadata_of_mp4(data) <= allowed | {"language", "handler_name", "vendor_id", "encoder"}
                assert not any(name.encode() in data for name in names)
