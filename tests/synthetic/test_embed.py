"""The command line that writes embedded data: what it finds, what it lists, and what a killed run leaves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import aqa.datasets
import embed
from aqa.errors import UserError

SCRIPT = Path(embed.__file__)

TINY = """
def write(folder, seed, workers):
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "b.bin").write_bytes(bytes([seed]))
    (folder / "a.txt").write_text("text")
    if seed == 13:
        raise OSError(28, "No space left on device", str(folder / "a.txt"))
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A dataset package beside the real ones, with the same interface."""
    package = tmp_path / "packages" / "tiny_set"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "embedded.py").write_text(TINY)
    monkeypatch.setattr(aqa.datasets, "__path__", [*aqa.datasets.__path__, str(package.parent)])
    yield tmp_path / "data" / "embedded.json"
    for name in [name for name in sys.modules if name.startswith("aqa.datasets.tiny_set")]:
        del sys.modules[name]


def test_every_file_is_listed_with_digest_and_size_in_order(tiny):
    embed.embed("tiny-set", 3, 1, tiny)
    content = json.loads(tiny.read_text())
    assert (content["dataset"], content["seed"]) == ("tiny-set", 3)
    assert content["generator_version"]
    assert [file["path"] for file in content["files"]] == ["a.txt", "deep/er/b.bin"]
    for file in content["files"]:
        data = (tiny.parent / file["path"]).read_bytes()
        assert (file["sha256"], file["size"]) == (hashlib.sha256(data).hexdigest(), len(data))
    assert {p.name for p in tiny.parent.iterdir()} == {"a.txt", "deep", "embedded.json"}


def test_a_run_after_a_killed_one_begins_anew_and_touches_nothing_else(tiny):
    left = tiny.parent / ".embedded-partial" / "deep"
    left.mkdir(parents=True)
    (left / "half.mp4").write_bytes(b"half")
    (tiny.parent / "deep").mkdir()
    (tiny.parent / "deep" / "old.bin").write_bytes(b"old")
    (tiny.parent / "mine.txt").write_text("the user's")
    embed.embed("tiny-set", 3, 1, tiny)
    names = {p.relative_to(tiny.parent).as_posix() for p in tiny.parent.rglob("*") if p.is_file()}
    assert names == {"a.txt", "deep/er/b.bin", "embedded.json", "mine.txt"}


def test_a_run_that_fails_leaves_no_list_behind(tiny):
    embed.embed("tiny-set", 3, 1, tiny)
    with pytest.raises(UserError, match="No space left"):
        embed.embed("tiny-set", 13, 1, tiny)
    assert not tiny.exists()


def test_an_unknown_dataset_is_refused_with_the_nearest_name(tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            SCRIPT,
            "--dataset",
            "mtl-aqua",
            "--seed",
            "1",
            "--output",
            tmp_path / "embedded.json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "'mtl-aqua' has no embedded data; did you mean 'mtl-aqa'?" in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_number_of_workers_below_one_is_refused(tmp_path):
    with pytest.raises(UserError, match="--workers: 0"):
        embed.embed("mtl-aqa", 1, 0, tmp_path / "embedded.json")


@pytest.mark.parametrize("dataset", sorted(embed.datasets().values()))
def test_the_plan_does_not_depend_on_how_python_hashes_strings(dataset):
    program = f"import {dataset} as e; print(e.plan(1, e.Size()))"
    plans = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": number, "PYTHONPATH": str(SCRIPT.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for number in ("0", "1", "2", "3")
    }
    assert len(plans) == 1
