"""What surrounds a figure: textured planes, boxes, soft shadows, and the tone of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqa.synthetic.body import Joint, Pose
from aqa.synthetic.camera import Camera
from aqa.synthetic.geometry import Array
from aqa.synthetic.surface import Colour, Image

Picture = NDArray[np.uint8]

BONES = (
    (Joint.PELVIS, Joint.NECK, 0.15),
    (Joint.NECK, Joint.HEAD, 0.10),
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, 0.05),
    (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, 0.05),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST, 0.04),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST, 0.04),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE, 0.08),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE, 0.08),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE, 0.06),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, 0.06),
    (Joint.LEFT_HEEL, Joint.LEFT_TOE, 0.05),
    (Joint.RIGHT_HEEL, Joint.RIGHT_TOE, 0.05),
)
"""The bones that cast a shadow: from, to, half width in metres."""


@dataclass(frozen=True)
class Plane:
    """A textured rectangle: `origin` is the texture's top left corner, `u` and `v` its sides, in metres."""

    origin: tuple[float, float, float]
    u: tuple[float, float, float]
    v: tuple[float, float, float]
    texture: Picture


def paint_plane(
    image: Picture, camera: Camera, plane: Plane, shift: tuple[float, float] = (0.0, 0.0)
) -> None:
    """Draw a plane into `image` in place, through the camera's first frame.

    `shift` moves the texture along u and v, as a share of the plane's sides. The plane must not reach
    behind the camera within the image.
    """
    if not _in_view(camera, plane):
        return
    rows, columns = plane.texture.shape[:2]
    homography = camera.plane(plane.origin, plane.u, plane.v)
    to_unit = np.array([[1.0 / columns, 0.0, shift[0]], [0.0, 1.0 / rows, shift[1]], [0.0, 0.0, 1.0]])
    cv2.warpPerspective(
        plane.texture,
        homography @ to_unit,
        (image.shape[1], image.shape[0]),
        dst=image,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_TRANSPARENT,
    )


def _in_view(camera: Camera, plane: Plane) -> bool:
    origin, u, v = (np.array(side) for side in (plane.origin, plane.u, plane.v))
    corners = np.stack([origin, origin + u, origin + u + v, origin + v])[None]
    if (camera.see(corners)[..., 2] < 0.1).any():
        return True
    pixels = camera.project(corners)[0]
    size = np.array([camera.width, camera.height])
    return bool((pixels.max(axis=0) > 0).all() and (pixels.min(axis=0) < size).all())


Face: TypeAlias = tuple[Array, tuple[float, ...]]
"""A flat convex polygon of four corners [4, 3] in metres, and its colour."""


def box_faces(eye: Array, low: ArrayLike, high: ArrayLike, colour: Colour) -> list[Face]:
    """Return the faces that `eye` [3] sees of a solid box between two opposite corners [3], in metres."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    centre = 0.5 * (low + high)
    faces: list[Face] = []
    for axis, tone in ((0, 0.72), (2, 0.88), (1, 1.08)):
        for end in (low, high):
            outward = np.sign(end[axis] - centre[axis])
            if (eye[axis] - end[axis]) * outward <= 0.0:
                continue
            first, second = (k for k in range(3) if k != axis)
            corners = np.repeat(end[None], 4, axis=0)
            corners[:, first] = [low[first], high[first], high[first], low[first]]
            corners[:, second] = [low[second], low[second], high[second], high[second]]
            faces.append((corners, tuple(min(c * tone, 255.0) for c in colour)))
    return faces


def paint_faces(image: Picture, camera: Camera, faces: list[Face]) -> None:
    """Fill polygons in place, in order; one that reaches behind the camera is left out."""
    if not faces:
        return
    corners = np.concatenate([face for face, _ in faces])[None]
    nearest = camera.see(corners)[0, :, 2].reshape(-1, 4).min(axis=1)
    pixels = np.clip(camera.project(corners)[0], -4000.0, 4000.0) * 16.0
    points = np.round(pixels).astype(np.int32).reshape(-1, 4, 2)
    for near, polygon, (_, colour) in zip(nearest, points, faces, strict=True):
        if near > 0.1:
            cv2.fillConvexPoly(image, polygon, colour, cv2.LINE_AA, 4)


def paint_shadow(image: Image, camera: Camera, pose: Pose, index: int, strength: float = 0.45) -> None:
    """Darken the floor under a figure in place: the bones' shadow from a wide lamp overhead."""
    joints = pose.joints[index].copy()
    height = joints[:, 1].copy()
    joints[:, 0] += 0.18 * height
    joints[:, 2] -= 0.22 * height
    joints[:, 1] = 0.0
    seen = camera.see(joints[None])[0]
    pixels = camera.project(joints[None])[0]
    mask = np.zeros((image.shape[0] // 2 + 1, image.shape[1] // 2 + 1), np.uint8)
    for first, second, half in BONES:
        scale = camera.focal[0] / max(float(seen[first, 2]), 0.5)
        ends = np.round(np.clip(0.5 * pixels[[first, second]], -2000.0, 2000.0) * 16.0).astype(int)
        width = max(int(0.7 * half * scale), 1)
        cv2.line(mask, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, width, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 2.2)
    full = cv2.resize(soft, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[
        : image.shape[0], : image.shape[1]
    ]
    image *= (1.0 - (strength / 255.0) * full.astype(np.float32))[..., None]


@dataclass(frozen=True)
class Tone:
    """How a camera renders light: gain and warmth, darkening towards the corners, and sensor noise."""

    gain: tuple[float, float, float]
    corners: float
    noise: float


class Darkroom:
    """Turns what a canvas holds into finished frames of one size and tone."""

    def __init__(self, tone: Tone, height: int, width: int, rng: np.random.Generator) -> None:
        y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None]
        x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :]
        dark = 1.0 - np.float32(tone.corners) * (x * x + y * y)
        self._gain: Image = dark[..., None] * np.array(tone.gain, np.float32)
        self._grain: list[Image] = []
        for _ in range(5):
            coarse = rng.normal(0.0, tone.noise, (height // 2 + 1, width // 2 + 1)).astype(np.float32)
            fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
            self._grain.append(np.repeat(fine[..., None], 3, axis=2))

    def develop(self, image: Image, index: int) -> Picture:
        """Return frame `index` finished [height, width, 3], 0..255; `image` is overwritten."""
        cv2.multiply(image, self._gain, dst=image)
        cv2.add(image, self._grain[index % len(self._grain)], dst=image)
        finished: Picture = np.clip(image, 0.0, 255.0, out=image).astype(np.uint8)
        return finished


def random_tone(rng: np.random.Generator) -> Tone:
    """Draw a camera's rendering: somewhat bright or dark, warm or cold."""
    gain, warm = float(rng.uniform(0.88, 1.10)), float(rng.uniform(-0.05, 0.05))
    return Tone(
        (gain * (1.0 + warm), gain, gain * (1.0 - warm)),
        float(rng.uniform(0.02, 0.14)),
        float(rng.uniform(0.5, 2.0)),
    )


def speckle(rng: np.random.Generator, height: int, width: int, cells: int, amplitude: float) -> Image:
    """Return smooth noise [height, width, 1] of about `amplitude`, with `cells` cells along the width."""
    coarse = rng.normal(0.0, amplitude, (max(cells * height // max(width, 1), 2), cells)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)[
        ..., None
    ]


def plain(height: int, width: int, colour: Colour) -> Image:
    """Return a picture of one colour, ready to be painted on."""
    return np.broadcast_to(np.array(colour, np.float32), (height, width, 3)).copy()


def finish(image: Image, blur: float = 0.0) -> Picture:
    """Return a painted texture as 8-bit colours, softened by `blur` (standard deviation in pixels)."""
    if blur > 0.0:
        cv2.GaussianBlur(image, (0, 0), blur, dst=image)
    texture: Picture = np.clip(image, 0.0, 255.0).astype(np.uint8)
    return texture
