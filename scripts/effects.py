"""Test what strategies, representations, models and thinking change, and write effects.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson

from aqa import cli
from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.grid import Cell
from aqa.records import Sample
from aqa.scoring.effects import contrasts, effects, write_effects
from aqa.scoring.intervals import Resampler


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=Path, nargs="*", default=[], metavar="FOLDER", help="scored cells")
    parser.add_argument("--samples", type=Path, nargs="*", default=[], help="samples.jsonl of each dataset")
    parser.add_argument("--families", nargs="*", default=[], help="strategy, representation, model, thinking")
    parser.add_argument(
        "--models", default="{}", help="JSON: each model under test, with its id without thinking or null"
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples, and random swaps")
    parser.add_argument("--output", type=Path, required=True, help="effects.csv")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the table."""
    cells = {Cell(*folder.resolve().parts[-len(Cell._fields) :]): folder for folder in args.cells}
    try:
        models = orjson.loads(args.models)
    except orjson.JSONDecodeError as error:
        raise UserError(f"--models is not JSON ({error})") from error
    samples = {
        path.resolve().parent.name: {sample.sample_id: sample for sample in read_jsonl(path, Sample)}
        for path in args.samples
    }
    wanted = contrasts(list(cells), args.families, models)
    found = effects(wanted, cells, samples, Resampler(args.seed, args.resamples))
    write_effects(args.output, found)
    clear = sum(effect.p_holm < 0.05 for effect in found)
    cli.log.info("%s: %d differences tested, %d clear after Holm", args.output, len(found), clear)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
