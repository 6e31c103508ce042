"""Requests: media first, no truth, and a key that says exactly what could change the answer."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets import Noun, TaskWording, Wording
from aqa.datasets.reviewed import Reviewed
from aqa.errors import UserError
from aqa.files import digest
from aqa.inference import requests
from aqa.prompts import strategies, title
from aqa.records import Clip, Examples, Media, Question, Sample

WORDING = Wording(
    noun=Noun(video="a video of someone", image="an image of someone"),
    judge=TaskWording(
        task="You see {{ media }} doing a {{ exercise }}."
        "{% for q in questions %} {{ q.item }}: {{ q.text }}{% endfor %}",
        answer="Answer in JSON.",
    ),
)
SAMPLE = Sample(
    sample_id="s1",
    exercise="squat",
    subject="p1",
    split="test",
    media=Media(path="x.mp4", kind="video"),
    questions=(Question(item="knees", text="Do they cave in?", options=("true", "false"), correct="false"),),
    truth={"knees": "TRUTH"},
    details={"load": "TRUTHLESS"},
)
CLIP = Clip(
    sample_id="s1",
    file="clips/s1.zip",
    sha256="a" * 64,
    width=64,
    height=48,
    frame_indices=(0, 2),
    timestamps=(0.0, 0.5),
)


def build(sample=SAMPLE, clip=CLIP, **changes):
    arguments = {
        "exercises": {"squat": "Squat"},
        "strategy": "base",
        "wording": WORDING,
        "identity": {"temperature": 0.7},
        **changes,
    }
    return requests.build([sample], {clip.sample_id: clip}, **arguments)


def test_media_stand_before_the_text():
    (request,) = build()
    (message,) = request.messages
    assert [part.type for part in message.content] == ["media", "text"]
    assert message.content[0].file == "clips/s1.zip"
    assert message.content[1].text == (
        "You see a video of someone doing a Squat. knees: Do they cave in?\n\nAnswer in JSON."
    )


def test_the_truth_is_nowhere_in_a_request():
    assert "TRUTH" not in build()[0].model_dump_json()


def test_a_system_prompt_comes_first_and_changes_the_key():
    (request,) = build(system="Think.")
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.key != build()[0].key


@pytest.mark.parametrize(
    "changed",
    [
        {"clip": CLIP.model_copy(update={"sha256": "b" * 64})},
        {"clip": CLIP.model_copy(update={"timestamps": (0.0, 0.6)})},
        {"identity": {"temperature": 0.6}},
        {"exercises": {"squat": "Deep squat"}},
        {
            "sample": SAMPLE.model_copy(update={"sample_id": "s2"}),
            "clip": CLIP.model_copy(update={"sample_id": "s2"}),
        },
    ],
)
def test_what_could_change_the_answer_changes_the_key(changed):
    assert build(**changed)[0].key != build()[0].key


@pytest.mark.parametrize(
    "changed",
    [
        {"clip": CLIP.model_copy(update={"file": "elsewhere/s1.zip"})},
        {"sample": SAMPLE.model_copy(update={"truth": {"knees": "other"}, "subject": "p9"})},
    ],
)
def test_what_could_not_change_the_answer_keeps_the_key(changed):
    assert build(**changed)[0].key == build()[0].key


def test_a_sample_whose_clip_could_not_be_prepared_is_not_asked():
    broken = CLIP.model_copy(update={"file": None, "sha256": None, "error": "empty file"})
    assert build(clip=broken) == []


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ questions.__class__.__base__ }}",
        "{% for x in range(10**9) %}x{% endfor %}",
        "{{ unknown }}",
        "{% include 'etc' %}",
    ],
)
def test_templates_run_in_a_sandbox_and_fail_in_one_line(attack):
    wording = WORDING.model_copy(update={"judge": TaskWording(task=attack, answer="x")})
    with pytest.raises(UserError) as caught:
        build(wording=wording)
    assert "\n" not in str(caught.value)


def test_data_that_looks_like_a_template_stays_text():
    question = Question(item="q", text="{{ 7 * 7 }}", options=("a", "b"))
    (request,) = build(sample=SAMPLE.model_copy(update={"questions": (question,)}))
    assert "{{ 7 * 7 }}" in request.messages[0].content[1].text


def test_requests_survive_their_file():
    (request,) = build()
    assert type(request).model_validate(json.loads(request.model_dump_json())) == request


def other(name, **changes):
    facts = {"sample_id": name, "subject": f"p-{name}", "truth": {"knees": "true"}, **changes}
    media = Media(path=f"{name}.mp4", kind="video", sha256=facts.pop("sha256", digest(name)))
    return SAMPLE.model_copy(update={**facts, "media": media})


def clip(name, **changes):
    return CLIP.model_copy(
        update={"sample_id": name, "file": f"clips/{name}.zip", "sha256": digest(name), **changes}
    )


EVERYONE = [SAMPLE, other("e1"), other("e2", truth={"knees": "false"}), other("f1")]
CLIPS = {"s1": CLIP, **{name: clip(name) for name in ("e1", "e2", "f1")}}
CHOSEN = Examples(exercise="squat", items=("knees",), samples=("e1", "e2"), alternate=("f1",))


def with_examples(everyone=EVERYONE, clips=CLIPS, chosen=(CHOSEN,)):
    asked = everyone[0]
    shown = requests.with_examples([asked], everyone, clips, chosen)
    return build(sample=asked, strategy="in_context", examples=shown)


def files(request):
    return [message.content[0].file for message in request.messages if message.role == "user"]


def test_examples_come_before_the_question_each_with_its_answer():
    (request,) = with_examples()
    assert [message.role for message in request.messages] == ["user", "assistant"] * 2 + ["user"]
    assert files(request) == [f"clips/{name}.zip" for name in ("e1", "e2", "s1")]
    assert [message.content[0].text for message in request.messages[1::2]] == [
        '{"knees": true}',
        '{"knees": false}',
    ]


def test_examples_are_part_of_the_key():
    swapped = CHOSEN.model_copy(update={"samples": ("e2", "e1")})
    told = [SAMPLE, other("e1", truth={"knees": "false"}), *EVERYONE[2:]]
    keys = {
        request.key
        for request in (
            *with_examples(),
            *with_examples(chosen=(swapped,)),
            *with_examples(everyone=told),
            *with_examples(clips={**CLIPS, "e1": clip("e1", timestamps=(0.0, 0.7))}),
            *build(),
        )
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    "everyone",
    [
        [SAMPLE, other("e1", subject="p1"), *EVERYONE[2:]],
        [other("s1", sha256="c" * 64), other("e1", sha256="c" * 64), *EVERYONE[2:]],
    ],
)
def test_whoever_shares_something_with_the_first_set_gets_the_second_and_what_that_lacks(everyone):
    (request,) = with_examples(everyone=everyone)
    assert [file.split("/")[-1] for file in files(request)] == ["f1.zip", "e2.zip", "s1.zip"]


def test_a_set_with_a_clip_that_could_not_be_prepared_is_not_shown():
    broken = clip("e1", file=None, sha256=None, error="empty file")
    (request,) = with_examples(clips={**CLIPS, "e1": broken})
    assert [file.split("/")[-1] for file in files(request)] == ["f1.zip", "s1.zip"]


def test_a_sample_without_examples_is_not_asked_and_is_reported(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    with caplog.at_level(logging.WARNING, logger="aqa"):
        assert with_examples(chosen=(CHOSEN.model_copy(update={"samples": (), "alternate": ()}),)) == []
    assert "1 of 1 samples have no in-context example" in caplog.text


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"chosen": ()}, "no examples are listed"),
        ({"chosen": (CHOSEN.model_copy(update={"samples": ("nobody",)}),)}, "no sample 'nobody'"),
        ({"clips": {"s1": CLIP}}, "no clip 'e1'"),
    ],
)
def test_examples_that_do_not_fit_stop_the_cell(changes, cause):
    with pytest.raises(UserError, match=cause):
        with_examples(**changes)


def test_a_strategy_with_examples_does_not_run_without_them():
    with pytest.raises(UserError, match="needs examples"):
        build(strategy="in_context")


def test_an_example_is_asked_only_what_the_sample_is_asked():
    more = (*SAMPLE.questions, Question(item="back", text="Is it straight?", options=("true", "false")))
    wide = [SAMPLE, *(known.model_copy(update={"questions": more}) for known in EVERYONE[1:])]
    (request,) = with_examples(everyone=wide)
    assert "back" not in request.model_dump_json()


words = st.text(alphabet="abcdefghij", min_size=1, max_size=8)


@given(truth=st.sampled_from(["true", "false"]), correct=st.sampled_from(["true", "false", None]))
@pytest.mark.parametrize("strategy", ["base", "in_context", "two_step"])
def test_the_truth_of_what_is_asked_changes_nothing_in_its_messages(strategy, truth, correct):
    questions = tuple(question.model_copy(update={"correct": correct}) for question in SAMPLE.questions)
    asked = SAMPLE.model_copy(update={"truth": {"knees": truth}, "questions": questions})
    shown = requests.with_examples([asked], [asked, *EVERYONE[1:]], CLIPS, (CHOSEN,))
    (request,) = build(sample=asked, strategy=strategy, examples=shown)
    (reference,) = build(sample=SAMPLE, strategy=strategy, examples=shown)
    assert request.messages == reference.messages
    assert request.key == reference.key


@given(folder=words, name=words, subject=words)
@pytest.mark.parametrize("strategy", ["base", "in_context"])
def test_no_name_of_a_file_folder_or_subject_reaches_the_text(strategy, folder, name, subject):
    marked = [
        known.model_copy(
            update={
                "subject": f"SUBJECT-{subject}-{known.subject}",
                "media": known.media.model_copy(
                    update={"path": f"FOLDER-{folder}/FILE-{name}-{known.sample_id}"}
                ),
            }
        )
        for known in EVERYONE
    ]
    clips = {one.sample_id: one for one in requests.placed(tuple(CLIPS.values()), f"FOLDER-{folder}")}
    shown = requests.with_examples(marked[:1], marked, clips, (CHOSEN,))
    (request,) = build(sample=marked[0], clip=clips[marked[0].sample_id], strategy=strategy, examples=shown)
    said = "".join(
        part.text for message in request.messages for part in message.content if part.type == "text"
    )
    assert not [word for word in ("SUBJECT", "FOLDER", "FILE", ".zip") if word in said]


def test_skeletons_change_the_text_and_so_the_key():
    (request,) = build(representation="skeleton_only")
    assert "a video showing skeleton joints (COCO17 format) of someone" in request.messages[0].content[1].text
    assert request.key != build()[0].key


def test_guidelines_stand_in_the_prompt_that_uses_them_and_in_no_other():
    entry = {"item": "knees", "positive": "POSITIVE.", "negative": "NEGATIVE.", "reviewed": True}
    texts = Reviewed.model_validate({"guidelines": {"squat": [entry]}})
    said = {
        strategy: build(strategy=strategy, texts=texts, examples={"s1": []})[0].messages[-1].content[-1].text
        for strategy in strategies()
    }
    assert {name for name, text in said.items() if "POSITIVE." in text} == {"positive_guidelines"}
    assert {name for name, text in said.items() if "NEGATIVE." in text} == {"negative_guidelines"}


def test_every_strategy_has_a_title_and_base_is_the_first():
    assert strategies()[0] == "base"
    assert all(title(strategy) for strategy in strategies())


def test_repeats_are_nested_and_each_has_a_key_of_its_own():
    once = build()
    assert requests.repeated(once, 1) == once
    three, five = requests.repeated(once, 3), requests.repeated(once, 5)
    assert five[:3] == three
    assert three[0] == once[0]
    assert [request.repeat for request in five] == [0, 1, 2, 3, 4]
    assert len({request.key for request in five}) == 5
    assert five[4].key == requests.key(five[4].messages, five[4].settings, "s1", "", 4)
    assert {request.messages for request in five} == {once[0].messages}
