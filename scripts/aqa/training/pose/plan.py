"""The file that says how the pose network is trained, and what is made from it; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from aqa.config import load_yaml, parse
from aqa.errors import UserError
from aqa.training.pose.network import STRIDE, Shape
from aqa.training.pose.pictures import Block, Wanted, read_block, write_block
from aqa.training.pose.views import Variation
from aqa.training.rounds import Report, Rounds, folders, make_rounds


@dataclass(frozen=True)
class Recipe:
    """How long and how fast.

    `side`: of the square views, pixels. The learning rate rises over `warm` steps and then falls linearly to
    2 % of `rate`. `box`, `sure`, `edges`, `joints` and `seen` weigh the library's losses (of boxes, of
    classes, of the distribution of edges, of joints, of whether a joint is seen), `far` the part of the
    joints' loss that pulls from afar, `maps` that of the heat maps. `half`: compute in bfloat16. A checkpoint
    is written every so many steps.
    """

    steps: int = 12_000
    batch: int = 32
    rate: float = 2e-3
    warm: int = 200
    side: int = 192
    box: float = 7.5
    sure: float = 0.5
    edges: float = 1.5
    joints: float = 12.0
    seen: float = 0.2
    far: float = 0.25
    maps: float = 30.0
    weight_decay: float = 5e-4
    half: bool = True
    every: int = 250
    datasets: Mapping[str, float] = field(default_factory=dict)
    """How often a dataset's pictures are drawn; 1 where one is left out."""


class Plan(Rounds):
    """A training's file."""

    image_size: int = Field(
        256, ge=STRIDE, description="Longer side of the picture that the network sees: `pose.image_size`."
    )
    shape: Shape = Field(Shape(), description="Widths of the network.")
    variation: Variation = Field(Variation(), description="How much views of a picture differ.")
    recipe: Recipe = Field(Recipe(), description="How long and how fast.")


def read_plan(path: Path) -> Plan:
    """Read a training's file.

    Raises:
        UserError: it is not one; names the place.
    """
    plan = parse(Plan, load_yaml(path), str(path))
    if plan.recipe.side % STRIDE:
        raise UserError(f"{path}: recipe.side: {plan.recipe.side} is not a multiple of {STRIDE}")
    if strange := sorted(set(plan.recipe.datasets) - set(plan.blocks)):
        raise UserError(f"{path}: recipe.datasets: there are no blocks of '{strange[0]}'")
    return plan


def write_blocks(plan: Plan, folder: Path, dataset: str, report: Report) -> None:
    """Make the blocks of a dataset that are not there yet."""
    size = plan.blocks[dataset]
    make_rounds(
        plan, folder, dataset, lambda place, seed: write_block(place, Wanted(dataset, seed, size)), report
    )


def read_blocks(plan: Plan, folder: Path, *, held_out: bool) -> list[Block]:
    """Return the blocks that are trained on, or those that are not.

    Raises:
        UserError: a block is not there.
    """
    return [read_block(place) for place in folders(plan, folder, held_out=held_out)]
