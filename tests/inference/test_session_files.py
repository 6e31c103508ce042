"""Sessions refuse cells and requests that do not fit, with the place."""

import pytest
from scripted import start
from session_cells import request, sha

from aqa.errors import UserError


def test_requests_rendered_for_other_settings_are_refused(bench, backend):
    cell = bench.cell([request("a", settings=sha("older"))])
    with pytest.raises(UserError, match=r"other settings .*; render the requests again"):
        start(bench, [cell])
    assert backend.asked == []


def test_a_key_twice_in_a_cell_is_refused(bench, backend):
    cell = bench.cell([request("a"), request("b"), request("a")])
    with pytest.raises(UserError, match=r"requests\.jsonl, line 3: the key .* twice"):
        start(bench, [cell])


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"key": 1}', b"null"])
def test_a_damaged_requests_file_is_refused_with_the_line(bench, backend, line):
    cell = bench.cell([request("a")])
    path = cell / "requests.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(UserError, match=r"requests\.jsonl, line 2: damaged"):
        start(bench, [cell])


def test_a_request_that_does_not_fit_is_refused_with_the_line(bench, backend):
    cell = bench.cell([request("a").model_dump(mode="json") | {"subject": "../x"}])
    with pytest.raises(UserError, match=r"requests\.jsonl, line 1: subject"):
        start(bench, [cell])


def test_a_cell_twice_or_of_another_model_or_without_requests_is_refused(bench, backend, tmp_path):
    cell = bench.cell([request("a")])
    with pytest.raises(UserError, match="given twice"):
        start(bench, [cell, cell])
    with pytest.raises(UserError, match="not a cell of model 'slow'"):
        start(bench, [cell.parent])
    with pytest.raises(UserError, match="cannot be read"):
        start(bench, [cell.parent / "absent" / "slow"])
