"""Runs of the workflow through the Slurm profiles, and the judge that they ask."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from cluster import wait
from workflow_runs import ROOT, SNAKEMAKE, Run, Study

from openai_server import Rules, Server

MODEL = "judge"
CELL = f"mtl-aqa/judge/original/base/{MODEL}"
CONCURRENCY = 3
REQUESTS = 18

BENCHMARK = {
    "datasets": {
        "llm-fms": {"limit": 10},
        "egoexo-fitness": {"limit": 12},
        "mtl-aqa": {"limit": 12},
    },
    "models": ["random", MODEL],
    "cells": {
        "include": [
            {"representations": ["original"], "strategies": ["base"]},
            {
                "datasets": ["mtl-aqa"],
                "tasks": ["judge"],
                "representations": ["skeleton_overlay"],
                "strategies": ["base"],
            },
        ]
    },
}
"""Every stage, both tasks, three datasets."""

SESSION = {
    "datasets": {"mtl-aqa": {"limit": REQUESTS}},
    "models": [MODEL],
    "cells": {"include": [{"tasks": ["judge"], "representations": ["original"], "strategies": ["base"]}]},
}
"""One cell, whose session is one job."""

QUICKLY = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "2")
"""What a cluster should not be asked of, and this one may be."""


STARTED: list[subprocess.Popen[str]] = []
"""The runs of the current test."""


def configure(study: Study, url: str, **values: Any) -> None:
    """Write the judge's file and a configuration that asks it."""
    model = {
        "title": "Judge",
        "backend": "openai",
        "session": "dataset",
        "concurrency": CONCURRENCY,
        "profile": "fps-2",
        "resources": {"gpu": 1, "mem_mb": 1000, "runtime": 10},
        "sampling": {"temperature": 0.0, "max_tokens": 200},
        "options": {"base_url": url, "model": "test-model", "video": "frames"},
    }
    (study.folder / "models").mkdir(exist_ok=True)
    (study.folder / f"models/{MODEL}.yaml").write_text(yaml.safe_dump(model))
    profiles = {"native": {}, "fps-2": {"fps": 2}}
    chosen = {"model_files": ["models", "config/models"], "profiles": profiles, "scoring": {"resamples": 100}}
    study.configure(**chosen, **values)


def command(study: Study, profile: str, *arguments: str) -> list[str]:
    """Return the command line of an operator who uses a profile."""
    words = [
        *(SNAKEMAKE, "--snakefile", study.snakefile, "--directory", study.folder),
        *("--configfile", study.folder / "my.yaml", "--profile", ROOT / "profiles" / profile),
        *(*QUICKLY, *arguments),
    ]
    return [str(word) for word in words]


def start(study: Study, *arguments: str, profile: str = "slurm") -> subprocess.Popen[str]:
    """Start a run through a profile, in the background, in a session of its own."""
    process = subprocess.Popen(
        command(study, profile, *arguments),
        cwd=study.folder,
        env={**os.environ, "TQDM_DISABLE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(process)
    return process


def end(process: subprocess.Popen[str], seconds: float = 600) -> Run:
    """Wait for a run that was started."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"still running after {seconds:g} s:\n{output}") from None
    return Run(process.returncode, output)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill the controller and its children, as a reboot of the login node would; jobs of Slurm live on."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_id(study: Study) -> str:
    """Return the name that the newest run gave its jobs, from its log."""
    newest = max((study.folder / ".snakemake/log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    return re.findall(r"SLURM run ID: (\S+)", newest.read_text())[0]


def job_logs(study: Study) -> str:
    """Return what jobs that failed printed."""
    return "\n".join(path.read_text() for path in (study.folder / ".snakemake/slurm_logs").rglob("*.log"))


def go(study: Study, *arguments: str, profile: str = "slurm") -> Run:
    """Run through a profile; it must succeed."""
    run = end(start(study, *arguments, profile=profile))
    assert run.status == 0, run.output
    return run


def session_jobs(jobs: list[dict[str, str]], *states: str) -> list[dict[str, str]]:
    """Return the jobs that are sessions, of all or of some states, the oldest first."""
    sessions = [job for job in jobs if job["Comment"].startswith(f"rule_infer_{MODEL}")]
    chosen = [job for job in sessions if not states or job["JobState"] in states]
    return sorted(chosen, key=lambda job: int(job["JobId"]))


def journaled(folder: Path) -> int:
    """Return how many answers the journals below a folder hold."""
    return sum(
        text.count(b'"kind":"answer"')
        for path in folder.rglob("segment-*.jsonl")
        if (text := path.read_bytes())
    )


class Judge(Server):
    """Answers in the form that is asked for, always the same to the same request, never by chance.

    After `hold_after(n)` it answers the first n requests, and the others not before a larger n.
    """

    def __init__(self) -> None:
        super().__init__(Rules(decode=False, keep_media=False), verdict)
        self.came: list[str] = []
        self._passes = sys.maxsize

    def reset(self) -> None:
        """Forget what came, and hold nothing."""
        self.came.clear()
        self.received.clear()
        self._passes = sys.maxsize

    def hold_after(self, requests: int = sys.maxsize) -> None:
        """Answer so many requests in all; the default lets every one go."""
        self._passes = requests

    def asked(self) -> Counter[str]:
        """Return how often each request came."""
        return Counter(self.came)

    def wait_for(self, requests: int) -> None:
        """Wait until so many requests came."""
        wait(lambda: len(self.came) >= requests, f"{requests} requests came", 90, 0.05)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        number = len(self.came)
        self.came.append(hashlib.sha256(await request.read()).hexdigest())
        while number >= self._passes:
            await asyncio.sleep(0.05)
        return await super()._respond(request)


def verdict(body: dict[str, Any]) -> str:
    """Return a well-formed answer, drawn by the digest of the request."""
    digest = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).digest()
    draw = random.Random(digest)
    text = body["messages"][-1]["content"][-1]["text"]
    form = re.search(r"exactly this format:\n\{(.*)\}", text)
    assert form, text
    answer: dict[str, Any] = {}
    for key, what in re.findall(
        r'"(\w+)": (true or false|number|"first" or "second"|"one of its options")', form[1]
    ):
        if what == "true or false":
            answer[key] = draw.random() < 0.5
        elif what == "number":
            answer[key] = round(draw.uniform(0, 10), 2)
        elif "first" in what:
            answer[key] = draw.choice(["first", "second"])
        else:
            line = re.search(rf"^- {key}: .* Options: (.*)$", text, re.M)
            assert line, text
            answer[key] = draw.choice(re.findall(r'"([^"]*)"', line[1]))
    return json.dumps(answer)
