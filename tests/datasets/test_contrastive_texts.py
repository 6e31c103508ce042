"""The texts that compare two executions: what ships, what users write, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_samples import HIP, HIP_TEXT, SCORE, SCRIPT, ids, sample, text, texts

from aqa.datasets import dataset_ids
from aqa.datasets.contrastive import draft, load_contrastive
from aqa.datasets.pairs import NO_PARTNER, make_pairs
from aqa.datasets.reviewed import key
from aqa.errors import UserError
from aqa.files import read_jsonl, write_jsonl
from aqa.records import Pair, Question, Sample


def test_a_text_for_other_options_than_the_question_has_is_an_error() -> None:
    wrong = texts(text(HIP, "Lower", ["Higher"], []))
    with pytest.raises(UserError, match="its options are Lower, Higher, but the question has Higher, Equal"):
        make_pairs(
            [sample("a", {"r1": "Lower"}, (HIP,), exercise="lunge")],
            ["a"],
            split="test",
            seed=0,
            contrastive=wrong,
        )


# Texts on disk.


@pytest.mark.parametrize("dataset", dataset_ids())
def test_what_ships_is_approved_and_names_a_question_by_its_digest(dataset: str) -> None:
    shipped = load_contrastive(dataset)
    for one in shipped.texts.values() if shipped else ():
        assert one.reviewed
        assert len(one.sha256) == 64
        assert one.rephrased.startswith("In which ")
        assert one.rephrased.endswith("?")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": "Another question?"}, "sha256 is not that of the question"),
        ({"other_options": ["Lower"]}, "an option is named twice"),
        ({"other_options": []}, "other_options"),
        ({"first_opton": "Lower"}, "unknown key 'first_opton'"),
    ],
)
def test_a_file_of_texts_that_is_wrong_is_an_error_in_one_line(tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "contrastive.yaml"
    path.write_text(yaml.safe_dump({"texts": [{**HIP_TEXT.model_dump(mode="json"), **change}]}))
    with pytest.raises(UserError, match=message) as caught:
        load_contrastive(dataset_ids()[0], [path])
    assert "\n" not in str(caught.value)


def test_a_question_written_twice_in_a_file_is_an_error_and_the_users_file_wins(tmp_path: Path) -> None:
    root = tmp_path / "datasets"
    (root / "my_set").mkdir(parents=True)
    (root / "my_set" / "metadata.yaml").touch()
    shipped, own = root / "my_set" / "contrastive.yaml", tmp_path / "own.yaml"
    shipped.write_text(yaml.safe_dump({"texts": [HIP_TEXT.model_dump(mode="json")]}))
    mine = {**HIP_TEXT.model_dump(mode="json"), "rephrased": "Mine?"}
    own.write_text(yaml.safe_dump({"texts": [mine]}))
    found = load_contrastive("my-set", [own], root)
    assert [one.rephrased for one in found.texts.values()] == ["Mine?"]
    own.write_text(yaml.safe_dump({"texts": [mine, mine]}))
    with pytest.raises(UserError, match="two texts for one question"):
        load_contrastive("my-set", [own], root)


@given(
    st.lists(st.text(min_size=1, max_size=8).map(str.strip).filter(bool), min_size=2, max_size=5, unique=True)
)
@settings(max_examples=50)
def test_a_draft_covers_every_option_and_is_never_approved(options: list[str]) -> None:
    question = Question(item="q", text="What is it like?", options=tuple(options))
    made = draft("lunge", question, "image")
    assert set(made.options) == set(options)
    assert not made.reviewed
    assert made.sha256 == key(question.text)


def test_a_draft_of_a_height_has_the_form_of_the_paper() -> None:
    question = Question(
        item="q",
        text="What is the height of the hip relative to the knee on the vertical axis?",
        options=("Lower", "Equal", "Higher"),
    )
    made = draft("lunge", question, "image")
    assert made.rephrased == "In which image is the hip lower relative to the knee on the vertical axis?"
    assert (made.first_option, made.other_options, made.boundary) == ("Lower", ("Higher",), ("Equal",))


# The command line.


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False
    )


def write(folder: Path, samples: list[Sample], evaluated: list[str]) -> list[object]:
    write_jsonl(folder / "samples.jsonl", samples)
    (folder / "evaluated.txt").write_text("".join(f"{name}\n" for name in evaluated))
    files = ["--samples", folder / "samples.jsonl", "--evaluated", folder / "evaluated.txt"]
    return [*files, "--seed", 3, "--output", folder / "pairs.jsonl", "--media-list", folder / "media.txt"]


def test_the_command_writes_pairs_media_and_what_could_not_be_paired(tmp_path: Path) -> None:
    samples = [sample(f"d{n:02d}", {"": n / 2}, (SCORE,), exercise="diving") for n in range(20)]
    samples += [sample("lonely", {"": 1.0}, (SCORE,), exercise="other")]
    asked = [*ids(samples)[:5], "lonely"]
    done = run("--dataset", "mtl-aqa", *write(tmp_path, samples, asked))
    assert done.returncode == 0, done.stderr
    pairs = read_jsonl(tmp_path / "pairs.jsonl", Pair)
    assert [pair.anchor for pair in pairs] == asked[:5]
    named = {name for pair in pairs for name in (pair.anchor, pair.partner)}
    assert (tmp_path / "media.txt").read_text().split() == sorted(named)
    report = json.loads((tmp_path / "pairs_report.json").read_text())
    assert (report["anchors"], report["pairs"], report["n_without_partner"]) == (6, 5, 1)
    assert report["without_partner"] == {NO_PARTNER: ["lonely"]}
    assert report["partners_not_evaluated"] == sorted(named - set(asked))
    assert "1 samples have no pair" in done.stderr


def test_unapproved_texts_stop_the_command_with_their_list_until_drafted_and_approved(tmp_path: Path) -> None:
    samples = [
        sample(f"k{n}", {"r1": ("Lower", "Higher")[n % 2]}, (HIP,), exercise="lunge") for n in range(6)
    ]
    words = write(tmp_path, samples, ids(samples))
    stopped = run("--dataset", "llm-fms", *words)
    assert stopped.returncode == 1
    assert "missing: lunge: How high is the hip?" in stopped.stderr
    assert not (tmp_path / "pairs.jsonl").exists()

    drafted = tmp_path / "drafts.yaml"
    asked = ["draft", "--dataset", "llm-fms", "--samples", tmp_path / "samples.jsonl", "--output", drafted]
    assert run(*asked).returncode == 0
    assert "exists, and may hold approved texts" in run(*asked).stderr
    assert "draft: lunge" in run("--dataset", "llm-fms", *words, "--texts", drafted).stderr

    assert run("--dataset", "llm-fms", *words, "--texts", drafted, "--allow-draft").returncode == 0
    assert json.loads((tmp_path / "pairs_report.json").read_text())["draft"] is True

    drafted.write_text(drafted.read_text().replace("reviewed: false", "reviewed: true"))
    assert run("--dataset", "llm-fms", *words, "--texts", drafted).returncode == 0
    assert json.loads((tmp_path / "pairs_report.json").read_text())["draft"] is False
    assert len(read_jsonl(tmp_path / "pairs.jsonl", Pair)) == 6
