"""A diving pool as a broadcast shows it: wall and stands, tower, springboard, water and splash."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aqa.synthetic.camera import Camera
from aqa.synthetic.geometry import Array
from aqa.synthetic.scene import (
    Face,
    Picture,
    Plane,
    box_faces,
    finish,
    paint_faces,
    paint_plane,
    plain,
    speckle,
)
from aqa.synthetic.surface import Canvas, Colour, Image, Light

_WALL = -11.0
_EDGE = -7.5
_PIXELS = 24  # of a texture, per metre


@dataclass(frozen=True)
class Pool:
    """A venue. `height` of the board's end above the water in metres; the board's end is at x = 0 and
    divers leave towards +x. `springboard` says whether the board bends."""

    height: float
    springboard: bool
    wall: Plane
    deck: Plane
    water: Plane
    tower: Colour
    light: Light


def random_pool(rng: np.random.Generator, height: float, springboard: bool) -> Pool:
    """Draw a venue with a board of the given height in metres."""
    side = -1.0 if rng.random() < 0.5 else 1.0
    light = Light((0.4 * side, 0.85, 0.6), float(rng.uniform(0.42, 0.5)), float(rng.uniform(0.6, 0.72)))
    tower = tuple(
        float(c + rng.uniform(-12, 12))
        for c in ((196, 200, 206), (120, 150, 190), (216, 210, 196))[int(rng.integers(3))]
    )
    return Pool(
        height, springboard, _wall(rng), _deck(rng), _water(rng), (tower[0], tower[1], tower[2]), light
    )


def _wall(rng: np.random.Generator) -> Plane:
    wide, high = 60.0, 22.0
    rows, columns = int(high * _PIXELS), int(wide * _PIXELS)
    base = np.array(
        ((188, 196, 204), (150, 170, 190), (204, 198, 186), (112, 130, 152))[int(rng.integers(4))], np.float32
    )
    image = plain(rows, columns, (0.0, 0.0, 0.0)) + base + speckle(rng, rows, columns, 24, 6.0)
    step = int(rng.uniform(2.4, 4.0) * _PIXELS)
    glass_top, glass_bottom = int(0.06 * rows), int(rng.uniform(0.32, 0.45) * rows)
    if rng.random() < 0.7:
        image[glass_top:glass_bottom] = (
            np.array((186.0, 208.0, 226.0)) + np.linspace(20, -30, glass_bottom - glass_top)[:, None, None]
        )
        for x in range(0, columns, step):
            image[glass_top:glass_bottom, x : x + 8] = base * 0.7
        image[(glass_top + glass_bottom) // 2 :][:6] = base * 0.7
    stand_top = int(rng.uniform(0.60, 0.68) * rows)
    stand_bottom = int(0.86 * rows)
    _crowd(rng, image[stand_top:stand_bottom])
    banner = np.array(
        ((28, 70, 150), (176, 36, 44), (18, 110, 110), (60, 40, 110))[int(rng.integers(4))], np.float32
    )
    image[stand_bottom : stand_bottom + 22] = banner
    for x in range(int(rng.integers(10, 60)), columns - 80, int(rng.integers(130, 220))):
        image[stand_bottom + 7 : stand_bottom + 15, x : x + int(rng.integers(40, 80))] = 232.0
    image[stand_bottom + 22 :] = (206.0, 212.0, 216.0)
    image[stand_bottom + 22 :: 8] *= 0.93
    return Plane(
        (-wide / 2, high, _WALL),
        (wide, 0.0, 0.0),
        (0.0, -high, 0.0),
        finish(image, blur=0.9),
    )


def _crowd(rng: np.random.Generator, place: Image) -> None:
    """Paint rows of seats, some of them taken."""
    rows, columns = place.shape[:2]
    seat = np.array(((44, 74, 130), (150, 44, 44), (90, 96, 104))[int(rng.integers(3))], np.float32)
    place[:] = seat * 0.5
    for y in range(4, rows - 10, 16):
        place[y + 8 : y + 11] = seat * 0.7
        for x in range(4, columns - 10, 11):
            if rng.random() < 0.55:
                shirt = 0.45 * rng.uniform(40.0, 225.0, 3) + 0.30 * seat + 18.0
                place[y + 4 : y + 12, x : x + 8] = shirt
                place[y : y + 5, x + 2 : x + 6] = np.array((206.0, 160.0, 130.0)) * rng.uniform(0.35, 0.75)


def _deck(rng: np.random.Generator) -> Plane:
    rows, columns = 100, 1200
    image = plain(rows, columns, (198.0, 196.0, 188.0)) + speckle(rng, rows, columns, 40, 5.0)
    image[:, ::20] *= 0.93
    image[-14:] = (226.0, 228.0, 230.0)
    image[-4:] = (40.0, 84.0, 130.0)
    return Plane((-30.0, 0.12, _WALL), (60.0, 0.0, 0.0), (0.0, 0.0, _EDGE - _WALL), finish(image))


def _water(rng: np.random.Generator) -> Plane:
    rows, columns = 400, 1024
    tint = ((44, 128, 176), (34, 110, 150), (62, 150, 190), (30, 96, 140))[int(rng.integers(4))]
    image = plain(rows, columns, (float(tint[0]), float(tint[1]), float(tint[2])))
    wave = speckle(rng, rows, columns, 150, 1.0) + 0.6 * speckle(rng, rows, columns, 60, 1.0)
    image += np.clip(wave, -1.6, 1.2) * np.array((9.0, 13.0, 13.0))
    image += np.maximum(wave - 1.1, 0.0) * np.array((80.0, 76.0, 66.0))
    return Plane((-30.0, 0.0, _EDGE), (60.0, 0.0, 0.0), (0.0, 0.0, 17.0), finish(image))


def paint_pool(pool: Pool, camera: Camera, faces: list[Face], time: float, tip: float) -> Canvas:
    """Return the empty venue seen by a one-frame camera, its water a wall to what lies behind it.

    Args:
        pool: The venue.
        camera: The first frame is used.
        faces: Of the tower, by `structure` for this camera's place.
        time: Seconds, moves the water.
        tip: How far the board's end is bent down, metres.
    """
    picture: Picture = np.full((camera.height, camera.width, 3), 150, np.uint8)
    paint_plane(picture, camera, pool.wall)
    paint_plane(picture, camera, pool.deck)
    paint_plane(picture, camera, pool.water, (0.002 * np.sin(1.9 * time), 0.006 * np.sin(1.3 * time)))
    paint_faces(picture, camera, [*faces, *_board(pool, tip)] if pool.springboard else faces)
    canvas = Canvas.over(picture)
    canvas.depth[:] = camera.water_depth(0.0)
    return canvas


def _board(pool: Pool, tip: float) -> list[Face]:
    """Return the top and the edge of a springboard whose end is bent down by `tip` metres."""
    ends = np.linspace(-4.4, 0.06, 9)
    level = pool.height - tip * np.clip((ends + 2.9) / 2.9, 0.0, None) ** 2
    faces: list[Face] = []
    for shade, lower, back in ((1.04, 0.0, -0.42), (0.80, 0.06, 0.2)):
        for k in range(len(ends) - 1):
            corners = [
                (ends[k], level[k], 0.2),
                (ends[k + 1], level[k + 1], 0.2),
                (ends[k + 1], level[k + 1] - lower, back),
                (ends[k], level[k] - lower, back),
            ]
            faces.append((np.array(corners), (196.0 * shade, 214.0 * shade, 224.0 * shade)))
    return faces


def structure(pool: Pool, eye: Array) -> list[Face]:
    """Return what a camera at `eye` [3] sees of the stand of a springboard or of the tower."""
    colour = pool.tower
    dark: Colour = (colour[0] * 0.55, colour[1] * 0.55, colour[2] * 0.58)
    if pool.springboard:
        top = pool.height - 0.25
        return [
            *box_faces(eye, (-5.2, 0.0, -0.9), (-4.6, top, 0.3), colour),
            *box_faces(eye, (-3.4, 0.0, -0.7), (-2.9, top, 0.1), colour),
            *box_faces(eye, (-6.0, top, -0.9), (-2.6, top + 0.17, 0.3), colour),
        ]
    faces = box_faces(eye, (-7.0, 0.0, -2.0), (-5.6, pool.height + 3.4, -0.6), colour)
    for level in (3.0, 5.0, 7.5, 10.0):
        if level > pool.height:
            continue
        end = 0.05 if level == pool.height else -0.9 - 0.12 * (pool.height - level)
        front = 0.34 if level == pool.height else -0.5
        rail = front - 2.2
        faces += box_faces(eye, (-6.4, level - 0.30, rail), (end, level, front), colour)
        faces += box_faces(eye, (-6.4, level + 0.85, rail), (end - 1.0, level + 0.92, rail + 0.06), dark)
        for x in (-6.0, -4.6, -3.2, -1.9):
            faces += box_faces(eye, (x, level, rail), (x + 0.06, level + 0.9, rail + 0.06), dark)
    return faces


@dataclass(frozen=True)
class Splash:
    """Water thrown up where a diver enters at (x, 0, z): `height` of its highest drops in metres."""

    x: float
    z: float
    start: float
    height: float
    launch: Array
    offset: Array
    size: Array


def make_splash(rng: np.random.Generator, x: float, z: float, start: float, height: float) -> Splash:
    """Draw the drops of a splash that begins at `start` seconds."""
    count = int(120 + 200 * height)
    rise = np.sqrt(2.0 * 9.81 * height) * rng.beta(1.6, 1.3, count)
    heading = rng.uniform(0.0, 2.0 * np.pi, count)
    speed = rng.uniform(0.1, 0.75, count) * (0.35 + 0.45 * np.sqrt(height))
    launch = np.stack([speed * np.cos(heading), rise, speed * np.sin(heading)], axis=1)
    width = 0.10 + 0.12 * np.sqrt(height)
    offset = np.stack(
        [rng.normal(0, width, count), np.zeros(count), rng.normal(0, 0.7 * width, count)], axis=1
    )
    return Splash(
        x, z, start, height, launch, offset, rng.uniform(0.008, 0.026, count) * (0.8 + 0.3 * np.sqrt(height))
    )


def paint_splash(canvas: Canvas, camera: Camera, splash: Splash, time: float) -> None:
    """Draw the splash at `time` seconds over everything, in place: foam, a column of mist, drops."""
    age = time - splash.start
    if age <= 0.0:
        return
    image = canvas.image
    centre = np.array([splash.x, 0.0, splash.z])
    scale = float(camera.focal[0] / camera.see(centre[None, None])[0, 0, 2])
    layer: NDArray[np.uint8] = np.zeros(image.shape[:2], np.uint8)
    spread = (0.25 + 0.20 * splash.height) * (1.0 - np.exp(-4.0 * age)) + 0.35 * min(age, 1.0)
    x, y = camera.project(centre[None, None])[0, 0]
    cv2.ellipse(
        layer, _fixed(x, y), _fixed(spread * scale, 0.30 * spread * scale), 0, 0, 360, 150, -1, cv2.LINE_AA, 4
    )
    tall = max(2.0 * np.sqrt(2.0 * 9.81 * splash.height) * 0.42 * age - 4.9 * age * age, 0.0)
    if tall > 0.03:
        base = (0.16 + 0.13 * splash.height) * scale
        mist = np.array(
            [
                [x - base, y],
                [x + base, y],
                [x + 0.55 * base, y - tall * scale],
                [x - 0.55 * base, y - tall * scale],
            ]
        )
        cv2.fillConvexPoly(layer, np.round(mist * 16).astype(np.int32), 175, cv2.LINE_AA, 4)
    cv2.GaussianBlur(layer, (0, 0), 2.5 + 0.02 * scale, dst=layer)
    place = centre + splash.offset + splash.launch * age + np.array([0.0, -4.905, 0.0]) * age * age
    up = place[:, 1] > -0.02
    if up.any():
        pixels = np.clip(camera.project(place[up][None])[0], -4000.0, 4000.0) * 16.0
        radii = np.maximum(splash.size[up] * scale * 16.0, 8.0)
        for x16, y16, radius in np.column_stack([pixels, radii]).astype(int).tolist():
            cv2.circle(layer, (x16, y16), radius, 225, -1, cv2.LINE_AA, 4)
    alpha = (layer.astype(np.float32) * np.float32(1.0 / 255.0))[..., None]
    image += alpha * (np.array((236.0, 243.0, 247.0), np.float32) - image)


def _fixed(x: float, y: float) -> tuple[int, int]:
    """Return a point in OpenCV's fixed-point pixels (4 fractional bits), kept in a safe range."""
    return int(np.clip(x, -4000, 4000) * 16), int(np.clip(y, -4000, 4000) * 16)
