"""A managed server lives exactly as long as its session needs it: a double, but real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from managed_sessions import Managed, outcomes, running, wait_until

FAKE = Path(__file__).parent / "fake_vllm.py"
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="proves processes by /proc")


class Double(Managed):
    """Sessions whose model's file starts the double."""

    def __init__(self, folder, *faults, **options):
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        command = [sys.executable, str(FAKE), "--state", str(self.state), *map(str, faults)]
        super().__init__(folder, options={"model": "org/tiny", "command": command, **options})

    def starts(self):
        path = self.state / "starts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def pids(self):
        return [pid for start in self.starts() for pid in start["pids"]]

    def received(self):
        path = self.state / "received"
        return path.read_text().splitlines() if path.exists() else []

    def nothing_runs(self):
        return not any(map(running, self.pids()))


def test_the_server_is_started_asked_and_ended_with_everything_that_it_started(tmp_path):
    bench = Double(tmp_path, serve={"tensor_parallel_size": 1, "max-num-seqs": 8}, revision="v1")
    cells = [bench.cell(bench.clips(6)), bench.cell(bench.clips(6), "two_step")]
    said = bench.infer(cells)
    assert [outcomes(cell) for cell in cells] == [{"ok": 6}, {"ok": 6}]
    assert bench.nothing_runs()
    assert bench.records() == []
    (start,) = bench.starts()
    arguments = start["arguments"]
    assert {"--model=org/tiny", "--revision=v1", "--host=127.0.0.1", "--max-num-seqs=8"} <= set(arguments)
    assert "the model server answers after" in said
    about = bench.record(cells[0])
    assert about["version"] == "0.0.0-fake"
    assert about["prefix_cache_share"] == 0.7
    assert about["prompt_tokens"] == 1200
    assert about["restarts"] == []
    assert "--tensor-parallel-size=1" in about["command"]


def test_the_key_is_random_and_in_no_command_line_or_file_and_gpus_are_the_schedulers(tmp_path):
    bench = Double(tmp_path, "--delay", 0.3)
    cell = bench.cell(bench.clips(4))
    process = bench.start([cell], CUDA_VISIBLE_DEVICES="5,3")
    wait_until(bench.starts)
    wait_until(lambda: "VLLM_API_KEY" in environment(bench.pids()[0]))
    assert environment(bench.pids()[0])["CUDA_VISIBLE_DEVICES"] == "5,3"
    key = environment(bench.pids()[0])["VLLM_API_KEY"]
    lines = list(command_lines())
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    assert len(key) >= 32
    assert not any(key.encode() in line for line in lines)
    assert key not in said
    assert not any(key.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # It has ended meanwhile.
            yield path.read_bytes()


def environment(pid):
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_with_nothing_missing_there_is_no_server_and_with_a_new_cell_only_that_is_asked(tmp_path):
    bench = Double(tmp_path)
    clips = bench.clips(5)
    first = bench.cell(clips)
    bench.infer([first])
    assert (len(bench.starts()), len(bench.received())) == (1, 5)
    assert "asked 0, reused 5" in bench.infer([first])
    assert (len(bench.starts()), len(bench.received())) == (1, 5)
    second = bench.cell(clips, "two_step")
    bench.infer([first, second])
    assert len(bench.starts()) == 2
    assert all("two_step" in line for line in bench.received()[5:])
    assert len(bench.received()) == 10


@pytest.mark.parametrize(
    "fault",
    [(), pytest.param(("--engine-only",), marks=pytest.mark.thorough)],
    ids=["process", "engine"],
)
def test_a_server_that_dies_three_times_is_started_again_and_every_sample_is_answered_once(tmp_path, fault):
    bench = Double(tmp_path, "--die-after", 5, "--deaths", 3, *fault)
    cell = bench.cell(bench.clips(24))
    said = bench.infer([cell])
    assert outcomes(cell) == {"ok": 24}
    assert len(bench.starts()) == 4
    assert said.count("starting it again") == 3
    assert Counter(bench.received()).most_common(1)[0][1] == 1
    causes = bench.record(cell)["restarts"]
    assert len(causes) == 3
    assert all("by signal 9" in cause or "engine is dead" in cause for cause in causes)
    assert bench.nothing_runs()


def test_a_server_that_dies_without_ever_answering_is_given_up_with_the_cause(tmp_path):
    bench = Double(tmp_path, "--die-after", 0, restarts=1)
    said = bench.infer([bench.cell(bench.clips(3))], status=1)
    assert "died 2 times in a row without an answer in between: it ended by signal 9" in said
    assert "Traceback" not in said
    assert len(bench.starts()) == 2
    assert bench.nothing_runs()


def test_a_failed_start_says_why_and_shows_the_logs_last_lines(tmp_path):
    bench = Double(tmp_path, "--fail-start")
    said = bench.infer([bench.cell(bench.clips(1))], status=1)
    *_, last = said.splitlines()
    assert last.startswith("ERROR: ")
    assert "local.yaml: the model server did not start: it ended with status 1" in last
    assert "No available memory for the cache blocks" in last
    assert "fake vLLM: loading weights" in said
    assert len(bench.starts()) == 1
    assert bench.nothing_runs()


def test_a_program_that_is_missing_is_named(tmp_path):
    bench = Managed(tmp_path, options={"model": "org/tiny", "command": ["/no/such/python"]})
    said = bench.infer([bench.cell(bench.clips(1))], status=1)
    assert "local.yaml: no program '/no/such/python'" in said.splitlines()[-1]


def test_a_port_that_somebody_took_meanwhile_is_exchanged(tmp_path):
    bench = Double(tmp_path, "--port-taken")
    cell = bench.cell(bench.clips(2))
    bench.infer([cell])
    assert outcomes(cell) == {"ok": 2}
    ports = [[a for a in start["arguments"] if a.startswith("--port=")] for start in bench.starts()]
    assert len(ports) == 2


def test_a_server_that_never_answers_is_ended_when_patience_is(tmp_path):
    bench = Double(tmp_path, "--slow-start", 60, start_s=1)
    said = bench.infer([bench.cell(bench.clips(1))], status=1)
    assert "it did not answer within 1 s" in said
    assert bench.nothing_runs()


@pytest.mark.parametrize("moment", ["starting", "asking"])
def test_sigterm_ends_session_and_server_and_keeps_what_is_answered(tmp_path, moment):
    slow = ("--slow-start", 60) if moment == "starting" else ("--delay", 0.2)
    bench = Double(tmp_path, *slow)
    cell = bench.cell(bench.clips(60))
    process = bench.start([cell])
    wait_until(bench.starts if moment == "starting" else lambda: len(bench.received()) > 4)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 143
    assert "stopped by SIGTERM" in said.splitlines()[-1]
    assert bench.nothing_runs()
    assert bench.records() == []


@pytest.mark.parametrize("moment", [pytest.param("starting", marks=pytest.mark.thorough), "asking"])
def test_no_process_is_left_10_s_after_kill_9_of_a_session(tmp_path, moment):
    slow = ("--slow-start", 60) if moment == "starting" else ("--delay", 0.3)
    bench = Double(tmp_path, "--stubborn", *slow, stop_s=0.5)
    process = bench.start([bench.cell(bench.clips(60))])
    wait_until(bench.starts if moment == "starting" else bench.received)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(bench.nothing_runs, 10)
    wait_until(lambda: bench.records() == [], 10)


def test_the_next_session_ends_what_even_the_supervisor_could_not_and_nothing_else(tmp_path):
    bench = Double(tmp_path, "--delay", 0.3, "--stubborn", stop_s=0.1)
    cell = bench.cell(bench.clips(40))
    process = bench.start([cell])
    wait_until(bench.received)
    (record,) = wait_for_worker(bench)
    supervisor = json.loads(record.read_text())["supervisor"][0]
    process.send_signal(signal.SIGSTOP)  # Else it would notice, and clean up itself.
    os.kill(supervisor, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    server, worker = bench.pids()
    wait_until(lambda: not running(server))
    assert running(worker), "an orphan, in a session of its own"
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    about = json.loads(record.read_text())
    about["processes"].append([bystander.pid, 1])  # The number of an old process, in use again.
    record.write_text(json.dumps(about))
    try:
        said = bench.infer([cell])
        assert "of a model server that nobody owns" in said
        assert not running(worker)
        assert running(bystander.pid)
    finally:
        bystander.kill()
        bystander.wait()
    assert outcomes(cell) == {"ok": 40}


def wait_for_worker(bench):
    """Wait until the record names the worker too."""
    wait_until(lambda: any(f"[{bench.pids()[1]}," in path.read_text() for path in bench.records()))
    return bench.records()


def test_the_server_of_a_living_session_is_left_alone(tmp_path):
    bench = Double(tmp_path, "--delay", 0.5)
    process = bench.start([bench.cell(bench.clips(400))])
    wait_until(bench.received)
    server, _ = bench.pids()
    bench.infer([bench.cell(bench.clips(1), "two_step")])
    assert running(server)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
