"""Choose the samples to evaluate: the evaluated split, or a nested subset of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.datasets.subset import evaluated
from aqa.errors import UserError
from aqa.files import read_jsonl, write_text
from aqa.records import Sample


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--split", required=True, help="the split that is evaluated")
    parser.add_argument("--limit", type=int, help="how many samples; left out: all")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="text file of sample ids")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the chosen sample ids, one a line."""
    chosen = evaluated(read_jsonl(args.samples, Sample), args.split, args.limit, args.seed)
    if not chosen:
        raise UserError(f"{args.samples}: the split '{args.split}' has no samples")
    write_text(args.output, "".join(f"{sample.sample_id}\n" for sample in chosen))
    cli.log.info("%d samples of %s are evaluated", len(chosen), args.samples)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
