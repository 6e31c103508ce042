"""Print what a configuration still asks, before anything is spent: requests, tokens, money and hours.

Needs the requests of its cells; `snakemake estimate` first makes them, from the real media and prompts. What
the journals already answer is subtracted. Sends nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from aqa import cli, plan
from aqa.config import load_yaml
from aqa.errors import UserError
from aqa.reporting.estimate import Assumed, as_text, estimate


def arguments(values: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    assumed = Assumed()
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", metavar="JSON", help="the merged configuration, as JSON")
    source.add_argument("--configfile", type=Path, metavar="FILE", help="a configuration file")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the workflow")
    group = parser.add_argument_group("assumptions, for models that have answered nothing yet")
    group.add_argument("--answer-tokens", type=int, default=assumed.answer_tokens, metavar="N")
    group.add_argument("--thinking-tokens", type=int, default=assumed.thinking_tokens, metavar="N")
    group.add_argument("--tokens-per-s", type=float, default=assumed.tokens_per_s, metavar="N")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write messages to this file too")
    return parser.parse_args(values)


def main(args: argparse.Namespace) -> None:
    """Print the estimate.

    Raises:
        UserError: cells have no requests yet; what is known is printed first.
    """
    values = load_yaml(args.configfile) if args.configfile is not None else _json(args.config)
    loaded = plan.load(values, args.root)
    assumed = Assumed(args.answer_tokens, args.thinking_tokens, args.tokens_per_s)
    found = estimate(loaded, assumed)
    if found.cells:
        sys.stdout.write(as_text(found, loaded))
    if found.unrendered:
        number = len(found.unrendered) + len(found.cells)
        raise UserError(
            f"{len(found.unrendered)} of {number} cells have no requests yet "
            f"and are not counted, {found.unrendered[0].path} for example; make them first, which asks no "
            "model: snakemake estimate"
        )
    if not found.cells:
        sys.stdout.write("Nothing to estimate: baselines ask no model.\n")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"--config: not valid JSON ({error})") from None


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
