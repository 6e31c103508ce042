"""From everybody's paths in a clip to the poses of the one who is judged, and how good they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqa.config import Pose
from aqa.pose.base import KEYPOINTS, Array
from aqa.pose.camera import Steady
from aqa.pose.clean import fill_gaps, smooth
from aqa.pose.store import Poses
from aqa.pose.subject import Picture, choose
from aqa.pose.subjects import Pick, picked
from aqa.pose.tracks import Track

LONGEST_GAP = 15
"""Frames that are interpolated where the configuration does not say, for networks."""

SHORT = 0.1
"""A shot below this share of a clip does not decide whether its choice was clear."""


@dataclass(frozen=True)
class Scene:
    """A clip in which people were looked for.

    `first`: its first frame in the media file; `times`: (n,) seconds of all its frames; `walked`: the
    frames, from 0, in which people were looked for; `steady` and the shots of `people` count these.
    """

    first: int
    times: Array
    walked: NDArray[np.int64]
    width: int
    height: int
    steady: Steady


@dataclass(frozen=True)
class Subject:
    """The subject's path; frames count as `Scene.walked` does. `margin`: see `PoseClip`."""

    track: Track
    margin: float | None


@dataclass(frozen=True)
class Quality:
    """How good the poses of a clip are: see `aqa.records.PoseClip`."""

    frames: int
    coverage: float
    mean_confidence: float
    interpolated: float


def find_subject(
    scene: Scene, people: Sequence[Sequence[Track]], picks: Sequence[Pick] = ()
) -> Subject | str:
    """Choose who is judged, shot by shot; a pick counts for the shot of its frame.

    Args:
        scene: the clip.
        people: the tracks of each shot, their frames counted from the shot's beginning.
        picks: a person's word.

    Returns:
        The subject, or why there is none.
    """
    parts: list[Track] = []
    margins: list[float] = []
    left = list(picks)
    for shot, tracks in zip(scene.steady.shots, people, strict=True):
        said = [pick for pick in left if _in_shot(pick, scene, shot)]
        left = [pick for pick in left if pick not in said]
        if said:
            index = _said(said, scene, shot, tracks)
            if isinstance(index, str):
                return index
        else:
            picture = Picture(scene.width, scene.height, scene.times[scene.walked[shot.start : shot.stop]])
            choice = choose(tracks, scene.steady.to_scene[shot.start : shot.stop], picture)
            if choice is None:
                continue
            index = choice.index
            if choice.margin is not None and len(shot) >= SHORT * len(scene.walked):
                margins.append(choice.margin)
        track = tracks[index]
        parts.append(Track(track.at + shot.start, track.boxes, track.keypoints))
    if left:
        last = scene.first + len(scene.times) - 1
        return f"subjects.yaml: frame {left[0].frame} is not in the clip (frames {scene.first}..{last})"
    if not parts:
        return f"nobody was found in {len(scene.walked)} frames"
    return Subject(Track.joined(parts), min(margins, default=None))


def _in_shot(pick: Pick, scene: Scene, shot: range) -> bool:
    walked = scene.walked + scene.first
    end = walked[shot.stop] if shot.stop < len(walked) else scene.first + len(scene.times)
    return bool(walked[shot.start] <= pick.frame < end)


def _said(said: Sequence[Pick], scene: Scene, shot: range, tracks: Sequence[Track]) -> int | str:
    """Return the index of the track that all picks of a shot mean, or what is wrong."""
    frames = scene.walked[shot.start : shot.stop] + scene.first
    whole = [Track(frames[track.at], track.boxes, track.keypoints) for track in tracks]
    meant = {}
    for pick in said:
        index = picked(pick, whole, 0)
        if index is None:
            return f"subjects.yaml: nobody was found there in frame {pick.frame}"
        meant[index] = pick.frame
    if len(meant) > 1:
        places = ", ".join(str(frame) for frame in meant.values())
        return f"subjects.yaml: frames {places} of one shot show different people"
    return next(iter(meant))


def poses_of(scene: Scene, subject: Subject, settings: Pose) -> tuple[Poses, Quality]:
    """Return the subject's poses in all frames of the clip: gaps filled and jitter smoothed as set."""
    network = settings.backend != "precomputed"
    n = len(scene.times)
    places = np.full((n, KEYPOINTS + 2, 3), np.nan)  # The joints, and the box's two corners.
    at = scene.walked[subject.track.at]
    places[at, :KEYPOINTS] = subject.track.keypoints
    places[at, :KEYPOINTS, 2] = np.where(
        np.isfinite(places[at, :KEYPOINTS, 0]), places[at, :KEYPOINTS, 2], np.nan
    )
    places[at, KEYPOINTS:, :2] = subject.track.boxes.reshape(-1, 2, 2)
    found = np.zeros(n, dtype=np.bool_)
    found[at] = True
    sure = places[found, :KEYPOINTS, 2]
    longest = settings.fill_gaps if settings.fill_gaps is not None else (LONGEST_GAP if network else 0)
    filled = np.zeros(n, dtype=np.bool_)
    for start, stop in _shots_in_frames(scene):
        part, done = fill_gaps(places[start:stop], max(longest, settings.stride - 1))
        places[start:stop], filled[start:stop] = part, done
        if settings.smooth if settings.smooth is not None else network:
            places[start:stop, :KEYPOINTS, :2] = smooth(
                part[:, :KEYPOINTS, :2], scene.times[start:stop], _height(subject.track)
            )
    keypoints = places[:, :KEYPOINTS].astype(np.float32)
    keypoints[..., 2] = np.nan_to_num(keypoints[..., 2])
    poses = Poses(
        indices=np.arange(scene.first, scene.first + n, dtype=np.int64),
        keypoints=keypoints,
        boxes=places[:, KEYPOINTS:, :2].reshape(n, 4).astype(np.float32),
        interpolated=filled,
        width=scene.width,
        height=scene.height,
    )
    known = sure[np.isfinite(sure)]
    quality = Quality(
        frames=n,
        coverage=round(len(at) / len(scene.walked), 6),
        mean_confidence=round(float(known.mean()), 6) if len(known) else 0.0,
        interpolated=round(float(filled.mean()), 6),
    )
    return poses, quality


def _shots_in_frames(scene: Scene) -> list[tuple[int, int]]:
    starts = [int(scene.walked[shot.start]) for shot in scene.steady.shots]
    starts[0] = 0
    return list(zip(starts, [*starts[1:], len(scene.times)], strict=True))


def _height(track: Track) -> float:
    return max(float(np.median(track.boxes[:, 3] - track.boxes[:, 1])), 1.0)
