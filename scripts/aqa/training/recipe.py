"""The file that says how a model is trained, and what is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from aqa.config import MediaProfile, load_yaml, parse
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
    """A training's file."""

    profile: MediaProfile = Field(description="Which frames of a clip the model sees.")
    pixels: Sizes = Field(Sizes(), description="Fewest and most pixels of images and videos.")
    shape: Shape = Field(Shape(), description="Widths and depths of the network.")
    recipe: Recipe = Field(Recipe(), description="How long and how fast.")


def read_plan(path: Path) -> Plan:
    """Read a training's file.

    Raises:
        UserError: it is not one; names the place.
    """
    return parse(Plan, load_yaml(path), str(path))


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
    """Write the untrained model; one that is there is kept."""
    if not (folder / "model.safetensors").is_file():
        make(folder, texts_of(course), plan.shape, plan.pixels, plan.seed)


def trainer(plan: Plan, course: Course, out: Path, share: tuple[int, int] = (0, 1)) -> Trainer:
    """Return a trainer of `out/init` that goes on from the checkpoint in `out`, if there is one.

    `share`: which of how many processes it is that train together.
    """
    from aqa.training.trainer import STATE, Trainer

    found = Trainer(out / "init", course, plan.recipe, plan.seed, rank=share[0], ranks=share[1])
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
