"""How the jobs of a run share one machine."""

from __future__ import annotations

import re
import sys

import pytest
from workflow_runs import CONFIG, Study

pytestmark = pytest.mark.xdist_group("workflow")

COUNTING = """
import sys
import threading

started = []


class Timer(threading.Timer):
    def start(self):
        started.append(self)
        super().start()


threading.Timer = Timer
from snakemake.cli import main

try:
    main(sys.argv[1:])
finally:
    print("timers:", len(started))
"""


def test_no_job_that_ends_leaves_a_timer_behind_that_looks_for_work(tmp_path):
    study = Study(tmp_path, program=(sys.executable, "-c", COUNTING))
    study.configure(**{**CONFIG, "datasets": {"llm-fms": {}}})
    done = study.make("results/datasets/llm-fms/evaluated.txt")
    assert (study.results / "datasets" / "llm-fms" / "evaluated.txt").is_file()
    assert "timers: 0" in done.said


@pytest.mark.parametrize(
    ("datasets", "cores", "workers"),
    [
        (("mtl-aqa", "finefs", "llm-fms"), 2, 1),
        (("mtl-aqa", "finefs"), 7, 3),
        (("mtl-aqa",), 64, 8),
    ],
)
def test_datasets_share_the_cores_of_one_machine(tmp_path, datasets, cores, workers):
    study = Study(tmp_path)
    study.configure(**{**CONFIG, "datasets": {dataset: {} for dataset in datasets}})
    target = f"results/embedded/{datasets[0]}/embedded.json"
    planned = study.make("-n", "-p", "--quiet", "host", "--cores", str(cores), target)
    assert re.findall(r"--workers (\d+)", planned.output) == [str(workers)]
