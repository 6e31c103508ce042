"""Score cells: parse their answers and write predictions.csv and metrics.json in each folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.errors import UserError
from aqa.files import read_ids, read_jsonl
from aqa.records import Pair, Sample
from aqa.scoring.score import Settings, score_cells


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the cells' dataset")
    parser.add_argument(
        "--cells",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="folders {dataset}/{task}/{representation}/{strategy}/{model} with requests.jsonl and "
        "responses.jsonl",
    )
    parser.add_argument("--kind", choices=["classification", "regression"], required=True)
    parser.add_argument("--seed", type=int, required=True, help="seed of the resamples")
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples of an interval")
    parser.add_argument(
        "--unit",
        choices=["item", "exercise"],
        help="headline unit: each question of an exercise alone, or pooled; left out: item where a request "
        "asks several questions. Scores: item pools the dataset, exercise averages over exercises",
    )
    parser.add_argument(
        "--evaluated",
        type=Path,
        help="ids of the evaluated samples, one a line, for the range of a score; left out: those asked",
    )
    parser.add_argument(
        "--asked",
        type=Path,
        nargs="*",
        default=[],
        help="ids of the samples that each cell is to ask about, a file a cell; left out: those evaluated",
    )
    parser.add_argument("--pairs", type=Path, help="pairs.jsonl, for cells whose task is compare")
    parser.add_argument(
        "--compare-unit",
        choices=["item", "exercise"],
        default="item",
        help="headline unit of the task compare: item pools all pairs (default), exercise averages over "
        "exercises",
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Score every cell."""
    if args.seed < 0 or args.resamples < 100:
        raise UserError("--seed must be at least 0 and --resamples at least 100")
    samples = {sample.sample_id: sample for sample in read_jsonl(args.samples, Sample)}
    evaluated = None
    if args.evaluated is not None:
        evaluated = frozenset(read_ids(args.evaluated))
    if args.asked and len(args.asked) != len(args.cells):
        raise UserError("--asked: give one file a cell")
    asked = {folder: frozenset(read_ids(file)) for folder, file in zip(args.cells, args.asked, strict=False)}
    pairs = None
    if args.pairs is not None:
        pairs = {pair.pair_id: pair for pair in read_jsonl(args.pairs, Pair)}
    settings = Settings(
        args.kind, args.seed, args.resamples, args.unit, evaluated, pairs, args.compare_unit, asked
    )
    score_cells(args.cells, samples, settings)
    cli.log.info("%d cells scored", len(args.cells))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
