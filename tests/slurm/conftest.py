"""A judge behind HTTP, the same study made on this machine, and a running Slurm."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))  # Makers of whole runs.

import pytest
import slurm_runs
from cluster import Cluster
from workflow_runs import Study, repository

from aqa.datasets.egoexo_fitness import embedded as egoexo_fitness
from aqa.datasets.mtl_aqa import embedded as mtl_aqa


def pytest_sessionstart():
    """Let SIGTERM end the tests as Ctrl-C does: with every daemon stopped."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_controller_left():
    """Kill what a failed test left running."""
    yield
    for process in slurm_runs.STARTED:
        slurm_runs.kill(process)
    slurm_runs.STARTED.clear()


@pytest.fixture(scope="session")
def judge():
    """The endpoint that all sessions of all tests ask."""
    with slurm_runs.Judge() as server:
        yield server


@pytest.fixture
def asked(judge):
    """What is asked in this test: request digest -> how often."""
    judge.reset()
    yield judge.asked
    judge.reset()


@pytest.fixture(scope="session")
def snakefile(tmp_path_factory):
    return repository(tmp_path_factory.mktemp("repository") / "vlm-aqa")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, snakefile, judge):
    """A study of three datasets, of which nothing is made but two small embedded ones."""
    study = Study(tmp_path_factory.mktemp("prepared"), snakefile)
    slurm_runs.configure(study, judge.url, **slurm_runs.BENCHMARK)
    sizes = {
        "egoexo-fitness": (egoexo_fitness, egoexo_fitness.Size(persons=6, entries=4)),
        "mtl-aqa": (mtl_aqa, mtl_aqa.Size(train=1, train_dives=4, test=4, test_dives=5)),
    }
    for dataset, (embedded, size) in sizes.items():
        folder = study.results / "embedded" / dataset
        folder.mkdir(parents=True)
        embedded.write(folder, 0, 2, size)
        (folder / "embedded.json").write_text("{}")
    return study


@pytest.fixture(scope="session")
def rendered(tmp_path_factory, prepared, judge):
    """A study of one dataset, made as far as its requests."""
    study = prepared.copy(tmp_path_factory.mktemp("rendered") / "study")
    slurm_runs.configure(study, judge.url, **slurm_runs.SESSION)
    study.make(f"results/cells/{slurm_runs.CELL}/requests.jsonl")
    return study


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory, rendered):
    """The scores of that study, made on this machine without any interruption."""
    study = rendered.copy(tmp_path_factory.mktemp("undisturbed") / "study")
    study.make("results/scores.csv")
    return (study.results / "scores.csv").read_bytes()


@pytest.fixture
def study(rendered, tmp_path):
    """A copy of the rendered study, to be interrupted."""
    return rendered.copy(tmp_path / "study")


@pytest.fixture(scope="module")
def cluster():
    """Two nodes without accounting."""
    with Cluster() as running:
        yield running
