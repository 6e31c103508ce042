"""Tidy tables are read as they were written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.errors import UserError
from aqa.records import Record
from aqa.scoring.tidy import read_tidy, write_tidy


class Line(Record):
    name: str
    value: float
    n: int
    known: bool


def test_an_undefined_number_and_a_carriage_return_survive(tmp_path):
    write_tidy(tmp_path / "lines.csv", Line, [Line(name="a\rb", value=math.nan, n=1, known=True)])
    (line,) = read_tidy(tmp_path / "lines.csv", Line)
    assert line.name == "a\rb"
    assert math.isnan(line.value)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            st.floats(),
            st.integers(),
            st.booleans(),
        )
    )
)
def test_every_line_survives(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("tidy") / "lines.csv"
    lines = [Line(name=name, value=value, n=n, known=known) for name, value, n, known in values]
    write_tidy(path, Line, lines)
    for line, back in zip(lines, read_tidy(path, Line), strict=True):
        assert (back.name, back.n, back.known) == (line.name, line.n, line.known)
        assert back.value == line.value or (math.isnan(back.value) and math.isnan(line.value))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read"),
        (b"a,b\n", "the columns are not name, value, n, known"),
        (b"name,value,n,known\nx,1,two,true\n", "line 2: n"),
        (b"name,value,n,known\nx\n", "line 2: value"),
        (b"name,value,n,known\n\xff,1,2,true\n", "not a CSV file in UTF-8"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path, content, problem):
    path = tmp_path / "lines.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=problem):
        read_tidy(path, Line)
