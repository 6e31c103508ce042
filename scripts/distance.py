"""Write the report's section on the relative distance in both forms, and what guessing scores on it."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.distance import distance_section
from aqa.reporting.labels import load_labels
from aqa.reporting.reproduced import REPORTED
from aqa.reporting.scores import read_scores
from aqa.reporting.section import write_section
from aqa.scoring.distance import DistanceRow, distance_rows, evaluated_truth
from aqa.scoring.inputs import read_evaluated, read_samples
from aqa.scoring.reproduced import read_reported
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, help="{dataset}/samples.jsonl of datasets of scores"
    )
    parser.add_argument(
        "--evaluated", type=Path, nargs="+", required=True, help="{dataset}/evaluated.txt of the same"
    )
    parser.add_argument("--reported", type=Path, default=REPORTED, help="the values that the study printed")
    parser.add_argument("--output", type=Path, required=True, help="the section; distance.csv lies beside it")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the numbers and the section."""
    evaluated = read_evaluated(args.evaluated)
    rows = []
    for dataset, samples in read_samples(args.samples).items():
        truth = evaluated_truth(samples.values(), evaluated[dataset])
        rows += [] if truth is None else distance_rows(dataset, truth)
    write_tidy(args.output.with_name("distance.csv"), DistanceRow, rows)
    labels = load_labels(args.labels)
    section = distance_section(rows, read_scores(args.scores), read_reported(args.reported), labels)
    write_section(args.output, section)
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
