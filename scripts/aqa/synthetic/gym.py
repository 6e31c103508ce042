"""A gym: floor, wall with windows, posters or a mirror, racks and weights, and people in the background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from aqa.synthetic.body import Joint, Pose, random_body, reach, swing_arm, swing_leg, trunk_pose
from aqa.synthetic.camera import Camera
from aqa.synthetic.figure import figure, mirrored
from aqa.synthetic.geometry import Array, rotation, vector
from aqa.synthetic.look import gym_look
from aqa.synthetic.scene import (
    Picture,
    Plane,
    box_faces,
    finish,
    paint_faces,
    paint_plane,
    paint_shadow,
    plain,
    speckle,
)
from aqa.synthetic.surface import Canvas, Colour, Ellipsoid, Image, Light, Shape, View, draw, view

_FLOORS: tuple[Colour, ...] = ((74, 76, 80), (150, 114, 78), (116, 118, 122), (92, 70, 54), (62, 84, 106))
_WALLS: tuple[Colour, ...] = (
    (214, 210, 200),
    (176, 190, 200),
    (140, 146, 150),
    (196, 178, 152),
    (120, 136, 126),
    (96, 100, 110),
)
_ACCENTS: tuple[Colour, ...] = ((190, 60, 50), (40, 90, 160), (230, 170, 40), (50, 140, 100), (60, 62, 70))
_PIXELS = 56  # of a texture, per metre


@dataclass(frozen=True)
class Gym:
    """A room: `wall` is the z of its back wall in metres, `mirror` the (left, top, right, bottom) of a
    mirror on it in metres, or None."""

    floor: Plane
    back: Plane
    wall: float
    mirror: tuple[float, float, float, float] | None
    boxes: tuple[tuple[Array, Array, Colour], ...]
    weights: tuple[tuple[Array, Array, Colour], ...]
    light: Light


def _pick(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    red, green, blue = (float(c + rng.uniform(-14.0, 14.0)) for c in palette[int(rng.integers(len(palette)))])
    return red, green, blue


def random_gym(rng: np.random.Generator) -> Gym:
    """Draw a room; the lifter stands at the origin and faces +z."""
    wall = -float(rng.uniform(1.7, 3.2))
    mirror = None
    if rng.random() < 0.35:
        left = float(rng.uniform(-2.6, -0.2))
        mirror = (
            left,
            float(rng.uniform(2.0, 2.3)),
            left + float(rng.uniform(1.5, 2.4)),
            float(rng.uniform(0.15, 0.5)),
        )
    boxes, weights = _equipment(rng, wall)
    side = -1.0 if rng.random() < 0.5 else 1.0
    light = Light(
        (0.5 * side, 0.8, float(rng.uniform(0.35, 0.7))),
        float(rng.uniform(0.36, 0.48)),
        float(rng.uniform(0.64, 0.8)),
    )
    return Gym(_floor(rng), _back(rng, wall), wall, mirror, boxes, weights, light)


def _floor(rng: np.random.Generator) -> Plane:
    wide, deep = 16.0, 14.0
    rows, columns = int(deep * _PIXELS), int(wide * _PIXELS)
    image = plain(rows, columns, _pick(rng, _FLOORS)) + speckle(rng, rows, columns, 24, 5.0)
    kind = int(rng.integers(3))
    if kind == 0:
        image += rng.normal(0.0, 9.0, (rows, columns, 1)).astype(np.float32)
    elif kind == 1:
        for x in range(0, columns, 12):
            image[:, x : x + 12] *= float(rng.uniform(0.9, 1.08))
            image[:, x] *= 0.78
    else:
        image[::_PIXELS, :] *= 0.8
        image[:, ::_PIXELS] *= 0.8
    if rng.random() < 0.6:  # a lifting platform around the origin
        middle, back = columns // 2, int(9.0 * _PIXELS)
        half, reach_z = int(1.3 * _PIXELS), int(1.2 * _PIXELS)
        mat = image[back - reach_z : back + reach_z, middle - half : middle + half]
        mat[:] = np.array(_pick(rng, _FLOORS), np.float32) * 1.08 + speckle(
            rng, mat.shape[0], mat.shape[1], 16, 3.0
        )
        mat[:4], mat[-4:], mat[:, :4], mat[:, -4:] = 46.0, 46.0, 46.0, 46.0
    return Plane(
        (-wide / 2, 0.0, -9.0),
        (wide, 0.0, 0.0),
        (0.0, 0.0, deep),
        finish(image, blur=0.8),
    )


def _back(rng: np.random.Generator, wall: float) -> Plane:
    wide, high = 14.0, 4.2
    rows, columns = int(high * _PIXELS), int(wide * _PIXELS)
    base, accent = _pick(rng, _WALLS), _pick(rng, _ACCENTS)
    image = plain(rows, columns, base) + speckle(rng, rows, columns, 10, 5.0)
    kind = int(rng.integers(3))
    if kind == 0:
        band = rows - int(rng.uniform(0.8, 1.3) * _PIXELS)
        image[band:] *= 0.74
        image[band - 4 : band] = accent
    elif kind == 1:
        for row, y in enumerate(range(0, rows, 10)):
            image[y] *= 0.84
            image[y : y + 10, (row % 2) * 11 :: 22] *= 0.86
    else:
        for x in range(0, columns, int(1.4 * _PIXELS)):
            image[:, x : x + 3] *= 0.8
    for _ in range(int(rng.integers(3, 7))):
        x, y = int(rng.uniform(0, columns - 90)), int(rng.uniform(0.1, 0.42) * rows)
        width, height = int(rng.uniform(0.5, 1.5) * _PIXELS), int(rng.uniform(0.5, 1.2) * _PIXELS)
        _hang(rng, image[y : y + height, x : x + width], accent)
    image[-5:] = 52.0
    return Plane(
        (-wide / 2, high, wall),
        (wide, 0.0, 0.0),
        (0.0, -high, 0.0),
        finish(image, blur=1.0),
    )


def _hang(rng: np.random.Generator, place: Image, accent: Colour) -> None:
    """Paint a window or a poster over part of a wall."""
    height, width = place.shape[:2]
    if rng.random() < 0.5:
        place[:] = np.array((196.0, 216.0, 232.0)) + np.linspace(30.0, -25.0, height)[:, None, None]
        place[:, width // 2 - 1 : width // 2 + 2] = 70.0
        place[height // 2 - 1 : height // 2 + 2] = 70.0
    else:
        place[:] = _pick(rng, (*_ACCENTS, (220, 220, 220)))
        place[height // 5 : height // 3, width // 6 : -width // 6] = accent
        for row in range(height // 2, height - 6, 7):
            place[row : row + 2, width // 6 : max(int(width * rng.uniform(0.5, 0.85)), 2)] *= 0.6
    place[:2], place[-2:], place[:, :2], place[:, -2:] = 60.0, 60.0, 60.0, 60.0


def _equipment(
    rng: np.random.Generator, wall: float
) -> tuple[tuple[tuple[Array, Array, Colour], ...], tuple[tuple[Array, Array, Colour], ...]]:
    boxes: list[tuple[Array, Array, Colour]] = []
    weights: list[tuple[Array, Array, Colour]] = []
    steel = _pick(rng, ((58, 60, 66), (120, 30, 34), (40, 70, 120), (180, 160, 60)))
    for _ in range(int(rng.integers(1, 4))):
        x, z = float(rng.uniform(-2.4, 2.4)), wall + 0.35
        kind = int(rng.integers(3))
        if kind == 0:  # a power rack
            for dx in (-0.55, 0.55):
                boxes.append(
                    (np.array([x + dx - 0.04, 0.0, z]), np.array([x + dx + 0.04, 2.15, z + 0.08]), steel)
                )
            boxes.append((np.array([x - 0.55, 2.05, z]), np.array([x + 0.55, 2.13, z + 0.06]), steel))
            boxes.append(
                (np.array([x - 0.75, 1.25, z + 0.05]), np.array([x + 0.75, 1.29, z + 0.09]), (150, 150, 156))
            )
            for dx in (-0.7, 0.7):
                weights.append((np.array([x + dx, 1.27, z + 0.07]), np.array([0.04, 0.2, 0.2]), (44, 44, 48)))
        elif kind == 1:  # dumbbells on a shelf
            for y in (0.35, 0.75):
                boxes.append((np.array([x - 0.7, y, z]), np.array([x + 0.7, y + 0.05, z + 0.35]), steel))
                for k in range(5):
                    centre = np.array([x - 0.56 + 0.28 * k, y + 0.13, z + 0.2])
                    weights.append((centre, np.array([0.1, 0.075, 0.12]), (50, 50, 54)))
        else:  # a bench
            seat = _pick(rng, _ACCENTS)
            boxes.append((np.array([x - 0.6, 0.38, z + 0.1]), np.array([x + 0.6, 0.46, z + 0.4]), seat))
            for dx in (-0.5, 0.46):
                boxes.append(
                    (np.array([x + dx, 0.0, z + 0.2]), np.array([x + dx + 0.05, 0.38, z + 0.3]), steel)
                )
    return tuple(boxes), tuple(weights)


@dataclass(frozen=True)
class Room:
    """A gym seen by a still camera, with everybody in it: what is drawn behind the lifter."""

    picture: Picture
    people: tuple[View, ...]
    reflection: View | None
    place: tuple[slice, slice]
    mask: Image

    def frame(self, index: int) -> Canvas:
        """Return a canvas with the room, the mirror's image and the bystanders of frame `index`."""
        canvas = Canvas.over(self.picture)
        if self.reflection is not None:
            bare = canvas.image[self.place].copy()
            draw(canvas, self.reflection, index)
            behind = canvas.image[self.place] - bare
            canvas = Canvas.over(self.picture)
            canvas.image[self.place] += (0.85 * self.mask)[..., None] * behind
        for seen in self.people:
            draw(canvas, seen, index)
        return canvas


def furnish(gym: Gym, camera: Camera, shapes: list[Shape], people: list[tuple[Pose, list[Shape]]]) -> Room:
    """Return the room ready for drawing.

    Args:
        gym: The room.
        camera: A camera that stands still.
        shapes: The lifter's and the barbell's shapes, for the mirror.
        people: Bystanders.
    """
    picture: Picture = np.full((camera.height, camera.width, 3), 90, np.uint8)
    paint_plane(picture, camera, gym.floor)
    paint_plane(picture, camera, gym.back)
    mask = np.zeros((camera.height, camera.width), np.float32)
    reflection = None
    if gym.mirror is not None:
        left, top, right, bottom = gym.mirror
        corners = vector(np.array([left, right, right, left]), np.array([top, top, bottom, bottom]), gym.wall)
        points = np.round(camera.project(corners[None])[0]).astype(np.int32)
        cv2.fillConvexPoly(mask, points, 1.0, cv2.LINE_AA)
        inside: Picture = np.full_like(picture, 150)
        far = Plane((-9.0, 4.2, gym.wall - 5.0), (18.0, 0.0, 0.0), (0.0, -4.2, 0.0), gym.back.texture)
        paint_plane(inside, camera, gym.floor)
        paint_plane(inside, camera, far)
        silver = 0.82 * inside.astype(np.float32) + np.array((14.0, 20.0, 22.0))
        mixed = picture + mask[..., None] * (silver - picture)
        picture = np.clip(mixed, 0, 255).astype(np.uint8)
        cv2.polylines(picture, [points], True, (62, 62, 66), 2, cv2.LINE_AA)
        reflection = view(mirrored(shapes, gym.wall), camera, gym.light)
    bare = picture.copy()
    for low, high, colour in gym.boxes:
        paint_faces(picture, camera, box_faces(camera.position[0], low, high, colour))
    if gym.weights:
        canvas = Canvas.over(picture)
        still: list[Shape] = [Ellipsoid(c[None], np.diag(h)[None], colour) for c, h, colour in gym.weights]
        draw(canvas, view(still, camera, gym.light), 0)
        picture = np.clip(canvas.image, 0, 255).astype(np.uint8)
    mask[(picture != bare).any(axis=2)] = 0.0  # what stands in front of the mirror
    ground = picture.astype(np.float32)
    for pose, _ in people:
        paint_shadow(ground, camera, pose, 0)
    picture = ground.astype(np.uint8)
    place = _extent(mask)
    if place is None:
        reflection, place = None, (slice(0, 0), slice(0, 0))
    seen = tuple(view(body, camera, gym.light) for _, body in people)
    return Room(picture, seen, reflection, place, mask[place])


def _extent(mask: Image) -> tuple[slice, slice] | None:
    """Return the rows and columns where the mask is not zero."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def bystander(rng: np.random.Generator, place: tuple[float, float], time: Array) -> tuple[Pose, list[Shape]]:
    """Return somebody at (x, z) metres in the background, standing or curling, over `time` [frames]."""
    body, look = random_body(rng), gym_look(rng)
    frames = len(time)
    turn = rotation("y", np.full(frames, float(rng.uniform(-np.pi, np.pi))))
    wave = 0.5 + 0.5 * np.sin(2.0 * np.pi * time * rng.uniform(0.3, 0.6) + rng.uniform(0.0, 6.0))
    lean = turn @ rotation("x", 0.05 + 0.04 * wave)
    head = turn @ rotation("y", 0.5 * np.sin(time * rng.uniform(0.5, 1.0) + rng.uniform(0.0, 6.0)))
    height = body.thigh + body.shank + body.ankle_height + 0.025
    pelvis = np.tile([place[0], height, place[1]], (frames, 1))
    pose = trunk_pose(body, pelvis, lean, lean, head)
    kind = int(rng.integers(3))
    for side in (0, 1):
        swing_leg(pose, side, flexion=0.02, abduction=0.08, knee=0.04)
        if kind == 0:
            swing_arm(pose, side, flexion=0.1, abduction=0.12, elbow=0.3 + 0.1 * wave)
        elif kind == 1:
            bend = wave if side == 0 else 1.0 - wave
            swing_arm(pose, side, flexion=0.15, abduction=0.1, elbow=0.3 + 1.8 * bend)
        else:
            hip = pose.at(Joint.LEFT_HIP + side) + 0.08 * turn[:, :, 2] + vector(0.0, 0.12, 0.0)
            out = (1.0 if side == 0 else -1.0) * turn[:, :, 0]
            reach(pose, side, hip + 0.06 * out, out - 0.4 * turn[:, :, 2])
    return pose, figure(pose, look)
