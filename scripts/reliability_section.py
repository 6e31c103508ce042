"""Draw the reliability of repeated sampling, and write the report's section on it, from reliability.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.reliability import draw_reliability, read_reliability, reliability_section
from aqa.reporting.section import write_section


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reliability", type=Path, required=True, help="reliability.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--figure", type=Path, required=True, help="path without suffix: .pdf, .svg and .png are written"
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="the section; in the folder of reliability.csv"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write figure and section."""
    rows, labels = read_reliability(args.reliability), load_labels(args.labels)
    draw_reliability(rows, labels, args.figure)
    write_section(args.output, reliability_section(rows, labels, args.figure.name, args.reliability.name))
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
