"""Rendered keyframes with planted faults in the layout of the LLM-FMS release.

Under the folder: `FMSRules.json`, `FMS-Keyframes/<movement>/<subject>.jpg` and
`FMS-FineGrainedLabelInfo/<movement>/<subject>.json` (see `labels.py`), the extracted archives of the
release; and, ours, `poses.jsonl` and `faults.jsonl`.

Every subject is shown once in each of five exercises. The options of a question are spread evenly over
the subjects, independently of the other questions; an option's size is drawn from its range
(`embedded_rules.MOVEMENTS`), and the label is what the true joints measure. A label's score is 3 without
a fault, 2 with one and 1 with more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aqa.datasets.llm_fms.embedded_rules import MOVEMENTS, Movement, pose_of, texts
from aqa.files import atomic, write_json, write_jsonl
from aqa.synthetic import gym, scene, screen
from aqa.synthetic.body import Body, Joint, Pose, random_body
from aqa.synthetic.camera import Camera, orbit
from aqa.synthetic.figure import figure
from aqa.synthetic.geometry import Array, rotation, unit
from aqa.synthetic.look import Look, gym_look
from aqa.synthetic.placing import turned
from aqa.synthetic.seeds import generator
from aqa.synthetic.surface import Limb, Shape, draw, view
from aqa.synthetic.track import Track, observe
from aqa.workers import run_jobs

DATASET = "llm-fms"
LONG, SHORT = 400, 320
QUALITY = 90

LYING = ("active-straight-leg-raise", "trunk-stability-push-up")
TURN = {
    "deep-squat": (0.62, 0.88),
    "hurdle-step": (0.12, 0.34),
    "inline-lunge": (1.34, 1.56),
    "active-straight-leg-raise": (1.44, 1.57),
    "trunk-stability-push-up": (1.36, 1.56),
}
"""How far a figure is turned from the camera, radians, to either side."""


@dataclass(frozen=True)
class Size:
    """How many subjects there are; each is shown once in every exercise."""

    subjects: int = 14


@dataclass(frozen=True)
class Keyframe:
    """What is to be rendered: the movement, its active side (0 left) and the option of each rule."""

    seed: int
    subject: str
    exercise: str
    movement: str
    side: int
    options: dict[str, str]

    @property
    def name(self) -> str:
        """The keyframe's path below the folders of images and of labels, without extension."""
        return f"{self.movement}/{self.subject}"

    @property
    def media(self) -> str:
        """Path of the image, relative to the data folder."""
        return f"FMS-Keyframes/{self.name}.jpg"


@dataclass(frozen=True)
class Person:
    """What the keyframes of a subject share."""

    body: Body
    look: Look
    room: gym.Gym
    tone: scene.Tone


def write(folder: Path, seed: int, workers: int, size: Size | None = None) -> None:
    """Write the embedded LLM-FMS data into `folder`.

    The bytes depend on `seed` and `size` alone. Who shows which options is planned for all keyframes
    together; everything else of a keyframe follows from (seed, subject, movement).
    """
    keyframes = plan(seed, size or Size())
    write_json(folder / "FMSRules.json", rules())
    people: dict[str, list[Keyframe]] = {}
    for keyframe in keyframes:
        people.setdefault(keyframe.subject, []).append(keyframe)
    groups = run_jobs(_render_person, [(folder, tuple(group)) for group in people.values()], workers, DATASET)
    rendered = sorted((result for group in groups for result in group), key=lambda result: result[0].clip_id)
    write_jsonl(folder / "poses.jsonl", [track for track, _ in rendered])
    write_jsonl(folder / "faults.jsonl", [sizes for _, sizes in rendered])


def rules() -> dict[str, Any]:
    """Return the content of `FMSRules.json`."""
    names = ("ruleType", "ruleName", "bodyParts")
    result: dict[str, Any] = {}
    for movement in MOVEMENTS:
        asked = {
            entry["rule"]: {"ruleQuestion": entry["question"], "ruleOptions": entry["options"]}
            | {name: entry[name] for name in names}
            for entry in texts()
            if entry["exercise"] == movement.exercise
        }
        for key, name in movement.movements.items():
            result[key] = {"actionName": name, "view": movement.view, "rules": asked}
    return result


def plan(seed: int, size: Size) -> list[Keyframe]:
    """Return all keyframes, by exercise and subject."""
    rng, subjects = generator(seed, DATASET, "plan"), size.subjects
    keyframes = []
    for movement in MOVEMENTS:
        keys = list(movement.movements)
        sides = rng.permutation(np.arange(subjects) % len(keys))
        columns = {}
        for rule, criterion in movement.criteria.items():
            options = list(criterion.ranges)
            order = rng.permutation(len(options))
            columns[rule] = [options[order[i]] for i in rng.permutation(np.arange(subjects) % len(options))]
        for index in range(subjects):
            side = int(sides[index])
            chosen = {rule: column[index] for rule, column in columns.items()}
            subject = f"s{index + 1:02d}"
            keyframes.append(Keyframe(seed, subject, movement.exercise, keys[side], side, chosen))
    return keyframes


def person_of(keyframe: Keyframe) -> Person:
    """Return who the keyframe's subject is, and where."""
    rng = generator(keyframe.seed, DATASET, keyframe.subject)
    return Person(random_body(rng), gym_look(rng), gym.random_gym(rng), scene.random_tone(rng))


def movement_of(keyframe: Keyframe) -> Movement:
    """Return the exercise of a keyframe."""
    return next(movement for movement in MOVEMENTS if movement.exercise == keyframe.exercise)


def pose_at(keyframe: Keyframe, person: Person) -> tuple[Pose, dict[str, float]]:
    """Return the keyframe's pose (its true joints, facing +z) and the size of each rule's quantity."""
    rng = generator(keyframe.seed, DATASET, keyframe.subject, keyframe.movement)
    criteria = movement_of(keyframe).criteria
    sizes = {
        rule: float(rng.uniform(*criterion.ranges[keyframe.options[rule]]))
        for rule, criterion in criteria.items()
    }
    pose = pose_of(keyframe.exercise, person.body, keyframe.side, sizes, rng)
    return pose, {rule: criterion.measure(pose, keyframe.side) for rule, criterion in criteria.items()}


def truth_of(keyframe: Keyframe, sizes: dict[str, float]) -> dict[str, str]:
    """Return the option of each rule at these sizes."""
    criteria = movement_of(keyframe).criteria
    return {rule: criterion.option(sizes[rule]) for rule, criterion in criteria.items()}


def label(keyframe: Keyframe, truth: dict[str, str]) -> dict[str, Any]:
    """Return the keyframe's label as the release has it."""
    correct = {entry["rule"]: entry["correct"] for entry in texts() if entry["exercise"] == keyframe.exercise}
    faults = sum(truth[rule] != option for rule, option in correct.items())
    return {"score": max(3 - faults, 1), "ruleResults": truth}


def _render_person(job: tuple[Path, tuple[Keyframe, ...]]) -> list[tuple[Track, dict[str, object]]]:
    folder, keyframes = job
    person = person_of(keyframes[0])
    return [render(folder, keyframe, person) for keyframe in keyframes]


def render(folder: Path, keyframe: Keyframe, person: Person) -> tuple[Track, dict[str, object]]:
    """Write a keyframe's image and label into `folder`; return its true keypoints and its sizes."""
    pose, measured = pose_at(keyframe, person)
    truth = truth_of(keyframe, measured)
    rng = generator(keyframe.seed, DATASET, keyframe.subject, keyframe.movement, "scene")
    angle = float(rng.uniform(*TURN[keyframe.exercise])) * (-1.0 if rng.random() < 0.5 else 1.0)
    lying = keyframe.exercise in LYING
    placed = turned(pose, angle)
    shapes = figure(placed, person.look) + props(keyframe, pose, angle)
    camera = frame_figure(placed, rng, *((LONG, SHORT) if lying else (SHORT, LONG)))
    room = gym.furnish(person.room, camera, shapes, [])
    scene.paint_faces(room.picture, camera, ground(keyframe, pose, camera, angle))
    canvas = room.frame(0)
    scene.paint_shadow(canvas.image, camera, placed, 0)
    draw(canvas, view(shapes, camera, person.room.light), 0)
    points, box = observe(canvas, camera, placed, 0)
    darkroom = scene.Darkroom(person.tone, camera.height, camera.width, rng)
    _write_image(folder / keyframe.media, darkroom.develop(canvas.image, 0))
    write_json(folder / "FMS-FineGrainedLabelInfo" / f"{keyframe.name}.json", label(keyframe, truth))
    track = Track(
        clip_id=keyframe.name.replace("/", "-"),
        media=keyframe.media,
        first_frame=0,
        width=camera.width,
        height=camera.height,
        keypoints=(points,),
        boxes=(box,),
    )
    criteria = movement_of(keyframe).criteria
    sizes = {criterion.quantity: round(measured[rule], 4) for rule, criterion in criteria.items()}
    planted = {"clip_id": track.clip_id, "exercise": keyframe.exercise, "split": "test", "sizes": sizes}
    return track, {**planted, "truth": truth}


def _write_image(path: Path, picture: scene.Picture) -> None:
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    with atomic(path) as file:
        file.write(data.tobytes())


def frame_figure(pose: Pose, rng: np.random.Generator, width: int, height: int) -> Camera:
    """Return a camera in front that shows the whole figure, filling most of the picture."""
    low, high = pose.joints[0].min(axis=0), pose.joints[0].max(axis=0)
    span = np.maximum(high - low, 0.3) + np.array([0.34, 0.30, 0.0])
    distance = float(rng.uniform(3.6, 4.4))
    target = 0.5 * (low + high) + np.array([rng.uniform(-0.04, 0.04), rng.uniform(-0.03, 0.05), 0.0])
    share = float(rng.uniform(0.84, 0.92))
    focal = share * distance * min(width / float(span[0]), height / float(span[1]))
    yaw, pitch = float(rng.uniform(-0.05, 0.05)), float(rng.uniform(0.03, 0.12))
    return orbit(target, distance, yaw=yaw, pitch=pitch, focal=focal, width=width, height=height)


def props(keyframe: Keyframe, pose: Pose, angle: float) -> list[Shape]:
    """Return the stick and the hurdle of a pose, turned with it by `angle`."""
    left, right = pose.at(Joint.LEFT_HAND), pose.at(Joint.RIGHT_HAND)
    wood, red, steel = (196.0, 158.0, 104.0), (214.0, 44.0, 40.0), (70.0, 74.0, 84.0)
    bars: list[tuple[Array, Array, float, tuple[float, float, float]]] = []
    if keyframe.exercise == "deep-squat":
        bars.append((*_prolonged(left, right, 0.28), 0.014, wood))
    elif keyframe.exercise == "inline-lunge":
        low, high = (left, right) if keyframe.side == 0 else (right, left)
        bars.append((*_prolonged(low, high, 0.30), 0.014, wood))
    elif keyframe.exercise == "hurdle-step":
        wrists = (pose.at(Joint.LEFT_WRIST), pose.at(Joint.RIGHT_WRIST))
        bars.append((*_prolonged(*wrists, 0.34), 0.014, wood))
        string = screen.STRING * pose.body.stature
        toe, ankle = pose.at(Joint.LEFT_TOE + keyframe.side), pose.at(Joint.LEFT_ANKLE + keyframe.side)
        z = float(ankle[0, 2]) + 0.06 if keyframe.options["r02"] == "Above" else float(toe[0, 2]) + 0.03
        ends = [np.array([[x, string, z]]) for x in (-0.52, 0.52)]
        bars.append((ends[0], ends[1], 0.009, red))
        for end in ends:
            floor, top = end * np.array([1.0, 0.0, 1.0]), end * np.array([1.0, 1.25, 1.0])
            bars.append((floor, top, 0.020, steel))
            bars.append(
                (floor - np.array([[0.0, 0.0, 0.16]]), floor + np.array([[0.0, 0.0, 0.16]]), 0.02, steel)
            )
    turn = rotation("y", angle)
    return [Limb(a @ turn.T, b @ turn.T, thick, thick, colour) for a, b, thick, colour in bars]


def _prolonged(first: Array, last: Array, by: float) -> tuple[Array, Array]:
    """Return the ends of a stick that two points [1, 3] hold, which reaches `by` metres beyond both."""
    along = by * unit(last - first)
    return first - along, last + along


def ground(keyframe: Keyframe, pose: Pose, camera: Camera, angle: float) -> list[scene.Face]:
    """Return the faces of the board or the mat below a pose, turned with it by `angle`."""
    if keyframe.exercise == "inline-lunge":
        low, high, colour = (-0.075, 0.0, -0.85), (0.075, 0.012, 0.42), (206.0, 188.0, 150.0)
    elif keyframe.exercise in LYING:
        z = pose.joints[0, :, 2]
        low, high = (-0.36, 0.0, float(z.min()) - 0.16), (0.36, screen.MAT, float(z.max()) + 0.16)
        colour = (64.0, 92.0, 140.0)
    else:
        return []
    turn = rotation("y", angle)
    faces = scene.box_faces(camera.position[0] @ turn, low, high, colour)
    return [(corners @ turn.T, tone) for corners, tone in faces]
