"""Choose the in-context examples of a dataset, and list the samples whose clips have to be prepared."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli, datasets
from aqa.datasets.examples import choose
from aqa.files import read_ids, read_jsonl, write_jsonl, write_text
from aqa.records import Sample


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--data", type=Path, help="the dataset's folder; needed for data of your own")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--evaluated", type=Path, required=True, help="ids of the samples to ask about")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="examples.jsonl")
    parser.add_argument(
        "--shown", type=Path, required=True, help="text file of the ids that are asked about or shown"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the examples and the ids, one a line, in the order of the samples."""
    samples = read_jsonl(args.samples, Sample)
    wanted = set(read_ids(args.evaluated))
    asked = [sample for sample in samples if sample.sample_id in wanted]
    train_split = datasets.resolve(args.dataset, args.data).metadata.train_split
    chosen = choose(samples, asked, train_split=train_split, seed=args.seed)
    shown = wanted | {name for sets in chosen for name in (*sets.samples, *sets.alternate)}
    write_jsonl(args.output, chosen)
    write_text(
        args.shown, "".join(f"{sample.sample_id}\n" for sample in samples if sample.sample_id in shown)
    )
    cli.log.info("%d sets of examples, %d clips besides the evaluated", len(chosen), len(shown - wanted))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
