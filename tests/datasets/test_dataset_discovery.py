"""Datasets are found by their folders; metadata, wording and settings are typed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dataset_layouts import REPOSITORY, run_index
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from aqa.datasets import (
    Setting,
    dataset_ids,
    load_adapter,
    load_metadata,
    load_wording,
    resolve_settings,
)
from aqa.errors import UserError
from aqa.records import Question

FOLDERS = REPOSITORY / "scripts" / "aqa" / "datasets"


def test_every_folder_with_metadata_is_a_dataset() -> None:
    assert {"fitness-aqa", "mtl-aqa"} <= set(dataset_ids())
    assert list(dataset_ids()) == sorted(dataset_ids())


@pytest.mark.parametrize("dataset_id", dataset_ids())
def test_every_dataset_has_metadata_wording_and_an_adapter(dataset_id: str) -> None:
    metadata, wording = load_metadata(dataset_id), load_wording(dataset_id)
    assert metadata.id == dataset_id
    assert wording.noun.video.startswith("a video")
    assert wording.noun.image.startswith("an image")
    assert set(wording.questions) <= set(metadata.exercises)
    assert callable(load_adapter(dataset_id).samples)


@pytest.mark.parametrize("load", [load_metadata, load_wording, load_adapter])
def test_an_unknown_id_names_the_nearest(load: object) -> None:
    with pytest.raises(UserError, match="no dataset 'mtl-aka'; did you mean 'mtl-aqa'"):
        load("mtl-aka")  # type: ignore[operator]


def test_discovery_imports_neither_numpy_nor_an_adapter() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import aqa.datasets as d; "
        "[d.load_metadata(i) for i in d.dataset_ids()]; "
        "heavy = {'numpy', 'scipy', 'av', 'cv2', 'snakemake'}; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in heavy or m.endswith('.adapter')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY / "scripts")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def copy_of(dataset: str, root: Path, **changes: object) -> Path:
    """Copy a dataset's folder and change its metadata."""
    folder = root / dataset
    shutil.copytree(FOLDERS / dataset, folder)
    path = folder / "metadata.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licnce": "x"}, "unknown key 'licnce'; did you mean 'licence'"),
        ({"kind": "regresion"}, "'kind' is 'regresion'; did you mean 'regression'"),
        ({"representations": ["croped"]}, "did you mean 'cropped'"),
        ({"evaluated_split": "train"}, "train_split and evaluated_split are the same"),
        ({"reported": {"rowing": 3}}, "not declared: rowing"),
        ({"id": "mtl-aqb"}, "does not fit the folder; write 'mtl-aqa'"),
        (
            {"settings": {"x": {"type": "bool", "default": 1, "description": "x"}}},
            "default is 1, but must be of type bool",
        ),
    ],
)
def test_wrong_metadata_is_one_clear_line(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    copy_of("mtl_aqa", tmp_path, **changes)
    with pytest.raises(UserError) as caught:
        load_metadata("mtl-aqa", tmp_path)
    assert message in str(caught.value)
    assert "metadata.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_are_defaults_overridden_by_what_is_given() -> None:
    metadata = load_metadata("mtl-aqa")
    assert resolve_settings(metadata, {}) == {"drop_failed_dives": False}
    assert resolve_settings(metadata, {"drop_failed_dives": True}) == {"drop_failed_dives": True}


def test_a_wrong_setting_is_refused() -> None:
    metadata = load_metadata("mtl-aqa")
    with pytest.raises(
        UserError, match="unknown setting 'drop_failed_dive'; did you mean 'drop_failed_dives'"
    ):
        resolve_settings(metadata, {"drop_failed_dive": True})
    with pytest.raises(UserError, match="'drop_failed_dives' is 'yes', but must be of type bool"):
        resolve_settings(metadata, {"drop_failed_dives": "yes"})


def test_setting_types_and_choices() -> None:
    tie = Setting(type="text", default="fail", choices=("fail", "pass", "drop"), description="x")
    assert tie.problem("drop") is None
    assert "one of 'fail', 'pass', 'drop'" in str(tie.problem("tie"))
    number = Setting(type="number", default=1.5, description="x")
    assert number.problem(2) is None
    assert number.problem(True) is not None
    assert Setting(type="integer", default=1, description="x").problem(1.5) is not None


QUESTIONS = (
    Question(item="knees_inward", text="The knees cave in.", options=("true", "false"), correct="false"),
    Question(item="knees_forward", text="The knees go forward.", options=("true", "false"), correct="false"),
)
SCORE = (Question(item="", text="Predict the score.", minimum=0, maximum=10),)


def render(dataset_id: str, part: str, media: str, questions: tuple[Question, ...], exercise: str) -> str:
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    text = getattr(load_wording(dataset_id).judge, part)
    return environment.from_string(text).render(
        media=media, exercise=exercise, questions=questions, details={}
    )


def test_error_detection_prompt_reads_as_intended() -> None:
    media = "a video of someone"
    task = render("fitness-aqa", "task", media, QUESTIONS, "Overhead press")
    answer = render("fitness-aqa", "answer", media, QUESTIONS, "Overhead press")
    assert task.strip() == (
        'You are given a video of someone performing the exercise "overhead press".\n'
        "For each of the following errors, decide whether it is present:\n"
        "- knees_inward: The knees cave in.\n"
        "- knees_forward: The knees go forward."
    )
    assert answer == (
        "The answer is a JSON object in exactly this format:\n"
        '{"knees_inward": true or false, "knees_forward": true or false}\n'
        "where true means that the error is present and false means that it is not."
    )


def test_score_prompt_reads_as_intended() -> None:
    media = "a video showing skeleton joints (COCO17 format) of someone"
    task = render("mtl-aqa", "task", media, SCORE, "Diving")
    assert task == (
        "You are given a video showing skeleton joints (COCO17 format) of someone performing a dive in a "
        "diving competition.\nPredict the score."
    )
    assert render("mtl-aqa", "answer", media, SCORE, "Diving") == (
        "The answer is a JSON object in exactly this format:\n"
        '{"score": number between 0 and 10}\n'
        "where the number may have decimals."
    )


TOY_ADAPTER = """
from pathlib import Path
from aqa.datasets.base import Settings
from aqa.records import Media, Question, Sample

def samples(folder: Path, settings: Settings) -> list[Sample]:
    question = Question(item="", text="How far?", minimum=0, maximum=settings["most"])
    return [
        Sample(sample_id=path.stem, exercise="jump", subject=path.stem, split="test",
               media=Media(path=path.name, kind="image"), questions=(question,), truth={"": 1.0})
        for path in sorted(folder.glob("*.png"))
    ]
"""


def test_a_new_folder_is_a_new_dataset_with_no_edit_elsewhere(tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    shutil.copytree(REPOSITORY / "scripts", scripts, ignore=shutil.ignore_patterns("__pycache__"))
    folder = copy_of(
        "mtl_aqa",
        tmp_path / "copy",
        id="toy-jumps",
        media="image",
        exercises={"jump": "Jump"},
        reported={},
        train_split=None,
        settings={"most": {"type": "integer", "default": 5, "description": "Largest score."}},
    )
    (folder / "adapter.py").write_text(TOY_ADAPTER)
    folder.rename(scripts / "aqa" / "datasets" / "toy_jumps")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(b"a")
    output = tmp_path / "samples.jsonl"
    done = run_index(
        "--dataset", "toy-jumps", "--data", tmp_path / "data", "--output", output, scripts=scripts
    )
    assert done.returncode == 0, done.stderr
    assert '"sample_id":"a"' in output.read_text()
