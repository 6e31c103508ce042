"""Score what the journals hold so far into results/partial, and print the coverage. Asks nothing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from aqa import cli, plan
from aqa.errors import UserError
from aqa.reporting.partial import as_text, score_partially


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, metavar="JSON", help="the merged configuration")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the workflow")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Score, and print the coverage."""
    try:
        values = json.loads(args.config)
    except ValueError as error:
        raise UserError(f"--config: not valid JSON ({error})") from None
    loaded = plan.load(values, args.root)
    sys.stdout.write(as_text(score_partially(loaded)))
    cli.log.info("%s/partial: scores.csv, coverage.csv and tables", loaded.config.results)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
