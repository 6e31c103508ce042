"""Every cell of the whole product is accounted for: it runs, or the reason is said."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aqa.config import REPRESENTATIONS, Cells, parse
from aqa.grid import Axes, Cell, build
from aqa.reporting.cells import Entry, as_csv, as_text, blocks, explain

ROOT = Path(__file__).parents[2]
AXES = Axes(
    tasks={"gym": ("judge", "compare"), "pool": ("judge",)},
    representations={"gym": REPRESENTATIONS, "pool": ("original", "skeleton_only")},
    strategies=("base", "two_step"),
    models=("random", "big", "bigger"),
)
WANTED = parse(
    Cells,
    {
        "include": [
            {"tasks": ["judge"]},
            {"tasks": ["compare"], "strategies": ["base"], "datasets": ["gym"]},
        ],
        "exclude": [{"models": ["random"], "strategies": ["two_step"]}],
        "not_applicable": [{"models": ["bigger"], "tasks": ["compare"], "reason": "context, too short"}],
    },
    "cells",
)


@pytest.fixture(name="entries")
def _entries() -> list[Entry]:
    return explain(WANTED, AXES, build(WANTED, AXES))


def test_every_cell_of_the_product_is_listed_once(entries):
    assert len({entry.cell for entry in entries}) == len(entries) == 2 * 2 * 4 * 2 * 3
    assert {entry.cell for entry in entries if entry.status == "run"} == set(build(WANTED, AXES).cells)


@pytest.mark.parametrize(
    ("cell", "status", "reason"),
    [
        (("gym", "judge", "cropped", "base", "big"), "run", ""),
        (("gym", "compare", "original", "base", "bigger"), "not_applicable", "context, too short"),
        (("gym", "judge", "original", "two_step", "random"), "excluded", "cells.exclude[0]"),
        (("gym", "compare", "original", "two_step", "big"), "not_included", "no block of cells.include"),
        (("pool", "compare", "original", "base", "big"), "undefined", "the dataset has no task compare"),
        (("pool", "judge", "cropped", "base", "big"), "undefined", "the dataset is not shown as cropped"),
    ],
)
def test_each_absent_cell_has_its_reason(entries, cell, status, reason):
    (found,) = (entry for entry in entries if entry.cell == Cell(*cell))
    assert found.status == status
    assert found.reason.startswith(reason)
    assert bool(found.reason) == (status != "run")


def test_the_csv_holds_every_cell_whatever_a_reason_contains(entries):
    rows = list(csv.DictReader(io.StringIO(as_csv(entries))))
    assert [tuple(row.values()) for row in rows] == [(*e.cell, e.status, e.reason) for e in entries]


def test_the_text_shows_counts_marks_and_reasons(entries):
    text = as_text(entries)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("38 cells run, 4 are not applicable (–∗), 54 of the whole product of 96")
    assert "1 random (10 cells)" in lines
    assert "gym judge original two_step · x x" in lines
    assert "gym compare cropped base x x –∗" in lines
    assert not any(line.startswith("pool compare") for line in lines)
    assert "4 absent: context, too short" in lines
    assert "gym | compare | all representations | base | bigger" in lines
    assert "pool | compare | all representations | all strategies | all models" in lines


CELLS = st.tuples(*(st.sampled_from("ab") for _ in Cell._fields)).map(lambda names: Cell(*names))


@given(st.sets(CELLS))
def test_blocks_are_disjoint_and_cover_exactly_the_cells(cells):
    found = blocks(sorted(cells))
    sizes = 0
    covered = set()
    for names in found:
        members = {cell for cell in cells if all(n in chosen for n, chosen in zip(cell, names, strict=True))}
        size = 1
        for chosen in names:
            size *= len(chosen)
        assert len(members) == size
        sizes += size
        covered |= members
    assert covered == cells
    assert sizes == len(cells)


def test_the_script_prints_the_default_configuration_and_writes_the_csv(tmp_path):
    (tmp_path / "my.yaml").write_text(
        yaml.safe_dump({"datasets": {"mtl-aqa": {}, "fitness-aqa": {}}, "models": ["random", "constant"]})
    )
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "cells.py", "--configfile", tmp_path / "my.yaml"),
            *("--root", ROOT, "--output", tmp_path / "cells.csv"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 cells run")
    assert (tmp_path / "cells.csv").read_text().count(",run,") == 4
