"""The file that says how a model is trained, and what is made from it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from aqa.config import REPRESENTATIONS, MediaProfile, load_yaml, parse
from aqa.errors import UserError, nearest
from aqa.prompts import strategies
from aqa.training.blocks import Block, Wanted, read_block, write_block
from aqa.training.corpus import Course
from aqa.training.network import Shape, make
from aqa.training.pixels import Sizes
from aqa.training.rounds import Report, Rounds, folders, make_rounds
from aqa.training.settings import Recipe
from aqa.training.vocabulary import texts_of

if TYPE_CHECKING:
    from aqa.training.trainer import Trainer


class Plan(Rounds):
    """A training's file. Another number of `processes` draws other variations of pictures."""

    processes: int = Field(1, ge=1, description="How many processes share a batch; part of the recipe.")
    profile: MediaProfile = Field(description="Which frames of a clip the model sees.")
    pixels: Sizes = Field(Sizes(), description="Fewest and most pixels of images and videos.")
    shape: Shape = Field(Shape(), description="Widths and depths of the network.")
    recipe: Recipe = Field(Recipe(), description="How long and how fast.")


def read_plan(path: Path) -> Plan:
    """Read a training's file.

    Raises:
        UserError: it is not one; names the place.
    """
    plan = parse(Plan, load_yaml(path), str(path))
    recipe, mix = plan.recipe, plan.recipe.mix
    for name, number in (("steps", recipe.steps), ("batch", recipe.batch), ("every", recipe.every)):
        if number < 1:
            raise UserError(f"{path}: recipe.{name}: {number}; at least 1 is needed")
    if recipe.batch % plan.processes:
        raise UserError(f"{path}: processes: {plan.processes} cannot share a batch of {recipe.batch} evenly")
    for part, weights, known in (
        ("datasets", mix.datasets, plan.blocks),
        ("representations", mix.representations, REPRESENTATIONS),
        ("strategies", mix.strategies, strategies()),
    ):
        if strange := sorted(set(weights) - set(known)):
            raise UserError(
                f"{path}: recipe.mix.{part}: no '{strange[0]}' here{nearest(strange[0], tuple(known))}"
            )
    return plan


def write_blocks(plan: Plan, folder: Path, dataset: str, report: Report) -> None:
    """Make the blocks of a dataset that are not there yet."""
    size = plan.blocks[dataset]

    def make_one(place: Path, seed: int) -> None:
        write_block(place, Wanted(dataset, seed, size, plan.profile, plan.pixels))

    make_rounds(plan, folder, dataset, make_one, report)


def read_blocks(plan: Plan, folder: Path, *, held_out: bool) -> list[Block]:
    """Return the blocks that are trained on, or those that are not.

    Raises:
        UserError: a block is not there.
    """
    return [read_block(place) for place in folders(plan, folder, held_out=held_out)]


def untrained(plan: Plan, folder: Path, course: Course) -> None:
    """Write the untrained model; one that is there is kept. A folder of that name is a finished one."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".init-") as scratch:
        made = Path(scratch) / folder.name
        make(made, texts_of(course), plan.shape, plan.pixels, plan.seed)
        made.rename(folder)


def trainer(plan: Plan, course: Course, out: Path, rank: int = 0) -> Trainer:
    """Return a trainer of `out/init` that goes on from the checkpoint in `out`, if there is one.

    `rank`: which of the plan's processes it is.
    """
    from aqa.training.trainer import STATE, Trainer

    found = Trainer(out / "init", course, plan.recipe, plan.seed, rank=rank, ranks=plan.processes)
    if (out / STATE).is_file():
        found.load(out)
    return found


def courses(plan: Plan, folder: Path) -> tuple[Course, Course]:
    """Return what is taught, and what is only asked about."""
    taught = Course.of(read_blocks(plan, folder, held_out=False))
    held: Sequence[Block] = read_blocks(plan, folder, held_out=True)
    asked = Course.of(held, orders=1)
    asked.ranges, asked.words = taught.ranges, taught.words
    return taught, asked
