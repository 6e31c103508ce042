"""Every request, question and repeat gets one prediction, and the file gives them back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring_cells import ERRORS, SCORE, answer, failure, request, sample

from aqa.errors import UserError
from aqa.records import Prediction
from aqa.scoring.predict import COLUMNS, predict, read_predictions, write_predictions

SQUAT = sample("a", {"inward": "true", "forward": "false"}, ERRORS, exercise="squat", subject="p1")
DIVE = sample("d", {"": 7.5}, [SCORE], exercise="dive", subject="v1")
SAMPLES = {"a": SQUAT, "d": DIVE}


def test_each_question_of_an_answer_is_ok_or_unparsed_on_its_own() -> None:
    asked = request(SQUAT)
    first, second = predict([asked], [answer(asked, '{"inward": false, "forward": 3}')], SAMPLES)
    assert (first.item, first.truth, first.prediction, first.outcome) == ("inward", "true", "false", "ok")
    assert (second.item, second.truth, second.prediction, second.outcome) == (
        "forward",
        "false",
        None,
        "unparsed",
    )


@pytest.mark.parametrize("outcome", ["truncated", "refused", "rejected", "failed"])
def test_any_other_outcome_holds_for_all_questions(outcome: str) -> None:
    asked = request(SQUAT)
    predictions = predict([asked], [failure(asked, outcome)], SAMPLES)
    assert [(row.prediction, row.outcome) for row in predictions] == [(None, outcome)] * 2


def test_a_truncated_answer_is_not_parsed_even_if_it_holds_an_object() -> None:
    asked = request(DIVE)
    cut = answer(asked, '{"score": 7}').model_copy(update={"outcome": "truncated"})
    assert predict([asked], [cut], SAMPLES)[0].prediction is None


def test_predictions_follow_the_requests_whatever_the_order_of_answers() -> None:
    asked = [request(DIVE, repeat=repeat) for repeat in range(3)]
    answers = [answer(one, f'{{"score": {one.repeat}}}') for one in asked]
    predictions = predict(asked, answers[::-1], SAMPLES)
    assert [(row.repeat, row.prediction) for row in predictions] == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_requests_and_answers_must_match() -> None:
    asked, other = request(DIVE), request(SQUAT)
    with pytest.raises(UserError, match="1 of 2 requests have no answer, the first for sample 'a'"):
        predict([asked, other], [answer(asked, "7")], SAMPLES)
    with pytest.raises(UserError, match="1 answers belong to no request, the first for sample 'a'"):
        predict([asked], [answer(asked, "7"), answer(other, "7")], SAMPLES)
    with pytest.raises(UserError, match=r"answer .* is there 2 times"):
        predict([asked], [answer(asked, "7"), answer(asked, "8")], SAMPLES)
    with pytest.raises(UserError, match=r"request .* is there 2 times"):
        predict([asked, asked], [answer(asked, "7")], SAMPLES)


def test_a_truth_that_is_missing_or_no_possible_answer_is_an_error() -> None:
    asked = request(DIVE)
    for samples, message in (
        ({}, "'d' is not in the file of samples"),
        ({"d": DIVE.model_copy(update={"truth": {}})}, "hold no truth"),
        ({"d": DIVE.model_copy(update={"truth": {"": 10.5}})}, r"10\.5 is no possible answer"),
        ({"d": DIVE.model_copy(update={"truth": {"": "high"}})}, "'high' is no possible answer"),
    ):
        with pytest.raises(UserError, match=message):
            predict([asked], [answer(asked, "7")], samples)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
OUTCOME = st.sampled_from(["unparsed", "truncated", "refused", "rejected", "failed"])


@given(
    st.lists(
        st.tuples(TEXT, TEXT, st.one_of(TEXT, OUTCOME.map(lambda o: (o,))), st.integers(0, 3)), max_size=6
    )
)
def test_choices_come_back_from_the_file(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple]) -> None:
    predictions = [
        Prediction(
            sample_id="a",
            item=item,
            exercise="squat",
            subject="p1",
            truth=truth,
            prediction=None if isinstance(value, tuple) else value,
            outcome=value[0] if isinstance(value, tuple) else "ok",
            repeat=repeat,
        )
        for item, truth, value, repeat in rows
    ]
    path = tmp_path_factory.getbasetemp() / "choices.csv"
    write_predictions(path, predictions)
    assert read_predictions(path, "classification") == predictions


@given(st.lists(st.tuples(st.floats(0, 10), st.one_of(st.none(), st.floats(0, 10))), max_size=6))
def test_scores_come_back_from_the_file_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float | None]]
) -> None:
    predictions = [
        Prediction(
            sample_id="d",
            item="",
            exercise="dive",
            subject="v1",
            truth=truth,
            prediction=value,
            outcome="unparsed" if value is None else "ok",
            repeat=0,
        )
        for truth, value in rows
    ]
    path = tmp_path_factory.getbasetemp() / "scores.csv"
    write_predictions(path, predictions)
    assert read_predictions(path, "regression") == predictions


def test_the_file_has_the_columns_of_the_record(tmp_path: Path) -> None:
    asked = request(DIVE)
    write_predictions(tmp_path / "p.csv", predict([asked], [answer(asked, "8")], SAMPLES))
    assert (tmp_path / "p.csv").read_text() == (
        "sample_id,item,exercise,subject,truth,prediction,outcome,repeat\nd,,dive,v1,7.5,8.0,ok,0\n"
    )
    assert ",".join(COLUMNS) == "sample_id,item,exercise,subject,truth,prediction,outcome,repeat"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "the columns are not"),
        (",".join(COLUMNS) + "\nd,,dive,v1,high,8.0,ok,0\n", "line 2: could not convert"),
        (",".join(COLUMNS) + "\nd,,dive,v1,7.0,8.0,fine,0\n", "line 2: outcome"),
        (",".join(COLUMNS) + "\nd,,dive\n", "line 2: the line has 3 fields, not 8"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_predictions(path, "regression")
    with pytest.raises(UserError, match="cannot be read"):
        read_predictions(tmp_path / "absent.csv", "regression")
