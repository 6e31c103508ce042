"""Rotations, directions and two-bone inverse kinematics, vectorised over leading axes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]

_AXES = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}


def rotation(axis: str, angle: ArrayLike) -> Array:
    """Return right-handed rotation matrices [..., 3, 3] about a coordinate axis by `angle` radians [...]."""
    angle = np.asarray(angle, dtype=float)
    first, second = _AXES[axis]
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., range(3), range(3)] = 1.0
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix[..., first, first] = cosine
    matrix[..., second, second] = cosine
    matrix[..., second, first] = sine
    matrix[..., first, second] = -sine
    return matrix


def unit(vector: ArrayLike) -> Array:
    """Return vectors [..., 3] scaled to length one; a zero vector stays zero."""
    vector = np.asarray(vector, dtype=float)
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    scaled: Array = vector / np.maximum(length, 1e-12)
    return scaled


def vector(x: ArrayLike, y: ArrayLike, z: ArrayLike) -> Array:
    """Return vectors [..., 3] of components that broadcast against each other."""
    return np.stack(np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float), np.asarray(z, float)), -1)


def apply(matrix: ArrayLike, vector: ArrayLike) -> Array:
    """Return `matrix` [..., 3, 3] applied to `vector` [..., 3]."""
    product: Array = np.einsum("...ij,...j->...i", np.asarray(matrix, float), np.asarray(vector, float))
    return product


def orthonormal(matrix: Array) -> Array:
    """Return the nearest-looking rotation [..., 3, 3]: keep the y column, square x and z to it."""
    up = unit(matrix[..., :, 1])
    side = unit(matrix[..., :, 0] - (matrix[..., :, 0] * up).sum(-1, keepdims=True) * up)
    return np.stack([side, up, np.cross(side, up)], axis=-1)


def angle_at(first: Array, joint: Array, last: Array) -> Array:
    """Return the angle in degrees at `joint` between the points `first` and `last` [..., 3]."""
    cosine = (unit(first - joint) * unit(last - joint)).sum(-1)
    angle: Array = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return angle


def two_bone_ik(root: Array, target: Array, upper: float, lower: float, pole: Array) -> tuple[Array, Array]:
    """Return the middle joint and the end of a two-bone chain that reaches for `target`.

    Args:
        root: Where the chain begins [..., 3].
        target: Where its end should be [..., 3]; out of reach, the end stops on the way there.
        upper: Length of the first bone in metres.
        lower: Length of the second bone in metres.
        pole: The direction in which the middle joint bends [..., 3].
    """
    reach = target - root
    distance = np.linalg.norm(reach, axis=-1, keepdims=True)
    direction = reach / np.maximum(distance, 1e-9)
    distance = np.clip(distance, abs(upper - lower) + 1e-4, (upper + lower) * 0.9995)
    along = (upper**2 - lower**2 + distance**2) / (2.0 * distance)
    height = np.sqrt(np.maximum(upper**2 - along**2, 0.0))
    bend = unit(pole - (pole * direction).sum(-1, keepdims=True) * direction)
    return root + along * direction + height * bend, root + distance * direction
