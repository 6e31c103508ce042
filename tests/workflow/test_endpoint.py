"""The workflow against a real HTTP endpoint: resumed after kill -9, nothing asked twice for nothing."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter

import pytest
import yaml
from workflow_runs import CONFIG, SNAKEMAKE

from openai_server import ServerProcess

pytestmark = pytest.mark.xdist_group("workflow")

CELL = "mtl-aqa/judge/original/base/local"
CONCURRENCY = 4
KILLS = int(os.environ.get("AQA_KILLS", "2"))


def serve(study, url):
    """Add a model that the endpoint at `url` answers, on a pilot of eighteen dives."""
    folder = study.folder / "models"
    folder.mkdir(exist_ok=True)
    model = {
        "title": "Local",
        "backend": "openai",
        "concurrency": CONCURRENCY,
        "profile": "fps-2",
        "sampling": {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "max_tokens": 64},
        "options": {"base_url": url, "model": "test-model", "video": "frames"},
    }
    (folder / "local.yaml").write_text(yaml.safe_dump(model))
    study.configure(
        **{**CONFIG, "datasets": {"mtl-aqa": {"limit": 18}}, "models": ["random", "local"]},
        model_files=["models", "config/models"],
        profiles={"native": {}, "fps-2": {"fps": 2}},
    )


def asked(log):
    """Return request body digest -> how often the endpoint saw it."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    return Counter(event["digest"] for event in events if event["event"] == "received")


def responses(study):
    lines = (study.results / "cells" / CELL / "responses.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def kill_a_run(study, moment):
    """Kill the workflow's whole process tree after `moment` seconds of inference; False if it had ended."""
    process = subprocess.Popen(
        [
            *(SNAKEMAKE, "--snakefile", study.snakefile, "--directory", study.folder, "--cores", "2"),
            *("--configfile", study.folder / "my.yaml"),
        ],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journals = study.results / "journals" / CELL
    before = set(journals.glob("lease-*"))
    while process.poll() is None and not set(journals.glob("lease-*")) - before:
        time.sleep(0.01)
    time.sleep(moment)
    ended = process.poll() is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return not ended


def test_a_model_behind_an_endpoint_comes_through_every_stage(study, tmp_path):
    log = tmp_path / "server.jsonl"
    with ServerProcess("--log", str(log), "--answer", '{"score": 6.5}') as url:
        serve(study, url)
        study.make()
        seen = asked(log)
        assert sum(seen.values()) == len(seen) == 18
        assert {response["outcome"] for response in responses(study)} == {"ok"}
        assert "Local" in (study.results / "tables/table1.md").read_text()
        assert (
            "mtl-aqa,judge,original,base,local,spearman,strict" in (study.results / "scores.csv").read_text()
        )
        (study.results / "cells" / CELL / "responses.jsonl").unlink()
        study.make()
        assert asked(log) == seen, "a finished cell asked again"


@pytest.mark.thorough
def test_kill_9_of_the_whole_tree_repeats_at_most_what_was_in_flight(study, tmp_path):
    moments = random.Random(1)
    log = tmp_path / "server.jsonl"
    with ServerProcess("--log", str(log), "--delay", "2", "--answer", '{"score": 6.5}') as url:
        serve(study, url)
        study.make(f"results/cells/{CELL}/requests.jsonl")
        kills = 0
        while kills < KILLS and kill_a_run(study, moments.uniform(0.2, 2.4)):
            study.make("--unlock")
            kills += 1
        assert kills >= min(KILLS, 2)
        study.make()
        seen = asked(log)
        assert len(seen) == 18
        assert sum(seen.values()) - len(seen) <= KILLS * CONCURRENCY
        requests = (study.results / "cells" / CELL / "requests.jsonl").read_text().splitlines()
        written = responses(study)
        assert [line["key"] for line in written] == [json.loads(line)["key"] for line in requests]
        assert {line["outcome"] for line in written} == {"ok"}
        study.make()
        assert asked(log) == seen


@pytest.mark.thorough
def test_an_endpoint_that_always_fails_stops_in_one_line_and_the_next_run_asks_again(study, tmp_path):
    log = tmp_path / "server.jsonl"
    with ServerProcess("--log", str(log), "--model", "another") as url:
        serve(study, url)
        run = study.snakemake()
    assert run.status == 1
    assert "test-model" in run.output
    assert "Traceback" not in run.output
    assert not (study.results / "cells" / CELL / "responses.jsonl").exists()
    assert (study.results / "cells/mtl-aqa/judge/original/base/random/metrics.json").exists()
    with ServerProcess("--log", str(log), "--answer", '{"score": 6.5}') as url:
        serve(study, url)
        study.make()
    assert {response["outcome"] for response in responses(study)} == {"ok"}
