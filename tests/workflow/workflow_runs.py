"""Whole runs of the workflow in a folder of their own, as a user would start them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@dataclass
class Run:
    """What a call of snakemake did."""

    status: int
    output: str

    @property
    def said(self) -> list[str]:
        """The lines, without Snakemake's own about its profile."""
        lines = self.output.strip().splitlines()
        return [line for line in lines if not line.startswith("Using workflow specific profile")]

    @property
    def jobs(self) -> Counter[str]:
        """Rule -> number of jobs, from Snakemake's own job statistics; without the target rule."""
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", self.output, re.S)
        counts: Counter[str] = Counter()
        for line in table[1].splitlines() if table else []:
            rule, count = line.split()
            counts[rule] = int(count)
        del counts["all"]
        return counts


@dataclass
class Study:
    """A working folder with a configuration."""

    folder: Path
    snakefile: Path = ROOT / "Snakefile"
    program: tuple[str | Path, ...] = (SNAKEMAKE,)

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def configure(self, **values: Any) -> None:
        """Write my.yaml."""
        (self.folder / "my.yaml").write_text(yaml.safe_dump(values))

    def snakemake(self, *arguments: str, **environment: str) -> Run:
        """Run snakemake with two cores and my.yaml, and wait."""
        finished = subprocess.run(
            [
                *(*self.program, "--snakefile", self.snakefile, "--directory", self.folder),
                *("--configfile", self.folder / "my.yaml", "--cores", "2", *arguments),
            ],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(finished.returncode, finished.stdout + finished.stderr)

    def make(self, *arguments: str, **environment: str) -> Run:
        """Run snakemake; it must succeed."""
        run = self.snakemake(*arguments, **environment)
        assert run.status == 0, run.output
        return run

    def copy(self, folder: Path) -> Study:
        """Return a copy of the whole folder, times included."""
        shutil.copytree(self.folder, folder, copy_function=shutil.copy2, symlinks=True)
        return Study(folder, self.snakefile, self.program)


CONFIG = {
    "datasets": {"fitness-aqa": {"limit": 12}, "mtl-aqa": {"limit": 10}},
    "models": ["random", "constant"],
    "scoring": {"resamples": 200},
}
"""A study of two datasets and two baselines, small enough for many runs."""


def repository(folder: Path) -> Path:
    """Copy the repository's own files and return the Snakefile of the copy."""
    for name in ("Snakefile", "workflow", "profiles", "scripts", "config", "envs", "resources"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder / "Snakefile"
