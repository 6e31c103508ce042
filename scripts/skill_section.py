"""Write the report's first section, every model's skill, from skill.csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.section import write_section
from aqa.reporting.skill import read_skills, skill_section


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skill", type=Path, required=True, help="skill.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: names and order in print")
    parser.add_argument("--output", type=Path, required=True, help="the section; in the folder of skill.csv")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the section."""
    section = skill_section(read_skills(args.skill), load_labels(args.labels), args.skill.name)
    write_section(args.output, section)
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
