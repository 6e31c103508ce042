"""The training of the pose network, for real and very short: it learns, goes on where it was, and is loaded.

What is trained is loaded by the pose stage's own code, from a file that cannot carry code.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from aqa.config import Pose
from aqa.errors import UserError
from aqa.pose.opencv import OpenCV
from aqa.pose.ultralytics import Ultralytics
from aqa.pose.weights import trusted
from aqa.training.pose import plan as plans
from aqa.training.pose.evaluate import Score, evaluate, mean
from aqa.training.pose.losses import JointLoss
from aqa.training.pose.network import Shape, export, export_onnx, model
from aqa.training.pose.trainer import MODEL, STATE, Trainer, trainer

pytestmark = pytest.mark.ultralytics
SCRIPT = Path(__file__).parents[3] / "scripts" / "train_pose.py"
PLAN: dict[str, Any] = {
    "rounds": 2,
    "held_out": [1],
    "blocks": {"fitness-aqa": {"train": 2, "val": 0, "test": 2, "unlabeled": 0, "drawn": 3}},
    "image_size": 96,
    "shape": {"widths": [8, 16, 16, 32, 32]},
    "variation": {"zoom": [0.9, 1.1], "light": 0.1},
    "recipe": {"steps": 240, "batch": 8, "warm": 20, "side": 96, "every": 1000, "half": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan's blocks, made as the rule makes them."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    done = script(folder, "blocks", "--dataset", "fitness-aqa", "--done", str(folder / "blocks.done"))
    assert done.returncode == 0, done.stderr
    assert (folder / "blocks.done").is_file()
    return folder


def script(folder: Path, work: str, *args: str) -> subprocess.CompletedProcess[str]:
    shared = ["--plan", str(folder / "plan.yaml"), "--blocks", str(folder / "blocks")]
    command = [sys.executable, str(SCRIPT), work, *shared, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def opened(folder: Path, **recipe: Any) -> tuple[plans.Plan, list[Any]]:
    values = {**PLAN, "recipe": {**PLAN["recipe"], **recipe}}
    plan = plans.Plan.model_validate(values)
    return plan, plans.read_blocks(plan, folder / "blocks", held_out=False)


def quiet(*_args: object) -> None:
    """Report nothing."""


def test_a_short_training_learns_and_its_network_is_loaded_by_the_pose_stage(folder: Path) -> None:
    out, log = folder / "out", folder / "train.log"
    done = script(folder, "train", "--out", str(out), "--steps", "120", "--log", str(log))
    assert done.returncode == 0, done.stderr
    assert "from step 0 of 240" in log.read_text()
    done = script(folder, "train", "--out", str(out), "--log", str(log))
    assert done.returncode == 0, done.stderr
    assert "from step 120 of 240" in log.read_text() and "step 240: box" in log.read_text()

    weights = out / MODEL / "model.safetensors"
    assert weights.stat().st_size < 8e6
    assert trusted(weights, Pose()) == weights, "safetensors need nobody to vouch for them"
    plan, taught = opened(folder)
    untrained = folder / "untrained"
    export(untrained, plan.shape, model(plan.shape, plan.seed).state_dict())
    before = evaluate(untrained / weights.name, plan.image_size, taught, 12, quiet)
    after = evaluate(weights, plan.image_size, taught, 12, quiet)
    assert after[0].found > 0.5 and mean(after) > mean(before) + 0.2

    asked = ["--model", str(weights), "--pictures", "12", "--done", str(folder / "scores.jsonl")]
    done = script(folder, "evaluate", *asked)
    assert done.returncode == 0, done.stderr
    score = Score.model_validate_json((folder / "scores.jsonl").read_text())
    assert score.dataset == "fitness-aqa" and score.pictures == 12
    assert 0 <= score.low <= score.oks <= score.high <= 1
    assert "mean over datasets" in done.stderr


def test_a_resumed_training_ends_like_one_that_ran_through(folder: Path) -> None:
    plan, blocks = opened(folder, steps=6, half=True)
    whole = Trainer(plan, blocks)
    whole.run(folder / "whole", quiet, 6)
    trainer(plan, blocks, folder / "half").run(folder / "half", quiet, 3)
    again = trainer(plan, blocks, folder / "half")
    assert again.step == 3
    again.run(folder / "half", quiet, 6)
    ends, first = again.averaged, Trainer(plan, blocks).averaged
    assert all(torch.equal(value, ends[name]) for name, value in whole.averaged.items())
    assert any(not torch.equal(value, first[name]) for name, value in whole.averaged.items())
    files = [(folder / name / MODEL / "model.safetensors").read_bytes() for name in ("whole", "half")]
    assert files[0] == files[1]


def test_a_checkpoint_of_another_network_is_refused(folder: Path) -> None:
    plan, blocks = opened(folder, steps=1)
    Trainer(plan, blocks).run(folder / "narrow", quiet, 1)
    wider = plan.model_copy(update={"shape": Shape((8, 16, 32, 32, 32))})
    with pytest.raises(UserError, match="another shape"):
        trainer(wider, blocks, folder / "narrow")


def test_the_exported_network_finds_what_the_trained_one_finds(folder: Path) -> None:
    plan, _ = opened(folder)
    made = model(plan.shape, 3)
    export(folder / "other", plan.shape, made.state_dict())
    weights = folder / "other" / "model.safetensors"
    settings = Pose(backend="ultralytics", weights=str(weights), device="cpu", image_size=96)
    loaded = Ultralytics(settings, weights)._model.model
    picture = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine, theirs = made.eval()(picture)[0], loaded.eval()(picture)[0]
    assert torch.allclose(mine, theirs, atol=0.5), "numbers of half precision, places in pixels"
    copy = folder / "copy"
    copy.mkdir()
    shutil.copy(weights, copy)
    with pytest.raises(UserError, match="must be described there"):
        Ultralytics(settings, copy / weights.name)


def test_opencv_finds_what_ultralytics_finds(folder: Path) -> None:
    plan, taught = opened(folder)
    made = trainer(plan, taught, folder / "out")
    numbers, weights = made.averaged, folder / "both" / "model.safetensors"
    export(weights.parent, plan.shape, numbers)
    export_onnx(weights.with_suffix(".onnx"), plan.shape, numbers, 96)
    common = {"device": "cpu", "image_size": 96, "confidence": 0.05}
    theirs = Ultralytics(Pose(backend="ultralytics", **common), weights)
    mine = OpenCV(Pose(backend="opencv", **common), weights.with_suffix(".onnx"))
    block, compared = taught[0], 0
    for picture in block.pictures[:10]:
        image = block.image(picture)
        side = min(image.shape[:2])
        image = np.ascontiguousarray(image[:side, :side])  # Ultralytics pads a square no less than OpenCV.
        found, expected = mine.detect([image])[0], theirs.detect([image])[0]
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=0.01)
            assert np.allclose(one.box, other.box, atol=0.5)
            assert np.allclose(one.keypoints[:, :2], other.keypoints[:, :2], atol=0.5, equal_nan=True)
            compared += 1
    assert compared > 5


def test_the_joints_loss_is_one_minus_the_similarity_where_nothing_pulls_from_afar() -> None:
    rng = np.random.default_rng(0)
    sigmas = rng.uniform(0.02, 0.1, 17)
    found, true = rng.uniform(0, 10, (3, 17, 3)), rng.uniform(0, 10, (3, 17, 3))
    known, area = rng.random((3, 17)) < 0.7, rng.uniform(20, 80, (3, 1))
    squared = ((found - true)[..., :2] ** 2).sum(axis=2)
    unlike = 1 - np.exp(-squared / (2 * area * (2 * sigmas) ** 2))
    expected = [values[mask].mean() for values, mask in zip(unlike, known, strict=True)]
    tensors = [torch.from_numpy(array) for array in (found, true, known, area)]
    near = JointLoss(torch.from_numpy(sigmas), 0.0)(*tensors)
    assert float(near) == pytest.approx(np.mean(expected))
    pulled = JointLoss(torch.from_numpy(sigmas), 0.25)(*tensors)
    assert float(pulled) > float(near)


def test_the_state_holds_numbers_only(folder: Path) -> None:
    plan, blocks = opened(folder, steps=1)
    Trainer(plan, blocks).run(folder / "state", quiet, 1)
    state = torch.load(folder / "state" / STATE, weights_only=True)
    assert state["step"] == 1
