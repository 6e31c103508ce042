"""Find the datasets: every subfolder with a `metadata.yaml` is one, named by its id with `_` for `-`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from aqa.config import load_yaml, parse
from aqa.datasets.base import Adapter, Metadata, Wording
from aqa.datasets.generic import description
from aqa.errors import UserError, nearest

ROOT = Path(__file__).parent

_OWN = "aqa.datasets.generic.adapter"


@dataclass(frozen=True)
class Dataset:
    """A dataset: one that ships, or a user's own."""

    metadata: Metadata
    wording: Wording
    module: str

    @property
    def adapter(self) -> Adapter:
        """The module that reads the dataset's files; imported when it is asked for.

        Raises:
            UserError: the dataset's folder has no adapter.
        """
        try:
            return cast(Adapter, importlib.import_module(self.module))
        except ModuleNotFoundError as error:
            if error.name != self.module:
                raise
            raise UserError(
                f"{self.metadata.id}: its folder has no adapter.py, which reads the dataset's files"
            ) from None


def resolve(dataset_id: str, data: Path | None = None, root: Path = ROOT) -> Dataset:
    """Return a dataset by its id: one that ships, else the one that the data folder describes.

    An id that does not ship stands for a user's own data if `data` holds a `dataset.yaml`
    (docs/own-data.md). Reads no table of samples and no media.

    Raises:
        UserError: no such dataset (with the nearest id), an own dataset takes the id of one that ships,
            or a file is wrong.
    """
    known = dataset_ids(root)
    own = data is not None and description.describes(data)
    if dataset_id in known:
        if own:
            raise UserError(
                f"datasets.{dataset_id}: {data}/{description.FILE} describes data of your own, but "
                f"'{dataset_id}' is the id of a dataset that ships; give yours another id"
            )
        folder = root / dataset_id.replace("-", "_")
        module = f"aqa.datasets.{folder.name}.adapter"
        return Dataset(read_metadata(folder), read_wording(folder), module)
    if own and data is not None:
        described = description.load(data)
        return Dataset(described.metadata(dataset_id, data), described.wording(), _OWN)
    where = f"{data}/{description.FILE}" if data is not None else f"a folder with a {description.FILE}"
    raise UserError(
        f"datasets: no dataset '{dataset_id}'{nearest(dataset_id, known)} (data of your own need {where}; "
        "see docs/own-data.md)"
    )


def dataset_ids(root: Path = ROOT) -> tuple[str, ...]:
    """Return the ids of all datasets, sorted; reads folder names only."""
    return tuple(sorted(file.parent.name.replace("_", "-") for file in root.glob("*/metadata.yaml")))


def load_metadata(dataset_id: str, root: Path = ROOT) -> Metadata:
    """Read and validate a dataset's `metadata.yaml`.

    Raises:
        UserError: no such dataset (with the nearest id), or the file is wrong.
    """
    return read_metadata(_folder(dataset_id, root))


def load_wording(dataset_id: str, root: Path = ROOT) -> Wording:
    """Read and validate a dataset's `wording.yaml`.

    Raises:
        UserError: no such dataset (with the nearest id), or the file is wrong.
    """
    return read_wording(_folder(dataset_id, root))


def load_adapter(dataset_id: str) -> Adapter:
    """Import the adapter of a dataset.

    Raises:
        UserError: no such dataset (with the nearest id), or its folder has no adapter.
    """
    folder = _folder(dataset_id, ROOT)
    if not (folder / "adapter.py").is_file():
        raise UserError(f"{folder}: has no adapter.py, which reads the dataset's files")
    return cast(Adapter, importlib.import_module(f"aqa.datasets.{folder.name}.adapter"))


def read_metadata(folder: Path) -> Metadata:
    """Read and validate `metadata.yaml` in a dataset's own folder."""
    path = folder / "metadata.yaml"
    metadata = parse(Metadata, load_yaml(path), str(path))
    if metadata.id.replace("-", "_") != folder.name:
        expected = folder.name.replace("_", "-")
        raise UserError(
            f"{path}: id '{metadata.id}' does not fit the folder; write '{expected}' or rename it"
        )
    return metadata


def read_wording(folder: Path) -> Wording:
    """Read and validate `wording.yaml` in a dataset's own folder."""
    path = folder / "wording.yaml"
    return parse(Wording, load_yaml(path), str(path))


def _folder(dataset_id: str, root: Path) -> Path:
    known = dataset_ids(root)
    if dataset_id not in known:
        raise UserError(f"datasets: no dataset '{dataset_id}'{nearest(dataset_id, known)}")
    return root / dataset_id.replace("-", "_")
