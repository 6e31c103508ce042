"""The tiny network, made once; helpers of the tests of managed sessions."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "models")]


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """The folder of the tiny network."""
    import tiny_server

    return tiny_server.make(tmp_path_factory.mktemp("weights") / "tiny")
