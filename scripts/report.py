"""Write the report: one HTML page that holds everything and needs no network."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.report import write_report


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        fromfile_prefix_chars="@",
        epilog="A long list can stand in a file, one argument a line: --metrics @metrics.txt",
    )
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--tables", type=Path, required=True, help="folder of tables; those that are there are shown"
    )
    parser.add_argument(
        "--figures", type=Path, required=True, help="folder of figures; those that are there are shown"
    )
    parser.add_argument(
        "--metrics", type=Path, nargs="+", required=True, metavar="FILE", help="metrics.json of every cell"
    )
    parser.add_argument(
        "--appearances",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="how clips look and how well poses are known: a file a dataset (scripts/appearance.py)",
    )
    parser.add_argument(
        "--sections",
        type=Path,
        nargs="*",
        default=[],
        metavar="FILE",
        help="what analyses wrote for the page, in its order; their drawings lie in the folder of figures",
    )
    parser.add_argument("--output", type=Path, required=True, help="report.html")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the page."""
    write_report(
        scores=args.scores,
        labels=load_labels(args.labels),
        tables=args.tables,
        figures=args.figures,
        metrics=args.metrics,
        appearances=args.appearances,
        sections=args.sections,
        output=args.output,
    )
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
