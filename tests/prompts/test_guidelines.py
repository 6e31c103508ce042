"""Guidelines: two polarities of the same words, nothing invented, nothing used that nobody approved."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from golden_prompts import REAR, TILT, TOES, fixtures, guideline, sample

from aqa.datasets import dataset_ids, load_metadata, load_wording
from aqa.datasets.reviewed import (
    CorrectOption,
    Entry,
    Reviewed,
    correct_option,
    key,
    load_reviewed,
    with_correct,
)
from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl
from aqa.prompts import drafts, missing, require, texts_for
from aqa.prompts.polarity import gerund, opposite
from aqa.records import Question, Sample

ROOT = Path(__file__).parents[2]
REAL_RULES = Path("/work/shared/data/llm_fms/FMSRules.m05_m06.json")
SHIPPED = {dataset: load_reviewed(dataset) for dataset in dataset_ids()}
PAIRS = [
    (entry.positive or (entry.text if texts.positive_is_question else None), entry.negative, entry.reviewed)
    for texts in SHIPPED.values()
    for entries in texts.guidelines.values()
    for entry in entries
]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "wording.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def toes(reviewed: bool, negative: str | None = "Not pointing your toes outwards.") -> Reviewed:
    entry = guideline(TOES, None, negative, reviewed)
    return Reviewed(positive_is_question=True, guidelines={"sumo-squat": (entry,)})


TOES_SAMPLE = fixtures()["egoexo-fitness"][0]


@pytest.mark.parametrize(("positive", "negative", "reviewed"), PAIRS)
def test_the_polarities_of_a_shipped_pair_are_the_same_words_turned_round(positive, negative, reviewed):
    assert opposite(positive) == negative
    assert reviewed


@pytest.mark.parametrize("dataset", ["fitness-aqa", "finefs", "mtl-aqa"])
def test_every_exercise_and_item_of_a_dataset_with_own_questions_has_both_polarities(dataset):
    questions = load_wording(dataset).questions
    assert set(questions) == set(load_metadata(dataset).exercises)
    for exercise, texts in questions.items():
        for item, text in texts.items():
            choice: dict[str, Any] = {"options": ("true", "false")} if item else {"minimum": 0, "maximum": 1}
            asked = sample("x", exercise, (Question(item=item, text=text, **choice),), {item: 1.0})
            for polarity in ("positive", "negative"):
                assert not missing([asked], SHIPPED[dataset], polarity)
                assert not drafts([asked], SHIPPED[dataset], polarity)


@pytest.mark.parametrize("position", ["tuck", "pike", "free"])
@pytest.mark.parametrize("armstand", ["yes", "no"])
def test_a_dive_is_asked_with_the_criteria_of_its_own_kind(position, armstand):
    question = fixtures()["mtl-aqa"][0].questions
    asked = sample("x", "diving", question, {"": 1.0}, position=position, armstand=armstand)
    found = " ".join(texts_for(asked, SHIPPED["mtl-aqa"], "positive"))
    for other in ("tuck", "pike"):
        assert (f"in the {other}" in found) == (other == position)
    assert ("armstand" in found) == (armstand == "yes")
    assert ("approach" in found) == (armstand == "no")
    assert len(texts_for(asked, SHIPPED["mtl-aqa"], "negative")) == len(
        texts_for(asked, SHIPPED["mtl-aqa"], "positive")
    )


def test_the_page_with_the_pairs_side_by_side_is_up_to_date(tmp_path):
    output = tmp_path / "guidelines.md"
    assert run("table", "--output", output).returncode == 0
    shipped = (ROOT / "resources" / "guidelines.md").read_text(encoding="utf-8")
    assert output.read_text(encoding="utf-8") == shipped, (
        "run: python scripts/wording.py table --output resources/guidelines.md"
    )
    for positive, negative, _ in PAIRS:
        assert f"| {positive} | {negative} |" in shipped


@pytest.mark.skipif(not REAL_RULES.is_file(), reason=f"{REAL_RULES} is not there")
def test_what_ships_covers_the_real_questions_of_m05_and_m06():
    for movement in json.loads(REAL_RULES.read_text()).values():
        for rule in movement["rules"].values():
            question = Question(item="r", text=rule["ruleQuestion"], options=tuple(rule["ruleOptions"]))
            asked = sample("x", "inline-lunge", (question,), {"r": question.options[0]})
            for polarity in ("positive", "negative"):
                assert require([asked], SHIPPED["llm-fms"], polarity, allow_draft=False) == []
            (known,) = with_correct([asked], SHIPPED["llm-fms"])
            assert known.questions[0].correct in rule["ruleOptions"]


@pytest.mark.skipif(not REAL_RULES.is_file(), reason=f"{REAL_RULES} is not there")
def test_what_ships_repeats_no_question_that_it_may_not():
    ours = "".join(
        path.read_text() for path in (ROOT / "scripts" / "aqa" / "datasets").glob("*/guidelines.yaml")
    )
    for movement in json.loads(REAL_RULES.read_text()).values():
        for rule in movement["rules"].values():
            assert rule["ruleQuestion"] not in ours


def test_every_correct_option_of_a_question_that_is_not_ours_says_why():
    entries = [
        entry
        for texts in SHIPPED.values()
        for options in texts.correct_options.values()
        for entry in options
        if entry.text is None
    ]
    assert entries
    assert all(entry.reason for entry in entries)


def test_what_ships_covers_the_embedded_guidelines():
    path = ROOT / "scripts" / "aqa" / "datasets" / "egoexo_fitness" / "embedded_texts.yaml"
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        question = Question(item="g", text=entry["positive"], options=("true", "false"))
        asked = sample("x", entry["exercise"], (question,), {"g": "true"})
        for polarity in ("positive", "negative"):
            assert require([asked], SHIPPED["egoexo-fitness"], polarity, allow_draft=False) == []


def test_what_ships_covers_the_embedded_questions():
    path = ROOT / "scripts" / "aqa" / "datasets" / "llm_fms" / "embedded_texts.yaml"
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        question = Question(item="r", text=entry["question"], options=tuple(entry["options"]))
        asked = sample("x", entry["exercise"], (question,), {"r": entry["options"][0]})
        for polarity in ("positive", "negative"):
            assert require([asked], SHIPPED["llm-fms"], polarity, allow_draft=False) == []
            assert len(texts_for(asked, SHIPPED["llm-fms"], polarity)) == 1
        (known,) = with_correct([asked], SHIPPED["llm-fms"])
        assert known.questions[0].correct == entry["correct"]


def test_a_text_is_found_by_its_words_not_by_its_white_space():
    assert key("Keep  your back\nstraight ") == key("Keep your back straight")
    assert key("Keep your back straight") != key("Keep your back straight.")


@pytest.mark.parametrize(
    "entry",
    [
        {"reviewed": True},
        {"reviewed": True, "item": "a", "sha256": "0" * 64},
        {"reviewed": True, "sha256": "0" * 64, "text": "another text"},
        {"reviewed": "yes", "item": "a"},
        {"item": "a"},
    ],
)
def test_an_entry_is_about_one_question_and_says_whether_it_was_approved(entry):
    with pytest.raises(ValueError, match=r"."):
        Entry.model_validate(entry)


def test_a_question_that_is_a_guideline_is_its_own_positive_text():
    assert texts_for(TOES_SAMPLE, toes(False), "positive") == [TOES]
    assert require([TOES_SAMPLE], toes(False), "positive", allow_draft=False) == []


def test_a_missing_text_stops_with_its_place_and_the_way_to_supply_it():
    with pytest.raises(UserError) as caught:
        require([TOES_SAMPLE], SHIPPED["egoexo-fitness"], "negative", allow_draft=True)
    message = str(caught.value)
    for part in (
        "1 negative guidelines are missing",
        "sumo-squat",
        "g1",
        TOES,
        "--wording",
        "wording.py draft",
    ):
        assert part in message


def test_a_draft_is_used_only_if_it_is_allowed_and_then_it_is_listed():
    with pytest.raises(UserError, match=r"nobody has approved.*--allow-draft"):
        require([TOES_SAMPLE], toes(False), "negative", allow_draft=False)
    (draft,) = require([TOES_SAMPLE, TOES_SAMPLE], toes(False), "negative", allow_draft=True)
    assert (draft.exercise, draft.item, draft.sha256) == ("sumo-squat", "g1", key(TOES))
    assert require([TOES_SAMPLE], toes(True), "negative", allow_draft=False) == []


def test_an_empty_draft_is_a_missing_text():
    assert missing([TOES_SAMPLE], toes(True, None), "negative")
    assert not drafts([TOES_SAMPLE], toes(False, None), "negative")


def test_a_long_list_of_missing_texts_stays_readable():
    questions = tuple(Question(item=f"g{n}", text=f"Text {n}", options=("a", "b")) for n in range(30))
    asked = sample("x", "squat", questions, {question.item: "a" for question in questions})
    with pytest.raises(UserError, match=r"30 positive guidelines are missing.*and 25 more") as caught:
        require([asked], Reviewed(), "positive", allow_draft=False)
    assert len(str(caught.value)) < 1000


def test_a_user_s_texts_replace_ours_about_the_same_question_only(tmp_path):
    mine = {"item": "knees", "positive": "Mine should be.", "negative": "Mine not being.", "reviewed": True}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"guidelines": {"overhead-press": [mine], "row": [mine]}}))
    merged = load_reviewed("fitness-aqa", path).guidelines
    assert [entry.positive for entry in merged["overhead-press"]] == [
        "Mine should be.",
        "The forearms should stay upright below the bar.",
    ]
    assert merged["squat"] == SHIPPED["fitness-aqa"].guidelines["squat"]
    assert len(merged["row"]) == 1


def test_a_wrong_file_is_one_line_that_names_the_place(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("guidelines: {squat: [{item: knees, positive: x}]}")
    with pytest.raises(UserError, match=r"mine\.yaml: 'guidelines\.squat\.0\.reviewed'"):
        load_reviewed("fitness-aqa", path)


def test_texts_may_lie_in_a_list_that_others_also_read(tmp_path):
    folder = tmp_path / "some_set"
    folder.mkdir()
    (folder / "guidelines.yaml").write_text("texts_in: [shared.yaml]")
    text = {"exercise": "squat", "question": TILT, "reviewed": True, "rephrased": "not ours to read"}
    polarities = {"positive": "The trunk should be upright.", "negative": "The trunk not being upright."}
    shared = [{**text, **polarities, "correct": "Upright"}]
    (folder / "shared.yaml").write_text(yaml.safe_dump({"texts": shared}))
    texts = load_reviewed("some-set", root=tmp_path)
    question = Question(item="r01", text=TILT, options=("Upright", "Inclined"))
    asked = sample("x", "squat", (question,), {"r01": "Upright"})
    assert texts_for(asked, texts, "negative") == ["The trunk not being upright."]
    assert correct_option(texts, "squat", question) == "Upright"


def correct(option: str | None, reviewed: bool) -> Reviewed:
    entry = CorrectOption(sha256=key(REAR), option=option, reviewed=reviewed, reason="because")
    return Reviewed(correct_options={"inline-lunge": (entry,)})


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(correct("Near", True), "Near"), (correct("Near", False), None), (correct(None, True), None)],
)
def test_the_correct_option_is_set_only_from_an_approved_entry(texts, expected):
    question = Question(item="r02", text=REAR, options=("Near", "Far"))
    asked = sample("x", "inline-lunge", (question,), {"r02": "Far"})
    (known,) = with_correct([asked], texts)
    assert known.questions[0].correct == expected
    stated = asked.model_copy(update={"questions": (question.model_copy(update={"correct": "Far"}),)})
    assert with_correct([stated], texts) == [stated]


def test_a_correct_option_that_the_question_does_not_offer_is_refused():
    question = Question(item="r02", text=REAR, options=("Close", "Far"))
    with pytest.raises(UserError, match=r"'Near' is no option of r02 \(Close, Far\)"):
        correct_option(correct("Near", True), "inline-lunge", question)


@pytest.mark.parametrize(
    ("positive", "negative"),
    [
        ("The trunk should be parallel to the calf", "The trunk not being parallel to the calf."),
        ("The knees should not move inward.", "The knees moving inward."),
        ("Keep your back straight", "Not keeping your back straight."),
        ("Do not lift your heels.", "Lifting your heels."),
        ("Avoid leaning forward", "Leaning forward."),
        ("Put your feet together", "Not putting your feet together."),
        ("The back straight", None),
        ("", None),
        ("双脚", None),
    ],
)
def test_a_guideline_is_turned_round_by_rule_where_its_form_is_known(positive, negative):
    assert opposite(positive) == negative


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("be", "being"),
        ("keep", "keeping"),
        ("make", "making"),
        ("sit", "sitting"),
        ("squat", "squatting"),
        ("lie", "lying"),
        ("stay", "staying"),
        ("flex", "flexing"),
        ("open", "opening"),
        ("bend", "bending"),
    ],
)
def test_gerunds(verb, form):
    assert gerund(verb) == form


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "samples.jsonl"
    plain = [fixtures()[name][0] for name in ("egoexo-fitness", "llm-fms")]
    unknown = tuple(question.model_copy(update={"correct": None}) for question in plain[1].questions)
    write_jsonl(path, [plain[0], plain[1].model_copy(update={"sample_id": "b", "questions": unknown})])
    return path


def test_the_command_lists_every_missing_text(samples):
    done = run("missing", "--dataset", "egoexo-fitness", "--samples", samples)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(line["kind"], line["item"], line["sha256"]) for line in lines} == {
        ("negative guideline", "g1", key(TOES)),
        ("negative guideline", "r01", key(TILT)),
        ("negative guideline", "r02", key(REAR)),
        ("correct option", "r01", key(TILT)),
        ("correct option", "r02", key(REAR)),
    }


def test_a_draft_is_a_file_in_the_same_form_that_nobody_has_approved_yet(samples, tmp_path):
    output = tmp_path / "draft.yaml"
    arguments = ("draft", "--dataset", "egoexo-fitness", "--samples", samples, "--output", output)
    assert run(*arguments).returncode == 0
    texts = load_reviewed("egoexo-fitness", output)
    (asked, _) = read_jsonl(samples, Sample)
    with pytest.raises(UserError, match="nobody has approved"):
        require([asked], texts, "negative", allow_draft=False)
    assert texts_for(asked, texts, "negative") == ["Not pointing your toes outwards."]
    drafted = yaml.safe_load(output.read_text())
    entries = [entry for part in drafted.values() for about in part.values() for entry in about]
    assert len(entries) == 5
    assert not any(entry["reviewed"] for entry in entries)
    assert [entry.option for entry in texts.correct_options["inline-lunge"]] == [None, None]
    again = run(*arguments)
    assert again.returncode == 1
    assert re.search(r"exists; choose another file", again.stderr)


def test_nothing_is_drafted_where_nothing_is_known(samples, tmp_path):
    output = tmp_path / "draft.yaml"
    done = run("draft", "--dataset", "llm-fms", "--samples", samples, "--output", output)
    assert done.returncode == 0, done.stderr
    drafted = yaml.safe_load(output.read_text())["guidelines"]["inline-lunge"]
    assert [(entry["positive"], entry["negative"]) for entry in drafted] == [(None, None)] * 2
