"""Requests of the compare task: both orders, no truth, and a key that covers what is seen."""

from __future__ import annotations

import logging

import pytest

from aqa.datasets import Noun, TaskWording, Wording, dataset_ids, load_metadata, load_wording
from aqa.errors import UserError
from aqa.inference import comparisons
from aqa.inference.requests import placed
from aqa.prompts import load_strategy, strategies
from aqa.records import Clip, Media, MediaPart, Message, Pair, Question, Request, Sample, TextPart
from aqa.scoring import compare as scoring

WORDING = Wording(
    noun=Noun(video="a video of someone", image="an image of someone"),
    judge=TaskWording(task="unused", answer="unused"),
    compare=TaskWording(
        task="Two videos. Each is {{ media }} doing a {{ exercise }}. {{ questions[0].text }}",
        answer='{"{{ questions[0].item }}": "first" or "second"}',
    ),
)
PAIR = Pair(
    pair_id="SECRET-a+SECRET-b",
    exercise="squat",
    item="SECRET-item",
    text="Which is better?",
    anchor="SECRET-a",
    partner="SECRET-b",
    anchor_subject="SECRET-p1",
    partner_subject="SECRET-p2",
    better="partner",
    gap=1.23456,
)


def sample(sample_id: str, kind: str = "video", truth: float = 7.75) -> Sample:
    return Sample.model_validate(
        {
            "sample_id": sample_id,
            "exercise": "squat",
            "subject": f"SECRET-{sample_id}",
            "split": "test",
            "media": Media(path=f"SECRET/{sample_id}.mp4", kind=kind),
            "questions": [Question(item="", text="Judge.", minimum=0, maximum=10)],
            "truth": {"": truth},
            "details": {"position": "SECRET", "element": "SECRET"},
        }
    )


def clip(sample_id: str, letter: str) -> Clip:
    return Clip(
        sample_id=sample_id,
        file=f"clips/{letter}.zip",
        sha256=letter * 64,
        width=64,
        height=48,
        frame_indices=(0, 2),
        timestamps=(0.0, 0.5),
    )


SAMPLES = {name: sample(name) for name in ("SECRET-a", "SECRET-b")}
CLIPS = {"SECRET-a": clip("SECRET-a", "a"), "SECRET-b": clip("SECRET-b", "b")}


def build(pairs=(PAIR,), **changes) -> list[Request]:
    arguments = {
        "samples": SAMPLES,
        "clips": CLIPS,
        "exercises": {"squat": "Squat"},
        "strategy": "base",
        "wording": WORDING,
        "identity": {"temperature": 0.7},
        **changes,
    }
    return comparisons.build(pairs, **arguments)


def parts(request: Request) -> tuple[list[str], list[str]]:
    """Return the texts and the media digests of a request, in order."""
    content = [part for message in request.messages for part in message.content]
    return (
        [part.text for part in content if isinstance(part, TextPart)],
        [part.sha256[0] for part in content if isinstance(part, MediaPart)],
    )


def test_a_pair_is_asked_in_both_orders_with_the_same_words() -> None:
    anchor_first, partner_first = build()
    assert parts(anchor_first) == (
        [
            "First video:",
            "Second video:",
            "Two videos. Each is a video of someone doing a Squat. Which is better?\n\n"
            '{"answer": "first" or "second"}',
        ],
        ["a", "b"],
    )
    assert parts(partner_first) == (parts(anchor_first)[0], ["b", "a"])
    assert [part.type for part in anchor_first.messages[0].content] == [
        "text",
        "media",
        "text",
        "media",
        "text",
    ]


def test_a_request_says_what_is_asked_and_who_is_the_anchor() -> None:
    requests = build()
    assert [request.item for request in requests] == ["anchor_first", "partner_first"]
    for request in requests:
        assert (request.sample_id, request.subject, request.exercise) == (
            "SECRET-a+SECRET-b",
            "SECRET-p1",
            "squat",
        )
        assert request.questions == (
            Question(item="answer", text="Which is better?", options=("first", "second")),
        )


@pytest.mark.parametrize(
    "dataset", [name for name in dataset_ids() if "compare" in load_metadata(name).tasks]
)
@pytest.mark.parametrize("representation", ["original", "skeleton_only"])
def test_no_datasets_wording_shows_what_tells_the_truth(dataset: str, representation: str) -> None:
    metadata = load_metadata(dataset)
    kind = metadata.media
    samples = {name: sample(name, kind) for name in SAMPLES}
    requests = build(
        samples=samples, wording=load_wording(dataset), representation=representation, exercises={}
    )
    for better in ("anchor", "partner"):
        pairs = [PAIR.model_copy(update={"better": better, "gap": 9.87})]
        assert requests == build(
            pairs,
            samples={name: sample(name, kind, truth=1.25) for name in SAMPLES},
            wording=load_wording(dataset),
            representation=representation,
            exercises={},
        )
    for request in requests:
        sent = "".join(part for part in parts(request)[0])
        assert "SECRET" not in sent
        assert "SECRET" not in "".join(message.model_dump_json() for message in request.messages)
        assert f"First {kind}:" in sent
        assert '{"answer": "first" or "second"}' in sent
        assert f"two {kind}s" in sent
        assert ("COCO17" in sent) == (representation == "skeleton_only")


def test_images_are_called_images_and_skeletons_change_the_noun() -> None:
    request = build(
        samples={name: sample(name, "image") for name in SAMPLES}, representation="skeleton_overlay"
    )[0]
    texts, _ = parts(request)
    assert texts[:2] == ["First image:", "Second image:"]
    assert "an image showing skeleton joints (COCO17 format) of someone" in texts[2]
    assert all(p.kind == "image" for p in request.messages[0].content if isinstance(p, MediaPart))


def test_orders_differ_in_their_keys_even_for_equal_clips() -> None:
    twin = {name: clip(name, "a") for name in CLIPS}
    first, second = build(clips=twin)
    assert parts(first) == parts(second)
    assert first.key != second.key


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": {"temperature": 0.6}},
        {"clips": {**CLIPS, "SECRET-b": clip("SECRET-b", "c")}},
        {"pairs": [PAIR.model_copy(update={"text": "Which is worse?"})]},
        {"pairs": [PAIR.model_copy(update={"pair_id": "other"})]},
        {"exercises": {"squat": "Deep squat"}},
        {"representation": "skeleton_only"},
        {"strategy": "two_step"},
        {"system": "You judge."},
    ],
)
def test_what_could_change_an_answer_changes_its_key(changes) -> None:
    before, after = build(), build(**changes)
    assert {one.key for one in before}.isdisjoint(one.key for one in after)


def test_truth_subjects_and_the_place_of_media_do_not_change_a_key() -> None:
    pair = PAIR.model_copy(update={"better": "anchor", "gap": None, "anchor_subject": "p9"})
    elsewhere = {one.sample_id: one for one in placed(tuple(CLIPS.values()), "elsewhere")}
    moved = build([pair], clips=elsewhere)
    assert moved[0].messages[0].content[1].file == "elsewhere/clips/a.zip"
    assert [one.key for one in moved] == [one.key for one in build()]


def test_a_system_prompt_comes_first() -> None:
    assert build(system="You judge.")[0].messages[0] == Message(
        role="system", content=(TextPart(text="You judge."),)
    )


def test_a_pair_without_one_of_its_clips_is_left_out_of_both_orders(caplog, monkeypatch) -> None:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    broken = CLIPS["SECRET-b"].model_copy(update={"file": None, "sha256": None, "error": "broken"})
    with caplog.at_level("WARNING", logger="aqa"):
        assert build(clips={**CLIPS, "SECRET-b": broken}) == []
    assert "1 pairs are not asked" in caplog.text


def test_a_clip_that_was_never_prepared_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"no clip of SECRET-b; prepare .*--media-list"):
        build(clips={"SECRET-a": CLIPS["SECRET-a"]})


def test_a_video_is_not_compared_with_an_image() -> None:
    mixed = {**SAMPLES, "SECRET-b": sample("SECRET-b", "image")}
    with pytest.raises(UserError, match="an image cannot be compared with a video"):
        build(samples=mixed)


def test_a_dataset_without_wording_for_the_task_is_an_error() -> None:
    with pytest.raises(UserError, match="has no 'compare'"):
        build(wording=WORDING.model_copy(update={"compare": None}))


@pytest.mark.parametrize("strategy", strategies())
def test_every_strategy_either_renders_or_says_what_pairs_lack(strategy: str) -> None:
    chosen = load_strategy(strategy)
    if chosen.guidelines or chosen.examples:
        with pytest.raises(UserError, match="which the task compare does not have"):
            build(strategy=strategy)
    else:
        assert "Which is better?" in parts(build(strategy=strategy)[0])[0][-1]


def test_scoring_reads_the_orders_and_options_that_requests_name() -> None:
    assert scoring.ORDERS == (comparisons.ANCHOR_FIRST, comparisons.PARTNER_FIRST)
    assert build()[0].questions[0].options == (scoring.FIRST, scoring.SECOND)
