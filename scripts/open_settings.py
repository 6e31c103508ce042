"""Write the report's section on the settings that the study leaves open."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.reporting.labels import load_labels
from aqa.reporting.open_settings import SettingRow, setting_rows, settings_section
from aqa.reporting.section import write_section
from aqa.scoring.tidy import write_tidy


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="labels.json: what was configured")
    parser.add_argument("--output", type=Path, required=True, help="the section; settings.csv lies beside it")
    parser.add_argument("--log", type=Path, help="log file")
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    """Write the choices and the section."""
    labels = load_labels(args.labels)
    write_tidy(args.output.with_name("settings.csv"), SettingRow, setting_rows(labels))
    write_section(args.output, settings_section(labels))
    cli.log.info("%s", args.output)


if __name__ == "__main__":
    ARGUMENTS = arguments()
    cli.run(lambda: main(ARGUMENTS), ARGUMENTS.log)
