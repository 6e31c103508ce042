"""The embedded benchmark on a real Slurm: two nodes, GPUs asked for, the same numbers as on one machine."""

import pytest
import slurm_runs
from cluster import Cluster

pytestmark = pytest.mark.slurm

MADE = ("scores.csv", "effects.csv")


@pytest.fixture(scope="module")
def at_home(prepared, tmp_path_factory):
    """The scores made on this machine without Slurm."""
    study = prepared.copy(tmp_path_factory.mktemp("home") / "study")
    study.make(*(f"results/{name}" for name in MADE))
    return study


@pytest.mark.parametrize("profile", ["slurm", "slurm-accounting"])
def test_the_benchmark_on_two_nodes_gives_the_same_scores(profile, prepared, at_home, asked, tmp_path):
    study = prepared.copy(tmp_path / "study")
    with Cluster(accounting=profile == "slurm-accounting") as cluster:
        slurm_runs.go(study, *(f"results/{name}" for name in MADE), profile=profile)
        jobs = cluster.jobs()
    for name in MADE:
        assert (study.results / name).read_bytes() == (at_home.results / name).read_bytes(), name
    assert set(asked().values()) == {1}
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert {job["NodeList"] for job in jobs} == {"node1", "node2"}
    stages = {job["Comment"].removeprefix("rule_").split("_")[0] for job in jobs}
    assert stages == {"embed", "index", "media", "pose", "infer", "effects"}
    sessions = slurm_runs.session_jobs(jobs)
    assert len(sessions) == 3
    assert len(sessions) == sum("rule_infer_" in job["Comment"] for job in jobs), "a baseline is no job"
    assert {job["TresPerJob"] for job in sessions} == {"gres:gpu:1"}
    assert all("TresPerJob" not in job for job in jobs if job not in sessions)
    assert all(job["Requeue"] == "0" for job in jobs)
