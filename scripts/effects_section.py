"""Write the report's section on effects from effects.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.effects import effects_section, read_effects
from aqa.reporting.labels import load_labels
from aqa.reporting.section import write_section


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effects", type=Path, required=True, help="effects.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument(
        "--output", type=Path, required=True, help="the section; in the folder of effects.csv"
    )
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the section."""
    write_section(args.output, effects_section(read_effects(args.effects), load_labels(args.labels)))
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
