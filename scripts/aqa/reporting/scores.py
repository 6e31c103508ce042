"""Reading `scores.csv` and finding the one number that a place in a table shows."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from aqa.errors import UserError
from aqa.files import first_problem
from aqa.grid import Cell
from aqa.reporting.labels import Labels
from aqa.scoring.rows import ALL, COLUMNS, ScoreRow

COUNTS = tuple(name for name in COLUMNS if name == "n" or (name.startswith("n_") and name != "n_clusters"))
NUMBERS = ("value", "ci_low", "ci_high", "chance")


class Scores:
    """All rows of `scores.csv`, found by cell, metric, policy and scope.

    Raises:
        UserError: two rows are of the same number.
    """

    def __init__(self, rows: Iterable[ScoreRow], place: str = "scores.csv") -> None:
        self.rows = tuple(rows)
        self.place = place
        self._found: dict[tuple[Cell, str, str, str], list[ScoreRow]] = defaultdict(list)
        for row in self.rows:
            same = self._found[Cell(*row.cell), row.metric, row.policy, row.scope]
            if any(other.unit == row.unit for other in same):
                name = "/".join((*row.cell, row.metric, row.policy, row.unit, row.scope))
                raise UserError(f"{place}: two rows for {name}; score again")
            same.append(row)

    def cells(self) -> list[Cell]:
        """Return the cells that have scores, sorted."""
        return sorted({Cell(*row.cell) for row in self.rows})

    def find(self, cell: Cell, metric: str, labels: Labels, scope: str = ALL) -> ScoreRow | None:
        """Return the score under the headline policy and the dataset's unit, or None.

        Accuracy of comparisons is pooled over all pairs (unit item), as the paper's Table 5 fits.
        Where `scores.csv` holds a single unit, that one counts: it has both only where they differ.

        Raises:
            UserError: there are several units and `labels` chooses none of them.
        """
        rows = self._found.get((cell, metric, labels.policy, scope), [])
        if len(rows) <= 1:
            return rows[0] if rows else None
        chosen = "item" if cell.task == "compare" else labels.unit.get(cell.dataset)
        for row in rows:
            if row.unit == chosen:
                return row
        units = " and ".join(sorted(row.unit for row in rows))
        raise UserError(
            f"{self.place}: {metric} of dataset '{cell.dataset}' has units {units}, and labels.json "
            f"chooses {chosen or 'none'}; set 'unit' for this dataset"
        )

    def headline(self, cells: Iterable[Cell], labels: Labels) -> dict[tuple[Cell, str], ScoreRow]:
        """Return the headline score (`find`) of each of these cells and of each of its metrics."""
        wanted = set(cells)
        held = {(Cell(*row.cell), row.metric) for row in self.rows if Cell(*row.cell) in wanted}
        found = {key: self.find(*key, labels) for key in sorted(held)}
        return {key: row for key, row in found.items() if row is not None}

    def scopes(self, dataset: str) -> list[str]:
        """Return the exercises of a dataset that have scores of their own, sorted."""
        return sorted({row.scope for row in self.rows if row.dataset == dataset} - {ALL})


def is_defined(score: ScoreRow) -> bool:
    """Return whether there is a number (a constant prediction, say, has no rank correlation)."""
    return not math.isnan(score.value)


def has_interval(score: ScoreRow) -> bool:
    """Return whether both ends of the interval are numbers."""
    return not (math.isnan(score.ci_low) or math.isnan(score.ci_high))


def counts(score: ScoreRow) -> dict[str, int]:
    """Return the counts of answers by outcome, under their names in `scores.csv`."""
    return {name: getattr(score, name) for name in COUNTS}


def read_scores(path: Path) -> Scores:
    """Read `scores.csv`; an empty number is NaN.

    Raises:
        UserError: the file is missing, has other columns, or holds a field that does not fit;
            names the file and the line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise UserError(f"{path}: column '{missing[0]}' is missing; score again")
            for line in reader:
                fields = line | {name: line[name] or "nan" for name in NUMBERS}
                try:
                    rows.append(ScoreRow.model_validate(fields))
                except ValidationError as error:
                    problem = first_problem(error)
                    raise UserError(f"{path}, line {reader.line_num}: {problem}; score again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file in UTF-8 ({error})") from error
    return Scores(rows, str(path))
