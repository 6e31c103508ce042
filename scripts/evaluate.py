"""Summarise the model that a configuration evaluates, from its scored cells: JSON and Markdown."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from aqa import cli, plan
from aqa.errors import UserError
from aqa.reporting.evaluation import write_evaluation


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, metavar="JSON", help="the merged configuration")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the workflow")
    parser.add_argument(
        "--output", type=Path, required=True, help="path without suffix: .json and .md are written"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the summary."""
    try:
        values = json.loads(args.config)
    except ValueError as error:
        raise UserError(f"--config: not valid JSON ({error})") from None
    for path in write_evaluation(plan.load(values, args.root), args.output):
        cli.log.info("%s", path)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
