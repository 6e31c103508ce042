"""Measure how much answers change when they are asked again, and write reliability.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Pair, Sample
from aqa.scoring.effects import load
from aqa.scoring.intervals import Resampler
from aqa.scoring.reliability import reliability, write_reliability


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=Path, nargs="+", required=True, metavar="FOLDER", help="scored cells")
    parser.add_argument(
        "--samples", type=Path, nargs="+", required=True, help="samples.jsonl of each dataset"
    )
    parser.add_argument("--pairs", type=Path, nargs="*", default=[], help="pairs.jsonl of each dataset")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--output", type=Path, required=True, help="reliability.csv")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the table; cells without repeats have no line."""
    samples = {
        path.resolve().parent.name: {sample.sample_id: sample for sample in read_jsonl(path, Sample)}
        for path in args.samples
    }
    pairs = {
        path.resolve().parent.name: {pair.pair_id: pair for pair in read_jsonl(path, Pair)}
        for path in args.pairs
    }
    resampler = Resampler(args.seed, args.resamples)
    found = []
    for folder in args.cells:
        cell = Cell(*folder.resolve().parts[-len(Cell._fields) :])
        known, paired = samples.get(cell.dataset, {}), pairs.get(cell.dataset, {})
        found += [(cell, one) for one in reliability(cell, load(folder), known, paired, resampler)]
    write_reliability(args.output, found)
    cli.log.info("%s: %d cells asked more than once", args.output, len({cell for cell, _ in found}))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
