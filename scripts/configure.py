"""Write the default configuration and the JSON schemas for editors from scripts/aqa/config.py."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.files import write_text
from aqa.schema import generated


def main() -> None:
    """Write every generated file below the root."""
    for name, text in generated().items():
        write_text(ARGUMENTS.root / name, text)
        cli.log.info("wrote %s", name)


if __name__ == "__main__":
    PARSER = argparse.ArgumentParser(description=__doc__)
    PARSER.add_argument("--root", type=Path, default=Path(), help="root of the repository")
    ARGUMENTS = PARSER.parse_args()
    cli.run(main)
