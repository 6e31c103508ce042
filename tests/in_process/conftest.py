"""Tests that need torch and transformers: collected only with `-m transformers` (.ci/transformers)."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("markexpr") == "transformers" else True


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Qwen3-VL whose answers depend on what it sees."""
    from local_models import loud_qwen

    return loud_qwen(tmp_path_factory.mktemp("weights") / "tiny-qwen3-vl")
