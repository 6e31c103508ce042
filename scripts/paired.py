"""List the samples whose clips some pairs need."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.files import read_ids, read_jsonl, write_text
from aqa.records import Pair


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True, help="pairs.jsonl of the dataset")
    parser.add_argument("--anchors", type=Path, required=True, help="ids of the samples whose pairs count")
    parser.add_argument("--output", type=Path, required=True, help="text file of sample ids")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the ids of both samples of each pair, sorted, one a line."""
    anchors = frozenset(read_ids(args.anchors))
    pairs = [pair for pair in read_jsonl(args.pairs, Pair) if pair.anchor in anchors]
    names = sorted({name for pair in pairs for name in (pair.anchor, pair.partner)})
    write_text(args.output, "".join(f"{name}\n" for name in names))
    cli.log.info("%d pairs of %d samples", len(pairs), len(names))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
