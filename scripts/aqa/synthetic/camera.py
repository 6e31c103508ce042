"""A pinhole camera over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqa.synthetic.geometry import Array, unit


@dataclass(frozen=True)
class Camera:
    """A camera per frame; with one entry it stands still and serves any number of frames.

    `position` [frames, 3] in metres; `rotation` [frames, 3, 3] takes the world to the camera, whose x
    points right, y down and z into the scene; `focal` [frames] in pixels. Pixel (0, 0) is the centre of
    the top left pixel.
    """

    position: Array
    rotation: Array
    focal: Array
    width: int
    height: int

    def see(self, points: Array) -> Array:
        """Return world points [frames, n, 3] in camera coordinates."""
        seen: Array = (points - self.position[:, None]) @ np.swapaxes(self.rotation, 1, 2)
        return seen

    def project(self, points: Array) -> Array:
        """Return pixels [frames, n, 2] of world points [frames, n, 3] in front of the camera."""
        seen = self.see(points)
        focal = self.focal[:, None, None]
        centre = np.array([(self.width - 1) / 2.0, (self.height - 1) / 2.0])
        pixels: Array = seen[..., :2] / np.maximum(seen[..., 2:], 1e-6) * focal + centre
        return pixels

    def frame(self, index: int) -> Camera:
        """Return the camera of one frame, as a camera that stands still."""
        i = min(index, len(self.focal) - 1)
        one = slice(i, i + 1)
        return Camera(self.position[one], self.rotation[one], self.focal[one], self.width, self.height)

    def plane(self, origin: ArrayLike, u: ArrayLike, v: ArrayLike) -> Array:
        """Return the homography [3, 3] of the first frame from (a, b) on a plane to pixels.

        The plane's point (a, b) is `origin` + a `u` + b `v` in the world.
        """
        rotation, focal = self.rotation[0], self.focal[0]
        intrinsic = np.array(
            [[focal, 0.0, (self.width - 1) / 2.0], [0.0, focal, (self.height - 1) / 2.0], [0.0, 0.0, 1.0]]
        )
        columns = np.stack(
            [np.asarray(u, float), np.asarray(v, float), np.asarray(origin, float) - self.position[0]]
        )
        homography: Array = intrinsic @ rotation @ columns.T
        return homography

    def water_depth(self, level: float) -> NDArray[np.float32]:
        """Return the depth [height, width] at which the first frame's rays meet the plane y = `level`.

        Infinite where a ray does not meet it. With a level camera all columns are equal and the shape is
        [height, 1].
        """
        rotation, focal = self.rotation[0], float(self.focal[0])
        columns = self.width if abs(rotation[0, 1]) > 1e-9 else 1
        x = (np.arange(columns) - (columns - 1) / 2.0) / focal
        y = (np.arange(self.height) - (self.height - 1) / 2.0) / focal
        rise = rotation[0, 1] * x[None, :] + rotation[1, 1] * y[:, None] + rotation[2, 1]
        drop = level - self.position[0, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = drop / rise
        return np.where(depth > 0.0, depth, np.inf).astype(np.float32)


def look_at(
    position: ArrayLike, target: ArrayLike, focal: ArrayLike, *, width: int, height: int, roll: float = 0.0
) -> Camera:
    """Return a camera at `position` [frames or 1, 3] that looks at `target` [frames or 1, 3].

    Args:
        position: Metres.
        target: The world point that falls on the middle of the image.
        focal: Focal length in pixels, a number or [frames].
        width: Of the image, pixels.
        height: Of the image, pixels.
        roll: Of the camera about its axis, radians.
    """
    position, target = np.atleast_2d(np.asarray(position, float)), np.atleast_2d(np.asarray(target, float))
    frames = max(len(position), len(target), np.size(focal))
    position, target = np.broadcast_to(position, (frames, 3)), np.broadcast_to(target, (frames, 3))
    forward = unit(target - position)
    right = unit(np.cross(forward, np.array([0.0, 1.0, 0.0])))
    down = np.cross(forward, right)
    cosine, sine = np.cos(roll), np.sin(roll)
    rows = [cosine * right + sine * down, cosine * down - sine * right, forward]
    return Camera(
        np.array(position),
        np.stack(rows, axis=1),
        np.broadcast_to(np.asarray(focal, float), frames).copy(),
        width,
        height,
    )


def orbit(
    target: ArrayLike, distance: float, *, yaw: float, pitch: float, focal: float, width: int, height: int
) -> Camera:
    """Return a still camera around `target`.

    Args:
        target: The point looked at [3], metres.
        distance: From the camera to it, metres.
        yaw: Radians about the vertical; 0 stands on the +z side, in front of a figure at rest.
        pitch: Radians above the horizontal.
        focal: Pixels.
        width: Pixels.
        height: Pixels.
    """
    away = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    eye = np.asarray(target, float) + distance * away
    return look_at(eye, target, focal, width=width, height=height)
