"""Collect for the report how a dataset's clips look and how well their poses are known."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.contact import write_appearance


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="the dataset's id")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument(
        "--manifests",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="manifest.jsonl of its media: .../{representation}/{profile}/manifest.jsonl",
    )
    parser.add_argument("--poses", type=Path, help="manifest.jsonl of its poses")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of clips")
    parser.add_argument(
        "--placeholders", action="store_true", help="no frames: the dataset's terms do not let them be shown"
    )
    parser.add_argument("--output", type=Path, required=True, help="the JSON file that the report reads")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the file."""
    write_appearance(
        dataset=args.dataset,
        samples=args.samples,
        manifests=args.manifests,
        poses=args.poses,
        output=args.output,
        seed=args.seed,
        placeholders=args.placeholders,
    )
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
