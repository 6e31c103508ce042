"""Scenes of the embedded benchmark with more people in them: who is there, and what a detector sees.

The bodies, movements, cameras and venues are those of `aqa.synthetic`; coaches, judges and spectators are
added where they stand in a gym, at a pool and at a rink. A simulated detector sees everybody with noise,
misses people, more so behind others and in fast motion, and sees some who are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from aqa.pose.base import Person
from aqa.synthetic import diving, gym, pool, rink, skating, workouts
from aqa.synthetic.body import Joint, Pose, centre_of_mass, random_body
from aqa.synthetic.camera import Camera, look_at
from aqa.synthetic.diving import DiveFaults, DivePlan
from aqa.synthetic.exercises import Squat, Stance, squat
from aqa.synthetic.geometry import rotation
from aqa.synthetic.skating import JumpFaults, StepFaults

WIDTH, HEIGHT, RATE = 320, 240, 25.0


@dataclass(frozen=True)
class Scene:
    """`boxes` (people, frames, 4) and `joints` (people, frames, 17, 2) in pixels, person 0 the subject;
    `depth` (people, frames) in metres; `shown` (people, frames); `pictures` yields the frames."""

    kind: str
    boxes: np.ndarray
    joints: np.ndarray
    depth: np.ndarray
    shown: np.ndarray
    pictures: Callable[[], Iterator[np.ndarray]]

    @property
    def times(self) -> np.ndarray:
        return np.arange(self.boxes.shape[1]) / RATE


def _scene(
    kind: str, poses: list[Pose], camera: Camera, background: Callable[[int], np.ndarray], wet: bool = False
) -> Scene:
    frames = max(len(pose.joints) for pose in poses)
    camera = _each_frame(camera, frames)
    boxes, joints, depth, shown = [], [], [], []
    for pose in poses:
        points = pose.joints
        seen, pixels = camera.see(points), camera.project(points)
        margin = 0.09 * camera.focal[:, None] / np.maximum(seen[..., 2].mean(axis=1, keepdims=True), 0.5)
        low, high = pixels.min(axis=1) - margin, pixels.max(axis=1) + margin
        whole = np.prod(high - low, axis=1)
        low = np.clip(low, 0, [WIDTH - 1, HEIGHT - 1])
        high = np.clip(high, 0, [WIDTH - 1, HEIGHT - 1])
        visible = (np.prod(high - low, axis=1) > 0.3 * whole) & (seen[..., 2].min(axis=1) > 0.5)
        if wet:
            visible &= points[..., 1].max(axis=1) > 0.5
        boxes.append(np.concatenate([low, high], axis=1))
        joints.append(pixels[:, :17])
        depth.append(seen[..., 2].mean(axis=1))
        shown.append(visible)

    def pictures() -> Iterator[np.ndarray]:
        for i in range(frames):
            picture = background(i).copy()
            order = sorted(range(len(poses)), key=lambda k: -depth[k][i])
            for k in order:
                if shown[k][i]:
                    left, top, right, bottom = boxes[k][i].astype(int).tolist()
                    tint = tuple(int(60 + (k * 53 + c * 31) % 160) for c in range(3))
                    cv2.rectangle(picture, (left, top), (right, bottom), tint, -1)
            yield picture

    return Scene(kind, np.stack(boxes), np.stack(joints), np.stack(depth), np.stack(shown), pictures)


def _each_frame(camera: Camera, frames: int) -> Camera:
    position, rotation_, focal = (
        np.broadcast_to(part, (frames, *part.shape[1:]))
        for part in (camera.position, camera.rotation, camera.focal)
    )
    return Camera(position, rotation_, focal, camera.width, camera.height)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    rough = rng.integers(0, 255, (height // 12, width // 12, 3)).astype(np.uint8)
    return cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)


def gym_scene(rng: np.random.Generator) -> Scene:
    """Somebody exercises; a coach stands beside, often nearer to the camera; others train behind."""
    body, frames = random_body(rng), 75
    if rng.random() < 0.4:
        main = squat(body, Squat(Stance(0.2, 0.3), 0.5, 1.5, 0.1), frames).pose
    elif rng.random() < 0.5:
        main = workouts.jumping_jacks(body, arms=2.6, feet=0.8, elbow=0.2, frames=frames, count=3)
    else:
        main = workouts.high_knee(body, lift=1.5, elbow=1.5, lean=0.1, frames=frames, count=6)
    turn = rotation("y", float(rng.uniform(-0.7, 0.7)))
    main = Pose(main.joints @ turn.T, main.pelvis_rotation, main.chest_rotation, main.head_rotation, body)
    time = np.arange(frames) / RATE
    side = float(rng.choice([-1.0, 1.0]))
    places = [(side * rng.uniform(1.0, 1.5), rng.uniform(-0.6, 0.9))]
    places += [(x, -rng.uniform(1.8, 4.0)) for x in rng.uniform(-2.8, 2.8, int(rng.integers(2, 6)))]
    others = [gym.bystander(rng, (float(x), float(z)), time)[0] for x, z in places]
    eye = np.array([[rng.uniform(-0.4, 0.4), 1.4, 4.4]])
    shake = np.cumsum(rng.normal(0, 0.002, (frames, 3)), axis=0)
    target = np.array([[-side * rng.uniform(0.0, 0.35), 0.95, 0.0]])
    camera = look_at(eye, target + shake, 330.0, width=WIDTH, height=HEIGHT)
    wall = _texture(rng, HEIGHT + 80, WIDTH + 80)
    shift = camera.project(np.broadcast_to(np.array([[[0.0, 1.0, -4.0]]]), (frames, 1, 3)))[:, 0]
    shift = np.clip(40 - (shift - shift[0]), 0, 80)

    def background(i: int) -> np.ndarray:
        matrix = np.array([[1.0, 0.0, -shift[i, 0]], [0.0, 1.0, -shift[i, 1]]])
        return cv2.warpAffine(wall, matrix, (WIDTH, HEIGHT))

    return _scene("gym", [main, *others], camera, background)


def dive_scene(rng: np.random.Generator) -> Scene:
    """A diver, followed by the camera; judges sit at the pool, some near the camera, others stand about."""
    body = random_body(rng)
    springboard = rng.random() < 0.5
    plan = DivePlan(
        3.0 if springboard else 10.0, springboard, "forward", "pike" if rng.random() < 0.5 else "tuck", False,
        int(rng.choice([3, 5])), 0,
    )  # fmt: skip
    movement = diving.dive(body, plan, DiveFaults(5.0, 5.0, 5.0, 0.5), rate=RATE, before=0.7, after=0.2)
    eye = np.array([2.0 + rng.uniform(-3.0, 3.0), 0.45 * plan.height + rng.uniform(1.6, 2.8), 17.0])
    kernel = np.ones(9) / 9
    padded = np.pad(movement.mass, ((4, 4), (0, 0)), mode="edge")
    target = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(3)], axis=1)
    camera = look_at(eye[None], target, 17.0 * float(rng.uniform(70.0, 85.0)), width=WIDTH, height=HEIGHT)
    others = []
    time = np.arange(len(movement.time)) / RATE
    for _ in range(int(rng.integers(5, 9))):  # on the deck behind, and on the tower's stairs
        pose = gym.bystander(rng, (float(rng.uniform(-6, 9)), float(-rng.uniform(2, 7))), time)[0]
        others.append(pose.moved(np.array([0.0, float(rng.choice([0.3, 1.2, 2.4, 0.6 * plan.height])), 0.0])))
    for x in rng.uniform(-2, 4, 4):  # judges on high chairs, nearer to the camera than the diver
        pose = gym.bystander(rng, (float(x), float(rng.uniform(5.0, 10.0))), time)[0]
        others.append(pose.moved(np.array([0.0, plan.height * float(rng.uniform(0.0, 0.7)), 0.0])))
    for _ in range(2):  # who dives next, on the board behind
        pose = gym.bystander(rng, (-float(rng.uniform(1.6, 3.0)), -float(rng.uniform(0.0, 1.5))), time)[0]
        others.append(pose.moved(np.array([0.0, plan.height, 0.0])))
    venue = pool.random_pool(rng, plan.height, springboard)
    faces = pool.structure(venue, eye)

    def background(i: int) -> np.ndarray:
        time, board = float(movement.time[i]), float(movement.board[i])
        canvas = pool.paint_pool(venue, camera.frame(i), faces, time, board)
        return np.clip(canvas.image, 0, 255).astype(np.uint8)

    return _scene("dive", [movement.pose, *others], camera, background, wet=True)


def skate_scene(rng: np.random.Generator) -> Scene:
    """A skater, followed by the camera; coaches and judges at the boards, spectators behind."""
    body = random_body(rng)
    heading = float(rng.choice([-1.0, 1.0])) * (np.pi / 2 + float(rng.uniform(-0.4, 0.4)))
    if rng.random() < 0.5:
        element = skating.steps(body, StepFaults(3.0, 0.8, 0, 0.0), heading, RATE, rng)
    else:
        faults = JumpFaults(0.0, 0.45, 4.0, "clean")
        element = skating.jump(body, 2.0, "toe", faults, heading=heading, rate=RATE)
    pose = element.pose
    middle = pose.at(Joint.PELVIS).mean(axis=0)
    pose = pose.moved(np.array([-middle[0], 0.0, rng.uniform(-3, 3) - middle[2]]))
    venue = rink.random_rink(rng, 520.0)
    target = centre_of_mass(pose)
    target[:, 1] = 0.35 + 0.55 * target[:, 1]
    camera = rink.follow(venue, target, float(rng.uniform(1.6, 2.4)), WIDTH, HEIGHT)
    time = np.arange(len(pose.joints)) / RATE
    others = []
    for _ in range(int(rng.integers(10, 16))):
        place = (float(rng.uniform(-16, 16)), -float(rng.uniform(15.6, 17.0)))
        other = gym.bystander(rng, place, time)[0]
        others.append(other.moved(np.array([0.0, float(rng.choice([0.0, 0.5, 1.5])), 0.0])))
    for x in rng.uniform(-3, 3, 4):  # judges and coaches at the near boards, between camera and ice
        other = gym.bystander(rng, (float(x), float(rng.uniform(9.0, 14.0))), time)[0]
        others.append(other.moved(np.array([0.0, float(rng.uniform(-0.3, 0.6)), 0.0])))

    def background(i: int) -> np.ndarray:
        return np.clip(rink.backdrop(venue, camera.frame(i)).image, 0, 255).astype(np.uint8)

    return _scene("skate", [pose, *others], camera, background)


SCENES = {"gym": gym_scene, "dive": dive_scene, "skate": skate_scene}


def detect(scene: Scene, rng: np.random.Generator) -> list[list[Person]]:
    """Return what a detector sees of each frame: noise of 2 % of a person's size, misses, and phantoms."""
    people, frames = scene.shown.shape
    flat = rng.random(people) < 0.15  # some are seldom recognised as people
    found: list[list[Person]] = []
    for i in range(frames):
        here = []
        for k in range(people):
            missed = (0.5 if flat[k] and k else 0.05) + 0.9 * _hidden(scene, k, i)
            if not scene.shown[k, i] or rng.random() < missed:
                continue
            box = scene.boxes[k, i]
            size = float(np.sqrt(max(np.prod(box[2:] - box[:2]), 4.0)))
            place = rng.normal(0, 0.02 * size, 4) + box
            joints = scene.joints[k, i] + rng.normal(0, 0.02 * size, (17, 2))
            keypoints = np.column_stack([joints, rng.uniform(0.4, 0.95, 17)])
            keypoints[rng.random(17) < 0.06] = [np.nan, np.nan, 0.0]
            here.append(Person(np.array([*np.minimum(place[:2], place[2:] - 2), *place[2:]]), keypoints, 0.8))
        if rng.random() < 0.05:
            corner = rng.uniform(0, [WIDTH - 60, HEIGHT - 60])
            size = rng.uniform(15, 60, 2)
            joints = np.column_stack([corner + rng.uniform(0, size, (17, 2)), rng.uniform(0.1, 0.5, 17)])
            here.append(Person(np.array([*corner, *(corner + size)]), joints, 0.3))
        order = rng.permutation(len(here))
        found.append([here[j] for j in order])
    return found


def _hidden(scene: Scene, who: int, i: int) -> float:
    """Return the largest share of a person's box that somebody nearer covers."""
    a, worst = scene.boxes[who, i], 0.0
    for k in range(len(scene.boxes)):
        if k == who or not scene.shown[k, i] or scene.depth[k, i] >= scene.depth[who, i]:
            continue
        b = scene.boxes[k, i]
        common = max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
        worst = max(worst, common / max(np.prod(a[2:] - a[:2]), 1.0))
    return worst if worst > 0.5 else 0.0
