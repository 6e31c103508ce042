"""Write the report's section on prompt bias: how favourably models judge, and polarity shifts."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.polarity import FIGURE, draw_shifts, polarity_section
from aqa.reporting.predictions import cell_of
from aqa.reporting.section import write_section
from aqa.scoring.effects import load
from aqa.scoring.inputs import read_samples
from aqa.scoring.intervals import Resampler
from aqa.scoring.polarity import LevelRow, ShiftRow, analyse
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="*",
        default=[],
        metavar="FOLDER",
        help="scored judge cells on original media",
    )
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="{dataset}/samples.jsonl files")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples, and random swaps")
    parser.add_argument("--figures", type=Path, required=True, help=f"folder for {FIGURE}.pdf, .svg and .png")
    parser.add_argument("--output", type=Path, required=True, help="the section; the CSV files lie beside it")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the numbers, the figure and the section."""
    labels = load_labels(args.labels)
    cells = {cell_of(folder): load(folder) for folder in args.cells}
    tested = [model.id for model in labels.models if not model.baseline]
    levels, shifts = analyse(cells, read_samples(args.samples), tested, Resampler(args.seed, args.resamples))
    write_tidy(args.output.with_name("polarity_levels.csv"), LevelRow, levels)
    write_tidy(args.output.with_name("polarity_shifts.csv"), ShiftRow, shifts)
    draw_shifts(shifts, labels, args.figures / FIGURE)
    write_section(args.output, polarity_section(levels, shifts, labels))
    cli.log.info("%s: %d cells, %d shifts", args.output, len(levels), len(shifts))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
