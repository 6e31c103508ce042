"""Rendered workouts with planted faults in the layout of the EgoExo-Fitness release.

Under the folder: `raw_annotations/{meta_records,action_level_annotations,interpretable_action_judgement}
.json` and `frames_open/<record>/exo_m/frame_%010d.jpg`, numbered from 1 at 30 frames a second; and, ours,
`poses.jsonl` and `faults.jsonl`, a line an entry.

The traps of the release are in it: booleans as strings, one exercise named otherwise in the judgements, a
record without the frontal view, an entry that ends after the last frame of its view, persons recorded on
two dates, annotators who disagree. `embedded_plan` says who shows what.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aqa.datasets.egoexo_fitness.embedded_plan import (
    ACTIONS,
    DATASET,
    FAULTS,
    EntryPlan,
    RecordPlan,
    Size,
    guidelines,
    plan,
)
from aqa.files import write_json, write_jsonl
from aqa.synthetic import gym, scene, workouts
from aqa.synthetic.body import Body, Pose, random_body
from aqa.synthetic.camera import Camera, orbit
from aqa.synthetic.figure import figure
from aqa.synthetic.look import Look, gym_look
from aqa.synthetic.seeds import generator
from aqa.synthetic.surface import draw, view
from aqa.synthetic.track import Box, Keypoint, Track, observe
from aqa.synthetic.video import drawn
from aqa.workers import run_jobs

RATE = 30
WIDTH, HEIGHT = 256, 192
PAUSE = 3
"""Frames of standing still before an exercise."""

BEYOND = 4
"""How many frames after the last one of its view the last entry of the first record ends."""

QUALITY = 88
FRAMES = {
    "sumo-squat": (44, 52),
    "jumping-jacks": (42, 50),
    "high-knee": (42, 50),
    "knee-raise-abdominals": (48, 56),
}


@dataclass(frozen=True)
class Scene:
    """What the entries of a record share."""

    body: Body
    look: Look
    room: gym.Gym
    camera: Camera
    tone: scene.Tone


@dataclass(frozen=True)
class Rendered:
    """A record's number of frames; of each entry its frames from 1 (both ends included), keypoints, sizes."""

    frames: int
    ranges: tuple[tuple[int, int], ...]
    tracks: tuple[Track, ...]
    sizes: tuple[dict[str, object], ...]


def write(folder: Path, seed: int, workers: int, size: Size | None = None) -> None:
    """Write the embedded EgoExo-Fitness data into `folder`.

    The bytes depend on `seed` and `size` alone. Who shows which faults is planned for all
    entries together; everything else of an entry follows from (seed, record, entry).
    """
    records = plan(seed, size or Size())
    rendered = run_jobs(_render_job, [(folder, record) for record in records], workers, DATASET)
    annotations = folder / "raw_annotations"
    write_json(annotations / "meta_records.json", meta_records(records, rendered))
    write_json(
        annotations / "action_level_annotations.json",
        {record.record: actions(record, result) for record, result in zip(records, rendered, strict=True)},
    )
    judged: dict[str, Any] = {}
    for number, (record, result) in enumerate(zip(records, rendered, strict=True)):
        for index, entry in enumerate(record.entries):
            start, end = result.ranges[index]
            if number == 0 and index == len(record.entries) - 1:
                end += BEYOND
            judged[record.key(index)] = judgement(record, entry, start, end)
    write_json(annotations / "interpretable_action_judgement.json", judged)
    write_jsonl(folder / "poses.jsonl", [track for result in rendered for track in result.tracks])
    write_jsonl(folder / "faults.jsonl", [sizes for result in rendered for sizes in result.sizes])


def meta_records(records: list[RecordPlan], rendered: list[Rendered]) -> dict[str, Any]:
    """Return the content of `meta_records.json`."""
    listed = [
        {
            "record_id": record.record,
            "original_actor": record.actor,
            "views": [record.view],
            "frames": {record.view: {"num_frames": result.frames, "fps": RATE}},
        }
        for record, result in zip(records, rendered, strict=True)
    ]
    return {
        "records": listed,
        "record_index": {record.record: position for position, record in enumerate(records)},
    }


def actions(record: RecordPlan, result: Rendered) -> dict[str, Any]:
    """Return a record's part of `action_level_annotations.json`: rows of class, first and last frame."""
    rows = [
        [ACTIONS[entry.exercise][0], start, end]
        for entry, (start, end) in zip(record.entries, result.ranges, strict=True)
    ]
    return {"action_info": rows, "action_names": [ACTIONS[entry.exercise][1] for entry in record.entries]}


def judgement(record: RecordPlan, entry: EntryPlan, start: int, end: int) -> dict[str, Any]:
    """Return an entry of `interpretable_action_judgement.json`."""
    texts = guidelines(entry.exercise)
    annotations = [
        {
            "key_point_verification": [[text, str(kept)] for text, kept in zip(texts, votes, strict=True)],
            "action_quality_score": 5 - sum(not kept for kept in votes),
            "comment": "",
            "action_name": ACTIONS[entry.exercise][2],
            "action_guidance": " ".join(texts),
            "annotator": f"annotator_{number}",
        }
        for number, votes in enumerate(entry.votes, start=1)
    ]
    return {"annotations": annotations, "st_ed_frame": [start, end], "frame_root": record.media}


def scene_of(record: RecordPlan) -> Scene:
    """Return who moves in a record, and where: a person has one body, and other clothes on another date."""
    body = random_body(generator(record.seed, DATASET, f"person {record.person}"))
    rng = generator(record.seed, DATASET, record.record)
    look, room = gym_look(rng), gym.random_gym(rng)
    side = -1.0 if rng.random() < 0.5 else 1.0
    frontal = record.view == "exo_m"
    yaw = side * float(rng.uniform(0.22, 0.48) if frontal else rng.uniform(0.9, 1.1))
    distance, scale = float(rng.uniform(3.8, 4.6)), body.stature / 1.75
    focal = HEIGHT * float(rng.uniform(0.92, 0.97)) / (2.42 * scale) * distance
    target = np.array([rng.uniform(-0.08, 0.08), 1.11 * scale, 0.0])
    pitch = float(rng.uniform(0.02, 0.10))
    camera = orbit(target, distance, yaw=yaw, pitch=pitch, focal=focal, width=WIDTH, height=HEIGHT)
    return Scene(body, look, room, camera, scene.random_tone(rng))


def movement_of(record: RecordPlan, index: int, body: Body) -> tuple[Pose, dict[str, float]]:
    """Return an entry's movement (its true joints in metres) and the sizes of its faults."""
    entry = record.entries[index]
    rng = generator(record.seed, DATASET, record.record, str(index))
    low, high = FRAMES[entry.exercise]
    frames = int(rng.integers(low, high))
    sizes = {
        fault.quantity: round(float(rng.uniform(*(fault.broken if broken else fault.kept))), 3)
        for fault, broken in zip(FAULTS[entry.exercise], entry.broken, strict=True)
    }
    first, second, third = (
        float(np.radians(size)) if name.endswith("_deg") else size for name, size in sizes.items()
    )
    if entry.exercise == "sumo-squat":
        pose = workouts.sumo_squat(body, knee_in=first, lean=second, thigh=third, frames=frames)
    elif entry.exercise == "jumping-jacks":
        pose = workouts.jumping_jacks(body, arms=first, feet=second, elbow=third, frames=frames)
    elif entry.exercise == "high-knee":
        pose = workouts.high_knee(body, lift=first, elbow=second, lean=third, frames=frames)
    else:
        pose = workouts.side_knee_raise(body, lift=first, support=second, bend=third, frames=frames)
    return pose, sizes


def _render_job(job: tuple[Path, RecordPlan]) -> Rendered:
    return render(*job)


def render(folder: Path, record: RecordPlan) -> Rendered:
    """Write a record's frames into `folder` and return its ground truth."""
    shared = scene_of(record)
    images = folder / record.media
    images.mkdir(parents=True)
    rng = generator(record.seed, DATASET, record.record, "scene")
    darkroom = scene.Darkroom(shared.tone, HEIGHT, WIDTH, rng)
    count = 0
    ranges: list[tuple[int, int]] = []
    tracks: list[Track] = []
    sizes: list[dict[str, object]] = []
    for index, entry in enumerate(record.entries):
        pose, planted = movement_of(record, index, shared.body)
        shapes = figure(pose, shared.look)
        room = gym.furnish(shared.room, shared.camera, shapes, [])
        prepared = view(shapes, shared.camera, shared.room.light)
        start = count + PAUSE
        seen: list[tuple[tuple[Keypoint, ...], Box | None]] = []
        chosen = drawn(len(pose.joints), record.drawn)
        for at in [0] * PAUSE + list(range(len(pose.joints))):
            if at not in chosen:
                seen.append(seen[-1])
                count += 1
                shutil.copyfile(images / f"frame_{count - 1:010d}.jpg", images / f"frame_{count:010d}.jpg")
                continue
            canvas = room.frame(at)
            scene.paint_shadow(canvas.image, shared.camera, pose, at)
            draw(canvas, prepared, at)
            if count >= start:
                seen.append(observe(canvas, shared.camera, pose, at))
            count += 1
            _write_image(images / f"frame_{count:010d}.jpg", darkroom.develop(canvas.image, count))
        ranges.append((start + 1, count))
        tracks.append(
            Track(
                clip_id=record.key(index),
                media=record.media,
                first_frame=start,
                width=WIDTH,
                height=HEIGHT,
                keypoints=tuple(points for points, _ in seen),
                boxes=tuple(box for _, box in seen),
            )
        )
        sizes.append(_faults(record, index, entry, planted))
    return Rendered(count, tuple(ranges), tuple(tracks), tuple(sizes))


def _faults(record: RecordPlan, index: int, entry: EntryPlan, sizes: dict[str, float]) -> dict[str, object]:
    present = {fault.name: broken for fault, broken in zip(FAULTS[entry.exercise], entry.broken, strict=True)}
    return {
        "clip_id": record.key(index),
        "exercise": entry.exercise,
        "split": "test",
        "sizes": sizes,
        "present": present,
    }


def _write_image(path: Path, picture: scene.Picture) -> None:
    """Write a JPEG; a run that is killed leaves the whole folder unpublished, so no file is flushed alone."""
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    path.write_bytes(data.tobytes())
