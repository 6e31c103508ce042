"""Write the names that tables, figures and the report print."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from aqa import cli, plan
from aqa.files import write_json
from aqa.masking.verdicts import load_verification
from aqa.reporting.describe import labels


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="the merged configuration, as JSON")
    parser.add_argument("--root", type=Path, required=True, help="folder of the workflow")
    parser.add_argument(
        "--verifications", type=Path, nargs="*", default=[], help="folders of the datasets' verification.json"
    )
    parser.add_argument("--output", type=Path, required=True, help="labels.json")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write `labels.json`."""
    verifications = [load_verification(folder / "verification.json") for folder in args.verifications]
    write_json(args.output, labels(plan.load(json.loads(args.config), args.root), verifications))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
