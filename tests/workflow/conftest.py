"""One small study of the embedded benchmark, made once, that tests copy."""

import pytest
from workflow_runs import Study, repository

CONFIG = {
    "datasets": {"fitness-aqa": {"limit": 12}, "mtl-aqa": {"limit": 10}},
    "models": ["random", "constant"],
    "scoring": {"resamples": 200},
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if "/workflow/" in str(item.path):
            item.add_marker(pytest.mark.xdist_group("workflow"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A finished study; not to be changed."""
    snakefile = repository(tmp_path_factory.mktemp("repository") / "vlm-aqa")
    study = Study(tmp_path_factory.mktemp("study"), snakefile)
    study.configure(**CONFIG)
    study.make()
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy of the finished study."""
    return made.copy(tmp_path / "study")
