"""Write a table of the paper from scores.csv: numbers, marks and notes, and a companion with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.layout import LAYOUTS, layout_of
from aqa.reporting.render import write_table
from aqa.reporting.scores import read_scores
from aqa.reporting.tables import build


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    shown = "; ".join(f"{number}: {layout.caption.rstrip('.')}" for number, layout in LAYOUTS.items())
    parser.add_argument("--number", type=int, required=True, help=f"which table ({shown})")
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="path without suffix: OUTPUT.csv, .tex, .md and OUTPUT_intervals.csv, .tex, .md are written",
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    labels = load_labels(args.labels)
    table = build(layout_of(args.number), read_scores(args.scores), labels)
    for path in write_table(table, labels, args.output):
        cli.log.info("%s", path)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
