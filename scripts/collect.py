"""Gather the metrics.json files of all cells in one tidy table, scores.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.errors import UserError
from aqa.scoring.rows import collect, write_rows


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--metrics", type=Path, nargs="+", metavar="FILE", help="metrics.json files")
    source.add_argument("--list", type=Path, metavar="FILE", help="text file naming them, one a line")
    parser.add_argument("--output", type=Path, required=True, help="scores.csv")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    files = args.metrics
    if files is None:
        try:
            files = [
                Path(line) for line in args.list.read_text(encoding="utf-8").splitlines() if line.strip()
            ]
        except OSError as error:
            raise UserError(f"{args.list}: cannot be read ({error.strerror})") from error
    rows = collect(files)
    write_rows(args.output, rows)
    cli.log.info("%s: %d rows of %d cells", args.output, len(rows), len(files))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
