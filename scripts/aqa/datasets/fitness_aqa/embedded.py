"""Rendered clips with planted faults in the layout of the Fitness-AQA release.

Under the folder: `Fitness-AQA_dataset_release/{Squat,OHP}/Labeled_Dataset/` with `videos/<clip_id>.mp4`
(the release's videos.zip, extracted), `Labels/error_*.json` and `Splits/{train,val,test}_keys.json`;
and, ours, `poses.jsonl` and `faults.jsonl`.

A clip id is `<source>_<repetition>`. The repetitions of a source share the person, the clothes, the
room and the camera; a source belongs to one split. Each fault is either absent or clearly present: its
size is drawn from one of two ranges that lie far apart (`FAULTS`).

- Squat, knees inward: the knees turn inwards from the direction of the toes (valgus).
- Squat, knees forward: the shins lean far forward, so that the knees pass the toes.
- Overhead press, elbows: instead of staying under the bar, the elbows flare out to the sides and
  behind it, so that the forearms slant.
- Overhead press, knees: the knees bend and drive the bar up (a push press).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from aqa.files import write_json, write_jsonl
from aqa.synthetic import gym, scene
from aqa.synthetic.body import Body, Joint, Pose, random_body
from aqa.synthetic.camera import Camera, orbit
from aqa.synthetic.exercises import Lift, Press, Squat, Stance, press, squat
from aqa.synthetic.figure import barbell, figure
from aqa.synthetic.geometry import angle_at
from aqa.synthetic.look import Look, gym_look
from aqa.synthetic.motion import intervals
from aqa.synthetic.seeds import generator, spread
from aqa.synthetic.surface import Colour, Shape, draw, view
from aqa.synthetic.track import Box, Keypoint, Track, observe
from aqa.synthetic.video import drawn, write_video
from aqa.workers import run_jobs

DATASET = "fitness-aqa"
RELEASE = Path("Fitness-AQA_dataset_release")
RATE = 30
WIDTH, HEIGHT = 256, 320

Exercise = Literal["Squat", "OHP"]
Part = Literal["train", "val", "test", "unlabeled"]


@dataclass(frozen=True)
class FaultRange:
    """Sizes of a fault in degrees: (low, high) where it is absent and where it is present; `share` of
    the clips that show it."""

    name: str
    quantity: str
    absent: tuple[float, float]
    present: tuple[float, float]
    share: float


FAULTS: dict[Exercise, tuple[FaultRange, FaultRange]] = {
    "Squat": (
        FaultRange("knees_inward", "knee_in_deg", (-5.0, 2.0), (16.0, 21.0), 0.34),
        FaultRange("knees_forward", "shin_lean_deg", (16.0, 24.0), (38.0, 46.0), 0.46),
    ),
    "OHP": (
        FaultRange("elbows", "elbow_flare_deg", (4.0, 18.0), (62.0, 80.0), 0.38),
        FaultRange("knees", "knee_dip_deg", (0.0, 4.0), (44.0, 62.0), 0.34),
    ),
}


@dataclass(frozen=True)
class Size:
    """How many clips of each exercise a part has; `unlabeled` ones are squats without labels.

    `drawn`: at most so many frames of a clip are drawn, evenly spaced, and the others repeat them (None draws
    all): enough for a model that sees no more of them.
    """

    train: int = 20
    val: int = 6
    test: int = 24
    unlabeled: int = 4
    drawn: int | None = None


@dataclass(frozen=True)
class ClipPlan:
    """What is to be rendered: `faults` says for each error of the exercise whether it is present."""

    seed: int
    exercise: Exercise
    part: Part
    clip_id: str
    faults: tuple[bool, bool]
    drawn: int | None = None

    @property
    def source(self) -> str:
        """The source video: all clips of a source show one person in one place."""
        return self.clip_id.rpartition("_")[0]

    @property
    def media(self) -> str:
        """Path of the clip's file, relative to the data folder."""
        return (RELEASE / self.exercise / "Labeled_Dataset" / "videos" / f"{self.clip_id}.mp4").as_posix()


@dataclass(frozen=True)
class Source:
    """What the repetitions of a source share."""

    body: Body
    look: Look
    room: gym.Gym
    camera: Camera
    stance: Stance
    tone: scene.Tone
    plate: float
    rim: Colour


def write(folder: Path, seed: int, workers: int, size: Size | None = None) -> None:
    """Write the embedded Fitness-AQA data into `folder`.

    The bytes depend on `seed` and `size` alone. Which clips show which faults is planned for all clips
    together; everything else of a clip follows from (seed, clip id).
    """
    clips = plan(seed, size or Size())
    sources: dict[tuple[Exercise, str], list[ClipPlan]] = {}
    for clip in clips:
        sources.setdefault((clip.exercise, clip.source), []).append(clip)
    groups = run_jobs(
        _render_source, [(folder, tuple(group)) for group in sources.values()], workers, DATASET
    )
    by_id = {result.track.clip_id: result for group in groups for result in group}
    rendered = [by_id[clip.clip_id] for clip in clips]
    for exercise, errors in FAULTS.items():
        base = folder / RELEASE / exercise / "Labeled_Dataset"
        mine = [
            (c, r)
            for c, r in zip(clips, rendered, strict=True)
            if c.exercise == exercise and c.part != "unlabeled"
        ]
        for number, error in enumerate(errors):
            labels = {clip.clip_id: result.labels[number] for clip, result in mine}
            write_json(base / "Labels" / f"error_{error.name}.json", labels)
        for part in ("train", "val", "test"):
            keys = [clip.clip_id for clip, _ in mine if clip.part == part]
            write_json(base / "Splits" / f"{part}_keys.json", keys)
    write_jsonl(folder / "poses.jsonl", [result.track for result in rendered])
    write_jsonl(folder / "faults.jsonl", [result.sizes for result in rendered])


def plan(seed: int, size: Size) -> list[ClipPlan]:
    """Return all clips, ordered by exercise, part and id.

    The faults of a part are independent of each other; each is present in its share of the clips and
    absent in others.
    """
    rng = generator(seed, DATASET, "plan")
    numbers = iter(rng.permutation(np.arange(10_000, 70_000))[:4096].tolist())
    clips: list[ClipPlan] = []
    for exercise, errors in FAULTS.items():
        for part in ("train", "val", "test", "unlabeled"):
            count = getattr(size, part) if part != "unlabeled" or exercise == "Squat" else 0
            ids = sorted(_clip_ids(rng, count, numbers))
            flags = [spread(rng, count, error.share) for error in errors]
            clips += [
                ClipPlan(seed, exercise, part, ids[i], (flags[0][i], flags[1][i]), size.drawn)
                for i in range(count)
            ]
    return clips


def _clip_ids(rng: np.random.Generator, count: int, numbers: Iterator[int]) -> list[str]:
    """Return `count` ids over sources of two to four repetitions each."""
    ids: list[str] = []
    while len(ids) < count:
        left = count - len(ids)
        repetitions = min(int(rng.integers(2, 5)), left)
        if left - repetitions == 1:
            repetitions += 1 if repetitions < 4 else -1
        source = next(numbers)
        ids += [f"{source}_{number}" for number in range(1, repetitions + 1)]
    return ids


def source_of(clip: ClipPlan) -> Source:
    """Return what the clip's source video fixes."""
    rng = generator(clip.seed, DATASET, clip.source)
    body, look, room = random_body(rng), gym_look(rng), gym.random_gym(rng)
    side = -1.0 if rng.random() < 0.5 else 1.0
    distance, pitch = float(rng.uniform(3.3, 4.2)), float(rng.uniform(0.02, 0.17))
    if clip.exercise == "Squat":
        yaw, tall, middle = float(rng.uniform(0.42, 0.85)), 1.95, 0.93
        stance = Stance(
            body.hips + float(rng.uniform(0.07, 0.11)), float(np.radians(rng.uniform(12.0, 18.0)))
        )
    else:
        yaw, tall, middle = float(rng.uniform(0.28, 0.66)), 2.36, 1.13
        stance = Stance(body.hips + float(rng.uniform(0.03, 0.06)), float(np.radians(rng.uniform(6.0, 14.0))))
    scale = body.stature / 1.75
    focal = HEIGHT * float(rng.uniform(0.86, 0.94)) / (tall * scale) * distance
    target = np.array([rng.uniform(-0.06, 0.06), middle * scale, 0.0])
    camera = orbit(target, distance, yaw=side * yaw, pitch=pitch, focal=focal, width=WIDTH, height=HEIGHT)
    rims: tuple[Colour, ...] = ((196, 52, 48), (44, 86, 168), (226, 178, 48), (58, 140, 78), (60, 60, 66))
    return Source(
        body,
        look,
        room,
        camera,
        stance,
        scene.random_tone(rng),
        float(rng.uniform(0.15, 0.21)),
        rims[int(rng.integers(len(rims)))],
    )


def lift_of(clip: ClipPlan, source: Source) -> tuple[Lift, dict[str, float]]:
    """Return the clip's movement (its true joints in metres) and the sizes of its faults in degrees."""
    rng = generator(clip.seed, DATASET, clip.clip_id)
    frames = int(rng.integers(36, 46))
    sizes = {}
    for error, present in zip(FAULTS[clip.exercise], clip.faults, strict=True):
        low, high = error.present if present else error.absent
        sizes[error.quantity] = round(float(rng.uniform(low, high)), 3)
    first, second = (float(np.radians(value)) for value in sizes.values())
    shift = rng.uniform(-0.02, 0.02, 4)
    if clip.exercise == "Squat":
        thigh = float(np.radians(rng.uniform(82.0, 92.0)))
        grip = float(rng.uniform(0.33, 0.40))
        style = Squat(source.stance, second, thigh, first, grip, _shifted(Squat.times, shift))
        return squat(source.body, style, frames), sizes
    grip = source.body.shoulders + float(rng.uniform(0.05, 0.11))
    return press(
        source.body, Press(source.stance, first, second, grip, _shifted(Press.times, shift)), frames
    ), sizes


def _shifted(
    times: tuple[float, float, float, float], shift: np.ndarray
) -> tuple[float, float, float, float]:
    first, second, third, fourth = (float(t + s) for t, s in zip(times, shift, strict=True))
    return first, second, max(third, second + 0.02), fourth


@dataclass(frozen=True)
class Rendered:
    """A clip's labels (for each error its intervals in seconds), true keypoints and fault sizes."""

    labels: tuple[list[list[float]], list[list[float]]]
    track: Track
    sizes: dict[str, object]


def _render_source(job: tuple[Path, tuple[ClipPlan, ...]]) -> list[Rendered]:
    folder, clips = job
    source = source_of(clips[0])
    return [render(folder, clip, source) for clip in clips]


def render(folder: Path, clip: ClipPlan, source: Source) -> Rendered:
    """Render a clip's video into `folder` and return its ground truth."""
    lift, sizes = lift_of(clip, source)
    rng = generator(clip.seed, DATASET, clip.clip_id, "scene")
    frames = len(lift.phase)
    shapes = figure(lift.pose, source.look) + barbell(lift.bar, lift.bar_direction, source.plate, source.rim)
    people = _people(clip, source, frames)
    room = gym.furnish(source.room, source.camera, shapes, people)
    prepared = view(shapes, source.camera, source.room.light)
    darkroom = scene.Darkroom(source.tone, HEIGHT, WIDTH, rng)
    seen: list[tuple[tuple[Keypoint, ...], Box | None]] = []
    pictures: list[scene.Picture] = []
    chosen = drawn(frames, clip.drawn)
    for index in range(frames):
        if index not in chosen:
            seen.append(seen[-1])
            pictures.append(pictures[-1])
            continue
        canvas = room.frame(index)
        scene.paint_shadow(canvas.image, source.camera, lift.pose, index)
        draw(canvas, prepared, index)
        seen.append(observe(canvas, source.camera, lift.pose, index))
        pictures.append(darkroom.develop(canvas.image, index))
    write_video(folder / clip.media, pictures, RATE)
    track = Track(
        clip_id=clip.clip_id,
        media=clip.media,
        first_frame=0,
        width=WIDTH,
        height=HEIGHT,
        keypoints=tuple(points for points, _ in seen),
        boxes=tuple(box for _, box in seen),
    )
    planted = {"clip_id": clip.clip_id, "exercise": clip.exercise, "part": clip.part, "sizes": sizes}
    present = {error.name: flag for error, flag in zip(FAULTS[clip.exercise], clip.faults, strict=True)}
    return Rendered(_labels(clip, lift), track, {**planted, "present": present})


def _people(clip: ClipPlan, source: Source, frames: int) -> list[tuple[Pose, list[Shape]]]:
    """Return who else is in the room: the same people in all repetitions of a source."""
    rng = generator(clip.seed, DATASET, clip.source, "people")
    places = [
        (side * rng.uniform(1.1, 1.7), source.room.wall + rng.uniform(0.7, 1.0)) for side in (-1.0, 1.0)
    ]
    shown = [place for place in places if rng.random() < 0.25]
    return [gym.bystander(rng, place, np.arange(frames) / RATE) for place in shown]


def _labels(clip: ClipPlan, lift: Lift) -> tuple[list[list[float]], list[list[float]]]:
    """Return for each error when it shows, in seconds: [] where it is absent."""
    if clip.exercise == "Squat":
        first = second = intervals(lift.phase, 0.5, RATE)
    else:
        first = intervals(1.0 - lift.phase, 0.4, RATE)
        pose = lift.pose
        bend = 180.0 - angle_at(pose.at(Joint.LEFT_HIP), pose.at(Joint.LEFT_KNEE), pose.at(Joint.LEFT_ANKLE))
        second = intervals(bend, 0.5 * FAULTS["OHP"][1].present[0], RATE)
    return (first if clip.faults[0] else [], second if clip.faults[1] else [])
