"""What the pose network is trained on and measured by: pictures, views of them, similarity."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from aqa.errors import UserError
from aqa.pose.base import GREY
from aqa.pose.store import JOINTS
from aqa.training.pose import plan as plans
from aqa.training.pose.evaluate import similarity
from aqa.training.pose.pictures import LINES, PIXELS, Block, Picture, Wanted, read_block, write_block
from aqa.training.pose.views import LARGEST, MIRRORED, Variation, view
from aqa.training.rounds import DONE, FIRST_SEED, made_block, rendered

ROOT = Path(__file__).parents[2]
SIZES = {
    "llm-fms": {"subjects": 2},
    "egoexo-fitness": {"persons": 4, "entries": 1, "drawn": 3},
    "mtl-aqa": {"train": 1, "test": 1, "train_dives": 2, "test_dives": 2, "drawn": 5},
}


@pytest.fixture(scope="module", params=sorted(SIZES))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Wanted, Path]:
    wanted = Wanted(request.param, FIRST_SEED + 7, SIZES[request.param])
    folder = tmp_path_factory.mktemp("blocks") / "block"
    write_block(folder, wanted)
    return wanted, folder


def test_a_block_holds_each_drawn_frame_once_with_the_renderers_joints(
    made: tuple[Wanted, Path], tmp_path: Path
) -> None:
    wanted, folder = made
    block = read_block(folder)
    assert block.dataset == wanted.dataset
    truth, lines = {}, 0
    with rendered(wanted.dataset, wanted.seed, wanted.size, tmp_path) as (scratch, _):
        for text in (scratch / "data" / "poses.jsonl").read_text().splitlines():
            line = json.loads(text)
            lines += 1
            for at, (joints, box) in enumerate(zip(line["keypoints"], line["boxes"], strict=True)):
                truth[line["media"], line["first_frame"] + at] = (joints, box, line["width"], line["height"])
    seen = [(picture.media, picture.frame) for picture in block.pictures]
    assert len(set(seen)) == len(seen) > 0
    for picture in block.pictures:
        joints, box, width, height = truth[picture.media, picture.frame]
        known = [joint if joint[2] > 0 else [0.0, 0.0, 0.0] for joint in joints]
        assert np.allclose(picture.joints, known)
        assert list(picture.box) == box
        assert block.image(picture).shape == (height, width, 3)
    media = {path for path, _ in seen}
    drawn = {
        (path, str(joints))
        for (path, _), (joints, box, *_) in truth.items()
        if path in media and box and any(joint[2] for joint in joints)
    }
    assert {(key[0], str(truth[key][0])) for key in seen} == drawn
    if "drawn" in wanted.size:
        assert len(seen) <= lines * wanted.size["drawn"], "frames that repeat another are left out"


def test_a_figure_is_where_its_joints_say(made: tuple[Wanted, Path]) -> None:
    block = read_block(made[1])
    inside, outside = [], []
    for picture in block.pictures:
        grey = cv2.Laplacian(cv2.cvtColor(block.image(picture), cv2.COLOR_BGR2GRAY), cv2.CV_32F)
        left, top, right, bottom = (round(value) for value in picture.box)
        cut = np.abs(grey)
        inside.append(cut[top : bottom + 1, left : right + 1].mean())
        outside.append((cut.sum() - cut[top : bottom + 1, left : right + 1].sum()) / cut.size)
    assert np.mean(inside) > np.mean(outside)


def test_a_finished_block_is_kept_a_damaged_one_refused(made: tuple[Wanted, Path], tmp_path: Path) -> None:
    wanted, folder = made
    before = (folder / PIXELS).stat().st_mtime_ns
    write_block(folder, wanted)
    assert (folder / PIXELS).stat().st_mtime_ns == before
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in (PIXELS, LINES, DONE):
        (copy / name).write_bytes((folder / name).read_bytes())
    (copy / PIXELS).write_bytes((folder / PIXELS).read_bytes()[:-1])
    with pytest.raises(UserError, match="delete the folder and make it again"):
        read_block(copy)
    with pytest.raises(UserError, match="make the blocks first"):
        read_block(tmp_path / "nothing")
    (copy / DONE).write_text("{")
    with pytest.raises(UserError, match="make the blocks first"):
        read_block(copy)
    write_block(copy, wanted)
    assert made_block(copy) == made_block(folder)


def test_the_benchmarks_seeds_and_unknown_sizes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="apart from the benchmark's"):
        write_block(tmp_path / "block", Wanted("llm-fms", FIRST_SEED - 1, {"subjects": 3}))
    with pytest.raises(UserError, match="persons"):
        write_block(tmp_path / "block", Wanted("llm-fms", FIRST_SEED, {"persons": 3}))
    assert list(tmp_path.iterdir()) == []


def planted(rng: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, Picture]:
    """A black picture with a white disc at one joint, and what is known about it."""
    low, high = np.array([0.2, 0.15]) * [width, height], np.array([0.7, 0.9]) * [width, height]
    joints = np.column_stack([rng.uniform(low + 6, high - 6, (17, 2)), np.ones(17)])
    joints[3, 2] = 0.0
    image = np.zeros((height, width, 3), np.uint8)
    x, y = joints[5, :2]
    cv2.circle(image, (round(x * 16), round(y * 16)), 5 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    picture = Picture(
        media="m", frame=0, offset=0, length=1, width=width, height=height,
        joints=tuple(map(tuple, joints.tolist())), box=(*low.tolist(), *high.tolist()),
    )  # fmt: skip
    return image, picture


@pytest.mark.parametrize(("width", "height"), [(320, 256), (256, 192), (320, 400), (60, 90)])
@pytest.mark.parametrize("seed", range(6))
def test_a_view_moves_joints_as_it_moves_pixels(width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, picture = planted(rng, width, height)
    found = view(image, picture, (192, 224), Variation(light=0.0), rng)
    mirrored = found.joints[3, 2] != 0
    assert found.image.shape == (192, 192, 3)
    joint = found.joints[6 if mirrored else 5]
    assert joint[2] == 1 and found.joints[4 if mirrored else 3, 2] == 0
    bright = (found.image.mean(axis=2) * (found.image != GREY).all(axis=2)).astype(float)
    bright[bright < 120] = 0
    y, x = np.indices(bright.shape)
    centre = np.array([(x * bright).sum(), (y * bright).sum()]) / bright.sum()
    box = found.box.reshape(2, 2)
    scale = np.ptp(box, axis=0)[0] / (0.5 * width)
    # The network's frame counts from the corner of its first pixel, poses.jsonl from that pixel's centre.
    assert np.abs(centre + 0.5 - 0.5 * scale - joint[:2]).max() < 0.35
    assert scale * max(width, height) / 224 <= 1.2 + 1e-9
    assert (box >= -1e-6).all() and (box <= 192 + 1e-6).all()
    assert np.ptp(box, axis=0).max() <= LARGEST * 192 + 1e-6
    assert found.joints[found.joints[:, 2] > 0, :2].min() >= 0


def test_a_mirror_swaps_left_and_right() -> None:
    names = [JOINTS[at] for at in MIRRORED]
    assert names[0] == "nose"
    for name, other in zip(JOINTS[1:], names[1:], strict=True):
        assert {name.split("_")[0], other.split("_")[0]} == {"left", "right"}
        assert name.split("_")[1] == other.split("_")[1]


def test_views_follow_from_the_generator() -> None:
    image, picture = planted(np.random.default_rng(0), 320, 256)
    one, two, other = (
        view(image, picture, (192, 224), Variation(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one.image, two.image) and np.array_equal(one.joints, two.joints)
    assert not np.array_equal(one.joints, other.joints)


def test_similarity_is_that_of_coco() -> None:
    rng = np.random.default_rng(4)
    _, picture = planted(rng, 320, 256)
    true = np.array(picture.joints)
    assert similarity(true, picture) == 1.0
    found = true + np.column_stack([rng.normal(0, 6, (17, 2)), np.zeros(17)])
    found[9, :2] = np.nan
    constants = [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07]
    constants += [0.87, 0.87, 0.89, 0.89]
    left, top, right, bottom = picture.box
    values = []
    for at, constant in enumerate(constants):
        if true[at, 2] == 0:
            continue
        distance = float(np.hypot(*(found[at, :2] - true[at, :2])))
        size = 0.53 * (right - left) * (bottom - top)
        k = 2 * constant / 10
        values.append(0.0 if at == 9 else float(np.exp(-(distance**2) / (2 * size * k**2))))
    assert similarity(found, picture) == pytest.approx(np.mean(values))


def plan_file(folder: Path, **changes: object) -> Path:
    values = {"rounds": 2, "held_out": [1], "blocks": {"llm-fms": {"subjects": 2}}, **changes}
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"recipe": {"side": 200}}, "not a multiple of 32"),
        ({"recipe": {"datasets": {"finefs": 2.0}}}, "no blocks of 'finefs'"),
        ({"held_out": [0, 1]}, "none is left to train on"),
        ({"round": 3}, "round"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(tmp_path: Path, changes: dict, cause: str) -> None:
    with pytest.raises(UserError, match=cause):
        plans.read_plan(plan_file(tmp_path, **changes))


def test_held_out_rounds_are_not_trained_on(tmp_path: Path) -> None:
    plan = plans.read_plan(plan_file(tmp_path))
    plans.write_blocks(plan, tmp_path, "llm-fms", lambda _done, _all: None)
    taught: list[Block] = plans.read_blocks(plan, tmp_path, held_out=False)
    held = plans.read_blocks(plan, tmp_path, held_out=True)
    seeds = [json.loads((tmp_path / f"llm-fms-00{n}/block.json").read_text())["seed"] for n in (0, 1)]
    assert seeds == [FIRST_SEED, FIRST_SEED + 1]
    joints = [{picture.joints for block in some for picture in block.pictures} for some in (taught, held)]
    assert len(joints[0]) == 10 and not joints[0] & joints[1]


def test_the_plan_of_the_repository_is_one() -> None:
    plan = plans.read_plan(ROOT / "config" / "training" / "pose-net.yaml")
    assert set(plan.held_out) < set(range(plan.rounds))
    assert len(plan.blocks) == 5
