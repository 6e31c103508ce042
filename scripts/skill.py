"""Compute every model's skill, one number over all datasets, and write skill.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Sample
from aqa.scoring.skill import skills, write_skills


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="scored cells; others than judge/original/base are passed over",
    )
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, help="samples.jsonl of each dataset"
    )
    parser.add_argument("--datasets", nargs="+", required=True, metavar="ID", help="the full set of datasets")
    parser.add_argument("--output", type=Path, required=True, help="skill.csv")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    cells = {Cell(*folder.resolve().parts[-len(Cell._fields) :]): folder for folder in args.cells}
    samples = {
        path.resolve().parent.name: {sample.sample_id: sample for sample in read_jsonl(path, Sample)}
        for path in args.samples
    }
    found = skills(cells, samples, args.datasets)
    write_skills(args.output, found)
    cli.log.info("%s: %d models", args.output, len({one.model for one in found}))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
