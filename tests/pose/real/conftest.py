"""Tests that need torch and ultralytics: collected only with `-m ultralytics`, as .ci/poses runs them."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ultralytics: needs torch and ultralytics; run by .ci/poses")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return None if config.getoption("markexpr") == "ultralytics" else True
