"""Write how many answers cannot be used, and why (unparsed, truncated, refused, rejected, failed)."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.outcomes import OutcomeRate, outcome_rates, outcomes_figure, outcomes_section
from aqa.reporting.scores import read_scores
from aqa.reporting.section import write_section
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--output", type=Path, required=True, help="path without suffix: OUTPUT.csv and .json"
    )
    parser.add_argument("--figure", type=Path, required=True, help="path without suffix: .pdf, .svg and .png")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write all files."""
    labels = load_labels(args.labels)
    rates = outcome_rates(read_scores(args.scores), labels)
    write_tidy(args.output.with_suffix(".csv"), OutcomeRate, rates)
    outcomes_figure(rates, labels, args.figure)
    write_section(args.output.with_suffix(".json"), outcomes_section(rates, labels))
    cli.log.info("%s: %d cells", args.output.with_suffix(".csv"), len(rates))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
