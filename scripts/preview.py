"""Show what a cell would ask: the messages, frames and expected answers of a few samples, as a page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aqa import cli, models
from aqa.config import ModelFile, load_yaml, parse
from aqa.errors import UserError
from aqa.files import read_jsonl
from aqa.records import Sample
from aqa.reporting.preview import write_preview


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=Path, required=True, help="requests.jsonl of a cell")
    parser.add_argument("--samples", type=Path, required=True, help="samples.jsonl of the dataset")
    parser.add_argument("--media", type=Path, required=True, help="folder of all media")
    parser.add_argument("--pairs", type=Path, help="pairs.jsonl, for a cell of the compare task")
    parser.add_argument("--model", type=Path, help="the model's file: shows its settings and checks them")
    parser.add_argument("--seed", type=int, default=0, help="the configuration's seed (with --model)")
    parser.add_argument("--limit", type=int, default=6, help="at most this many requests")
    parser.add_argument(
        "--placeholders", action="store_true", help="no frames: the dataset's terms do not let them be shown"
    )
    parser.add_argument("--title", help="line below the heading; left out: the cell")
    parser.add_argument("--output", type=Path, required=True, help="the page")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def identity(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the settings of the model, None where its file is not given."""
    if args.model is None:
        return None
    file = parse(ModelFile, load_yaml(args.model), str(args.model))
    context = models.Context(args.media, args.seed, read_jsonl(args.samples, Sample))
    return models.create(file, context, str(args.model)).identity()


def main(args: argparse.Namespace) -> None:
    """Write the page."""
    if args.limit < 1:
        raise UserError(f"--limit {args.limit}: at least 1 is needed")
    cell = args.requests.resolve().parent.parts[-5:]
    write_preview(
        requests=args.requests,
        samples=args.samples,
        media=args.media,
        output=args.output,
        limit=args.limit,
        placeholders=args.placeholders,
        pairs=args.pairs,
        identity=identity(args),
        title=args.title if args.title is not None else " · ".join(cell),
    )
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
