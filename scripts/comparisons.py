"""Write the report's section on the compare task: gaps.csv, gap_trends.csv, a figure, and the section."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from aqa import cli
from aqa.errors import UserError
from aqa.reporting.comparisons import FIGURE, comparisons_section, draw_position_bias
from aqa.reporting.labels import load_labels
from aqa.reporting.predictions import cell_of
from aqa.reporting.scores import read_scores
from aqa.reporting.section import write_section
from aqa.scoring.gaps import GapRow, TrendRow, analyse
from aqa.scoring.inputs import read_pairs, read_samples
from aqa.scoring.predict import read_predictions
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells", type=Path, nargs="*", default=[], metavar="FOLDER", help="compare cells of score datasets"
    )
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[], help="{dataset}/pairs.jsonl of their datasets"
    )
    parser.add_argument(
        "--samples", type=Path, nargs="*", default=[], help="{dataset}/samples.jsonl of the same"
    )
    parser.add_argument(
        "--gap-bins",
        default="5",
        help="JSON: a number of bins of equally many pairs, or a list of shares of the scale where bins meet",
    )
    parser.add_argument("--figures", type=Path, required=True, help=f"folder for {FIGURE}.pdf, .svg and .png")
    parser.add_argument("--output", type=Path, required=True, help="the section; the CSV files lie beside it")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the numbers, the figure and the section."""
    labels, scores = load_labels(args.labels), read_scores(args.scores)
    try:
        bins = orjson.loads(args.gap_bins)
    except orjson.JSONDecodeError as error:
        raise UserError(f"--gap-bins is not JSON ({error})") from error
    cells = {
        cell_of(folder): read_predictions(folder / "predictions.csv", "classification")
        for folder in args.cells
    }
    gaps, trends = analyse(cells, read_pairs(args.pairs), read_samples(args.samples), bins)
    write_tidy(args.output.with_name("gaps.csv"), GapRow, gaps)
    write_tidy(args.output.with_name("gap_trends.csv"), TrendRow, trends)
    draw_position_bias(scores, labels, args.figures / FIGURE)
    write_section(args.output, comparisons_section(scores, gaps, trends, labels))
    cli.log.info("%s: %d cells by score gap", args.output, len(cells))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
