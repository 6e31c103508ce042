"""Draw a figure of the paper from the predictions of cells, as PDF, SVG and PNG."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.figures import correctness_bias
from aqa.reporting.labels import load_labels

FIGURES = {1: correctness_bias}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        fromfile_prefix_chars="@",
        epilog="A long list can stand in a file, one argument a line: --cells @cells.txt",
    )
    parser.add_argument(
        "--number",
        type=int,
        choices=FIGURES,
        required=True,
        help="which figure (1: how favourably models judge, against the ground truth)",
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="folders of cells with predictions.csv, .../dataset/task/representation/strategy/model; cells "
        "that the figure does not show are passed over",
    )
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, metavar="FILE", help="<dataset>/samples.jsonl files"
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="path without suffix: OUTPUT.pdf, .svg and .png are written",
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Draw the figure."""
    for path in FIGURES[args.number](args.cells, args.samples, load_labels(args.labels), args.output):
        cli.log.info("%s", path)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
