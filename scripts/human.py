"""Score how well people agree with one another: each rater against the others, where a dataset tells."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path

from aqa import cli
from aqa.datasets import load_metadata, resolve_settings
from aqa.datasets.ratings import load_ratings
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl
from aqa.records import Sample
from aqa.scoring.human import against_others, score_people
from aqa.scoring.score import Settings


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="dataset id")
    parser.add_argument("--data", type=Path, required=True, help="the dataset's data folder")
    parser.add_argument("--settings", default="{}", help="the dataset's settings, as JSON")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--evaluated", type=Path, required=True, help="ids of the evaluated samples")
    parser.add_argument("--unit", choices=["item", "exercise"], required=True, help="headline unit")
    parser.add_argument("--seed", type=int, required=True, help="seed of the resamples")
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples of an interval")
    parser.add_argument(
        "--cell", type=Path, required=True, help="folder to write, of the last five names of a cell"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Read the ratings from the owners' files and write the cell."""
    metadata, module = load_metadata(args.dataset), load_ratings(args.dataset)
    try:
        values = json.loads(args.settings)
    except ValueError as error:
        raise UserError(f"--settings: not valid JSON ({error})") from None
    settings = resolve_settings(metadata, values)
    wanted = set(read_ids(args.evaluated))
    samples = [sample for sample in read_jsonl(args.samples, Sample) if sample.sample_id in wanted]
    ratings = module.ratings(args.data, settings)
    agreement = against_others(samples, ratings, partial(module.verdict, settings=settings))
    how = Settings(metadata.kind, args.seed, args.resamples, args.unit)
    score_people(args.cell, agreement, how, len(samples))
    log = cli.log.info if agreement.predictions else cli.log.warning
    log(
        "%s: %d ratings of %d of %d evaluated samples, each against the others'",
        *(args.dataset, len(agreement.predictions), len(agreement.panel), len(samples)),
    )


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
