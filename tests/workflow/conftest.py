"""One small study of the embedded benchmark, made once, that tests copy."""

import pytest
from workflow_runs import CONFIG, Study, repository

from aqa.datasets.fitness_aqa import embedded as fitness_aqa
from aqa.datasets.mtl_aqa import embedded as mtl_aqa


def pytest_collection_modifyitems(items):
    """Start with the whole runs: they take longest, and share a study in one process (xdist_group)."""
    items.sort(key=lambda item: "/workflow/" not in str(item.path))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A finished study; not to be changed."""
    snakefile = repository(tmp_path_factory.mktemp("repository") / "vlm-aqa")
    study = Study(tmp_path_factory.mktemp("study"), snakefile)
    study.configure(**CONFIG)
    small = {
        "fitness-aqa": fitness_aqa.Size(train=4, val=2, test=8, unlabeled=1),
        "mtl-aqa": mtl_aqa.Size(train=1, train_dives=5, test=4, test_dives=5),
    }
    for dataset, size in small.items():  # What rule embed makes, but fewer clips.
        embedded = {"fitness-aqa": fitness_aqa, "mtl-aqa": mtl_aqa}[dataset]
        folder = study.results / "embedded" / dataset
        folder.mkdir(parents=True)
        embedded.write(folder, 0, 2, size)
        (folder / "embedded.json").write_text("{}")
    study.make()
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy of the finished study."""
    return made.copy(tmp_path / "study")
