"""EgoExo-Fitness as its owners distribute it, with every trap of the real files."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from dataset_layouts import run_index, write_json
from hypothesis import example, given
from hypothesis import strategies as st

from aqa.datasets import load_metadata, load_wording
from aqa.datasets.egoexo_fitness.adapter import guideline_id, person
from aqa.datasets.index import index
from aqa.errors import UserError
from aqa.prompts import render
from aqa.records import Clip, Sample
from aqa.scoring.parse import parse

BACK, FEET = "Keep your back straight.", "Cross your feet."
VIEWS = ("ego_l", "ego_m", "ego_r", "exo_l", "exo_m", "exo_r")


def annotation(*votes: tuple[str, str], name: str = "Sumo Squat") -> dict[str, Any]:
    """Return what one annotator says, in the real shape: the booleans are strings."""
    return {
        "key_point_verification": [list(vote) for vote in votes],
        "action_quality_score": 3,
        "comment": "The back was not kept straight enough.",
        "action_name": name,
        "action_guidance": "keep your back straight. ",
        "annotator": "F03vpUuT3e",
    }


def entry(*annotations: dict[str, Any], frames: tuple[int, int] = (11, 40)) -> dict[str, Any]:
    return {
        "annotations": list(annotations) or [annotation((BACK, "True"), (FEET, "False"))],
        "st_ed_frame": list(frames),
        "frame_root": "frames_open/ThEnUZ",
    }


def write_release(
    root: Path,
    entries: dict[str, Any],
    *,
    actors: dict[str, str] | None = None,
    classes: dict[str, list[int]] | None = None,
    lacking: tuple[str, ...] = (),
    images: int = 60,
    promised: int = 60,
) -> Path:
    """Write the annotation files and the frontal frames of the records."""
    actors = actors or {"ThEnUZ": "0912-Huiwen"}
    folder = root / "raw_annotations"
    records = []
    for record, actor in actors.items():
        views = [view for view in VIEWS if view != "exo_m" or record not in lacking]
        frames = {view: {"path": f"frames_open/{record}/{view}", "num_frames": promised} for view in views}
        records.append(
            {
                "original_actor": actor,
                "views": views,
                "frames": frames,
                "num_views": len(views),
                "num_sequences": "3",
                "num_actions": 12,
            }
        )
        if record not in lacking:
            for number in range(1, images + 1):
                file = root / "frames_open" / record / "exo_m" / f"frame_{number:010d}.jpg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(f"{record} {number}".encode())
    index_of = {record: position for position, record in enumerate(actors)}
    write_json(folder / "meta_records.json", {"records": records, "record_index": index_of})
    rows = classes or {record: [8] * 20 for record in actors}
    write_json(
        folder / "action_level_annotations.json",
        {
            record: {"num_actions": len(numbers), "action_info": [[number, 5, 50] for number in numbers]}
            for record, numbers in rows.items()
        },
    )
    write_json(folder / "interpretable_action_judgement.json", entries)
    return root


def read(folder: Path, **settings: Any) -> dict[str, Sample]:
    return {sample.sample_id: sample for sample in index("egoexo-fitness", folder, settings)}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("aqa"), "propagate", True)
    caplog.set_level(logging.INFO, logger="aqa")
    return caplog


def test_every_guideline_of_an_entry_is_a_sample(tmp_path: Path) -> None:
    write_release(tmp_path, {"ThEnUZ_action_1": entry()})
    samples = read(tmp_path)
    back, feet = guideline_id(BACK), guideline_id(FEET)
    assert set(samples) == {f"ThEnUZ-a01-{back}", f"ThEnUZ-a01-{feet}"}
    sample = samples[f"ThEnUZ-a01-{feet}"]
    assert (sample.exercise, sample.split, sample.truth) == ("sumo-squat", "test", {feet: "false"})
    (question,) = sample.questions
    assert (question.text, question.options, question.correct) == (FEET, ("true", "false"), "true")
    assert (sample.media.kind, sample.media.path) == ("frames", "frames_open/ThEnUZ/exo_m")
    assert sample.media.sha256 is not None


def test_booleans_are_strings_and_false_is_false(tmp_path: Path) -> None:
    votes = [("a", "True"), ("b", "False"), ("c", " false "), ("d", "TRUE")]
    write_release(tmp_path, {"ThEnUZ_action_0": entry(annotation(*votes))})
    truth = {
        sample.questions[0].text: next(iter(sample.truth.values())) for sample in read(tmp_path).values()
    }
    assert truth == {"a": "true", "b": "false", "c": "false", "d": "true"}


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (["True"], "true"),
        (["False"], "false"),
        (["True", "True", "False"], "true"),
        (["False", "True", "False"], "false"),
        (["True", "False", "False", "True", "True"], "true"),
    ],
)
@pytest.mark.parametrize("tie", ["fail", "pass", "drop"])
def test_the_majority_of_the_annotators_decides(
    tmp_path: Path, votes: list[str], expected: str, tie: str
) -> None:
    annotations = [annotation((BACK, vote)) for vote in votes]
    write_release(tmp_path, {"ThEnUZ_action_0": entry(*annotations)})
    (sample,) = read(tmp_path, tie=tie).values()
    assert sample.truth == {guideline_id(BACK): expected}


def test_a_tie_follows_the_setting(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    annotations = [annotation((BACK, "True"), (FEET, "True")), annotation((BACK, "False"), (FEET, "True"))]
    write_release(tmp_path, {"ThEnUZ_action_0": entry(*annotations)})
    back = f"ThEnUZ-a00-{guideline_id(BACK)}"
    assert read(tmp_path)[back].truth[guideline_id(BACK)] == "false"
    assert read(tmp_path, tie="fail")[back].truth[guideline_id(BACK)] == "false"
    assert read(tmp_path, tie="pass")[back].truth[guideline_id(BACK)] == "true"
    assert list(read(tmp_path, tie="drop")) == [f"ThEnUZ-a00-{guideline_id(FEET)}"]
    assert (
        "left out: 1 label(s) on which the annotators are divided (setting tie): ThEnUZ_action_0"
        in logged.text
    )
    with pytest.raises(UserError, match="setting 'tie' is 'maybe'"):
        read(tmp_path, tie="maybe")


def test_classes_named_otherwise_in_the_judgement_file_are_not_lost(tmp_path: Path) -> None:
    names = [
        "Kneeling Side Torso Twist",
        "Side Knee Raise And Abdominal Muscles Contract",
        "Kneeling pushing-ups",
    ]
    entries = {
        f"ThEnUZ_action_{number}": entry(annotation((BACK, "True"), name=name))
        for number, name in enumerate(names)
    }
    write_release(tmp_path, entries)
    exercises = [sample.exercise for sample in read(tmp_path).values()]
    assert exercises == ["kneeling-torso-twist", "knee-raise-abdominals", "kneeling-push-ups"]


def test_a_name_that_is_not_known_takes_the_class_of_row_k_counted_from_0(tmp_path: Path) -> None:
    entries = {
        "ThEnUZ_action_0": entry(annotation((BACK, "True"), name="Sit-ups")),
        "ThEnUZ_action_1": entry(annotation((BACK, "True"), name="High Knee")),
        "ThEnUZ_action_2": entry(annotation((BACK, "True"), name="Knees up")),
    }
    write_release(tmp_path, entries, classes={"ThEnUZ": [5, 10, 10]})
    exercises = {sample_id: sample.exercise for sample_id, sample in read(tmp_path).items()}
    assert exercises[f"ThEnUZ-a02-{guideline_id(BACK)}"] == "high-knee"


def test_an_exercise_that_nothing_names_is_left_out_and_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    entries = {"ThEnUZ_action_0": entry(), "ThEnUZ_action_1": entry(annotation((BACK, "True"), name="Plank"))}
    write_release(tmp_path, entries, classes={"ThEnUZ": [8, 3]})
    assert len(read(tmp_path)) == 2
    assert "left out: 1 entries of an unknown exercise: ThEnUZ_action_1 ('Plank')" in logged.text


def test_a_class_that_contradicts_the_name_is_reported_and_the_name_counts(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    entries = {f"ThEnUZ_action_{number}": entry() for number in range(3)}
    entries["ThEnUZ_action_3"] = entry(annotation((BACK, "True"), name="Push-ups"))
    write_release(tmp_path, entries)
    assert read(tmp_path)[f"ThEnUZ-a03-{guideline_id(BACK)}"].exercise == "push-ups"
    assert "1 entries are of another class there than the annotators name" in logged.text


@pytest.mark.parametrize(
    ("frames", "images", "seconds"),
    [
        ((11, 40), 60, (10 / 30, 40 / 30)),
        ((11, 70), 60, (10 / 30, 60 / 30)),
        ((0, 40), 60, (0.0, 40 / 30)),
        ((60, 70), 60, (59 / 30, 60 / 30)),
    ],
)
def test_the_clip_is_st_ed_frame_from_1_clipped_to_the_frames_that_exist(
    tmp_path: Path, frames: tuple[int, int], images: int, seconds: tuple[float, float]
) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry(frames=frames)}, images=images, promised=70)
    media = next(iter(read(tmp_path).values())).media
    assert (media.start_s, media.end_s) == pytest.approx(seconds)


def test_frames_that_are_not_downloaded_yet_clip_to_what_the_records_state(tmp_path: Path) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry(frames=(11, 70))}, promised=65)
    shutil.rmtree(tmp_path / "frames_open")
    media = next(iter(read(tmp_path).values())).media
    assert media.end_s == pytest.approx(65 / 30)
    assert (media.path, media.sha256) == ("frames_open/ThEnUZ/exo_m", None)


def test_an_entry_beyond_the_last_frame_is_left_out_and_reported(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry(frames=(61, 70)), "ThEnUZ_action_1": entry()})
    assert len(read(tmp_path)) == 2
    assert "left out: 1 entries whose frames do not exist in exo_m: ThEnUZ_action_0" in logged.text


def test_records_without_the_frontal_view_are_counted_and_left_out(
    tmp_path: Path, logged: pytest.LogCaptureFixture
) -> None:
    actors = {"aaaaaa": "0912-Huiwen", "bbbbbb": "0913-Jianan", "cccccc": "0914-Jianan"}
    entries = {f"{record}_action_{number}": entry() for record in actors for number in (0, 1)}
    write_release(tmp_path, entries, actors=actors, lacking=("bbbbbb",))
    assert {sample.media.path.split("/")[1] for sample in read(tmp_path).values()} == {"aaaaaa", "cccccc"}
    assert (
        "1 of 3 records lack the frontal view exo_m: their 2 of 6 entries are left out: bbbbbb" in logged.text
    )


def test_a_person_is_one_subject_on_every_date(tmp_path: Path) -> None:
    actors = {"aaaaaa": "0912-Huiwen", "bbbbbb": "0913-Jianan", "cccccc": "0914-jianan"}
    write_release(tmp_path, {f"{record}_action_0": entry() for record in actors}, actors=actors)
    subject = {sample_id[:6]: sample.subject for sample_id, sample in read(tmp_path).items()}
    assert subject["bbbbbb"] == subject["cccccc"] != subject["aaaaaa"]
    assert not any("jianan" in name.lower() for name in subject.values())


@given(st.from_regex(r"[0-9]{2,8}", fullmatch=True), st.from_regex(r"[^\W\d_]{1,12}", fullmatch=True))
@example("0912", "Ümit")
@example("20230912", "思琪")
def test_the_date_is_no_part_of_the_person(date: str, name: str) -> None:
    assert person(f"{date}-{name}") == person(f" 0101-{name} ") == person(name)
    assert person(f"{date}-{name}") != person(f"{date}-{name}x")


@given(st.text(min_size=1, max_size=80))
def test_a_guideline_has_one_id_however_it_is_spaced(text: str) -> None:
    item = guideline_id(text)
    assert item == guideline_id(f"  {text} ")
    assert item.isalnum()
    assert len(item) == 9


def test_guidelines_with_one_wording_share_an_item_over_entries(tmp_path: Path) -> None:
    first, second = annotation((BACK, "True")), annotation(("keep your  back straight", "False"))
    write_release(tmp_path, {"ThEnUZ_action_0": entry(first), "ThEnUZ_action_1": entry(second)})
    assert {sample.questions[0].item for sample in read(tmp_path).values()} == {guideline_id(BACK)}


def test_unreadable_entries_are_left_out_and_named(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    entries = {
        "ThEnUZ_action_0": entry(),
        "ThEnUZ_action_1": entry(annotation((BACK, "perhaps"))),
        "ThEnUZ_action_2": {"annotations": [], "st_ed_frame": [1, 2]},
        "ThEnUZ_action_3": entry(annotation()),
        "ThEnUZ_action_4": {"annotations": [annotation((BACK, "True"))]},
        "ThEnUZ-action-5": entry(),
        "Nowher_action_0": entry(),
    }
    write_release(tmp_path, entries)
    assert len(read(tmp_path)) == 2
    assert "left out: 3 entries that cannot be read: ThEnUZ_action_1" in logged.text
    assert "must be 'True' or 'False', but is 'perhaps'" in logged.text
    assert "left out: 1 entries without a guideline: ThEnUZ_action_3" in logged.text
    assert "left out: 1 entries with a key unlike <record>_action_<k>: ThEnUZ-action-5" in logged.text
    assert "left out: 1 entries whose record is not in meta_records.json: Nowher_action_0" in logged.text


def test_frames_may_be_unpacked_into_a_second_folder(tmp_path: Path) -> None:
    write_release(tmp_path / "release", {"ThEnUZ_action_0": entry()})
    frames = tmp_path / "release" / "frames_open"
    frames.rename(tmp_path / "release" / "x")
    frames.mkdir()
    (tmp_path / "release" / "x").rename(frames / "frames_open")
    media = next(iter(read(tmp_path).values())).media
    assert media.path == "release/frames_open/frames_open/ThEnUZ/exo_m"
    assert media.sha256 is not None


def test_a_split_archive_says_how_to_unpack_it(tmp_path: Path, logged: pytest.LogCaptureFixture) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry()})
    shutil.rmtree(tmp_path / "frames_open")
    (tmp_path / "frames_open").mkdir()
    (tmp_path / "frames_open" / "frames_open.tar.gz.aa").write_bytes(b"")
    read(tmp_path)
    assert "cat frames_open.tar.gz.* | tar -xz" in logged.text


@pytest.mark.parametrize(
    "name", ["meta_records", "action_level_annotations", "interpretable_action_judgement"]
)
def test_a_missing_annotation_file_says_where_to_apply(tmp_path: Path, name: str) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry()})
    (tmp_path / "raw_annotations" / f"{name}.json").unlink()
    with pytest.raises(UserError, match=rf"{name}\.json not found .*licence agreement"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"records": {}}, "must have a list 'records'"),
        ({"records": [{"views": []}], "record_index": {"a": 0}}, "record 0 has no id or no 'original_actor'"),
        ({"records": [{"original_actor": "x"}], "record_index": {}}, "record 0 has no id"),
        ([], "must be an object with content"),
    ],
)
def test_records_of_another_shape_say_what_they_hold(tmp_path: Path, content: Any, message: str) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry()})
    write_json(tmp_path / "raw_annotations" / "meta_records.json", content)
    with pytest.raises(UserError, match=rf"meta_records\.json: {message}"):
        read(tmp_path)


def test_the_prompt_names_one_guideline_and_its_answer_is_read(tmp_path: Path) -> None:
    write_release(tmp_path, {"ThEnUZ_action_0": entry()})
    sample = read(tmp_path)[f"ThEnUZ-a00-{guideline_id(BACK)}"]
    frame: dict[str, Any] = {"width": 1, "height": 1, "frame_indices": (0,), "timestamps": (0.0,)}
    clip = Clip(sample_id=sample.sample_id, file="x.zip", sha256="0" * 64, **frame)
    (message,) = render(
        sample,
        clip,
        exercise=load_metadata("egoexo-fitness").exercises[sample.exercise],
        strategy="base",
        wording=load_wording("egoexo-fitness"),
    )
    text = message.content[-1].text  # type: ignore[union-attr]
    assert BACK in text
    assert FEET not in text
    assert "sumo squat" in text
    item = guideline_id(BACK)
    assert f'{{"{item}": true or false}}' in text
    assert parse(f'```json\n{{"{item}": False}}\n```', sample.questions) == {item: "false"}


def test_the_command_line_reports_counts(tmp_path: Path) -> None:
    write_release(tmp_path / "data", {"ThEnUZ_action_0": entry()})
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        done = run_index("--dataset", "egoexo-fitness", "--data", tmp_path / "data", "--output", file)
        assert done.returncode == 0, done.stderr
        assert "egoexo-fitness: sumo-squat: 2 samples in test" in done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
