"""The answer that a reasoning states, and whether it is the answer given."""

import pytest

from aqa.records import Question
from aqa.scoring.traces.sentences import sentences
from aqa.scoring.traces.stated import agrees, stated

SCORE = (Question(item="", text="", minimum=0, maximum=10),)
GRADE = (Question(item="", text="", minimum=-5, maximum=5),)
GUIDELINE = (Question(item="g1", text="", options=("true", "false")),)
PAIR = (Question(item="answer", text="", options=("first", "second")),)
ERRORS = tuple(Question(item=item, text="", options=("true", "false")) for item in ("knees", "elbows"))
POSTURE = (
    Question(item="r01", text="", options=("Higher", "Equal", "Lower")),
    Question(item="r02", text="", options=("Parallel", "Leaning further forward")),
)


def said(text, questions):
    return list(stated(sentences(text), text, questions).values())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I would score it 7.5.", 7.5),
        ("So 7/10.", 7.0),
        ("I give it 8 out of 10.", 8.0),
        ("First a score of 6. After the entry I settle on 7.", 7.0),
        ("A score between 6 and 7. I settle on 6.5 out of 10.", 6.5),
        ("A score of 6 to 7.", None),
        ("A score of 6 or 7.", None),
        ("The entry is at 20 degrees. I give 8 points. It has 2.5 somersaults.", 8.0),
        ("Difficulty 3.2. The score is 9", 9.0),
        ("The score is 12.", None),
        ("If the knees bend, the score is 4.", None),
        ("The entry is clean.", None),
        ('So: {"score": 6.5}', 6.5),
        ('<think>{"score": 6.5}</think>', 6.5),
        ("Seven.", None),
    ],
)
def test_a_score_is_the_last_number_with_a_word_of_verdict(text, value):
    assert said(text, SCORE) == [value]


@pytest.mark.parametrize(
    ("text", "value"), [("GOE of +2.", 2), ("I'd give it a −1.5.", -1.5), ("A -6.", None)]
)
def test_scores_have_signs_and_stay_on_their_scale(text, value):
    assert said(text, GRADE) == [value]


@pytest.mark.parametrize(
    ("text", "questions", "values"),
    [
        ("Therefore the answer is true.", GUIDELINE, ["true"]),
        ("The answer is yes.", GUIDELINE, ["true"]),
        ("g1: false", GUIDELINE, ["false"]),
        ("So the guideline is not true.", GUIDELINE, [None]),
        ("It is true that the knees bend.", GUIDELINE, [None]),
        ("The answer is true or false.", GUIDELINE, [None]),
        ("The first video shows a squat. The second is better.", PAIR, ["second"]),
        ("The first video shows a squat.", PAIR, [None]),
        ("r01: Lower. r02 is Leaning further forward.", POSTURE, ["Lower", "Leaning further forward"]),
        ("For r01 the answer is Higher, not Lower.", POSTURE, ["Higher", None]),
        ("The answer is Lower.", POSTURE, [None, None]),
        ("knees: true, elbows: false.", ERRORS, ["true", "false"]),
        ("**knees** = False\nelbows -> true", ERRORS, ["false", "true"]),
        ("kneesocks: true", ERRORS, [None, None]),
    ],
)
def test_an_option_is_named_alone_with_a_verdict_and_its_item(text, questions, values):
    assert said(text, questions) == values


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        *((7.0, 7.25, True), (7.0, 7.5, False), (7.5, 7.54, True), (7.5, 7.5, True)),
        *((-1.5, 1.5, False), (10.0, 10.0, True), (0.0, 0.3, True)),
        *(("true", "true", True), ("true", "false", False)),
    ],
)
def test_a_score_agrees_if_the_answer_rounds_to_it(one, other, same):
    assert agrees(one, other) is same
