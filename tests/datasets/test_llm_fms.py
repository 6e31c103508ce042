"""LLM-FMS as its owners distribute it: rules and options from the file, labels in several shapes."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from dataset_layouts import REPOSITORY, run_index, write_json
from hypothesis import given
from hypothesis import strategies as st

from aqa.datasets import load_metadata, load_wording
from aqa.datasets.index import index
from aqa.datasets.llm_fms.adapter import movement_and_subject
from aqa.datasets.llm_fms.rules import items, read_rules
from aqa.errors import UserError
from aqa.prompts import render
from aqa.records import Clip, Sample
from aqa.scoring.parse import parse

FOLDER = REPOSITORY / "scripts" / "aqa" / "datasets" / "llm_fms"
REAL_RULES = Path("/work/shared/data/llm_fms/FMSRules.m05_m06.json")


def rule(question: str, *options: str) -> dict[str, Any]:
    return {
        "ruleType": "angle",
        "ruleName": "A name",
        "ruleQuestion": question,
        "ruleOptions": list(options),
        "bodyParts": ["Torso"],
    }


def movement(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    numbered = {f"r{number:02d}": content for number, content in enumerate(rules, start=1)}
    return {"actionName": name, "view": "side", "rules": numbered}


TILT = rule("How is the trunk inclined?", "Upright", "Inclined")
HEIGHT = rule("What is the height of the rear knee?", "Near", "Far")
DEPTH = rule("How deep is the hip?", "Higher", "Equal", "Lower")
RULES = {
    "m01": movement("Deep Squat (Front)", DEPTH),
    "m02": movement("Deep Squat (Side)", DEPTH | {"ruleQuestion": "Is the heel down?"}),
    "m05": movement("Inline Lunge (Left)", TILT, HEIGHT),
    "m06": movement("Inline Lunge (Right)", TILT | {"ruleName": "another case"}, HEIGHT),
}
LABEL = {"score": 2, "ruleResults": {"r01": "Inclined", "r02": "Far"}}


def write_release(root: Path, labels: dict[str, Any], images: tuple[str, ...] | None = None) -> Path:
    """Write rules, labels by path, and the images of these paths (default: of every label)."""
    write_json(root / "FMSRules.json", RULES)
    for name, label in labels.items():
        write_json(root / "FMS-FineGrainedLabelInfo" / f"{name}.json", label)
    (root / "FMS-Keyframes").mkdir(exist_ok=True)
    for name in tuple(labels) if images is None else images:
        image = root / "FMS-Keyframes" / f"{name}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(name.encode())
    return root


def read(folder: Path) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in index("llm-fms", folder, {})}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    caplog.set_level(logging.INFO, logger="aqa")
    return caplog


def test_a_keyframe_is_a_sample_with_a_question_a_rule(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s12_e01": LABEL})
    sample = read(tmp_path)["m05-s12-e01"]
    assert (sample.exercise, sample.subject, sample.split) == ("inline-lunge", "s12", "test")
    assert sample.truth == {"r01": "Inclined", "r02": "Far"}
    assert [(q.item, q.text, q.options) for q in sample.questions] == [
        ("r01", TILT["ruleQuestion"], ("Upright", "Inclined")),
        ("r02", HEIGHT["ruleQuestion"], ("Near", "Far")),
    ]
    assert (sample.media.kind, sample.media.path) == ("image", "FMS-Keyframes/m05_s12_e01.jpg")
    assert sample.media.sha256 is not None
    assert sample.details == {"movement": "Inline Lunge (Left)", "view": "side"}


def test_options_are_the_file_s_also_where_the_question_asks_for_a_height(tmp_path: Path) -> None:
    write_release(tmp_path, {"m06_s01_e01": LABEL})
    question = read(tmp_path)["m06-s01-e01"].questions[1]
    assert "height" in question.text
    assert question.options == ("Near", "Far")
    assert load_wording("llm-fms").questions == {}


@pytest.mark.skipif(not REAL_RULES.is_file(), reason="the real file is not part of the project")
def test_the_real_rules_are_read() -> None:
    movements = read_rules(REAL_RULES)
    assert list(movements) == ["m05", "m06"]
    assert movements["m05"].rules["r03"].ruleOptions == ("Near", "Far")
    assert "height" in movements["m05"].rules["r03"].ruleQuestion
    exercises = yaml.safe_load((FOLDER / "movements.yaml").read_text())
    assert set(items(movements, exercises).values()) == {"r01", "r02", "r03"}


def test_fifteen_movements_make_seven_exercises() -> None:
    exercises = yaml.safe_load((FOLDER / "movements.yaml").read_text())
    assert list(exercises) == [f"m{number:02d}" for number in range(1, 16)]
    assert set(exercises.values()) == set(load_metadata("llm-fms").exercises)
    assert len(set(exercises.values())) == 7
    sizes = [list(exercises.values()).count(name) for name in dict.fromkeys(exercises.values())]
    assert sizes == [2, 2, 2, 2, 2, 1, 4]


def test_rules_of_one_id_that_ask_different_things_are_different_items(tmp_path: Path) -> None:
    deep = {"score": 1, "ruleResults": {"r01": "Lower"}}
    write_release(tmp_path, {"m01_s01": deep, "m02_s01": deep, "m05_s01": LABEL, "m06_s01": LABEL})
    item = {sample_id: list(sample.truth) for sample_id, sample in read(tmp_path).items()}
    assert item["m01-s01"] == ["m01-r01"]
    assert item["m02-s01"] == ["m02-r01"]
    assert item["m05-s01"] == item["m06-s01"] == ["r01", "r02"]


@pytest.mark.parametrize(
    "results",
    [
        {"r01": "Inclined", "r02": "Far"},
        {"r01": " inclined", "r02": "FAR"},
        {"r01": {"result": "Inclined"}, "r02": {"option": "Far"}},
        [{"ruleId": "r01", "result": "Inclined"}, {"ruleId": "r02", "result": "Far"}],
    ],
)
def test_results_are_read_in_the_obvious_shapes(tmp_path: Path, results: Any) -> None:
    write_release(tmp_path, {"m05_s12": {"score": 3, "ruleResults": results}})
    assert read(tmp_path)["m05-s12"].truth == {"r01": "Inclined", "r02": "Far"}


@pytest.mark.parametrize("wrap", [int, str])
@pytest.mark.parametrize("first", [0, 1])
def test_options_may_be_numbered_from_0_or_from_1_as_all_labels_together_say(
    tmp_path: Path, wrap: type, first: int
) -> None:
    labels = {
        f"m05_s{number:02d}": {"score": 1, "ruleResults": {"r01": wrap(first + option), "r02": wrap(first)}}
        for number, option in enumerate((0, 1, 1))
    }
    write_release(tmp_path, labels)
    assert [sample.truth["r01"] for sample in read(tmp_path).values()] == ["Upright", "Inclined", "Inclined"]


@pytest.mark.parametrize("numbers", [(1, 1), (0, 2), (7, 1)])
def test_numbers_that_fit_neither_or_both_countings_are_an_error(
    tmp_path: Path, numbers: tuple[int, int]
) -> None:
    write_release(tmp_path, {"m05_s12": {"ruleResults": {"r01": numbers[0], "r02": numbers[1]}}})
    with pytest.raises(UserError, match="do not tell whether they count from 0 or from 1"):
        read(tmp_path)


@pytest.mark.parametrize("form", [dict, list])
def test_one_file_may_label_many_keyframes(tmp_path: Path, form: type) -> None:
    named = {f"m05_s{number:02d}.jpg": LABEL for number in (1, 2)}
    content: Any = named if form is dict else [{"image": name, **label} for name, label in named.items()]
    write_release(tmp_path, {}, images=("m05_s01", "m05_s02"))
    write_json(tmp_path / "FMS-FineGrainedLabelInfo" / "labels.json", content)
    samples = read(tmp_path)
    assert list(samples) == ["m05-s01", "m05-s02"]
    assert all(sample.media.sha256 for sample in samples.values())


@pytest.mark.parametrize(
    "content",
    [
        {"score": 2},
        {"score": 2, "ruleResults": {}},
        {"score": 2, "ruleResults": {"r01": True}},
        {"score": 2, "ruleResults": {"r01": [1, 2]}},
        {"score": 2, "ruleResults": "Inclined"},
        [{"ruleResults": {"r01": "Far"}}],
        [{"image": "a", **LABEL}, {"image": "a", **LABEL}],
        [],
        "Inclined",
    ],
)
def test_a_label_of_another_shape_prints_what_was_found(tmp_path: Path, content: Any) -> None:
    write_release(tmp_path, {"m05_s12": LABEL})
    write_json(tmp_path / "FMS-FineGrainedLabelInfo" / "m05_s13.json", content)
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "m05_s13.json: must hold 'ruleResults' with an option by rule" in str(caught.value)
    assert str(caught.value).endswith(f"but holds {content}"[:200])


def test_an_option_that_the_rule_does_not_have_is_an_error(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s12": {"ruleResults": {"r01": "Sideways", "r02": "Far"}}})
    with pytest.raises(UserError, match="'r01' is 'Sideways', but its options are 'Upright', 'Inclined'"):
        read(tmp_path)


def test_a_result_of_an_unknown_rule_is_an_error(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s12": {"ruleResults": {"r09": "Far"}}})
    with pytest.raises(
        UserError, match=r"has a result for 'r09', but Inline Lunge \(Left\) has the rules r01, r02"
    ):
        read(tmp_path)


def test_a_rule_without_a_result_is_not_asked_and_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    write_release(tmp_path, {"m05_s12": {"ruleResults": {"r01": "Upright", "r02": None}}})
    sample = read(tmp_path)["m05-s12"]
    assert [question.item for question in sample.questions] == ["r01"]
    assert "left out: 1 question(s) without a label: m05_s12 r02" in logged.text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("m05_s12_e01", ("m05", "s12")),
        ("s12_m05_e01", ("m05", "s12")),
        ("S001-M5-2", ("m05", "s01")),
        ("m05/s12/0001", ("m05", "s12")),
        ("side/subject07/M15_front", ("m15", "s07")),
        ("m01/s01/m05_s12", ("m05", "s12")),
        ("frames1/arm5/0001", (None, None)),
        ("m0512_s1234", (None, None)),
    ],
)
def test_movement_and_subject_are_tokens_of_the_path(
    path: str, expected: tuple[str | None, str | None]
) -> None:
    assert movement_and_subject(path) == expected


@given(st.integers(0, 99), st.integers(0, 999), st.sampled_from("_- ."), st.booleans(), st.booleans())
def test_tokens_are_found_in_either_order_and_case(
    number: int, subject: int, joint: str, swapped: bool, upper: bool
) -> None:
    tokens = [f"m{number:02d}", f"s{subject:02d}"]
    name = joint.join(reversed(tokens) if swapped else tokens)
    assert movement_and_subject(name.upper() if upper else name) == (tokens[0], tokens[1])


@given(st.text(max_size=30))
def test_any_path_gives_ids_or_none(path: str) -> None:
    for found, letter in zip(movement_and_subject(path), "ms", strict=True):
        assert found is None or found.startswith(letter)


def test_keyframes_that_cannot_be_placed_are_left_out_and_named(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    write_release(tmp_path, {"m05_s12": LABEL, "m05_nobody": LABEL, "m09_s12": LABEL})
    assert list(read(tmp_path)) == ["m05-s12"]
    assert (
        "left out: 1 keyframe(s) whose path does not name a movement (m05) and a subject (s12)" in logged.text
    )
    assert "left out: 1 keyframe(s) of movements that FMSRules.json does not have: m09_s12" in logged.text


def test_labels_and_images_meet_by_path_or_by_an_unambiguous_name(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05/s01/a": LABEL, "m05/s02/a": LABEL, "m05_s03": LABEL}, images=())
    for name in ("m05/s01/a", "m05/s02/a", "elsewhere/m05_s03"):
        image = tmp_path / "FMS-Keyframes" / f"{name}.PNG"
        image.parent.mkdir(parents=True)
        image.write_bytes(name.encode())
    paths = [sample.media.path.removeprefix("FMS-Keyframes/") for sample in read(tmp_path).values()]
    assert paths == ["m05/s01/a.PNG", "m05/s02/a.PNG", "elsewhere/m05_s03.PNG"]


def test_an_ambiguous_image_is_an_error(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s03": LABEL}, images=("x/m05_s03", "y/m05_s03"))
    with pytest.raises(UserError, match="label 'm05_s03' fits 2 images"):
        read(tmp_path)


def test_a_keyframe_labelled_twice_is_an_error(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s03": LABEL})
    write_json(tmp_path / "FMS-FineGrainedLabelInfo" / "more.json", {"m05_s03": LABEL})
    with pytest.raises(UserError, match="keyframe 'm05_s03' is labelled twice"):
        read(tmp_path)


def test_names_that_never_meet_are_an_error_with_examples_of_both(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s03": LABEL}, images=("frame-1",))
    with pytest.raises(
        UserError, match=r"no label is named like an image .*labels m05_s03; images frame-1\.jpg"
    ):
        read(tmp_path)


def test_missing_and_unlabelled_images_are_reported(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    write_release(tmp_path, {"m05_s03": LABEL, "m05_s04": LABEL}, images=("m05_s03", "m05_s05"))
    media = read(tmp_path)["m05-s04"].media
    assert (media.path, media.sha256) == ("FMS-Keyframes/m05_s04.jpg", None)
    assert "1 image(s) have no label: m05_s05.jpg" in logged.text
    assert "1 of 2 media files are missing" in logged.text


@pytest.mark.parametrize("name", ["FMS-Keyframes", "FMS-FineGrainedLabelInfo"])
def test_an_archive_that_is_not_extracted_says_how(tmp_path: Path, name: str) -> None:
    write_release(tmp_path, {"m05_s03": LABEL})
    (tmp_path / name).rename(tmp_path / "aside")
    (tmp_path / f"{name}.rar").write_bytes(b"Rar!")
    with pytest.raises(UserError, match=rf"{name}\.rar is not extracted; install unar or bsdtar .*{name}"):
        read(tmp_path)


def test_an_archive_may_have_been_extracted_into_a_folder_of_its_own_name(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05/s03/a": LABEL})
    (tmp_path / "FMS-Keyframes").rename(tmp_path / "aside")
    (tmp_path / "FMS-Keyframes").mkdir()
    (tmp_path / "aside").rename(tmp_path / "FMS-Keyframes" / "FMS-Keyframes")
    assert read(tmp_path)["m05-s03-a"].media.path == "FMS-Keyframes/FMS-Keyframes/m05/s03/a.jpg"


def test_missing_files_say_where_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "FMS-Keyframes").mkdir()
    with pytest.raises(UserError, match=r"FMSRules\.json not found .*figshare.*sha256|sha256.*figshare"):
        read(tmp_path)
    write_json(tmp_path / "FMSRules.json", RULES)
    with pytest.raises(UserError, match="the folder FMS-FineGrainedLabelInfo not found"):
        read(tmp_path)
    (tmp_path / "FMS-FineGrainedLabelInfo").mkdir()
    (tmp_path / "FMS-FineGrainedLabelInfo" / "labels.xlsx").write_bytes(b"")
    with pytest.raises(UserError, match=r"holds no label \(\.json\); found there: labels\.xlsx"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([], "must map movements"),
        ({"m05": {"actionName": "x", "rules": {}}}, "movement 'm05': rules"),
        ({"m05": movement("x", rule("q", "Near"))}, "ruleOptions"),
        ({"m05": movement("x", rule("q", "Near", "near"))}, "two options are the same"),
        ({"squat": movement("x", TILT)}, "'squat' is no id like m01"),
        ({"m16": movement("x", TILT)}, "movements.yaml does not say to which exercise m16 belong"),
    ],
)
def test_rules_of_another_shape_name_the_place(tmp_path: Path, rules: Any, message: str) -> None:
    write_release(tmp_path, {"m05_s03": LABEL})
    write_json(tmp_path / "FMSRules.json", rules)
    with pytest.raises(UserError, match=rf"FMSRules\.json: .*{message}|FMSRules\.json: {message}"):
        read(tmp_path)


def test_the_prompt_shows_every_question_with_its_options_and_its_answer_is_read(tmp_path: Path) -> None:
    write_release(tmp_path, {"m05_s12": LABEL})
    sample = read(tmp_path)["m05-s12"]
    frame: dict[str, Any] = {"width": 1, "height": 1, "frame_indices": (0,), "timestamps": (0.0,)}
    clip = Clip(sample_id=sample.sample_id, file="x.zip", sha256="0" * 64, **frame)
    (message,) = render(
        sample,
        clip,
        exercise=load_metadata("llm-fms").exercises[sample.exercise],
        strategy="base",
        wording=load_wording("llm-fms"),
    )
    text = message.content[-1].text  # type: ignore[union-attr]
    assert f'- r01: {TILT["ruleQuestion"]} Options: "Upright", "Inclined"' in text
    assert f'- r02: {HEIGHT["ruleQuestion"]} Options: "Near", "Far"' in text
    assert '{"r01": "one of its options", "r02": "one of its options"}' in text
    assert "an image of someone performing" in text
    answer = json.dumps({"r01": "Upright", "r02": "far"})
    assert parse(answer, sample.questions) == {"r01": "Upright", "r02": "Far"}


def test_the_sources_name_the_digests_that_the_metadata_names() -> None:
    sources = yaml.safe_load((FOLDER / "sources.yaml").read_text())["files"]
    access = load_metadata("llm-fms").access.how
    assert [source["name"] for source in sources] == [
        "FMSRules.json",
        "FMS-Keyframes.rar",
        "FMS-FineGrainedLabelInfo.rar",
    ]
    for source in sources:
        assert source["sha256"] in access


def test_the_command_line_writes_the_same_samples_twice(tmp_path: Path) -> None:
    write_release(tmp_path / "data", {"m05_s12": LABEL, "m06_s01": LABEL})
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        done = run_index("--dataset", "llm-fms", "--data", tmp_path / "data", "--output", file)
        assert done.returncode == 0, done.stderr
        assert "llm-fms: inline-lunge: 2 samples in test" in done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b'"score"' not in files[0].read_bytes()
