"""Answers are read in every dressing that models give them, and never guessed."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqa.records import Question
from aqa.scoring.parse import parse

SCORE = (Question(item="", text="How well?", minimum=0, maximum=10),)
ERRORS = tuple(
    Question(item=item, text=item, options=("true", "false")) for item in ("knees_inward", "knees_forward")
)
DISTANCE = (
    Question(item="r01", text="How far?", options=("Near", "Far")),
    Question(item="r02", text="Is the hip lower?", options=("Yes", "No", "Not visible")),
)
PAIR = (Question(item="", text="Which is better?", options=("first", "second")),)


def score(text: str) -> object:
    return parse(text, SCORE)[""]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"score": 7}', 7.0),
        ('{"score": 7.5}', 7.5),
        ('{"score": "7.5"}', 7.5),
        ('{"score": 0}', 0.0),
        ('{"score": -0.0}', 0.0),
        ('{"score": 1e1}', 10.0),
        ('{"score": 7.}', 7.0),
        ('{"Score": 7}', 7.0),
        ("{'score': 7}", 7.0),
        ("{score: 7}", 7.0),
        ("{“score”: 7}", 7.0),
        ('{"score": 7,}', 7.0),
        ('{"score": 7 // a clean entry\n}', 7.0),
        ('{"score": /* of 10 */ 7 # final\n}', 7.0),
        ('```json\n{\n  "score": 7\n}\n```', 7.0),
        ('The dive was clean.\n\n{"score": 7}\n\nI hope this helps!', 7.0),
        ('{{"score": 7}}', 7.0),
        ('[{"score": 7}]', 7.0),
        ('{"answer": {"score": 7}}', 7.0),
        ('{"reasoning": "a \\"rip\\" entry {7}", "score": 7}', 7.0),
        ('{"reasoning": "the "rip" entry, clean", "score": 7}', 7.0),
        ("{'reasoning': 'the diver's entry', 'score': 7}", 7.0),
        ('{"reasoning": "two\nlines", "score": 7}', 7.0),
        ("7", 7.0),
        ("  7.5\n", 7.5),
        ("```\n7.5\n```", 7.5),
    ],
)
def test_a_score_is_read_in_every_dressing(text: str, value: float) -> None:
    assert score(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"score": seven}',
        '{"score": "seven"}',
        '{"score": "7/10"}',
        '{"score": 7/10}',
        '{"score": "7 points"}',
        '{"score": "70%"}',
        '{"score": "7,5"}',
        '{"score": 7,5}',
        '{"score": "6-7"}',
        '{"score": 10.01}',
        '{"score": -1}',
        '{"score": 1e999}',
        '{"score": NaN}',
        '{"score": Infinity}',
        '{"score": "nan"}',
        '{"score": 1_0}',
        '{"score": "٧"}',
        '{"score": true}',
        '{"score": null}',
        '{"score": None}',
        '{"score": [7]}',
        '{"score": {"value": 7}}',
        '{"score": 7, "score": 8}',
        '{"score": 7',
        '{"rating": 7}',
        "I would give this dive a 7.",
        "7/10",
        "Score: 7",
        "11",
        "",
    ],
)
def test_what_is_not_clearly_a_score_on_the_scale_is_unparsed(text: str) -> None:
    assert score(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('<think>maybe {"score": 3}</think>{"score": 7}', 7.0),
        ('maybe {"score": 3}</think>\n{"score": 7}', 7.0),
        ('<think>maybe {"score": 3}', None),
        ('<think>maybe {"score": 3}</think>', None),
        ('<think>a <think> b </think> {"score": 3} </think> none', None),
        ('{"score": 7}<think>or {"score": 3}?</think>', 7.0),
        ("<THINKING>3</THINKING>7", 7.0),
    ],
)
def test_thinking_is_never_read(text: str, value: float | None) -> None:
    assert score(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('<assess>{"score": 3}</assess><output>{"score": 7}</output>', 7.0),
        ('<output>{"score": 7}</output> not {"score": 3}', 7.0),
        ("<output>7</output>", 7.0),
        ('<output>{"score": 7}', 7.0),
        ('<output>{"score": 3}</output><output>{"score": 7}</output>', 7.0),
        ('<output></output>{"score": 7}', 7.0),
        ('{"score": 3} <output>I cannot say.</output>', None),
        ("<answer>7</answer>", 7.0),
    ],
)
def test_an_output_block_is_the_answer(text: str, value: float | None) -> None:
    assert score(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('First I thought {"score": 3}, now {"score": 7}', 7.0),
        ('Use {"score": <number>}. {"score": 7}', 7.0),
        ('{"score": 7} no, {"score": 17}', None),
        ('{"example": {"score": 3}, "score": 7}', 7.0),
        ('{"score": 7, "example": {"score": 3}}', 7.0),
        ('{"draft": {"score": 3}, "score": 7 "oops"}', None),
        ('{"draft": {"score": 3}, "sco', None),
    ],
)
def test_the_last_object_that_answers_wins_and_parts_of_a_broken_one_do_not(
    text: str, value: float | None
) -> None:
    assert score(text) == value


@pytest.mark.parametrize(
    ("text", "inward", "forward"),
    [
        ('{"knees_inward": true, "knees_forward": false}', "true", "false"),
        ('{"knees_inward": True, "knees_forward": False}', "true", "false"),
        ('{"knees_inward": "True", "knees_forward": "FALSE."}', "true", "false"),
        ('{"Knees Inward": true, "knees-forward": false}', "true", "false"),
        ('{"knees_inward": true}', "true", None),
        ('{"knees_inward": true}\n{"knees_forward": false}', "true", "false"),
        ('{"knees_inward": true}\n{"knees_inward": false}', None, None),
        ('{"knees_inward": true, "knees_forward": false} {"knees_inward": false}', "true", "false"),
        ('{"knees_inward": yes, "knees_forward": 1}', None, None),
        ("true", None, None),
    ],
)
def test_choices_are_read_item_by_item(text: str, inward: str | None, forward: str | None) -> None:
    assert parse(text, ERRORS) == {"knees_inward": inward, "knees_forward": forward}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Not visible", "Not visible"),
        ("not-visible.", "Not visible"),
        (" NO ", "No"),
        ("not", None),
        ("N", None),
    ],
)
def test_an_option_may_differ_in_case_spacing_and_outer_punctuation_only(
    value: str, expected: str | None
) -> None:
    assert parse(json.dumps({"r01": "near", "r02": value}), DISTANCE) == {"r01": "Near", "r02": expected}


def test_an_option_that_fits_two_is_ambiguous_unless_spelled_exactly() -> None:
    question = Question(item="r", text="", options=("A", "a", "< 90", "> 90", "-1", "1"))
    read = {
        value: parse(json.dumps({"r": value}), [question])["r"]
        for value in ("A", "a.", "90", "<  90", "1", "-1")
    }
    assert read == {"A": "A", "a.": None, "90": None, "<  90": "< 90", "1": "1", "-1": "-1"}


def test_a_bare_null_is_no_option_but_the_word_is() -> None:
    question = Question(item="r", text="", options=("None", "Some"))
    assert parse('{"r": None}', [question]) == {"r": None}
    assert parse('{"r": "None"}', [question]) == {"r": "None"}


def test_a_choice_without_item_is_answered_under_answer() -> None:
    assert parse('{"answer": "Second"}', PAIR) == {"": "second"}
    assert parse("first", PAIR) == {"": "first"}


@given(st.text())
def test_no_text_raises(text: str) -> None:
    for questions in (SCORE, ERRORS, DISTANCE, PAIR):
        assert set(parse(text, questions)) == {question.item for question in questions}


PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", '"', "'", ":", ",", "\\", "/*", "*/", "//", "#", "\n", "score", "7", "null"),
        *("“", "”", "<think>", "</think>", "<output>", "</output>", "```", '{"score": 3}', '"r01": "Near"'),
        *(" ", "-", "\\u12", "\\ud800", "\\U000fffff", "\\xff", '{"r01": "'),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_debris_of_answers_raises_and_whatever_is_read_is_a_possible_answer(text: str) -> None:
    value = score(text)
    assert value is None or 0 <= float(str(value)) <= 10
    assert set(parse(text, DISTANCE).values()) <= {"Near", "Far", "Yes", "No", "Not visible", None}


@given(
    answer=st.one_of(st.integers(0, 10), st.floats(0, 10)),
    before=st.sampled_from(
        ["", "Sure! ", "<think>It is {3}.</think>", 'As in {"score": 5}: ', "so…</think>\n"]
    ),
    frame=st.sampled_from(
        ["{}", "```json\n{}\n```", "```\n{}\n```", "<output>{}</output>", "**Answer:** {}", "[{}]"]
    ),
    after=st.sampled_from(["", "\n", " Done.", "\n\nThe entry {splash} was small."]),
    single=st.booleans(),
    comma=st.booleans(),
    quoted=st.booleans(),
    extra=st.booleans(),
)
def test_every_score_survives_every_dressing(
    answer: float, before: str, frame: str, after: str, single: bool, comma: bool, quoted: bool, extra: bool
) -> None:
    value = f'"{answer!r}"' if quoted else repr(answer)
    body = (
        '{"why": "it\'s, in a word, \\"fine\\"", ' * extra
        + "{" * (not extra)
        + f'"score": {value}'
        + "," * comma
        + "}"
    )
    if single and not extra:
        body = body.replace('"', "'")
    assert score(before + frame.replace("{}", body) + after) == answer


@given(
    st.lists(
        st.text(
            st.characters(codec="utf-8", categories=["L", "N", "P", "Zs", "Sm"]), min_size=1, max_size=12
        ),
        min_size=2,
        max_size=5,
        unique_by=lambda text: "".join(text.casefold().split()),
    ),
    st.data(),
)
def test_every_option_survives_json_and_python_literals(options: list[str], data: st.DataObject) -> None:
    question = Question(item="r", text="", options=tuple(options))
    option = data.draw(st.sampled_from(options))
    assert parse(json.dumps({"r": option}), [question]) == {"r": option}
    assert parse(json.dumps({"r": option}, ensure_ascii=False), [question]) == {"r": option}
    assert parse(repr({"r": option}), [question]) == {"r": option}


HOSTILE = (
    *(
        '{"',
        "{'",
        '{"a":',
        "[{",
        "{",
        '{"a":[',
        "{/*",
        '{"\\',
        '{"a":"',
        "<think>",
        "<output>",
        "“{",
        '{"a":1,',
    ),
    *("{//", "{#\n", "{ ", "```", '{"a":"b"{', '\\"{', "{a", "{'a':\"", '" ', "{a:[[", "<", "7"),
)


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_linearly_with_hostile_text(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        start = time.process_time()
        parse(text, SCORE)
        return time.process_time() - start

    seconds(1_000)
    # Quadratic time would take 100 times as long as linear at this size: minutes.
    assert seconds(200_000) < 3


def test_deep_nesting_is_no_recursion_error() -> None:
    assert score('{"a":' * 50_000 + '{"score": 7}') in (None, 7.0)
    assert score('{"a":' * 50_000 + '{"score": 7}' + "}" * 50_000) in (None, 7.0)
    assert score("[" * 50_000 + '{"score": 7}' + "]" * 50_000) == 7.0


@settings(max_examples=20)
@given(st.integers(1, 60))
def test_an_answer_after_much_text_is_found(kilobytes: int) -> None:
    assert score("The set {knees, hips} bends. " * 36 * kilobytes + '{"score": 7}') == 7.0
