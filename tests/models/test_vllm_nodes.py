"""One model over several machines: a double of srun, but real processes, and as strict as vLLM's launch."""

import json
import os
import re
import signal
import socket
import sys
from collections import Counter
from pathlib import Path

import pytest
from managed_sessions import Managed, outcomes, running, wait_until

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.models import _supervisor
from aqa.models._nodes import SRUN, Nodes, environment

HERE = Path(__file__).parent
SIXTEEN = {"tensor-parallel-size": 8, "pipeline-parallel-size": 2, "api-server-count": 4}
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="proves processes by /proc")


def backend(resources, serve=SIXTEEN, **options):
    file = ModelFile(
        title="T",
        backend="vllm",
        resources=resources,
        options={"model": "org/big", "serve": serve, **options},
    )
    return models.create(file, models.Context(media=Path(), seed=0), "big.yaml")


def test_the_commands_are_those_of_the_documentation(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    flags = ["--model=org/big", "--tensor-parallel-size=8", "--api-server-count=4", "--x=a b; c"]
    first, others = Nodes(3, address="10.0.0.1").commands(["py", "-m", "vllm"], flags, 1234, 5.0)
    shared = ["--nnodes=3", "--master-addr=10.0.0.1", "--master-port=1234"]
    assert first == ["py", "-m", "vllm", *flags, *shared, "--node-rank=0"]
    assert others == [
        [
            *("srun", "--jobid=77", "--overlap", "--nodes=1", "--ntasks=1", f"--relative={rank}"),
            "--cpu-bind=none",
            *(sys.executable, "-I", _supervisor.__file__, "--grace", "5.0", "--"),
            *("py", "-m", "vllm", "--model=org/big", "--tensor-parallel-size=8", "--x=a b; c"),
            *(*shared, f"--node-rank={rank}", "--headless"),
        ]
        for rank in (1, 2)
    ]


def test_the_documentation_shows_the_launcher_as_it_is():
    page = (HERE.parents[1] / "docs" / "environments.md").read_text()
    written = " ".join(SRUN).replace("{job}", "$SLURM_JOB_ID").replace("{rank}", "1")
    assert written in page


def test_a_launcher_of_ones_own_is_a_list_with_the_nodes_number_in_it():
    nodes = Nodes(2, ("mpirun", "--host", "node{rank}", "-n1", "{other}"), "a")
    (other,) = nodes.commands(["vllm"], [], 1, 5).others
    assert other[:5] == ["mpirun", "--host", "node1", "-n1", "{other}"]
    nodes.check("x")


def test_the_first_node_is_reached_under_its_host_name():
    assert f"--master-addr={socket.gethostname()}" in Nodes(2).commands(["vllm"], [], 1, 5).first


def test_a_step_inherits_the_job_and_nothing_of_the_sessions_own_step():
    inherited = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SRUN_X": "1", "PATH": "p", "SLURMD_NODENAME": "n"}
    assert environment(inherited) == {"SLURM_JOB_ID": "7", "PATH": "p", "SLURMD_NODENAME": "n"}


def test_nodes_and_the_gpus_of_each_go_to_the_scheduler_as_they_are_written():
    resources = {"nodes": 2, "gres": "gpu:8", "mem_mb": 900000, "threads": 64}
    needs = models.needs(ModelFile(title="T", backend="vllm", resources=resources))
    assert needs.resources == {"nodes": 2, "gres": "gpu:8", "mem_mb": 900000, "runtime": 1440}
    assert backend(resources).identity() == backend({"gpu": 16}).identity(), "where it runs changes no answer"


@pytest.mark.parametrize(
    ("resources", "options", "said"),
    [
        ({"nodes": 3}, {}, "make 16 GPUs, which 3 nodes (resources.nodes) cannot share equally"),
        ({"nodes": 0}, {}, "resources.nodes is 0; a number above 0 is expected"),
        ({"nodes": "two"}, {}, "resources.nodes is 'two'"),
        ({"nodes": 2, "gpu": 16}, {}, 'say what each node has, gres: "gpu:8"'),
        ({"nodes": 2, "gres": "gpu:h100:16"}, {}, "resources.gres is 'gpu:h100:16', but"),
        ({"nodes": 2}, {"serve": {**SIXTEEN, "nnodes": 2}}, "options.serve.nnodes is ours to set"),
        ({"nodes": 2}, {"serve": {**SIXTEEN, "master-addr": "a"}}, "ours to set: set resources.nodes"),
        (
            {"nodes": 2},
            {"serve": {**SIXTEEN, "distributed-executor-backend": "ray"}},
            "must be mp over several",
        ),
        ({"nodes": 2}, {"address": "--host"}, "'address' is '--host'"),
        ({"nodes": 2}, {"launcher": []}, "options: 'launcher' is []"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_line(resources, options, said):
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        backend(resources, **options)
    assert "\n" not in str(caught.value)


def test_outside_of_a_job_srun_is_not_called_since_it_would_ask_for_machines(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match=r"needs 2 nodes of one Slurm job, and this is none"):
        backend({"nodes": 2}, command=["vllm"])._check_machine()


def test_gpus_are_counted_on_each_node(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    backend({"nodes": 2}, command=["vllm"])._check_machine()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(UserError, match="needs 8 GPUs"):
        backend({"nodes": 2}, command=["vllm"])._check_machine()


class Cluster(Managed):
    """Sessions in a Slurm job of three nodes, all of them this machine."""

    def __init__(self, folder, *faults, **options):
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.steps_file = folder / "steps"
        command = [sys.executable, str(HERE / "fake_vllm.py"), "--state", str(self.state), *map(str, faults)]
        serve = {"tensor-parallel-size": 3, "api-server-count": 2, "limit-mm-per-prompt": {"image": 32}}
        super().__init__(
            folder,
            resources={"nodes": 3},
            options={
                **{"model": "org/tiny", "command": command, "address": "127.0.0.1", "serve": serve},
                **options,
            },
        )

    def start(self, cells, **environment):
        job = {
            "PATH": f"{HERE / 'doubles'}{os.pathsep}{os.environ['PATH']}",
            "SLURM_JOB_ID": "77",
            "SLURM_NTASKS": "1",
            "AQA_SRUN": str(self.steps_file),
        }
        return super().start(cells, **job, **environment)

    def steps(self):
        return [json.loads(line) for line in lines(self.steps_file)]

    def starts(self):
        return [json.loads(line) for line in lines(self.state / "starts")]

    def pids(self):
        started = [pid for start in self.starts() for pid in start["pids"]]
        return [*started, *(pid for step in self.steps() for pid in (step["pid"], step["step"]))]

    def nothing_runs(self):
        return not any(map(running, self.pids()))


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


@needs_proc
def test_all_nodes_are_started_asked_as_one_and_ended(tmp_path):
    bench = Cluster(tmp_path)
    cell = bench.cell(bench.clips(6))
    bench.infer([cell])
    assert outcomes(cell) == {"ok": 6}
    assert sorted(start["rank"] for start in bench.starts()) == [0, 1, 2]
    assert sorted(step["arguments"][4] for step in bench.steps()) == ["--relative=1", "--relative=2"]
    assert all(step["slurm"] == ["SLURM_JOB_ID"] for step in bench.steps())
    assert bench.nothing_runs()
    assert bench.records() == []
    about = bench.record(cell)
    assert (about["nodes"], about["restarts"]) == (3, [])


@needs_proc
def test_a_lost_node_ends_the_whole_server_which_is_started_again_and_asks_nothing_twice(tmp_path):
    bench = Cluster(tmp_path, "--delay", 0.1)
    cell = bench.cell(bench.clips(40))
    process = bench.start([cell])
    wait_until(lambda: len(lines(bench.state / "received")) > 4)
    first = bench.starts()
    (lost,) = (start["pids"][0] for start in first if start["rank"] == 2)
    os.kill(lost, signal.SIGKILL)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    assert outcomes(cell) == {"ok": 40}
    assert Counter(start["rank"] for start in bench.starts()) == {0: 2, 1: 2, 2: 2}
    (cause,) = bench.record(cell)["restarts"]
    assert re.search(r"node-2: error: ended with status 137, and so the server", cause)
    assert said.count("starting it again") == 1
    assert bench.nothing_runs()
    answered = Counter(
        json.loads(line)["key"] for line in (cell / "responses.jsonl").read_text().splitlines()
    )
    assert set(answered.values()) == {1}


@needs_proc
@pytest.mark.parametrize("moment", ["starting", "asking"])
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_however_the_session_ends_no_node_is_left(tmp_path, moment, how):
    slow = ("--slow-start", 60) if moment == "starting" else ("--delay", 0.3)
    bench = Cluster(tmp_path, "--stubborn", *slow, stop_s=0.5)
    process = bench.start([bench.cell(bench.clips(60))])
    wait_until(lambda: len(bench.starts()) == 3 and (moment == "starting" or lines(bench.state / "received")))
    if how == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == (143 if how == "SIGTERM" else -9)
    wait_until(bench.nothing_runs, 15)
    wait_until(lambda: bench.records() == [], 10)


@needs_proc
def test_when_even_the_supervisor_is_killed_the_other_nodes_notice_by_their_input(tmp_path):
    bench = Cluster(tmp_path, "--stubborn", "--delay", 0.3, stop_s=0.2)
    process = bench.start([bench.cell(bench.clips(60))])
    wait_until(lambda: lines(bench.state / "received"))
    (record,) = bench.records()
    supervisor = json.loads(record.read_text())["supervisor"][0]
    process.send_signal(signal.SIGSTOP)  # Else it would notice, and clean up itself.
    os.kill(supervisor, signal.SIGKILL)
    others = [pid for start in bench.starts() if start["rank"] for pid in start["pids"]]
    wait_until(lambda: not any(map(running, others)), 15)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    for pid in bench.pids():  # The first node's worker ignores every hint; the next session would end it.
        if running(pid):
            os.kill(pid, signal.SIGKILL)


@needs_proc
def test_a_launcher_that_fails_is_told_with_its_words(tmp_path):
    broken = ["sh", "-c", "echo 'srun: error: Unable to create step: node down' >&2; exit 1"]
    bench = Cluster(tmp_path, launcher=broken)
    said = bench.infer([bench.cell(bench.clips(1))], status=1)
    assert "local.yaml: the model server did not start: it ended with status 1" in said.splitlines()[-1]
    assert "Unable to create step: node down" in said
    assert bench.nothing_runs()


@needs_proc
def test_a_launcher_that_is_missing_is_named(tmp_path):
    bench = Cluster(tmp_path, launcher=["/no/such/launcher"])
    said = bench.infer([bench.cell(bench.clips(1))], status=1)
    assert "/no/such/launcher: cannot be started (No such file or directory)" in said.splitlines()[-1]
    assert bench.nothing_runs()
