"""Bring a dataset's files into a folder, check what is there, and say where all data come from."""

from __future__ import annotations

import argparse
from pathlib import Path

from aqa import cli
from aqa.datasets import dataset_ids, load_metadata
from aqa.datasets.acquire import provenance, stages
from aqa.datasets.acquire.sources import has_sources, load_sources
from aqa.errors import UserError

COMMANDS = {
    "get": "download, extract, fetch videos, then check: everything that needs no person",
    "download": "download the open files",
    "extract": "extract the archives that are there",
    "broadcasts": "download the videos on the web and re-encode them; addresses in a list of yours",
    "check": "say what is there, what is missing and how to get it; status 1 if something needed is missing",
}


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--dataset", required=True, metavar="ID", help=f"dataset id: {', '.join(dataset_ids())}"
        )
        command.add_argument("--data", type=Path, metavar="DIR", help="the dataset's folder")
        if name in ("get", "download"):
            command.add_argument(
                "--urls",
                type=Path,
                metavar="FILE",
                help=f"YAML, file name: [address, ...]; left out: {stages.USER_URLS} in DIR if it is there",
            )
        if name in ("get", "broadcasts"):
            command.add_argument("--threads", type=int, default=1, help="threads of ffmpeg")
        command.add_argument("--log", type=Path, metavar="FILE", help="also write messages to this file")
    table = commands.add_parser("provenance", help="write the provenance table of all datasets")
    table.add_argument(
        "--output", required=True, type=Path, nargs="+", metavar="FILE", help="tables to write, .csv or .md"
    )
    table.add_argument("--log", type=Path, metavar="FILE", help="also write messages to this file")
    return parser.parse_args()


def main(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        UserError: something failed or is missing; everything else was done.
    """
    if arguments.command == "provenance":
        table = [
            row
            for dataset in dataset_ids()
            for row in provenance.rows(
                load_metadata(dataset), load_sources(dataset) if has_sources(dataset) else None
            )
        ]
        for output in arguments.output:
            provenance.write(output, table)
        return
    if arguments.data is None:
        load_sources(arguments.dataset)
        raise UserError(
            f"--data: no folder is named for {arguments.dataset}; in a workflow run, name it in the "
            f"configuration (datasets: {arguments.dataset}: data: FOLDER)"
        )
    acquire(arguments)


def acquire(arguments: argparse.Namespace) -> None:
    """Run a command on one dataset."""
    data = arguments.data
    sources = stages.sources_of(arguments.dataset, data, getattr(arguments, "urls", None))
    failures: list[str] = []
    if arguments.command == "get":
        failures = stages.get(sources, data, arguments.threads)
    elif arguments.command == "download":
        failures = stages.download(sources, data)
    elif arguments.command == "extract":
        failures = stages.extract(sources, data)
    elif arguments.command == "broadcasts":
        failures = stages.broadcasts(sources, data, arguments.threads)
    if arguments.command in ("get", "check"):
        try:
            print(stages.check(arguments.dataset, sources, data))
        except stages.Incomplete as incomplete:
            print(incomplete.text)
            raise
    if failures:
        names = ", ".join(failure.split(": ")[0] for failure in failures)
        raise UserError(f"{arguments.dataset}: {len(failures)} failed (causes above): {names}")


if __name__ == "__main__":
    parsed = parse_arguments()
    cli.run(lambda: main(parsed), parsed.log)
