"""Print which cells a configuration runs, and why each other cell of the whole product is absent."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from aqa import cli, plan
from aqa.config import load_yaml
from aqa.errors import UserError
from aqa.files import write_text
from aqa.reporting.cells import as_csv, as_text, explain


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", metavar="JSON", help="the merged configuration, as JSON")
    source.add_argument("--configfile", type=Path, metavar="FILE", help="a configuration file")
    parser.add_argument("--root", type=Path, default=Path(), help="folder of the workflow")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write every cell as CSV")
    parser.add_argument("--log", type=Path, metavar="FILE", help="log file")
    return parser.parse_args()


def configuration(args: argparse.Namespace) -> Any:
    """Return the configuration's values.

    Raises:
        UserError: they are not valid JSON or YAML.
    """
    if args.configfile is not None:
        return load_yaml(args.configfile)
    try:
        return json.loads(args.config)
    except ValueError as error:
        raise UserError(f"--config: not valid JSON ({error})") from None


def main(args: argparse.Namespace) -> None:
    """Print the table and write the CSV."""
    loaded = plan.load(configuration(args), args.root)
    entries = explain(loaded.config.cells, plan.axes(loaded.config, loaded.metadata), loaded.grid)
    if args.output is not None:
        write_text(args.output, as_csv(entries))
    sys.stdout.write(as_text(entries))


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
