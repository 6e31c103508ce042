"""Rounds of blocks of training data: what a training's file says of them, and where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from aqa.config import Section
from aqa.files import digest
from aqa.training.blocks import DONE, FIRST_SEED

Report = Callable[[int, int], None]


class Rounds(Section):
    """What the files of all trainings say. Round n of a dataset is its embedded data of seed 1000000 + n."""

    seed: int = Field(0, ge=0, description="Of weights, batches and variations of pictures.")
    rounds: int = Field(ge=1, description="Blocks of each dataset.")
    held_out: tuple[int, ...] = Field((), description="Rounds that are evaluated on, not trained on.")
    blocks: dict[str, dict[str, int]] = Field(description="Dataset -> sizes of its embedded data in a block.")


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
    """Return the digest of all data that are trained on."""
    made = [json.loads((place / DONE).read_bytes()) for place in folders(plan, folder, held_out=False)]
    return digest([block["files"] for block in made])
