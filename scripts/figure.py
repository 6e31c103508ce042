"""Draw a figure of the paper from the predictions of cells, as PDF, SVG and PNG."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.errors import UserError
from aqa.reporting.figures import correctness_bias
from aqa.reporting.gaps import accuracy_by_gap
from aqa.reporting.labels import load_labels
from aqa.scoring.gaps import GapRow, TrendRow
from aqa.scoring.tidy import read_tidy

NEEDS = {1: ("cells", "samples"), 2: ("gaps", "trends")}
"""Figure -> the arguments that it is drawn from."""


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
        choices=NEEDS,
        required=True,
        help="which figure (1: how favourably models judge, against the ground truth, from --cells and "
        "--samples; 2: accuracy against the gap of two scores, from --gaps and --trends)",
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="folders of cells with predictions.csv, .../dataset/task/representation/strategy/model; cells "
        "that the figure does not show are passed over",
    )
    parser.add_argument(
        "--samples", type=Path, nargs="+", metavar="FILE", help="<dataset>/samples.jsonl files"
    )
    parser.add_argument("--gaps", type=Path, help="gaps.csv (scripts/comparisons.py)")
    parser.add_argument("--trends", type=Path, help="gap_trends.csv (scripts/comparisons.py)")
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
    lacking = [f"--{name}" for name in NEEDS[args.number] if getattr(args, name) is None]
    if lacking:
        raise UserError(f"figure {args.number} needs {' and '.join(lacking)}")
    labels = load_labels(args.labels)
    if args.number == 1:
        paths = correctness_bias(args.cells, args.samples, labels, args.output)
    else:
        gaps, trends = read_tidy(args.gaps, GapRow), read_tidy(args.trends, TrendRow)
        paths = accuracy_by_gap(gaps, trends, labels, args.output)
    for path in paths:
        cli.log.info("%s", path)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
