"""What models are asked, word for word: tests/prompts/golden/ is read by people, this holds it still."""

import json

import pytest
from golden_prompts import (
    COMPARED,
    GOLDEN,
    REPRESENTATIONS,
    comparing,
    comparison,
    conversation,
    fixtures,
    renderings,
)

from aqa.datasets import dataset_ids, load_wording
from aqa.errors import UserError
from aqa.prompts import answer, answer_key, compare, load_strategy, strategies, title
from aqa.prompts import strategy as strategy_module
from aqa.records import Pair
from aqa.scoring import parse as scoring

DATASETS = tuple(fixtures())


PAIR = Pair(
    pair_id="a+b",
    exercise="squat",
    item="",
    text="?",
    anchor="a",
    partner="b",
    anchor_subject="p",
    partner_subject="q",
    better="anchor",
)


def text(dataset: str, strategy: str, representation: str = "original") -> str:
    return conversation(dataset, strategy, representation)[-1].content[-1].text


def test_every_dataset_and_strategy_has_its_golden_prompt():
    assert set(DATASETS) == set(dataset_ids())
    assert {path.name for path in GOLDEN.glob("*.txt")} == set(renderings())
    for dataset in dataset_ids():
        assert {f"{dataset}.{strategy}.txt" for strategy in strategies()} <= set(renderings())
        assert {f"{dataset}.compare.{strategy}.txt" for strategy in comparing()} <= set(renderings())


@pytest.mark.parametrize("name", sorted(renderings()))
def test_prompts_are_the_reviewed_ones(name):
    golden = (GOLDEN / name).read_text(encoding="utf-8")
    assert renderings()[name] == golden, "if meant: python tests/prompts/golden_prompts.py, and read the diff"


def test_the_paper_s_seven_strategies_are_there():
    assert {
        "base",
        "visual_grounding",
        "two_step",
        "structured_reasoning",
        "positive_guidelines",
        "negative_guidelines",
        "in_context",
    } <= set(strategies())
    assert len({title(strategy) for strategy in strategies()}) == len(strategies())


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_strategy_asks_the_base_question_in_the_same_words(dataset):
    task, _, form = text(dataset, "base").partition("\n\n")
    for strategy in strategies():
        assert text(dataset, strategy).startswith(task)
        assert text(dataset, strategy).endswith(form)
    assert text(dataset, "in_context") == text(dataset, "base")


@pytest.mark.parametrize("dataset", DATASETS)
def test_guideline_prompts_differ_in_polarity_only(dataset):
    positive, negative = (text(dataset, f"{polarity}_guidelines") for polarity in ("positive", "negative"))
    lines = list(zip(positive.splitlines(), negative.splitlines(), strict=True))
    differing = [pair for pair in lines if pair[0] != pair[1]]
    lead, *criteria = differing
    assert lead[0].replace("a correct", "an incorrect") == lead[1]
    assert criteria
    assert all(line.startswith("- ") for pair in criteria for line in pair)


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("representation", ["original", "cropped", "skeleton_overlay", "skeleton_only"])
def test_skeleton_inputs_change_the_noun_phrase_and_nothing_else(dataset, representation):
    original, shown = text(dataset, "base"), text(dataset, "base", representation)
    if representation.startswith("skeleton"):
        assert shown != original
        assert shown.replace(" showing skeleton joints (COCO17 format) of someone", " of someone") == original
    else:
        assert shown == original


@pytest.mark.parametrize("dataset", DATASETS)
def test_structured_reasoning_names_its_five_stages_in_order(dataset):
    shown = text(dataset, "structured_reasoning")
    places = [shown.index(f"<{tag}>") for tag in ("look", "decompose", "analyse", "assess", "output")]
    assert places == sorted(places)
    assert all(f"</{tag}>" in shown for tag in ("look", "decompose", "analyse", "assess", "output"))


@pytest.mark.parametrize("dataset", DATASETS)
def test_examples_are_turns_with_media_the_same_text_and_the_true_answer(dataset):
    asked, shown, _ = fixtures()[dataset]
    messages = conversation(dataset, "in_context", "original")
    assert [message.role for message in messages] == ["user", "assistant"] * len(shown) + ["user"]
    users = messages[::2]
    assert {message.content[-1].text for message in users} == {text(dataset, "base")}
    assert [message.content[0].file for message in users] == [
        f"clips/{sample.sample_id}.zip" for sample in (*shown, asked)
    ]
    for sample, message in zip(shown, messages[1::2], strict=True):
        (part,) = message.content
        parsed = scoring.parse(part.text, sample.questions)
        for item, value in sample.truth.items():
            assert parsed[item] == (value if isinstance(value, str) else pytest.approx(value, abs=0.005))


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_example_s_answer_has_the_form_that_the_prompt_shows(dataset):
    asked, _, _ = fixtures()[dataset]
    given = json.loads(answer(asked.questions, asked.truth))
    shown = text(dataset, "base")
    for question in asked.questions:
        assert f'"{answer_key(question)}": ' in shown
        assert answer_key(question) == scoring.answer_key(question)
        if "true or false" in shown:
            assert isinstance(given[answer_key(question)], bool)
    assert answer(asked.questions, asked.truth).startswith('{"')


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("strategy", strategies())
def test_no_name_path_or_correct_option_of_a_sample_is_in_a_prompt(dataset, strategy):
    asked, shown, _ = fixtures()[dataset]
    for representation in REPRESENTATIONS:
        for message in conversation(dataset, strategy, representation):
            spoken = "".join(part.text for part in message.content if part.type == "text")
            for sample in (asked, *shown):
                assert sample.subject not in spoken
                assert "secret" not in spoken
                assert sample.media.sha256 not in spoken


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("strategy", comparing())
def test_a_comparison_says_which_is_first_and_nothing_about_either(dataset, strategy):
    asked, shown, _ = fixtures()[dataset]
    kind = "image" if asked.media.kind == "image" else "video"
    for representation in REPRESENTATIONS:
        (message,) = comparison(dataset, strategy, representation)
        first, one, second, other, last = message.content
        assert (first.text, second.text) == (f"First {kind}:", f"Second {kind}:")
        assert (one.file, other.file) == ("clips/a.zip", f"clips/{shown[0].sample_id}.zip")
        for sample in (asked, shown[0]):
            assert sample.subject not in last.text
            assert "secret" not in last.text
            assert not any(value in last.text for value in sample.details.values() if len(value) > 3)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_comparison_asks_for_an_answer_whose_key_says_nothing_about_quality(dataset):
    shown = comparison(dataset, "base", "original")[0].content[-1].text
    assert shown.endswith('{"answer": "first" or "second"}')
    question = compare.question(PAIR)
    assert scoring.parse('{"answer": "second"}', [question]) == {question.item: "second"}


def test_what_the_dataset_s_pairs_are_compared_in_is_asked_where_the_wording_does_not_say_it():
    for dataset, (_, asked) in COMPARED.items():
        shown = comparison(dataset, "base", "original")[0].content[-1].text
        assert asked in shown or "executed better" in shown


def test_answers_are_read_whatever_the_options_are_called():
    question = fixtures()["llm-fms"][0].questions[0].model_copy(update={"options": ("true", 'Say "no"')})
    assert answer([question], {"r01": "true"}) == '{"r01": "true"}'
    assert scoring.parse(answer([question], {"r01": 'Say "no"'}), [question]) == {"r01": 'Say "no"'}


@pytest.mark.parametrize("dataset", DATASETS)
def test_noun_phrases_can_take_skeletons(dataset):
    for phrase in (load_wording(dataset).noun.video, load_wording(dataset).noun.image):
        assert phrase.endswith(" of someone")


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("{# Plain #}", (None, False)),
        ("{# Both | guidelines: negative | examples #}", ("negative", True)),
    ],
)
def test_a_new_strategy_is_one_file(tmp_path, monkeypatch, first, expected):
    (tmp_path / "mine.j2").write_text(f"{first}\n{{{{ task }}}}")
    monkeypatch.setattr(strategy_module, "STRATEGIES", tmp_path)
    strategy_module._source.cache_clear()
    try:
        mine = load_strategy("mine")
        assert strategies() == ("mine",)
        assert (mine.guidelines, mine.examples) == expected
    finally:
        strategy_module._source.cache_clear()


@pytest.mark.parametrize(
    "first", ["Title", "{# #}", "{# X | guideline: positive #}", "{# X | guidelines: no #}"]
)
def test_a_strategy_without_a_proper_first_line_is_refused(tmp_path, monkeypatch, first):
    (tmp_path / "mine.j2").write_text(f"{first}\n")
    monkeypatch.setattr(strategy_module, "STRATEGIES", tmp_path)
    strategy_module._source.cache_clear()
    try:
        with pytest.raises(UserError, match=r"first line"):
            load_strategy("mine")
    finally:
        strategy_module._source.cache_clear()
