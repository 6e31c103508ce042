"""How near the joints of held-out pictures are to the truth, found by the pose stage's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aqa.config import Pose
from aqa.media.posing import networks
from aqa.pose.base import Person, PoseBackend
from aqa.records import Record
from aqa.scoring.intervals import Resampler
from aqa.scoring.ratios import ratio
from aqa.training.pose.pictures import Block, Picture

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

SIGMAS: Array = np.repeat(
    [0.026, 0.025, 0.035, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089], [1, 2, 2, 2, 2, 2, 2, 2, 2]
)
"""COCO's: how far apart people place a joint, as a share of the figure's size, in the order of the joints."""

FLESH = 0.53
"""A figure's area as a share of its box's, as is usual where no outline is known."""

RESAMPLES = 2_000


class Score(Record):
    """How well a dataset's held-out pictures went.

    `found`: share of pictures in which somebody was found. `oks`: mean object keypoint similarity of who was
    found with most certainty, 0 where nobody was; with the 95 % interval of `aqa.scoring`, over media files.
    `right`: share of pictures above 0.5.
    """

    dataset: str
    pictures: int
    found: float
    oks: float
    low: float
    high: float
    right: float


def similarity(joints: Array, picture: Picture) -> float:
    """Return the object keypoint similarity of joints (17, 3) over those that the picture shows.

    A joint that was not found (NaN) counts 0.
    """
    true = np.array(picture.joints)
    left, top, right, bottom = picture.box
    area = FLESH * (right - left) * (bottom - top)
    squared = ((joints[:, :2] - true[:, :2]) ** 2).sum(axis=1)
    each = np.exp(-squared / (2.0 * area * (2.0 * SIGMAS) ** 2))
    return float(np.nan_to_num(each)[true[:, 2] > 0].mean())


def evaluate(
    weights: Path, image_size: int, blocks: Sequence[Block], most: int, report: Progress
) -> list[Score]:
    """Find the joints in at most so many pictures of each dataset, evenly spaced, and compare them.

    Raises:
        UserError: the network cannot be loaded.
    """
    network = _opened(weights, image_size)
    pools: dict[str, list[tuple[int, Picture]]] = {}
    for place, block in enumerate(blocks):
        pools.setdefault(block.dataset, []).extend((place, picture) for picture in block.pictures)
    chosen = {name: list(_spaced(pool, most)) for name, pool in pools.items()}
    total, done, scores = sum(map(len, chosen.values())), 0, []
    for name, pool in sorted(chosen.items()):
        values, found = [], 0
        for place, picture in pool:
            people: list[Person] = network.detect([blocks[place].image(picture)])[0]
            found += bool(people)
            values.append(similarity(people[0].keypoints, picture) if people else 0.0)
            done += 1
            report(done, total)
        files = [f"{place} {picture.media}" for place, picture in pool]
        scores.append(_score(name, np.array(values), files, found))
    return scores


def _opened(weights: Path, image_size: int) -> PoseBackend:
    """Open a network as the pose stage does, with the backend that takes a file of its kind."""
    backend: Literal["opencv", "ultralytics"] = "opencv" if weights.suffix == ".onnx" else "ultralytics"
    settings = Pose(backend=backend, weights=str(weights), device="cpu", image_size=image_size)
    people = networks(settings).people
    assert people is not None  # Both backends find people.
    return people


def _spaced(pool: Sequence[tuple[int, Picture]], most: int) -> Iterator[tuple[int, Picture]]:
    count = min(most, len(pool))
    return (pool[index * len(pool) // count] for index in range(count))


def _score(dataset: str, values: Array, files: Sequence[str], found: int) -> Score:
    oks, interval = ratio(values.tolist(), [1.0] * len(values), files, Resampler(0, RESAMPLES))
    return Score(
        dataset=dataset,
        pictures=len(values),
        found=found / len(values),
        oks=oks,
        low=interval.low,
        high=interval.high,
        right=float((values > 0.5).mean()),
    )


def mean(scores: Sequence[Score]) -> float:
    """Return the mean similarity over datasets, each counting the same."""
    return float(np.mean([score.oks for score in scores]))


def table(scores: Sequence[Score]) -> str:
    """Return the scores as lines of text."""
    lines = [f"{'dataset':16} pictures  found   OKS  95 % interval  above 0.5"]
    for one in scores:
        shown = f"{one.found:5.2f}  {one.oks:4.2f}    {one.low:4.2f}-{one.high:4.2f}        {one.right:4.2f}"
        lines.append(f"{one.dataset:16} {one.pictures:8}  {shown}")
    return "\n".join([*lines, f"mean over datasets: {mean(scores):.3f}"])
