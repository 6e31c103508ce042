"""Write a dataset's embedded data: rendered media and labels in the dataset's real layout."""

from __future__ import annotations

import argparse
import importlib.util
import pkgutil
import shutil
from pathlib import Path

import aqa.datasets
from aqa import cli
from aqa.errors import UserError, nearest
from aqa.files import digest_file, write_json
from aqa.synthetic import VERSION

_PARTIAL = ".embedded-partial"


def datasets() -> dict[str, str]:
    """Return the datasets that have embedded data: id -> module."""
    found = {}
    for entry in pkgutil.iter_modules(aqa.datasets.__path__):
        module = f"aqa.datasets.{entry.name}.embedded"
        if entry.ispkg and importlib.util.find_spec(module) is not None:
            found[entry.name.replace("_", "-")] = module
    return found


def embed(dataset: str, seed: int, workers: int, output: Path) -> None:
    """Write the data into `output`'s folder and, last, `output`: every file with its digest and size.

    The data are first written to a folder of their own inside it, so that a killed run leaves nothing
    but that folder, and the next run begins anew.
    """
    known = datasets()
    if dataset not in known:
        raise UserError(f"--dataset: '{dataset}' has no embedded data{nearest(dataset, known)}")
    if workers < 1:
        raise UserError(f"--workers: {workers} is not a number of processes; give 1 or more")
    folder = output.parent
    partial = folder / _PARTIAL
    try:
        output.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        importlib.import_module(known[dataset]).write(partial, seed, workers)
        files = [_entry(partial, path) for path in sorted(partial.rglob("*")) if path.is_file()]
        _publish(partial, folder)
    except OSError as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}; is the folder writable?") from error
    write_json(output, {"dataset": dataset, "seed": seed, "generator_version": VERSION, "files": files})


def _entry(folder: Path, path: Path) -> dict[str, str | int]:
    return {
        "path": path.relative_to(folder).as_posix(),
        "sha256": digest_file(path),
        "size": path.stat().st_size,
    }


def _publish(partial: Path, folder: Path) -> None:
    """Move what was written up into `folder`, in place of an earlier run's."""
    for path in sorted(partial.iterdir()):
        target = folder / path.name
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        path.replace(target)
    partial.rmdir()


def main() -> None:
    """Read the command line and write the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--dataset", required=True, help="dataset id, such as one of: " + ", ".join(datasets())
    )
    parser.add_argument("--seed", type=int, required=True, help="everything follows from this number")
    parser.add_argument(
        "--workers", type=int, default=1, help="parallel processes (the bytes do not depend on it)"
    )
    parser.add_argument("--output", type=Path, required=True, help="DIR/embedded.json; the data go into DIR")
    parser.add_argument("--log", type=Path, help="also write messages to this file")
    arguments = parser.parse_args()
    cli.run(
        lambda: embed(arguments.dataset, arguments.seed, arguments.workers, arguments.output), arguments.log
    )


if __name__ == "__main__":
    main()
