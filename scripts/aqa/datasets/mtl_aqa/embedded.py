"""Rendered diving broadcasts with planted faults in the layout of the MTL-AQA release.

Under the folder: `Ready_2_Use/MTL-AQA_split_0_data/` with `final_annotations_dict.pkl`,
`train_split_0.pkl` and `test_split_0.pkl` (plain Python types, keys are (video, dive)), and the
broadcasts `videos/<NN>.mp4` at 25 frames a second: dives with views of the empty pool between them. A
dive is the frames start_frame..end_frame, counted from 1. And, ours, `poses.jsonl` and `faults.jsonl`.

A broadcast belongs to one split.

**Score.** The quality of a dive is 9.6 minus four deductions, each proportional to the size of a fault
(`DEDUCTIONS`): the angle from the vertical at entry, the bend of the knees, the angle between the legs,
and the splash above the smallest one. Each of seven judges awards the quality plus a leaning of his own
(`LEANINGS`), rounded to half points and kept within 0..10. The two highest and the two lowest awards
are dropped; the sum of the other three times the difficulty is the final score, so that the execution
score, final score / difficulty / 3, is their mean. A dive that enters at more than `FAILED_DEG` degrees
from the vertical has failed: all judges award 0.
"""

from __future__ import annotations

import pickle
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aqa.files import atomic, write_jsonl
from aqa.synthetic import pool, scene
from aqa.synthetic.body import Body, random_body
from aqa.synthetic.camera import Camera, look_at
from aqa.synthetic.diving import Direction, Dive, DiveFaults, DivePlan, Position, dive
from aqa.synthetic.figure import figure
from aqa.synthetic.geometry import Array
from aqa.synthetic.look import Look, swim_look
from aqa.synthetic.seeds import generator
from aqa.synthetic.surface import draw, view
from aqa.synthetic.track import Box, Keypoint, Track, observe
from aqa.synthetic.video import drawn, write_video
from aqa.workers import run_jobs

DATASET = "mtl-aqa"
ANNOTATIONS = Path("Ready_2_Use") / "MTL-AQA_split_0_data"
RATE = 25
WIDTH, HEIGHT = 320, 256
BEFORE_S, AFTER_S = 0.40, 0.36

POSITIONS: tuple[Position, ...] = ("free", "pike", "tuck")
DIRECTIONS: tuple[Direction, ...] = ("back", "forward", "inward", "reverse")

DEDUCTIONS = {
    "entry_deg": 3.2 / 30.0,
    "knee_bend_deg": 2.4 / 45.0,
    "apart_deg": 1.4 / 30.0,
    "splash_m": 2.4 / 1.5,
}
"""Points a degree, or a metre of splash above `SMALLEST_SPLASH_M`."""

PERFECT = 9.6
SMALLEST_SPLASH_M = 0.25
FAILED_DEG = 60.0
LEANINGS = (-0.55, -0.35, -0.17, 0.0, 0.17, 0.35, 0.55)

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Size:
    """How many broadcasts a split has and how many dives each.

    `drawn`: at most so many frames of a clip are drawn, evenly spaced, and the others repeat them (None draws
    all): enough for a model that sees no more of them.
    """

    train: int = 4
    test: int = 8
    train_dives: int = 9
    test_dives: int = 6
    drawn: int | None = None


@dataclass(frozen=True)
class Broadcast:
    """A broadcast to be rendered; `failed` is the number of its failed dive, or None."""

    seed: int
    video: int
    split: Split
    dives: int
    failed: int | None
    drawn: int | None = None

    @property
    def media(self) -> str:
        """Path of the broadcast, relative to the data folder."""
        return f"videos/{self.video:02d}.mp4"


@dataclass(frozen=True)
class Performance:
    """One dive of a broadcast, before it is rendered."""

    number: int
    body: Body
    look: Look
    plan: DivePlan
    faults: DiveFaults
    difficulty: float


@dataclass(frozen=True)
class Rendered:
    """A broadcast's annotations (key, fields), true keypoints and fault sizes, a dive each."""

    annotations: list[tuple[tuple[int, int], dict[str, Any]]]
    tracks: list[Track]
    sizes: list[dict[str, object]]


def write(folder: Path, seed: int, workers: int, size: Size | None = None) -> None:
    """Write the embedded MTL-AQA data into `folder`.

    The bytes depend on `seed` and `size` alone; a dive follows from (seed, broadcast, dive).
    """
    broadcasts = plan(seed, size or Size())
    rendered = run_jobs(_render_job, [(folder, broadcast) for broadcast in broadcasts], workers, DATASET)
    # Equal strings must be one object: pickle writes an object's second mention as a reference.
    annotations = {
        key: {sys.intern(name): value for name, value in fields.items()}
        for result in rendered
        for key, fields in result.annotations
    }
    splits: dict[Split, list[tuple[int, int]]] = {"train": [], "test": []}
    for broadcast, result in zip(broadcasts, rendered, strict=True):
        splits[broadcast.split] += [key for key, _ in result.annotations]
    _write_pickle(folder / ANNOTATIONS / "final_annotations_dict.pkl", annotations)
    for split, keys in splits.items():
        order = generator(seed, DATASET, "order", split).permutation(len(keys))
        _write_pickle(folder / ANNOTATIONS / f"{split}_split_0.pkl", [keys[i] for i in order])
    write_jsonl(folder / "poses.jsonl", [track for result in rendered for track in result.tracks])
    write_jsonl(folder / "faults.jsonl", [sizes for result in rendered for sizes in result.sizes])


def _write_pickle(path: Path, value: object) -> None:
    with atomic(path) as stream:
        stream.write(pickle.dumps(value, protocol=3))


def plan(seed: int, size: Size) -> list[Broadcast]:
    """Return the broadcasts, numbered from 1; one dive of each split fails, as in the real data."""
    rng = generator(seed, DATASET, "plan")
    train: list[Split] = ["train"] * size.train
    test: list[Split] = ["test"] * size.test
    splits = train + test
    order = [splits[i] for i in rng.permutation(len(splits))]
    failing = {
        split: int(rng.choice([i for i, s in enumerate(order) if s == split])) for split in ("train", "test")
    }
    broadcasts = []
    for index, split in enumerate(order):
        dives = size.train_dives if split == "train" else size.test_dives
        number = int(rng.integers(1, dives + 1))
        failed = number if failing[split] == index else None
        broadcasts.append(Broadcast(seed, index + 1, split, dives, failed, size.drawn))
    return broadcasts


def performances(broadcast: Broadcast) -> list[Performance]:
    """Return the dives of a broadcast: an event has one board, and every athlete dives again."""
    rng = generator(broadcast.seed, DATASET, str(broadcast.video))
    springboard = bool(rng.random() < 0.4)
    athletes = [(random_body(rng), swim_look(rng)) for _ in range((broadcast.dives + 1) // 2)]
    found = []
    for number in range(1, broadcast.dives + 1):
        own = generator(broadcast.seed, DATASET, str(broadcast.video), str(number))
        body, look = athletes[(number - 1) % len(athletes)]
        dive_plan = _dive_plan(own, springboard)
        faults = _faults(own, failed=number == broadcast.failed)
        found.append(Performance(number, body, look, dive_plan, faults, difficulty(dive_plan)))
    return found


def _dive_plan(rng: np.random.Generator, springboard: bool) -> DivePlan:
    armstand = not springboard and rng.random() < 0.2
    direction = DIRECTIONS[int(rng.integers(3 if armstand else 4))]
    twisting = not armstand and rng.random() < 0.3
    if armstand:
        turns = 4
        direction = "back" if direction == "inward" else direction
    elif twisting:
        turns = 3
    else:
        turns = int(rng.choice([3, 5])) if springboard else int(rng.choice([3, 5, 7]))
    position: Position = "free" if twisting else ("pike" if rng.random() < 0.55 else "tuck")
    twists = int(rng.integers(1, 5)) if twisting else 0
    return DivePlan(3.0 if springboard else 10.0, springboard, direction, position, armstand, turns, twists)


def _faults(rng: np.random.Generator, failed: bool) -> DiveFaults:
    sign = -1.0 if rng.random() < 0.5 else 1.0
    if failed:
        return DiveFaults(round(sign * float(rng.uniform(78.0, 92.0)), 2), 20.0, 12.0, 2.2)
    level = float(rng.beta(1.1, 3.5))
    entry, knees, apart, splash = (float(x) for x in np.clip(level * rng.uniform(0.4, 1.6, 4), 0.0, 1.0))
    splash_m = SMALLEST_SPLASH_M + 1.5 * (0.6 * splash + 0.4 * entry)
    return DiveFaults(
        round(sign * 30.0 * entry, 2), round(45.0 * knees, 2), round(30.0 * apart, 2), round(splash_m, 3)
    )


def difficulty(dive_plan: DivePlan) -> float:
    """Return a degree of difficulty (one decimal) that grows with turns, twists and harder take-offs."""
    turns = 1.2 + 0.23 * dive_plan.half_somersaults + 0.16 * dive_plan.half_twists
    position = {"tuck": 0.0, "pike": 0.2, "free": 0.1}[dive_plan.position]
    direction = {"forward": 0.0, "back": 0.1, "reverse": 0.2, "inward": 0.2}[dive_plan.direction]
    return round(turns + position + direction + (0.2 if dive_plan.armstand else 0.0), 1)


def awards(faults: DiveFaults) -> list[float]:
    """Return the seven judges' awards in half points (module docstring)."""
    if abs(faults.entry_deg) > FAILED_DEG:
        return [0.0] * len(LEANINGS)
    sizes = asdict(faults) | {
        "entry_deg": abs(faults.entry_deg),
        "splash_m": max(faults.splash_m - SMALLEST_SPLASH_M, 0.0),
    }
    quality = PERFECT - sum(DEDUCTIONS[name] * size for name, size in sizes.items())
    return [float(np.clip(np.floor(2.0 * (quality + lean) + 0.5) / 2.0, 0.0, 10.0)) for lean in LEANINGS]


def execution(faults: DiveFaults) -> float:
    """Return the execution score 0..10: the mean of the three middle awards."""
    return sum(sorted(awards(faults))[2:5]) / 3.0


@dataclass(frozen=True)
class Studio:
    """What all frames of a broadcast share: the venue, and a camera at `eye` [3] with a focal length."""

    seed: int
    video: int
    venue: pool.Pool
    eye: Array
    focal: float
    faces: list[scene.Face]
    darkroom: scene.Darkroom
    drawn: int | None


def _studio(broadcast: Broadcast, first: DivePlan) -> Studio:
    rng = generator(broadcast.seed, DATASET, str(broadcast.video), "scene")
    venue = pool.random_pool(rng, first.height, first.springboard)
    eye = np.array([2.0 + rng.uniform(-3.0, 3.0), 0.45 * first.height + rng.uniform(1.6, 2.8), 17.0])
    focal = 17.0 * float(rng.uniform(76.0, 88.0))
    darkroom = scene.Darkroom(scene.random_tone(rng), HEIGHT, WIDTH, rng)
    faces = pool.structure(venue, eye)
    return Studio(broadcast.seed, broadcast.video, venue, eye, focal, faces, darkroom, broadcast.drawn)


def _render_job(job: tuple[Path, Broadcast]) -> Rendered:
    return render(*job)


def render(folder: Path, broadcast: Broadcast) -> Rendered:
    """Render a broadcast into `folder` and return its ground truth."""
    dives = performances(broadcast)
    studio = _studio(broadcast, dives[0].plan)
    frames: list[scene.Picture] = []
    result = Rendered([], [], [])
    for performance in dives:
        _filler(studio, frames, 8 + (5 * performance.number + broadcast.video) % 5)
        start = len(frames)
        seen = _render_dive(studio, frames, performance)
        key = (broadcast.video, performance.number)
        result.annotations.append((key, annotation(performance, start + 1, len(frames))))
        result.tracks.append(
            Track(
                clip_id=f"{broadcast.video}_{performance.number}",
                media=broadcast.media,
                first_frame=start,
                width=WIDTH,
                height=HEIGHT,
                keypoints=tuple(points for points, _ in seen),
                boxes=tuple(box for _, box in seen),
            )
        )
        sizes = {
            "clip_id": f"{key[0]}_{key[1]}",
            "split": broadcast.split,
            "sizes": asdict(performance.faults),
        }
        result.sizes.append(
            {**sizes, "awards": awards(performance.faults), "execution": execution(performance.faults)}
        )
    _filler(studio, frames, 8)
    write_video(folder / broadcast.media, frames, RATE)
    return result


def annotation(performance: Performance, start_frame: int, end_frame: int) -> dict[str, Any]:
    """Return a dive's fields as the release has them; frames count from 1 and include both ends."""
    dive_plan = performance.plan
    return {
        "primary_view": 0,
        "start_frame": start_frame,
        "end_frame": end_frame,
        "position": POSITIONS.index(dive_plan.position),
        "difficulty": performance.difficulty,
        "armstand": int(dive_plan.armstand),
        "rotation_type": DIRECTIONS.index(dive_plan.direction),
        "ss_no": dive_plan.half_somersaults,
        "tw_no": dive_plan.half_twists,
        "final_score": round(3.0 * execution(performance.faults) * performance.difficulty, 2),
    }


def _filler(studio: Studio, frames: list[scene.Picture], count: int) -> None:
    """Append a wide view of the empty pool, slowly panning."""
    chosen = drawn(count, studio.drawn and 1)
    for index in range(count):
        if index not in chosen:
            frames.append(frames[-1])
            continue
        target = np.array([[3.0 + 0.06 * index, 0.30 * studio.venue.height, 0.0]])
        camera = look_at(studio.eye[None], target, 0.42 * studio.focal, width=WIDTH, height=HEIGHT)
        canvas = pool.paint_pool(studio.venue, camera, studio.faces, index / RATE, 0.0)
        frames.append(studio.darkroom.develop(canvas.image, len(frames)))


def follow(movement: Dive, eye: Array, focal: float) -> Camera:
    """Return a camera that pans after the diver, a little late and never below the water."""
    target = movement.mass.copy()
    target[:, 1] = np.maximum(target[:, 1], 0.55)
    weights = np.exp(-0.5 * (np.arange(-6, 7) / 3.0) ** 2)
    weights /= weights.sum()
    padded = np.pad(target, ((6, 6), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, axis], weights, "valid") for axis in range(3)], axis=1)
    return look_at(eye[None], smooth, focal, width=WIDTH, height=HEIGHT)


def movement_of(performance: Performance) -> Dive:
    """Return the dive's movement: its true joints in metres."""
    return dive(
        performance.body, performance.plan, performance.faults, rate=RATE, before=BEFORE_S, after=AFTER_S
    )


def _render_dive(
    studio: Studio, frames: list[scene.Picture], performance: Performance
) -> list[tuple[tuple[Keypoint, ...], Box | None]]:
    """Append a dive's frames and return its keypoints and boxes."""
    movement = movement_of(performance)
    camera = follow(movement, studio.eye, studio.focal)
    prepared = view(figure(movement.pose, performance.look), camera, studio.venue.light)
    rng = generator(studio.seed, DATASET, str(studio.video), str(performance.number), "splash")
    place = float(np.interp(movement.entry, movement.time, movement.mass[:, 0]))
    splash = pool.make_splash(rng, place, 0.0, movement.entry, performance.faults.splash_m)
    seen: list[tuple[tuple[Keypoint, ...], Box | None]] = []
    chosen = drawn(len(movement.time), studio.drawn)
    for index, time in enumerate(movement.time):
        if index not in chosen:
            frames.append(frames[-1])
            seen.append(seen[-1])
            continue
        here = camera.frame(index)
        canvas = pool.paint_pool(studio.venue, here, studio.faces, float(time), float(movement.board[index]))
        draw(canvas, prepared, index)
        seen.append(observe(canvas, here, movement.pose, index, submerged=True))
        pool.paint_splash(canvas, here, splash, float(time))
        frames.append(studio.darkroom.develop(canvas.image, len(frames)))
    return seen
