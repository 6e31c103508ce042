"""Read a dataset's own files and write its samples: one JSON line each, sorted, with media digests."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from aqa import cli
from aqa.datasets import dataset_ids
from aqa.datasets.index import index
from aqa.errors import UserError
from aqa.files import write_jsonl


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset",
        required=True,
        metavar="ID",
        help=f"dataset id: {', '.join(dataset_ids())}, or any other for a DIR with a dataset.yaml",
    )
    parser.add_argument(
        "--data",
        required=True,
        type=Path,
        metavar="DIR",
        help="folder with the files as the owners distribute them",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="samples.jsonl to write")
    parser.add_argument(
        "--require-media",
        action="store_true",
        help="stop if a media file of the evaluated split is missing (default: warn)",
    )
    parser.add_argument(
        "--settings",
        default="{}",
        metavar="JSON",
        help="the dataset's settings as a JSON object (see its metadata.yaml); left out: their defaults",
    )
    parser.add_argument(
        "--wording", type=Path, metavar="FILE", help="your own reviewed texts, like a guidelines.yaml"
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="also write messages to this file")
    return parser.parse_args()


def parse_settings(text: str) -> dict[str, object]:
    """Parse the `--settings` argument.

    Raises:
        UserError: it is not a JSON object.
    """
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise UserError(f"--settings: not valid JSON ({error})") from None
    if not isinstance(settings, dict):
        raise UserError('--settings: must be a JSON object like {"name": value}')
    return settings


def main(arguments: argparse.Namespace) -> None:
    """Index the dataset and write its samples."""
    settings = parse_settings(arguments.settings)
    samples = index(
        arguments.dataset,
        arguments.data,
        settings,
        require_media=arguments.require_media,
        wording=arguments.wording,
    )
    try:
        write_jsonl(arguments.output, samples)
    except OSError as error:
        raise UserError(f"--output {arguments.output}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    parsed = parse_arguments()
    cli.run(lambda: main(parsed), parsed.log)
