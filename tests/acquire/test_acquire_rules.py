"""The rules that bring a dataset to its folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A workflow of the acquisition rules alone, beside the real scripts."""
    for name in ("scripts", "config", "envs", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "Snakefile").write_text(
        'configfile: "config/config.yaml"\n\n'
        'include: "workflow/rules/root.smk"\ninclude: "workflow/rules/common.smk"\n'
        'include: "workflow/rules/acquire.smk"\n'
    )

    def run(*targets: str, **config: Any) -> subprocess.CompletedProcess[str]:
        (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
        return subprocess.run(
            [
                *(Path(sys.executable).with_name("snakemake"), "--configfile", tmp_path / "my.yaml"),
                *("--snakefile", tmp_path / "Snakefile", "--directory", tmp_path, "--cores", "1"),
                *targets,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_a_rule_brings_a_dataset_to_its_folder_and_looks_again_each_time(
    study: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    data = tmp_path / "my data's folder"
    for folder, suffix in (("annotation", "json"), ("video", "mp4")):
        (data / folder).mkdir(parents=True)
        for number in range(1167):
            (data / folder / f"{number}.{suffix}").touch()
    config = {"datasets": {"finefs": {"data": str(data)}}}
    done = study("acquire_finefs", **config)
    assert done.returncode == 0, done.stderr
    assert "ok          annotation: 1167 of 1167 files" in done.stdout + done.stderr
    shutil.rmtree(data / "video")
    again = study("acquire_finefs", **config)
    assert again.returncode == 1
    log = (tmp_path / "results" / "logs" / "acquire" / "finefs.log").read_text()
    assert "finefs: 1 of 2 parts are not there or not right" in log


def test_a_rule_without_a_folder_says_where_to_name_one(
    study: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = study("acquire_mtl-aqa", datasets={"mtl-aqa": {"data": "embedded"}})
    assert done.returncode == 1
    assert "name it in the configuration (datasets: mtl-aqa: data: FOLDER)" in done.stdout + done.stderr
