from __future__ import annotations

import pytest
from masking_clips import Broadcasts, make_broadcasts, make_clips


def pytest_collection_modifyitems(items):
    """One worker runs these tests, so that the broadcasts are rendered once."""
    for item in items:
        if "masking" in item.path.parts:
            item.add_marker(pytest.mark.xdist_group("masking"))


@pytest.fixture(scope="session")
def broadcasts(tmp_path_factory) -> Broadcasts:
    return make_broadcasts(tmp_path_factory.mktemp("broadcasts"))


@pytest.fixture(scope="session")
def masked(broadcasts, tmp_path_factory):
    return make_clips(broadcasts, tmp_path_factory.mktemp("masked"), broadcasts.masks)


@pytest.fixture(scope="session")
def unmasked(broadcasts, tmp_path_factory):
    return make_clips(broadcasts, tmp_path_factory.mktemp("unmasked"), None)
