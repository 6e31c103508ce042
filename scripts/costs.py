"""Write what judgements cost in tokens and money, beside how good they are: numbers, figure and section."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.costs import costs_section, paid_models, read_costs
from aqa.reporting.costs_figure import costs_figure
from aqa.reporting.labels import load_labels
from aqa.reporting.scores import read_scores
from aqa.reporting.section import write_section
from aqa.scoring.costs import Cost
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        fromfile_prefix_chars="@",
        epilog="A long list can stand in a file, one argument a line: --cells @cells.txt",
    )
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells", type=Path, nargs="+", required=True, metavar="FOLDER", help="cells with responses.jsonl"
    )
    parser.add_argument(
        "--models",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE.yaml",
        help="the models' files, for prices",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output", type=Path, required=True, help="path without suffix: OUTPUT.csv and .json"
    )
    parser.add_argument("--figure", type=Path, required=True, help="path without suffix: .pdf, .svg and .png")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write all files."""
    labels = load_labels(args.labels)
    paid = paid_models(args.models, args.seed)
    costs = read_costs(args.cells, read_scores(args.scores), labels, paid)
    write_tidy(args.output.with_suffix(".csv"), Cost, costs)
    costs_figure(costs, labels, args.figure)
    write_section(args.output.with_suffix(".json"), costs_section(costs, labels))
    cli.log.info("%s: %d rows", args.output.with_suffix(".csv"), len(costs))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
