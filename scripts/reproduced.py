"""Write the report's section on values that the study printed, beside those of this run."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.predictions import cell_of
from aqa.reporting.reproduced import INCONSISTENCIES, REPORTED, reproduced_section
from aqa.reporting.scores import read_scores
from aqa.reporting.section import write_section
from aqa.scoring.inputs import read_samples
from aqa.scoring.reproduced import (
    ReproducedRow,
    read_remarks,
    read_repeats,
    read_reported,
    reproduced,
)
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, fromfile_prefix_chars="@")
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--cells", type=Path, nargs="*", default=[], metavar="FOLDER", help="scored cells that hold repeats"
    )
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="{dataset}/samples.jsonl files")
    parser.add_argument("--reported", type=Path, default=REPORTED, help="the printed values")
    parser.add_argument("--remarks", type=Path, default=INCONSISTENCIES, help="their known inconsistencies")
    parser.add_argument(
        "--output", type=Path, required=True, help="the section; reproduced.csv lies beside it"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the numbers and the section."""
    labels, scores = load_labels(args.labels), read_scores(args.scores)
    items = {
        dataset.id: dataset.study_items
        for dataset in labels.datasets
        if dataset.study_items is not None and not labels.is_synthetic(dataset.id)
    }
    real = [folder for folder in args.cells if cell_of(folder).dataset in items]
    samples = read_samples(path for path in args.samples if path.absolute().parent.name in items)
    reported = [printed for printed in read_reported(args.reported) if printed.dataset in items]
    rows = reproduced(
        reported,
        scores.headline({printed.cell for printed in reported}, labels),
        baselines=[model.id for model in labels.models if model.baseline],
        items=items,
        repeats=read_repeats({cell_of(folder): folder for folder in real}, samples, labels.policy),
        limits=labels.limits,
        remarks=read_remarks(args.remarks),
    )
    write_tidy(args.output.with_name("reproduced.csv"), ReproducedRow, rows)
    write_section(args.output, reproduced_section(rows, labels))
    cli.log.info("%s: %d reported values have a cell in this run", args.output, len(rows))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
