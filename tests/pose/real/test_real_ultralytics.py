"""The ultralytics adapter on the real library: a network from its YAML, and planted detections.

The planted detector replaces the network's layers only: the library's own letterboxing, scaling, suppression
and way back to the picture's pixels are what is tested.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch
import ultralytics

from aqa.config import Pose
from aqa.errors import UserError
from aqa.files import digest_file, read_jsonl, write_jsonl
from aqa.pose.sam3d_body import Sam3dBody
from aqa.pose.store import read_poses
from aqa.pose.ultralytics import Ultralytics
from aqa.records import Media, PoseClip, Question, Sample

pytestmark = pytest.mark.ultralytics
CLASSES = 80
SCRIPT = Path(__file__).parents[3] / "scripts" / "pose.py"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library's smallest pose network: its letter n says so in the file's name."""
    folder = Path(ultralytics.__file__).parent / "cfg" / "models" / "11"
    path = tmp_path_factory.mktemp("network") / "yolo11n-pose.yaml"
    path.write_text((folder / "yolo11-pose.yaml").read_text())
    return path


def settings(weights: Path, **more: Any) -> Pose:
    return Pose.model_validate(
        {"backend": "ultralytics", "weights": str(weights), "device": "cpu", "image_size": 320} | more
    )


def hues() -> np.ndarray:
    """17 colours, far from each other and from the grey ground: red, green, blue."""
    rng = np.random.default_rng(0)
    chosen = [np.array([255.0, 0.0, 0.0])]
    while len(chosen) < 17:
        offered = rng.integers(0, 256, (400, 3)).astype(float)
        taken = np.array([*chosen, [114.0, 114.0, 114.0], [0, 0, 0]])
        gaps = np.linalg.norm(offered[:, None] - taken[None], axis=2).min(axis=1)
        chosen.append(offered[int(np.argmax(gaps))])
    return np.array(chosen)


HUES = hues()


def marked(width: int, height: int, places: np.ndarray) -> np.ndarray:
    """A black picture (blue, green, red) with a disc of its own colour at each joint's place."""
    image = np.zeros((height, width, 3), np.uint8)
    radius = max(4, round(max(width, height) / 50))
    for (x, y), hue in zip(places, HUES, strict=True):
        colour = tuple(int(v) for v in hue[::-1])
        cv2.circle(image, (round(x * 16), round(y * 16)), radius * 16, colour, -1, cv2.LINE_8, 4)
    return image


class Planted:
    """Layers that see the discs in the letterboxed pictures and answer as the network's head does.

    Takes (b, 3, h, w), red, green, blue from 0 to 1; gives (b, 4 + 80 + 51, 8): x, y, width, height, the
    scores of the classes (`person` first), and the joints, in the letterboxed picture's pixels. The best
    answer comes twice.
    """

    shapes: ClassVar[list[tuple[int, ...]]] = []  # of the class: the library runs a copy of the network

    def __call__(self, pictures: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.shapes.append(tuple(pictures.shape))
        rows = torch.zeros(len(pictures), 4 + CLASSES + 51, 8)
        for at, picture in enumerate(pictures):
            rgb = picture.permute(1, 2, 0).numpy() * 255
            places = [self._centre(rgb, hue) for hue in HUES]
            low, high = np.min(places, axis=0), np.max(places, axis=0)
            joints = np.column_stack([places, np.full(17, 0.9)]).ravel()
            for k, score in ((0, 0.9), (5, 0.6)):
                values = [*((low + high) / 2), *(high - low), score, *[0.0] * (CLASSES - 1), *joints]
                rows[at, :, k] = torch.tensor(np.array(values))
        return rows

    @staticmethod
    def _centre(rgb: np.ndarray, hue: np.ndarray) -> np.ndarray:
        y, x = np.nonzero(np.linalg.norm(rgb - hue, axis=2) < 12)
        assert len(x), (
            "a colour is not there: channels in the wrong order, or the picture not letterboxed whole"
        )
        return np.array([x.mean() + 0.5, y.mean() + 0.5])


def adapter(weights: Path, planted: Planted, **more: Any) -> Ultralytics:
    found = Ultralytics(settings(weights, **more), weights)
    found._model.model.forward = planted
    return found


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (480, 640), (321, 517), (1279, 719), (320, 320), (200, 90), (90, 200)]
)
def test_planted_joints_come_back_to_their_pixels(network: Path, width: int, height: int) -> None:
    rng = np.random.default_rng(width)
    grid = np.array([(x, y) for x in (0.1, 0.3, 0.5, 0.7, 0.9) for y in (0.12, 0.37, 0.63, 0.88)])
    places = rng.permutation(grid)[:17] * [width, height]
    planted = Planted()
    (people,) = adapter(network, planted).detect([marked(width, height, places)])
    assert len(people) == 1, "two answers for one person are one person"
    tolerance = max(1.0, 0.75 * max(width, height) / 320)
    assert np.abs(people[0].keypoints[:, :2] - (places + 0.5)).max() < tolerance
    low, high = places.min(axis=0) + 0.5, places.max(axis=0) + 0.5
    assert np.abs(people[0].box - np.concatenate([low, high])).max() < tolerance
    assert people[0].score == pytest.approx(0.9)
    assert people[0].keypoints[:, 2] == pytest.approx(0.9)
    seen = planted.shapes[-1]
    assert max(seen[2:]) == 320 and all(side % 32 == 0 for side in seen[2:])
    assert min(seen[2:]) >= 320 * min(width, height) / max(width, height)


def test_several_pictures_of_a_batch_keep_their_people(network: Path) -> None:
    grid = np.array([(x, y) for x in (60, 140, 220, 300, 380) for y in (40, 90, 140, 190)])[:17]

    def shifted(k: int) -> np.ndarray:
        return np.add(grid, [15 * k, 8 * k])

    pictures = [marked(480, 270, shifted(k)) for k in range(4)]
    found = adapter(network, Planted()).detect(pictures)
    for k, people in enumerate(found):
        assert np.abs(people[0].keypoints[:, :2] - (shifted(k) + 0.5)).max() < 1.5


def test_on_a_cpu_one_thread_and_no_batch(network: Path) -> None:
    torch.set_num_threads(2)
    found = Ultralytics(settings(network, batch=32), network)
    assert found.batch == 1
    assert torch.get_num_threads() == 1


def test_a_network_from_its_yaml_end_to_end(network: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "frames").mkdir(parents=True)
    rng = np.random.default_rng(3)
    for number in range(1, 6):
        cv2.imwrite(str(data / "frames" / f"{number:03d}.png"), rng.integers(0, 255, (96, 160, 3), np.uint8))
    one = Sample(
        sample_id="a", exercise="dive", subject="s", split="test", media=Media(path="frames", kind="frames"),
        questions=(Question(item="", text="Score?", minimum=0, maximum=10),), truth={"": 1.0},
    )  # fmt: skip
    write_jsonl(tmp_path / "samples.jsonl", [one])
    chosen = settings(network, image_size=160, confidence=1e-7, joint_confidence=0.0)
    lines = []
    for out in ("one", "two"):
        args = ["--samples", str(tmp_path / "samples.jsonl"), "--data", str(data)]
        args += ["--folder", str(tmp_path / out), "--settings", chosen.model_dump_json()]
        command = [sys.executable, str(SCRIPT), "find", *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        lines.append(read_jsonl(tmp_path / out / "manifest.jsonl", PoseClip))
    assert lines[0] == lines[1], "random weights are the same each time"
    (clip,) = lines[0]
    assert clip.error is None and clip.file is not None and clip.frames == 5
    poses = read_poses(tmp_path / "one" / clip.file)
    assert (poses.width, poses.height, poses.indices.tolist()) == (160, 96, [0, 1, 2, 3, 4])
    known = poses.keypoints[np.isfinite(poses.keypoints[..., 0])]
    assert len(known) and (known[:, :2] >= 0).all() and (known[:, :2] <= [160, 96]).all()


def noise() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 255, (96, 160, 3)).astype(np.uint8)


def test_numbers_from_safetensors_and_from_a_checkpoint(network: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.manual_seed(7)
    made = ultralytics.YOLO(str(network), task="pose")
    numbers = tmp_path / "yolo11n-mine.safetensors"
    save_file({k: v.contiguous() for k, v in made.model.state_dict().items()}, numbers)
    numbers.with_suffix(".yaml").write_text(network.read_text())
    checkpoint = tmp_path / "mine.pt"
    made.save(str(checkpoint))

    loose: dict[str, Any] = {"confidence": 1e-7, "joint_confidence": 0.0, "image_size": 160}
    safe = Ultralytics(settings(numbers, **loose), numbers).detect([noise()])[0]
    with pytest.raises(UserError, match=digest_file(checkpoint)):
        Ultralytics(settings(checkpoint, **loose), checkpoint)
    known = settings(checkpoint, sha256=[digest_file(checkpoint)], **loose)
    loaded = Ultralytics(known, checkpoint).detect([noise()])[0]
    fresh = Ultralytics(settings(network, **loose), network).detect([noise()])[0]
    assert len(safe) == len(loaded) > 0
    assert np.allclose(safe[0].keypoints, loaded[0].keypoints, atol=1.0, equal_nan=True)
    assert not np.allclose(safe[0].keypoints, fresh[0].keypoints, atol=1.0, equal_nan=True)

    numbers.with_suffix(".yaml").unlink()
    with pytest.raises(UserError, match="must be described there"):
        Ultralytics(settings(numbers), numbers)


def test_networks_that_find_no_joints_or_none_at_all(network: Path, tmp_path: Path) -> None:
    folder = Path(ultralytics.__file__).parent / "cfg" / "models" / "11"
    boxes = tmp_path / "yolo11n.yaml"
    boxes.write_text((folder / "yolo11.yaml").read_text())
    detector = Ultralytics(settings(boxes, confidence=1e-7), boxes, joints=False)
    people = detector.detect([noise()])[0]
    assert people and all(np.isnan(person.keypoints[:, :2]).all() for person in people)

    checkpoint = tmp_path / "boxes.pt"
    ultralytics.YOLO(str(boxes)).save(str(checkpoint))
    with pytest.raises(UserError, match="finds no joints"):
        Ultralytics(settings(checkpoint, trust=True), checkpoint)

    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"\x80\x02junk")
    with pytest.raises(UserError, match="cannot be loaded by ultralytics"):
        Ultralytics(settings(damaged, trust=True), damaged)
    other = tmp_path / "five.yaml"
    other.write_text(network.read_text().replace("kpt_shape: [17, 3]", "kpt_shape: [5, 3]"))
    with pytest.raises(UserError, match="5 joints, not the 17 of COCO"):
        Ultralytics(settings(other, confidence=1e-7), other).detect([noise()])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_said(network: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="sees no GPU on this machine"):
        Ultralytics(settings(network, device="cuda"), network)
    assert Ultralytics(settings(network, device="auto"), network).batch == 1
    (tmp_path / "assets").mkdir()
    for name in ("model.ckpt", "assets/mhr_model.pt"):
        (tmp_path / name).write_bytes(b"numbers")
    body = Pose(backend="sam3d_body", trust=True)
    with pytest.raises(UserError, match="needs a CUDA GPU and PyTorch sees none"):
        Sam3dBody(body, tmp_path, tmp_path / "model.ckpt")
