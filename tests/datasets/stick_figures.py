"""Hand-made poses: people of known proportions, from the front or from the side, joint by joint.

Places are shares of the stature: x to the right of the picture, y up from the floor. A figure that faces the
camera has its left side on the right of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aqa.datasets.kinematics import Array, Joint, Motion

Place = tuple[float, float]

FRONT: dict[str, Place] = {
    "nose": (0.0, 0.93),
    "left_shoulder": (0.11, 0.82),
    "right_shoulder": (-0.11, 0.82),
    "left_elbow": (0.12, 0.65),
    "right_elbow": (-0.12, 0.65),
    "left_wrist": (0.13, 0.50),
    "right_wrist": (-0.13, 0.50),
    "left_hip": (0.06, 0.53),
    "right_hip": (-0.06, 0.53),
    "left_knee": (0.06, 0.285),
    "right_knee": (-0.06, 0.285),
    "left_ankle": (0.06, 0.04),
    "right_ankle": (-0.06, 0.04),
}
"""Somebody who stands upright and faces the camera."""

SIDE: dict[str, Place] = {name: (0.0, place[1]) for name, place in FRONT.items()}
"""Somebody who stands upright, seen from the side."""


def pixels(pose: Mapping[str, Place], *, stature: float = 300.0, **changes: Place | None) -> Array:
    """Return a pose (17, 2) in pixels, y down; a joint that is changed to None is not known."""
    points = np.full((len(Joint), 2), np.nan)
    for name, place in {**pose, **changes}.items():
        if place is not None:
            points[Joint[name.upper()]] = (400.0 + stature * place[0], 500.0 - stature * place[1])
    return points


def motion(*frames: Array, rate: float = 25.0) -> Motion:
    """Return a clip of these frames."""
    return Motion(np.stack(frames), rate)


def moved(clip: Motion, *, scale: float = 1.0, shift: Place = (0.0, 0.0), mirror: bool = False) -> Motion:
    """Return the clip in a picture that is scaled, shifted or mirrored; mirrored, left is right."""
    points = clip.points * np.array([-1.0 if mirror else 1.0, 1.0]) * scale + np.array(shift)
    if mirror:
        pairs = [0, *(joint + 1 if joint % 2 else joint - 1 for joint in range(1, len(Joint)))]
        points = points[:, pairs]
    return Motion(points, clip.rate, clip.details)
