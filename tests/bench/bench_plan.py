"""How long the grid of the study, and one ten times as large, take to plan, beside bare Snakemake.

Prints a table of user CPU seconds of `snakemake -n` (the best of three runs). Ours plan files with their
checks; bare is a generated Snakefile with as many rules, each of one input and one output, in chains of 4.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")
TARGETS = {1: 5.0, 10: 20.0}
"""Times the study's models -> the seconds that a plan may take."""

CHAIN = 4
RUNS = 3


def grid(folder: Path, times: int) -> Path:
    """Write the study's configuration with every model under test `times` times; return the file."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
    (folder / "models").mkdir(parents=True)

    def copies(models: list[str]) -> list[str]:
        return [name for model in models for name in ([model] if model == "random" else twins(model))]

    def twins(model: str) -> list[str]:
        return [f"{model}-{number}" for number in range(times)]

    for model in values["models"]:
        file: dict[str, Any] = yaml.safe_load((ROOT / "config" / "models" / f"{model}.yaml").read_text())
        counterpart = file.get("without_thinking")
        for number, name in enumerate(copies([model])):
            chosen = {"without_thinking": f"{counterpart}-{number}"} if counterpart else {}
            (folder / "models" / f"{name}.yaml").write_text(yaml.safe_dump(file | chosen))
    blocks = [*values["cells"]["include"], *values["cells"]["not_applicable"]]
    for block in blocks:
        block["models"] = copies(block["models"])
    values["models"] = copies(values["models"])
    values["model_files"] = [str(folder / "models")]
    (folder / "grid.yaml").write_text(yaml.dump(values, Dumper=NoAliases))
    return folder / "grid.yaml"


class NoAliases(yaml.SafeDumper):
    """Writes lists out, though they are the same object."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def bare(folder: Path, jobs: int) -> Path:
    """Write a Snakefile with as many rules as the plan has jobs, the last of which needs all."""
    lines = []
    for number in range(jobs - 1):
        before = f"    input: 'f{number - 1}'\n" if number % CHAIN else ""
        lines.append(f"rule r{number}:\n{before}    output: 'f{number}'\n    shell: 'touch {{output}}'\n")
    ends = [f"f{number}" for number in range(jobs - 1) if number % CHAIN == CHAIN - 1 or number == jobs - 2]
    lines.append(f"rule all:\n    default_target: True\n    input: {ends}\n")
    (folder / "Snakefile").write_text("\n".join(lines))
    return folder / "Snakefile"


def plan(folder: Path, snakefile: Path, *arguments: str) -> tuple[float, int]:
    """Return the user CPU of the cheapest of some dry runs, in seconds, and how many jobs they found."""
    seconds, output = [], ""
    for _ in range(RUNS):
        before = os.times().children_user
        finished = subprocess.run(
            [SNAKEMAKE, "-n", "--snakefile", snakefile, "--directory", folder, *arguments],
            check=False,
            capture_output=True,
            text=True,
        )
        seconds.append(os.times().children_user - before)
        output = finished.stdout + finished.stderr
        assert finished.returncode == 0, output
    found = re.search(r"^total +(\d+)$", output, re.M)
    assert found
    return min(seconds), int(found[1])


def main() -> None:
    """Measure and print; fail if a target is missed."""
    missed = False
    print("| models | cells | jobs | ours, user CPU s | bare Snakemake | × bare | target |")
    print("|---|---|---|---|---|---|---|")
    for times, target in TARGETS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = grid(folder / "study", times)
            ours, jobs = plan(folder, ROOT / "Snakefile", "--configfile", str(config))
            (folder / "bare").mkdir()
            theirs, counted = plan(folder / "bare", bare(folder / "bare", jobs))
            assert counted == jobs
        print(
            f"| {5 * times} | {255 * times + 10} | {jobs} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.1f} "
            f"| ≤ {target:g} |",
            flush=True,
        )
        missed |= ours > target
    sys.exit(int(missed))


if __name__ == "__main__":
    main()
