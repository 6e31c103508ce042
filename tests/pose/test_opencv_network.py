"""Networks that OpenCV runs: the one of docs/pose-net.md on rendered people, planted answers, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqa.config import Pose
from aqa.errors import UserError
from aqa.pose.base import GREY
from aqa.pose.devices import device
from aqa.pose.needs import EMBEDDED, in_torch, missing, weights_of
from aqa.pose.opencv import ROWS, OpenCV, square
from aqa.training.pose.evaluate import evaluate
from aqa.training.pose.pictures import Wanted, read_block, write_block
from aqa.training.rounds import FIRST_SEED

SIZE = 224
SETTINGS = Pose(backend="opencv", weights="embedded", image_size=SIZE)


def test_the_embedded_network_finds_the_joints_of_rendered_people(tmp_path: Path) -> None:
    """Of a seed that neither training nor the benchmark uses; on a hundred held-out ones it reached .94."""
    size = {"train": 2, "val": 0, "test": 2, "unlabeled": 0, "drawn": 3}
    write_block(tmp_path / "block", Wanted("fitness-aqa", FIRST_SEED + 900, size))
    score = evaluate(EMBEDDED, SIZE, [read_block(tmp_path / "block")], 20, lambda _done, _all: None)[0]
    assert score.found == 1.0 and score.oks > 0.8
    assert EMBEDDED.stat().st_size < 8e6


def test_a_picture_is_centred_in_grey() -> None:
    image = np.full((100, 50, 3), 200, np.uint8)
    shown, placed = square(image, 64)
    assert placed == (0.64, 16, 0)
    assert (shown[:, 16:48] == 200).all() and (shown[:, :16] == GREY).all() and (shown[:, 48:] == GREY).all()


def test_planted_answers_come_out_in_the_pictures_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    network = OpenCV(SETTINGS, EMBEDDED)
    image = np.zeros((448, 336, 3), np.uint8)  # Half the size in the square, moved right by 28 pixels.
    rows = np.zeros((4, ROWS))
    rows[:, :4] = [[100, 112, 40, 80], [101, 112, 40, 80], [60, 50, 20, 20], [150, 50, 20, 20]]
    rows[:, 4] = [0.8, 0.9, 0.5, 0.1]  # The first is the second again; the last is nobody.
    rows[:, 5::3], rows[:, 6::3], rows[:, 7::3] = 98.0, 112.0, 0.9
    rows[1, 7] = 0.05  # A nose that is not sure enough.
    monkeypatch.setattr(network, "_run", lambda _blob: rows)
    first, second = network.detect([image])[0]
    assert (first.score, second.score) == (0.9, 0.5)
    assert first.box.tolist() == [106.0, 144.0, 186.0, 304.0]
    assert np.isnan(first.keypoints[0, :2]).all() and first.keypoints[0, 2] == 0.0
    assert (first.keypoints[1:] == [140.0, 224.0, 0.9]).all()
    monkeypatch.setattr(network, "_run", lambda _blob: rows[3:])
    assert network.detect([image]) == [[]]


def test_the_size_of_the_export_is_asked_for() -> None:
    network = OpenCV(SETTINGS.model_copy(update={"image_size": 320}), EMBEDDED)
    with pytest.raises(UserError, match=r"square of 320 pixels; set pose\.image_size"):
        network.detect([np.zeros((60, 80, 3), np.uint8)])


@pytest.mark.parametrize(("name", "told"), [("net.pt", "runs .onnx files"), ("net.onnx", "cannot read")])
def test_other_files_are_refused(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / name).write_bytes(b"no network")
    with pytest.raises(UserError, match=told):
        OpenCV(Pose(backend="opencv", trust=True), tmp_path / name)


def test_it_needs_neither_torch_nor_a_gpu() -> None:
    assert device(SETTINGS) == "cpu" and not in_torch(SETTINGS)
    with pytest.raises(UserError, match="runs on the CPU"):
        device(SETTINGS.model_copy(update={"device": "cuda"}))


def test_the_embedded_network_is_for_embedded_data_only(tmp_path: Path) -> None:
    assert weights_of(SETTINGS) == EMBEDDED
    assert missing(SETTINGS, tmp_path, embedded=True) is None
    told = missing(SETTINGS, tmp_path)
    assert told is not None and "rendered figures only" in told
