"""Every way in which a session on Slurm is interrupted, the documented steps, and the same scores.

The two nodes share this machine, so that a lost node's processes are known to be gone at once; between hosts
a lease must stand still for a minute first (tests/inference/test_lease.py).
"""

import contextlib
import os
import subprocess

import pytest
import slurm_runs
from cluster import run, succeeds, wait
from slurm_runs import CONCURRENCY, REQUESTS

pytestmark = pytest.mark.slurm

TARGET = "results/scores.csv"


@pytest.fixture(autouse=True)
def nothing_left(cluster):
    """Cancel what a test left in the queue."""
    yield
    succeeds("scancel", "--user=root")
    wait(lambda: not cluster.working(), "no job is left")


def begin(study, judge, *arguments):
    """Start a run, and return while its session waits for answers beyond the first four."""
    judge.hold_after(4)
    process = slurm_runs.start(study, TARGET, *arguments)
    try:
        judge.wait_for(4 + 1)
        wait(lambda: slurm_runs.journaled(study.results) == 4, "four answers are in the journal")
    except TimeoutError as error:
        slurm_runs.kill(process)
        raise AssertionError(f"{error}\n{process.communicate()[0]}") from None
    return process


def check(study, undisturbed, asked, repeated):
    """Make sure that the study is complete, as without the interruption, and hardly anything asked twice."""
    assert (study.results / "scores.csv").read_bytes() == undisturbed
    assert len(asked()) == REQUESTS
    assert asked().total() - REQUESTS <= repeated


def test_a_second_controller_cannot_ask_what_the_jobs_of_a_killed_one_still_ask(
    cluster, study, judge, asked, undisturbed
):
    slurm_runs.kill(begin(study, judge))
    again = slurm_runs.end(slurm_runs.start(study, TARGET))
    assert again.status == 1
    assert "cannot be locked" in again.output
    study.make("--unlock")
    refused = slurm_runs.end(slurm_runs.start(study, TARGET, "--retries", "0"))
    assert refused.status == 1
    states = [job["JobState"] for job in slurm_runs.session_jobs(cluster.jobs())]
    assert states == ["RUNNING", "FAILED"]
    assert "is asking these requests; wait for it or stop it first" in slurm_runs.job_logs(study)
    judge.hold_after()
    wait(lambda: not cluster.working(), "the first session has ended")
    slurm_runs.go(study, TARGET)
    check(study, undisturbed, asked, repeated=0)


def test_a_killed_controller_its_jobs_cancelled_and_run_again(cluster, study, judge, asked, undisturbed):
    slurm_runs.kill(begin(study, judge))
    run("scancel", "--name", slurm_runs.run_id(study))
    wait(lambda: not cluster.working(), "its jobs are gone")
    study.make("--unlock")
    judge.hold_after()
    slurm_runs.go(study, TARGET)
    check(study, undisturbed, asked, repeated=CONCURRENCY)


def test_a_cancelled_job_is_tried_again_with_more(cluster, study, judge, asked, undisturbed):
    process = begin(study, judge)
    (job,) = slurm_runs.session_jobs(cluster.jobs(), "RUNNING")
    assert not succeeds("scontrol", "requeue", job["JobId"]), "Slurm would start a session again by itself"
    run("scancel", job["JobId"])
    judge.hold_after()
    ended = slurm_runs.end(process)
    assert ended.status == 0, ended.output
    check(study, undisturbed, asked, repeated=CONCURRENCY)
    first, second = slurm_runs.session_jobs(cluster.jobs())[-2:]
    assert (first["TimeLimit"], second["TimeLimit"]) == ("00:10:00", "00:15:00")
    assert (first["MinMemoryNode"], second["MinMemoryNode"]) == ("1000M", "1500M")
    assert first["TresPerJob"] == second["TresPerJob"] == "gres:gpu:1"


def test_a_node_is_drained_and_lost_with_all_that_ran_on_it(cluster, study, judge, asked, undisturbed):
    process = begin(study, judge)
    (job,) = slurm_runs.session_jobs(cluster.jobs(), "RUNNING")
    node = job["NodeList"]
    run("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    judge.hold_after(8)
    judge.wait_for(8 + 1)  # A drained node goes on with what it has.
    cluster.lose_node(node, processes=True)
    judge.hold_after()
    try:
        ended = slurm_runs.end(process)
    finally:
        cluster.return_node(node)
    assert ended.status == 0, ended.output
    check(study, undisturbed, asked, repeated=CONCURRENCY)
    assert slurm_runs.session_jobs(cluster.jobs(), "NODE_FAIL")


def test_a_node_is_cut_off_and_its_session_asks_on(cluster, study, judge, asked, undisturbed):
    process = begin(study, judge, "--retries", "1")
    (job,) = slurm_runs.session_jobs(cluster.jobs(), "RUNNING")
    node = job["NodeList"]
    cluster.lose_node(node, processes=False)
    try:
        refused = slurm_runs.end(process)
        assert refused.status == 1, "the session on the lost node still asks"
        judge.hold_after()
        wait(lambda: slurm_runs.journaled(study.results) == REQUESTS, "the lost session is through")
        slurm_runs.go(study, TARGET)
    finally:
        cluster.return_node(node)
    check(study, undisturbed, asked, repeated=0)


def test_a_session_runs_out_of_time(cluster, study, judge, asked, undisturbed):
    process = begin(study, judge)
    (job,) = slurm_runs.session_jobs(cluster.jobs(), "RUNNING")
    run("scontrol", "update", f"jobid={job['JobId']}", "endtime=now+1")
    wait(lambda: bool(slurm_runs.session_jobs(cluster.jobs(), "TIMEOUT")), "the time is over", 120)
    judge.hold_after()
    ended = slurm_runs.end(process)
    assert ended.status == 0, ended.output
    check(study, undisturbed, asked, repeated=CONCURRENCY)


def test_the_disk_is_full(cluster, study, judge, asked, undisturbed):
    with small_disk(study.results) as ballast:
        full = slurm_runs.end(slurm_runs.start(study, TARGET, "--retries", "0"))
        assert full.status == 1
        said = slurm_runs.job_logs(study)
        assert "No space left on device" in said, full.output
        assert "make room and run again" in said
        assert "Traceback" not in said
        assert 0 < slurm_runs.journaled(study.results) < REQUESTS
        ballast.unlink()
        slurm_runs.go(study, TARGET)
        check(study, undisturbed, asked, repeated=CONCURRENCY)


@contextlib.contextmanager
def small_disk(folder):
    """Move a folder to a disk of its own with room for a few answers; the rest is the file that it gives."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder))
    try:
        run("cp", "-a", f"{aside}/.", str(folder))
        ballast = folder / "ballast"
        room = os.statvfs(folder)
        ballast.write_bytes(b"\1" * (room.f_bavail * room.f_frsize - 16 * 1024))
        yield ballast
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
