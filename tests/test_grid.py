"""Cells: products of blocks, less what is excluded or declared impossible."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqa.config import Cells, parse
from aqa.errors import UserError
from aqa.grid import Axes, Cell, build, group, render_key, score_key, session_key

AXES = Axes(
    tasks={"gym": ("judge", "compare"), "pool": ("judge",)},
    representations={"gym": ("original", "cropped"), "pool": ("original", "skeleton_only")},
    strategies=("base", "two_step"),
    models=("random", "big"),
)


def cells(**blocks):
    return parse(Cells, blocks, "cells")


def test_a_block_that_names_nothing_stands_for_all_that_its_datasets_allow():
    grid = build(cells(include=[{}]), AXES)
    assert len(grid) == (2 * 2 + 1 * 2) * 2 * 2
    assert Cell("pool", "judge", "original", "base", "big") in grid.cells


def test_cells_are_the_union_of_included_blocks_less_the_excluded():
    grid = build(
        cells(
            include=[
                {"strategies": ["base"], "tasks": ["judge"], "representations": ["original"]},
                {"datasets": ["gym"], "representations": ["cropped"], "strategies": ["base"]},
            ],
            exclude=[{"models": ["random"], "tasks": ["compare"]}],
        ),
        AXES,
    )
    assert [cell.path for cell in grid] == [
        "gym/judge/original/base/random",
        "gym/judge/original/base/big",
        "gym/judge/cropped/base/random",
        "gym/judge/cropped/base/big",
        "gym/compare/cropped/base/big",
        "pool/judge/original/base/random",
        "pool/judge/original/base/big",
    ]


def test_a_declared_impossible_cell_is_not_run_and_keeps_its_reason():
    grid = build(
        cells(
            include=[{"datasets": ["pool"], "strategies": ["base"]}],
            not_applicable=[{"models": ["big"], "representations": ["original"], "reason": "context"}],
        ),
        AXES,
    )
    impossible = Cell("pool", "judge", "original", "base", "big")
    assert grid.not_applicable == {impossible: "context"}
    assert impossible not in grid.cells
    assert len(grid) == 3


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (
            {"include": [{"datasets": ["gim"]}]},
            "cells.include[0].datasets: 'gim' is not declared; did you mean",
        ),
        ({"include": [{"models": ["bigg"]}]}, "did you mean 'big'?"),
        ({"include": [{"strategies": ["two_steps"]}]}, "did you mean 'two_step'?"),
        (
            {"include": [{"datasets": ["pool"], "representations": ["cropped"]}]},
            "selects no possible cell: pool allows only the representations original, skeleton_only",
        ),
        (
            {"include": [{"datasets": ["pool"], "tasks": ["compare"]}]},
            "selects no possible cell: pool allows only the tasks judge",
        ),
        ({"include": [{}], "exclude": [{}]}, "nothing is left to run"),
        ({"include": [{}], "exclude": [{"models": ["x"]}]}, "cells.exclude[0].models: 'x' is not declared"),
    ],
)
def test_an_impossible_grid_is_refused_in_one_line(blocks, expected):
    with pytest.raises(UserError) as caught:
        build(cells(**blocks), AXES)
    assert expected in str(caught.value)


@given(st.lists(st.sampled_from(["gym", "pool"]), min_size=1, unique=True), st.booleans())
def test_the_order_of_cells_does_not_depend_on_the_order_of_blocks(names, reverse):
    blocks = [{"datasets": [name]} for name in names]
    one = build(cells(include=blocks), AXES)
    other = build(cells(include=blocks[::-1] if reverse else blocks), AXES)
    assert one.cells == other.cells
    assert len(set(one.cells)) == len(one)


def test_no_scoring_job_needs_more_than_one_session_or_dataset():
    grid = build(cells(include=[{}]), AXES)
    for session in ("cell", "dataset", "model"):
        sessions = group(grid, lambda cell, session=session: session_key(cell, session))
        assert sum(map(len, sessions.values())) == len(grid)
        for members in group(grid, lambda cell, session=session: score_key(cell, session)).values():
            assert len({session_key(cell, session) for cell in members}) == 1
            assert len({cell.dataset for cell in members}) == 1


def test_no_rendering_job_waits_for_joints_for_a_cell_that_shows_none():
    grid = build(cells(include=[{}]), AXES)
    for session in ("cell", "dataset", "model"):
        for members in group(grid, lambda cell, session=session: render_key(cell, session)).values():
            assert len({score_key(cell, session) for cell in members}) == 1
            assert len({cell.representation == "original" for cell in members}) == 1


def test_a_cell_is_asked_as_often_as_its_most_demanding_block_says():
    grid = build(
        cells(
            repeats=2,
            include=[
                {"datasets": ["gym"], "tasks": ["judge"], "strategies": ["base"]},
                {"datasets": ["gym"], "tasks": ["judge"], "models": ["big"], "repeats": 5},
                {"datasets": ["gym"], "models": ["random"], "strategies": ["two_step"], "repeats": 1},
            ],
            not_applicable=[{"representations": ["cropped"], "models": ["big"], "reason": "context"}],
        ),
        AXES,
    )
    judged = {
        (cell.strategy, cell.model): grid.repeats.get(cell, 1)
        for cell in grid
        if cell.task == "judge" and cell.representation == "original"
    }
    assert judged == {
        ("base", "random"): 2,
        ("base", "big"): 5,
        ("two_step", "random"): 1,
        ("two_step", "big"): 5,
    }
    assert set(grid.repeats) <= set(grid.cells)


def test_cells_are_asked_once_unless_somebody_says_otherwise():
    assert build(cells(include=[{}]), AXES).repeats == {}


def test_a_cell_asks_about_as_many_samples_as_its_most_generous_block_says():
    grid = build(
        cells(
            include=[
                {"datasets": ["gym"], "tasks": ["judge"], "limit": 12},
                {"datasets": ["gym"], "tasks": ["judge"], "strategies": ["base"], "limit": 48},
                {"datasets": ["gym"], "tasks": ["judge"], "models": ["random"]},
            ],
        ),
        AXES,
    )
    limits = {
        (cell.strategy, cell.model): grid.limits.get(cell)
        for cell in grid
        if cell.representation == "original"
    }
    assert limits == {
        ("base", "random"): None,
        ("base", "big"): 48,
        ("two_step", "random"): None,
        ("two_step", "big"): 12,
    }
