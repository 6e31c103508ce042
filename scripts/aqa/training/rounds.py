"""Rounds of blocks of training data: what a training's file says of them, where they lie, and their frame.

A block is what a dataset's embedded data are for one seed, kept as a training reads them: a file of pixels,
and lines that say what lies where in it.
"""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from aqa.config import Section
from aqa.datasets import dataset_ids
from aqa.datasets.index import index
from aqa.errors import UserError, nearest
from aqa.files import digest, digest_file, write_json
from aqa.records import Record, Sample

FIRST_SEED = 1_000_000
"""Training data have this seed and higher ones; the benchmark's (`seed` of a configuration) are lower."""

DONE = "block.json"
"""The file of a block that is written last."""

CLAIM = "training.json"
"""What a folder of checkpoints says of the plan and the data that they are of."""

Report = Callable[[int, int], None]


class Rounds(Section):
    """What the files of all trainings say. Round n of a dataset is its embedded data of seed 1000000 + n."""

    seed: int = Field(0, ge=0, description="Of weights, batches and variations of pictures.")
    rounds: int = Field(ge=1, description="Blocks of each dataset.")
    held_out: tuple[int, ...] = Field((), description="Rounds that are evaluated on, not trained on.")
    blocks: dict[str, dict[str, int]] = Field(description="Dataset -> sizes of its embedded data in a block.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if strange := sorted(set(self.blocks) - set(dataset_ids())):
            raise ValueError(f"blocks: no dataset '{strange[0]}'{nearest(strange[0], dataset_ids())}")
        if strange_rounds := sorted(set(self.held_out) - set(range(self.rounds))):
            raise ValueError(f"held_out: there is no round {strange_rounds[0]}, only 0 to {self.rounds - 1}")
        if len(set(self.held_out)) == self.rounds:
            raise ValueError("held_out: all rounds; none is left to train on")
        return self

    @property
    def recipe_digest(self) -> str:
        """Digest of all that decides the result but the data."""
        return digest(self.model_dump(mode="json", exclude={"rounds", "held_out", "blocks"}))


class Wanted(Protocol):
    """A block to be made; `recipe` is the digest of all that decides what is in it."""

    @property
    def dataset(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def size(self) -> Mapping[str, int]: ...
    @property
    def recipe(self) -> str: ...


class Made(Record):
    """A finished block: from what it was made, and its files with their digests."""

    recipe: str
    dataset: str
    seed: int
    files: dict[str, str]


def block_folder(folder: Path, dataset: str, number: int) -> Path:
    """Return where a round's block of a dataset lies."""
    return folder / f"{dataset}-{number:03d}"


def folders(plan: Rounds, folder: Path, *, held_out: bool) -> list[Path]:
    """Return where the blocks lie that are trained on, or those that are not."""
    numbers = [number for number in range(plan.rounds) if (number in plan.held_out) == held_out]
    return [block_folder(folder, dataset, number) for dataset in plan.blocks for number in numbers]


def make_rounds(
    plan: Rounds, folder: Path, dataset: str, make: Callable[[Path, int], None], report: Report
) -> None:
    """Make a dataset's block of every round; `make` takes its folder and its seed."""
    for number in range(plan.rounds):
        make(block_folder(folder, dataset, number), FIRST_SEED + number)
        report(number + 1, plan.rounds)


def data_digest(plan: Rounds, folder: Path) -> str:
    """Return the digest of all data that are trained on.

    Raises:
        UserError: a block is not finished.
    """
    return digest([made_block(place).files for place in folders(plan, folder, held_out=False)])


def claim(plan: Rounds, blocks: Path, out: Path) -> str:
    """Make `out` the folder of this plan's training on these data, or make sure that it is.

    Returns the digest of the data.

    Raises:
        UserError: the training that lies there is of another plan or other data, or a block is not finished.
    """
    data = data_digest(plan, blocks)
    wanted = {"plan": plan.recipe_digest, "data": data}
    file = out / CLAIM
    if file.is_file():
        if json.loads(file.read_bytes()) == wanted:
            return data
    elif not out.is_dir() or not any(out.glob("*.pt")):
        write_json(file, wanted)
        return data
    raise UserError(
        f"{out}: holds a training of another plan or of other data; train in another folder, or delete that"
    )


def check_seed(seed: int) -> None:
    """Refuse a seed that the benchmark may use.

    Raises:
        UserError: it is below `FIRST_SEED`.
    """
    if seed < FIRST_SEED:
        raise UserError(
            f"training data need seeds from {FIRST_SEED} on, apart from the benchmark's; not {seed}"
        )


@contextmanager
def rendered(
    dataset: str, seed: int, size: Mapping[str, int], beside: Path
) -> Iterator[tuple[Path, list[Sample]]]:
    """Render a dataset's embedded data; yield a scratch folder and the samples of its folder `data`.

    The scratch folder lies in `beside`, for as long as the context is open.

    Raises:
        UserError: the seed may be the benchmark's, or the dataset has no such size.
    """
    check_seed(seed)
    module = importlib.import_module(f"aqa.datasets.{dataset.replace('-', '_')}.embedded")
    try:
        wanted = module.Size(**size)
    except TypeError as error:
        raise UserError(f"blocks of {dataset}: {dict(size)}: {error}") from None
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=".block-") as scratch:
        data = Path(scratch) / "data"
        data.mkdir()
        module.write(data, seed, 1, wanted)
        yield Path(scratch), index(dataset, data, {})


def make_block(folder: Path, wanted: Wanted, write: Callable[[Path, list[Sample]], None]) -> None:
    """Let `write` fill a block's folder from what `rendered` yields; a block of the same recipe is kept.

    Raises:
        UserError: the seed may be the benchmark's, or the dataset has no such size.
    """
    check_seed(wanted.seed)
    with suppress(UserError):
        if made_block(folder).recipe == wanted.recipe:
            return
    shutil.rmtree(folder, ignore_errors=True)
    with rendered(wanted.dataset, wanted.seed, wanted.size, folder.parent) as (scratch, samples):
        folder.mkdir(parents=True)
        write(scratch, samples)
    files = {file.name: digest_file(file) for file in sorted(folder.iterdir())}
    made = Made(recipe=wanted.recipe, dataset=wanted.dataset, seed=wanted.seed, files=files)
    write_json(folder / DONE, made.model_dump())


def made_block(folder: Path) -> Made:
    """Read what a finished block says of itself.

    Raises:
        UserError: it is not finished, or of a seed that the benchmark may use.
    """
    try:
        made = Made.model_validate(json.loads((folder / DONE).read_bytes()))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no finished block ({error}); make the blocks first") from None
    check_seed(made.seed)
    return made


def mapped(file: Path, size: int, lines: str) -> NDArray[np.uint8]:
    """Map a block's file of pixels, which has `size` bytes by what `lines`, its neighbour, says.

    Raises:
        UserError: it has another size, or is not there.
    """
    if not file.is_file() or file.stat().st_size != size:
        raise UserError(
            f"{file.parent}: {file.name} is not what {lines} says; delete the folder and make it again"
        )
    return np.memmap(file, np.uint8, "r")
