"""Write the manifests of a dataset from the files of its shards."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.media.gather import gather


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the files of all shards")
    parser.add_argument(
        "--manifests", type=Path, nargs="+", required=True, help="REPRESENTATION/NAME/manifest.jsonl to write"
    )
    parser.add_argument("--log", type=Path, help="file for messages")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Gather."""
    cli.log.info("%d clips", gather(options.shards, options.manifests))


if __name__ == "__main__":
    parsed = arguments()
    cli.run(lambda: main(parsed), parsed.log)
