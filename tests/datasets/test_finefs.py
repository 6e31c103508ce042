"""FineFS as its owners distribute it, with every known fault of the real files."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import run_index, write_json
from hypothesis import example, given
from hypothesis import strategies as st

from aqa.datasets import load_metadata, load_wording
from aqa.datasets.finefs.adapter import parse_time
from aqa.datasets.finefs.elements import announced, element_type
from aqa.datasets.index import index
from aqa.datasets.subset import evaluated
from aqa.errors import UserError
from aqa.prompts import render
from aqa.records import Clip, Question, Sample
from aqa.scoring.parse import parse


def element(**changes: Any) -> dict[str, Any]:
    """Return one executed element in the real shape."""
    return {
        "element": "3A",
        "coarse_class": "jump",
        "bv": 8.0,
        "goe": 1.6,
        "score_of_pannel": 9.6,
        "judge_score": [2, 2, 2, 2, 1, 2, 3, 2, 2],
        "time": "0-22,0-25",
        "info": [],
    } | changes


ELEMENTS = {
    "element1": element(),
    "element2": element(
        element="CCoSp4",
        coarse_class="spin",
        bv=3.5,
        goe=1.05,
        score_of_pannel=4.55,
        judge_score=[3] * 9,
        time="1-2,1-14",
    ),
    "element10": element(
        element="StSq3",
        coarse_class="sequence",
        bv=3.3,
        goe=-0.33,
        score_of_pannel=2.97,
        judge_score=[-2, -1, -1, 0, -1],
        time="1-50,2-3",
    ),
}


def write_program(root: Path, number: int, elements: Any = None, video: bool = True) -> Path:
    """Write one annotation, with the other fields of the schema, and its video."""
    write_json(
        root / "annotation" / f"{number}.json",
        {
            "competition": "WC2019_Men",
            "total_segment_score": 91.2,
            "total_element_score": 50.0,
            "total_program_component_score(factored)": 41.2,
            "factor": 1.0,
            "deductions": 0,
            "element_score": [9.6, 4.55, 2.97],
            "executed_element": ELEMENTS if elements is None else elements,
            "program_component": {"skating_skills": {"score_of_pannel": 8.25}},
        },
    )
    (root / "video").mkdir(exist_ok=True)
    if video:
        (root / "video" / f"{number}.mp4").write_bytes(f"video {number}".encode())
    return root


def read(folder: Path, **settings: Any) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in index("finefs", folder, settings)}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    caplog.set_level(logging.INFO, logger="aqa")
    return caplog


def test_every_executed_element_is_a_sample_of_its_video(tmp_path: Path) -> None:
    write_program(tmp_path, 7)
    write_program(tmp_path, 1166)
    samples = read(tmp_path)
    assert list(samples) == ["0007-e01", "0007-e02", "0007-e10", "1166-e01", "1166-e02", "1166-e10"]
    spin = samples["0007-e02"]
    assert (spin.exercise, spin.subject, spin.split) == ("spin", "video-0007", "test")
    assert (spin.media.path, spin.media.start_s, spin.media.end_s) == ("video/7.mp4", 62.0, 74.0)
    assert spin.media.sha256 is not None
    assert {sample.exercise for sample in samples.values()} == {"jump", "spin", "sequence"}


@pytest.mark.parametrize("below", ["data", "FineFS", "FineFS/data"])
def test_the_folders_of_the_release_may_stay_around_it(tmp_path: Path, below: str) -> None:
    write_program(tmp_path / below, 3)
    assert read(tmp_path)["0003-e01"].media.path == f"{below}/video/3.mp4"


def test_the_grade_is_the_mean_mark_without_one_highest_and_one_lowest(tmp_path: Path) -> None:
    write_program(tmp_path, 0)
    samples = read(tmp_path)
    assert samples["0000-e01"].truth == {"": 2.0}
    assert samples["0000-e10"].truth == {"": -1.0}
    assert load_metadata("finefs").settings["ground_truth"].default == "grade"


def test_the_points_of_the_panel_are_the_other_truth(tmp_path: Path) -> None:
    write_program(tmp_path, 0)
    samples = read(tmp_path, ground_truth="points")
    assert [sample.truth[""] for sample in samples.values()] == [1.6, 1.05, -0.33]


def test_no_other_truth_is_accepted(tmp_path: Path) -> None:
    write_program(tmp_path, 0)
    with pytest.raises(UserError, match="'ground_truth' is 'score', but must be one of 'grade', 'points'"):
        read(tmp_path, ground_truth="score")


def test_absent_judges_do_not_count(tmp_path: Path) -> None:
    write_program(tmp_path, 0, {"element1": element(judge_score=[1, 2, None, 3, "-", 5])})
    assert read(tmp_path)["0000-e01"].truth == {"": 2.5}


def test_the_mistyped_score_of_898_changes_no_truth_and_is_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    wrong = element(bv=13.5, goe=2.89, score_of_pannel=1639)
    rounded = element(bv=8.0, goe=1.6, score_of_pannel=9.65)
    write_program(tmp_path, 898, {"element1": wrong, "element2": rounded})
    samples = read(tmp_path, ground_truth="points")
    assert samples["0898-e01"].truth == {"": 2.89}
    assert "1 element(s) have a score_of_pannel that is not bv + goe; goe counts: 0898-e01" in logged.text


def test_points_beyond_the_scale_count_as_its_end_and_are_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    fall = element(element="4Lz", bv=11.5, goe=-5.75, score_of_pannel=5.75, judge_score=[-5] * 9)
    write_program(tmp_path, 0, {"element1": fall, "element2": element()})
    assert read(tmp_path, ground_truth="points")["0000-e01"].truth == {"": -5.0}
    assert (
        "1 element(s) have points beyond the scale of -5 to 5; its end is their truth: 0000-e01"
        in logged.text
    )
    logged.clear()
    assert read(tmp_path)["0000-e01"].truth == {"": -5.0}
    assert "beyond the scale" not in logged.text


@pytest.mark.parametrize("stated", [None, "", "unknown"])
def test_a_type_that_is_not_stated_follows_from_the_code(tmp_path: Path, stated: str | None) -> None:
    codes = {"3Lz+3T": "jump", "1A*": "jump", "2A+1Eu+3S": "jump", "FCSp4": "spin", "ChSq1": "sequence"}
    elements = {
        f"element{number}": element(element=code, coarse_class=stated)
        for number, code in enumerate(codes, start=1)
    }
    write_program(tmp_path, 0, elements)
    assert [sample.exercise for sample in read(tmp_path).values()] == list(codes.values())


def test_the_stated_type_counts_before_the_code() -> None:
    assert element_type("3A", "Spin") == "spin"
    assert element_type("xyz", None) is None


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("element(s) whose type cannot be told", {"element": "??", "coarse_class": None}),
        ("element(s) without a valid time", {"time": "0-25,0-22"}),
        ("element(s) without a valid time", {"time": "0-25,0-25"}),
        ("element(s) without a valid time", {"time": "0-10,0-75"}),
        ("element(s) without a valid time", {"time": ""}),
        ("element(s) without a valid time", {"time": None}),
        ("element(s) without enough marks", {"judge_score": [3, 2]}),
        ("element(s) that cannot be read", {"judge_score": [9, 9, 9]}),
        ("element(s) that cannot be read", {"goe": "high"}),
        ("element(s) that cannot be read", {"element": None}),
    ],
)
def test_an_unusable_element_is_left_out_counted_and_named(
    tmp_path: Path, logged: pytest.LogCaptureFixture, reason: str, changes: dict[str, Any]
) -> None:
    write_program(tmp_path, 5, {"element1": element(), "element2": element(**changes)})
    assert list(read(tmp_path)) == ["0005-e01"]
    (line,) = [record.message for record in logged.records if "left out" in record.message]
    assert f"finefs: left out: 1 {reason}: " in line
    assert "0005-e02" in line or "5.json element2" in line


def test_missing_points_matter_only_where_they_are_the_truth(tmp_path: Path) -> None:
    write_program(tmp_path, 0, {"element1": element(goe=None), "element2": element()})
    assert len(read(tmp_path)) == 2
    assert list(read(tmp_path, ground_truth="points")) == ["0000-e02"]


def test_a_missing_video_is_named_where_it_belongs(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    write_program(tmp_path, 0, video=False)
    (tmp_path / "video.zip").write_bytes(b"")
    media = read(tmp_path)["0000-e01"].media
    assert (media.path, media.sha256) == ("video/0.mp4", None)
    assert "video.zip is not unpacked" in logged.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"elements": 1}, "must have 'executed_element'.*holds elements"),
        ([1], "must have 'executed_element'.*holds list"),
        ({"executed_element": [element()]}, "must have 'executed_element'"),
    ],
)
def test_a_file_of_another_shape_says_what_it_holds(tmp_path: Path, content: Any, message: str) -> None:
    write_program(tmp_path, 0)
    write_json(tmp_path / "annotation" / "1.json", content)
    with pytest.raises(UserError, match=rf"annotation/1\.json: {message}"):
        read(tmp_path)


def test_a_folder_without_annotations_says_where_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    with pytest.raises(UserError, match=r"folder annotation not found .*found there: video/.*Baidu"):
        read(tmp_path)
    (tmp_path / "annotation").mkdir()
    with pytest.raises(UserError, match=r"annotation files like 0\.json not found .*found there: nothing"):
        read(tmp_path)


def test_neither_prompt_nor_details_tell_the_truth(tmp_path: Path) -> None:
    called = element(element="3Lz!<+3T<<", judge_score=[-4] * 9, goe=-2.36, score_of_pannel=5.64)
    write_program(tmp_path, 0, {"element1": called})
    sample = read(tmp_path)["0000-e01"]
    assert sample.details == {"element": "3Lz+3T"}
    text = prompt(sample)
    assert "jump" in text
    assert "3Lz+3T" in text
    assert "<" not in text
    assert "!" not in text
    assert "-4" not in text


def prompt(sample: Sample) -> str:
    frame: dict[str, Any] = {"width": 1, "height": 1, "frame_indices": (0,), "timestamps": (0.0,)}
    clip = Clip(sample_id=sample.sample_id, file="x.zip", sha256="0" * 64, **frame)
    (message,) = render(
        sample,
        clip,
        exercise=load_metadata("finefs").exercises[sample.exercise],
        strategy="base",
        wording=load_wording("finefs"),
    )
    return message.content[-1].text  # type: ignore[union-attr]


def test_the_answer_that_the_prompt_asks_for_is_read(tmp_path: Path) -> None:
    write_program(tmp_path, 0)
    for sample in read(tmp_path).values():
        assert '{"score": number between -5 and 5}' in prompt(sample)
        assert parse('{"score": -4.5}', sample.questions) == {"": -4.5}
        assert parse('{"score": 6}', sample.questions) == {"": None}
        (question,) = sample.questions
        assert (question.minimum, question.maximum) == (-5, 5)


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("3A", "3A"),
        ("3Lz!<+3T", "3Lz+3T"),
        ("4S+REP", "4S"),
        ("3F+COMBO", "3F"),
        ("2A+1Eu+3S", "2A+1Eu+3S"),
        ("2A+2A+SEQ", "2A+2A+SEQ"),
        ("3Lze<<x", "3Lz"),
        ("3Tq", "3T"),
        ("1A*", "1A"),
        ("CCoSp4V", "CCoSp"),
        ("FCSpB", "FCSp"),
        ("StSq3", "StSq"),
        ("ChSq1!", "ChSq"),
        (" 3Lz + 3T ", "3Lz+3T"),
        ("???", "unknown"),
    ],
)
def test_marks_and_levels_of_the_technical_panel_are_no_part_of_the_announced_code(
    code: str, plain: str
) -> None:
    assert announced(code) == plain


@given(st.text(max_size=20))
@example("3Lz<+3T")
@example("+++")
def test_an_announced_code_never_carries_a_mark(code: str) -> None:
    plain = announced(code)
    assert plain
    assert not set(plain) & set("<!*")


@given(st.integers(0, 120), st.integers(0, 59), st.integers(1, 300), st.booleans())
def test_a_time_is_read_as_it_was_written(minute: int, second: int, length: int, padded: bool) -> None:
    start, end = 60 * minute + second, 60 * minute + second + length
    form = "{}-{:02d}" if padded else "{}-{}"
    text = ",".join(form.format(time // 60, time % 60) for time in (start, end))
    assert parse_time(text) == (start, end)
    assert parse_time(",".join(reversed(text.split(",")))) is None


@given(
    st.text(max_size=20)
    | st.from_regex(r"[0-9]{1,3}-[0-9]{1,2}( )?,( )?[0-9]{1,3}-[0-9]{1,2}", fullmatch=True)
)
@example("1-60,2-10")
@example("٠-٢,٠-٥")
@example("0-22")
@example("0:22,0:25")
@example("-0-2,0-5")
def test_any_text_is_a_clip_of_positive_length_or_none(text: str) -> None:
    clip = parse_time(text)
    assert clip is None or 0 <= clip[0] < clip[1]


def test_a_pilot_is_stratified_by_type(tmp_path: Path) -> None:
    for number in range(20):
        write_program(tmp_path, number)
    samples = list(read(tmp_path).values())
    chosen = evaluated(samples, "test", 30, 1)
    for name in ("jump", "spin", "sequence"):
        assert 9 <= sum(sample.exercise == name for sample in chosen) <= 11


def test_the_command_line_writes_the_same_samples_twice(tmp_path: Path) -> None:
    write_program(tmp_path / "data", 12)
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        done = run_index("--dataset", "finefs", "--data", tmp_path / "data", "--output", file)
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert [line["sample_id"] for line in lines] == ["0012-e01", "0012-e02", "0012-e10"]
    assert "finefs: spin: 1 samples in test" in done.stderr


def test_a_comparison_asks_for_first_or_second() -> None:
    wording = load_wording("finefs")
    assert wording.compare is not None
    assert '"first" or "second"' in wording.compare.answer
    question = Question(item="better", text="", options=("first", "second"))
    assert parse('{"better": "second"}', (question,)) == {"better": "second"}
