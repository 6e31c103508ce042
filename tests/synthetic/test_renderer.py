"""Joints lie on the figure that is drawn, and video files hold exactly the frames they were given."""

from __future__ import annotations

import av
import numpy as np
import pytest

from aqa.synthetic.body import COCO_KEYPOINTS, random_body
from aqa.synthetic.camera import orbit
from aqa.synthetic.diving import DiveFaults, DivePlan, dive
from aqa.synthetic.exercises import Squat, Stance, squat
from aqa.synthetic.figure import figure, mirrored
from aqa.synthetic.look import gym_look, swim_look
from aqa.synthetic.surface import Canvas, Ellipsoid, Light, Limb, draw, view
from aqa.synthetic.track import ABSENT, HIDDEN, VISIBLE, observe
from aqa.synthetic.video import write_video

GREEN = (0, 255, 0)


def green_screen(width: int = 256, height: int = 320) -> np.ndarray:
    return np.broadcast_to(np.array(GREEN, np.uint8), (height, width, 3)).copy()


@pytest.mark.parametrize("seed", range(6))
def test_every_keypoint_in_view_lies_on_the_drawn_figure(seed):
    rng = np.random.default_rng(seed)
    body = random_body(rng)
    if seed % 2:
        plan = DivePlan(3.0, False, "forward", "tuck", False, 3, 0)
        pose = dive(body, plan, DiveFaults(5.0, 10.0, 10.0, 0.4), rate=8, before=0.3, after=0.0).pose
        pose, look = pose.moved(-pose.joints[:, 17] + np.array([0.0, 1.0, 0.0])), swim_look(rng)
    else:
        pose, look = squat(body, Squat(Stance(0.18, 0.2), 0.5, 1.5, 0.2), 8).pose, gym_look(rng)
    yaw = float(rng.uniform(-np.pi, np.pi))
    camera = orbit([0.0, 1.0, 0.0], 3.6, yaw=yaw, pitch=0.1, focal=420.0, width=256, height=320)
    prepared = view(figure(pose, look), camera, Light())
    for index in range(len(pose.joints)):
        canvas = Canvas.over(green_screen())
        draw(canvas, prepared, index)
        points, box = observe(canvas, camera, pose, index)
        drawn = np.abs(canvas.image - np.array(GREEN, np.float32)).sum(axis=2) > 1.0
        assert box is not None
        for x, y, confidence in points:
            if confidence == ABSENT:
                continue
            column, row = round(x), round(y)
            near = drawn[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            assert near.any(), f"frame {index}: nothing drawn at {x}, {y}"
            assert box[0] <= x <= box[2]
            assert box[1] <= y <= box[3]
        rows, columns = np.nonzero(drawn)
        inside = (
            (rows >= box[1] - 2) & (rows <= box[3] + 2) & (columns >= box[0] - 2) & (columns <= box[2] + 2)
        )
        assert inside.mean() > 0.98
        assert box[3] - box[1] < 1.25 * np.ptp(rows) + 4


def test_a_joint_behind_the_body_is_hidden_and_one_outside_the_picture_is_absent():
    body = random_body(np.random.default_rng(0))
    pose = squat(body, Squat(Stance(0.18, 0.2), 0.4, 1.5, 0.0), 3).pose
    look = gym_look(np.random.default_rng(0))
    seen = []
    for yaw in (0.0, np.pi):
        camera = orbit([0.0, 1.3, 0.0], 3.0, yaw=yaw, pitch=0.0, focal=420.0, width=256, height=320)
        canvas = Canvas.over(green_screen())
        draw(canvas, view(figure(pose, look), camera, Light()), 0)
        seen.append(observe(canvas, camera, pose, 0)[0])
    assert seen[0][0][2] == VISIBLE
    assert seen[1][0][2] == HIDDEN
    camera = orbit([0.0, 1.9, 0.0], 2.0, yaw=0.0, pitch=0.0, focal=900.0, width=256, height=320)
    points, _ = observe(Canvas.over(green_screen()), camera, pose, 0)
    assert [c for *_, c in points[15:]] == [ABSENT, ABSENT]
    assert len(points) == COCO_KEYPOINTS


def test_the_nearer_of_two_shapes_covers_the_other_whatever_their_order():
    camera = orbit([0.0, 0.0, 0.0], 4.0, yaw=0.0, pitch=0.0, focal=300.0, width=64, height=64)
    axes = 0.3 * np.eye(3)[None]
    near = Ellipsoid(np.array([[0.0, 0.0, 0.5]]), axes, (255.0, 0.0, 0.0))
    far = Limb(np.array([[-0.5, 0.0, -0.5]]), np.array([[0.5, 0.0, -0.5]]), 0.1, 0.1, (0.0, 0.0, 255.0))
    pictures = []
    for shapes in ([near, far], [far, near]):
        canvas = Canvas.over(green_screen(64, 64))
        draw(canvas, view(shapes, camera, Light()), 0)
        pictures.append(canvas.image)
    assert np.array_equal(*pictures)
    red, _, blue = pictures[0][32, 32]
    assert red > 50.0
    assert blue == pytest.approx(0.0, abs=1.0)


def test_a_mirror_shows_every_shape_as_far_behind_the_wall_as_it_stands_before_it():
    ball = Ellipsoid(np.array([[0.3, 1.0, 0.4]]), 0.1 * np.eye(3)[None], (9.0, 9.0, 9.0))
    (image,) = mirrored([ball], -2.0)
    assert isinstance(image, Ellipsoid)
    assert image.centre[0] == pytest.approx([0.3, 1.0, -4.4])


def test_a_video_holds_its_frames_at_its_rate_and_equal_frames_give_equal_bytes(tmp_path):
    rng = np.random.default_rng(0)
    frames = [
        np.full((64, 96, 3), 8 * k, np.uint8) + rng.integers(0, 9, (64, 96, 3), dtype=np.uint8)
        for k in range(17)
    ]
    for name in ("a.mp4", "b.mp4"):
        assert write_video(tmp_path / name, frames, 25) == 17
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [s.type for s in container.streams] == ["video"]
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
        decoded = list(container.decode(stream))
    assert [float(f.time) for f in decoded] == pytest.approx([k / 25 for k in range(17)], abs=1e-6)
    for given, found in zip(frames, decoded, strict=True):
        assert np.abs(found.to_ndarray(format="rgb24").mean() - given.mean()) < 3.0
