"""A folder of cells and a backend in this process."""

import pytest
from scripted import Scripted
from session_cells import Bench

import aqa.models
from aqa.models.base import Reply
from aqa.records import Usage


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    bench.write_model(1, backend="scripted")
    return bench


@pytest.fixture
def backend(monkeypatch):
    backend = Scripted(lambda request: Reply("ok", "5", usage=Usage(prompt_tokens=7, completion_tokens=1)))
    monkeypatch.setattr(aqa.models, "create", lambda model, context, place: backend)
    return backend
