"""Networks through the whole walk: planted detections come out at their true places; weights are guarded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from pose_files import DOUBLES, SAM, SHARES, clips, make_video, painted, pose_here

from aqa.config import Pose
from aqa.errors import UserError
from aqa.files import digest_file, write_jsonl
from aqa.pose.base import cleaned
from aqa.pose.needs import missing
from aqa.pose.sam3d_body import COCO_FROM_MHR
from aqa.pose.store import JOINTS, Poses, read_poses
from aqa.pose.weights import trusted
from aqa.training.pose.network import Shape, description
from scored_samples import sample


@pytest.fixture
def network(tmp_path: Path) -> dict[str, Any]:
    weights = tmp_path / "net.onnx"
    weights.write_bytes(b"numbers")
    return {"backend": "ultralytics", "weights": str(weights), "device": "cpu", "smooth": False}


@pytest.fixture(autouse=True)
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes of the stage find the doubles of torch and ultralytics; this one imports neither."""
    monkeypatch.syspath_prepend(DOUBLES)


def box_at(i: int) -> tuple[int, int, int, int]:
    return 60 + 2 * i, 60, 100 + 2 * i, 180


def poses(out: Path, name: str = "a") -> Poses:
    clip = clips(out)[name]
    assert clip.file is not None, clip.error
    return read_poses(out / clip.file)


def planted(box: tuple[int, int, int, int]) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([left, top]) + SHARES * np.array([right - left, bottom - top])


def test_planted_joints_come_out_in_the_clips_frames(
    data: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 50)
    one = sample("a", data, "a.mp4", 0.8, 1.6)
    done = pose_here(data, tmp_path / "out", [one], network)
    assert (done.made, done.unreadable, done.without) == (1, (), ())
    found = poses(tmp_path / "out")
    assert (found.width, found.height) == (320, 240)
    assert found.indices.tolist() == list(range(20, 40))
    for i, keypoints, box in zip(found.indices, found.keypoints, found.boxes, strict=True):
        expected = planted(box_at(int(i)))
        kept = np.arange(17) != 3
        assert np.abs(keypoints[kept, :2] - expected[kept]).max() < 1.5
        assert np.isnan(keypoints[3, :2]).all(), "below joint_confidence"
        assert np.abs(box - box_at(int(i))).max() < 1.5
    clip = clips(tmp_path / "out")["a"]
    assert (clip.coverage, clip.interpolated, clip.mean_confidence) == (1.0, 0.0, 0.8)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_joints_lie_in_the_upright_picture(
    data: Path, tmp_path: Path, network: dict[str, Any], rotation: int
) -> None:
    box = (40, 30, 90, 170)
    make_video(data / "a.mp4", lambda _: [box], 6, rotation=rotation)
    pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4")], network)
    turned = np.rot90(painted([box])[..., 2] > 200, rotation // 90)
    rows, columns = np.nonzero(turned)
    found = poses(tmp_path / "out")
    assert (found.width, found.height) == turned.shape[::-1]
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert np.abs(found.boxes[0] - expected).max() < 1.5


def test_with_a_stride_the_frames_between_are_interpolated(
    data: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 21)
    one = [sample("a", data, "a.mp4")]
    pose_here(data, tmp_path / "out", one, {**network, "stride": 4, "fill_gaps": 0})
    found = poses(tmp_path / "out")
    assert np.flatnonzero(~found.interpolated).tolist() == list(range(0, 21, 4))
    for i, box in enumerate(found.boxes):
        assert np.abs(box - box_at(i)).max() < 1.5
    assert clips(tmp_path / "out")["a"].coverage == 1.0
    assert clips(tmp_path / "out")["a"].interpolated == pytest.approx(15 / 21, abs=1e-6)


def test_the_runner_and_not_the_bystander_with_gaps_filled(
    data: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    """The bystander's box is larger; the runner is not seen for four frames."""

    def boxes(i: int) -> list[tuple[int, int, int, int]]:
        runner = [] if 10 <= i < 14 else [(60 + 4 * i, 80, 90 + 4 * i, 170)]
        return [*runner, (270, 60, 318, 220)]

    make_video(data / "a.mp4", boxes, 40)
    pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4")], network)
    found = poses(tmp_path / "out")
    assert np.flatnonzero(found.interpolated).tolist() == [10, 11, 12, 13]
    assert np.abs(found.boxes[:, 0] - (60 + 4 * np.arange(40))).max() < 2.0
    clip = clips(tmp_path / "out")["a"]
    assert clip.coverage == pytest.approx(0.9) and clip.margin is not None and clip.margin > 1


def test_samples_that_share_an_interval_share_the_poses(
    data: Path, tmp_path: Path, network: dict[str, Any]
) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 10)
    cv2.imwrite(str(data / "still.png"), painted([box_at(3)]))
    cv2.imwrite(str(data / "empty.png"), painted([]))
    samples = [sample(name, data, "a.mp4", 0.0, 0.4) for name in ("a", "b")]
    samples += [sample(name, data, f"{name}.png", kind="image") for name in ("still", "empty")]
    done = pose_here(data, tmp_path / "out", samples, network)
    assert [(clip.sample_id, clip.error) for clip in done.without] == [
        ("empty", "nobody was found in 1 frames")
    ]
    found = clips(tmp_path / "out")
    assert found["a"].sha256 == found["b"].sha256
    assert np.abs(poses(tmp_path / "out", "still").boxes[0] - box_at(3)).max() < 1e-6


@pytest.fixture
def sam(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "sam-weights"
    (folder / "assets").mkdir(parents=True)
    (folder / "model.ckpt").write_bytes(b"checkpoint")
    (folder / "model_config.yaml").write_text("MODEL: {}\n")
    (folder / "assets" / "mhr_model.pt").write_bytes(b"rig")
    digests = [digest_file(folder / name) for name in ("model.ckpt", "assets/mhr_model.pt")]
    weights = str(folder / "model.ckpt")
    return {
        "backend": "sam3d_body", "code": str(SAM), "weights": weights, "sha256": digests, "device": "cpu",
        "smooth": False,
    }  # fmt: skip


def boxes_file(data: Path, frames: int, media: str = "a.mp4") -> None:
    line = {"media": media, "first_frame": 0, "width": 320, "height": 240}
    write_jsonl(data / "poses.jsonl", [line | {"boxes": [list(box_at(i)) for i in range(frames)]}])


def mhr_joint(name: str, box: tuple[int, int, int, int]) -> tuple[float, float]:
    """Where the stand-in puts a joint, by the number that the rig's authors gave it."""
    numbers = ["nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"]
    numbers += ["left_elbow", "right_elbow", "left_hip", "right_hip", "left_knee", "right_knee"]
    numbers += ["left_ankle", "right_ankle"]
    k = {"left_wrist": 62, "right_wrist": 41}.get(name, -1)
    k = numbers.index(name) if k < 0 else k
    left, top, right, bottom = box
    return left + (k + 1) / 71 * (right - left) + 3.0, top + (0.5 + (k - 35) / 142) * (bottom - top)


def test_sam_3d_body_finds_the_joints_in_given_boxes(data: Path, tmp_path: Path, sam: dict[str, Any]) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 12)
    boxes_file(data, 12)
    pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4", 0.08, 0.4)], sam)
    found = poses(tmp_path / "out")
    assert found.indices.tolist() == list(range(2, 10))
    for i, keypoints in zip(found.indices, found.keypoints, strict=True):
        for joint, place in zip(JOINTS, keypoints, strict=True):
            assert place[:2].tolist() == pytest.approx(mhr_joint(joint, box_at(int(i))), abs=0.02)
            assert place[2] == 1.0
    assert len(set(COCO_FROM_MHR)) == 17


def test_sam_3d_body_with_a_detector(
    data: Path, tmp_path: Path, sam: dict[str, Any], network: dict[str, Any]
) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 8)
    settings = {**sam, "detector": network["weights"]}
    pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4")], settings)
    found = poses(tmp_path / "out")
    assert np.abs(found.keypoints[5, 9, :2] - mhr_joint("left_wrist", box_at(5))).max() < 1.5


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"code": "."}, "pose.code names a checkout of facebookresearch/sam-3d-body"),
        ({"sha256": []}, "a file of this kind can run code when it is loaded; compare its sha256 "),
        ({"device": "auto"}, "needs a CUDA GPU and PyTorch sees none"),
        ({"device": "cuda"}, "sees no GPU on this machine"),
    ],
)
def test_what_sam_3d_body_lacks_is_said_in_one_line(
    data: Path, tmp_path: Path, sam: dict[str, Any], change: dict[str, Any], cause: str
) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 3)
    boxes_file(data, 3)
    with pytest.raises(UserError) as error:
        pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4")], {**sam, **change})
    assert cause in str(error.value) and "\n" not in str(error.value)


def test_a_damaged_checkpoint(data: Path, tmp_path: Path, sam: dict[str, Any]) -> None:
    make_video(data / "a.mp4", lambda i: [box_at(i)], 3)
    boxes_file(data, 3)
    Path(sam["weights"]).write_bytes(b"angry")
    with pytest.raises(UserError, match=r"SAM 3D Body cannot be loaded \(checkpoint of another model\)"):
        pose_here(data, tmp_path / "out", [sample("a", data, "a.mp4")], {**sam, "trust": True})


@pytest.mark.parametrize(
    ("backend", "change", "cause"),
    [
        ("precomputed", {}, "pose.file: {data}/poses.jsonl is missing: the keypoints of each clip"),
        ("ultralytics", {"weights": None}, "pose.weights: not set, but pose.backend ultralytics needs"),
        ("ultralytics", {"weights": "gone.pt"}, "pose.weights: gone.pt is missing"),
        ("sam3d_body", {"code": None}, "pose.code: not set, but pose.backend sam3d_body needs"),
        ("sam3d_body", {"code": "gone"}, "pose.code: gone is missing"),
        ("sam3d_body", {"weights": None}, "pose.weights: not set"),
        ("sam3d_body", {"rig": False}, "mhr_model.pt is missing: the body model"),
        (
            "sam3d_body",
            {},
            "pose.file: {data}/poses.jsonl is missing: the people's boxes; or set pose.detector",
        ),
        ("sam3d_body", {"detector": "gone.pt"}, "pose.detector: gone.pt is missing"),
    ],
)
def test_what_a_backend_lacks_is_known_before_any_job(
    data: Path, sam: dict[str, Any], backend: str, change: dict[str, Any], cause: str
) -> None:
    if not change.pop("rig", True):
        (Path(sam["weights"]).parent / "assets" / "mhr_model.pt").unlink()
    lacking = missing(Pose.model_validate({**sam, "backend": backend, **change}), data)
    assert lacking is not None and cause.format(data=data) in lacking


def test_a_backend_that_has_everything_lacks_nothing(data: Path, sam: dict[str, Any]) -> None:
    assert missing(Pose(), data, embedded=True) is None, "the embedded data bring their own poses"
    boxes_file(data, 1)
    assert missing(Pose(), data) is None
    assert missing(Pose.model_validate(sam), data) is None


def test_only_inert_or_known_weights_are_loaded(tmp_path: Path) -> None:
    def settings(**values: Any) -> Pose:
        return Pose(backend="ultralytics", **values)

    for name in ("net.pt", "net.ckpt", "net.pth", "net.engine", "net"):
        path = tmp_path / name
        path.write_bytes(b"pickle")
        with pytest.raises(UserError, match=digest_file(path)):
            trusted(path, settings())
        with pytest.raises(UserError, match=r"pose\.trust"):
            trusted(path, settings(sha256=("0" * 64,)))
        assert trusted(path, settings(sha256=(digest_file(path),))) == path
        assert trusted(path, settings(trust=True)) == path
    for name in ("net.onnx", "net.safetensors"):
        (tmp_path / name).write_bytes(b"numbers")
        assert trusted(tmp_path / name, settings())
    network = tmp_path / "net.yaml"
    network.write_text("nc: 1\nbackbone: []\n")
    assert trusted(network, settings())
    network.write_text("nc: 1\nactivation: __import__('os').system('true')\n")
    with pytest.raises(UserError, match="can run code"):
        trusted(network, settings())
    network.unlink()
    with pytest.raises(UserError, match="nothing is downloaded"):
        trusted(tmp_path / "yolo11n-pose.pt", settings(trust=True))


@pytest.mark.parametrize(
    "text",
    [
        "activation: print(1)\nbackbone: []\n",
        "backbone: [[-1, 1, load_checkpoint, ['x.pt']]]\n",
        "backbone: [[-1, 1, Conv, [8, 3, 2]]]\nhead: [[-1, 1, TorchVision, [8, x]]]\n",
        "backbone: [[-1, 1, nn.modules.module.torch.load, [x]]]\n",
        "backbone: {a: 1}\n",
        "head: [[-1, 1]]\n",
    ],
)
def test_what_a_network_is_described_by_may_only_compute_also_beside_numbers(
    tmp_path: Path, text: str
) -> None:
    network, numbers = tmp_path / "net.yaml", tmp_path / "net.safetensors"
    network.write_text(text)
    numbers.write_bytes(b"numbers")
    for path in (network, numbers):
        with pytest.raises(UserError, match=digest_file(network)):
            trusted(path, Pose(backend="ultralytics"))
        assert trusted(path, Pose(backend="ultralytics", sha256=(digest_file(network),))) == path


def test_our_own_network_needs_nobody_to_vouch_for_it(tmp_path: Path) -> None:
    network = tmp_path / "net.yaml"
    network.write_text(yaml.safe_dump(description(Shape())))
    assert trusted(network, Pose(backend="ultralytics")) == network


def test_a_joint_below_the_least_confidence_is_unknown() -> None:
    keypoints = np.column_stack([np.ones(17), np.ones(17), np.linspace(0, 1, 17)])
    keypoints[16, 0] = np.inf
    found = cleaned(keypoints, 0.3)
    assert np.isnan(found[:5, :2]).all() and (found[:5, 2] == 0).all()
    assert np.isnan(found[16, :2]).all() and found[16, 2] == 0
    assert np.array_equal(found[5:16], keypoints[5:16])
