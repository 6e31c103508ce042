"""An ice rink as a broadcast shows it: ice, boards, stands, people at the boards, and what skaters wear.

The camera stands at one place and turns, so that the rink is painted once, on a wide picture around that
place, and a frame is a piece of it seen through a homography.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from aqa.synthetic.body import Joint, Pose, random_body, swing_arm, swing_leg, trunk_pose
from aqa.synthetic.camera import Camera, look_at
from aqa.synthetic.figure import figure
from aqa.synthetic.geometry import Array, rotation
from aqa.synthetic.look import Look, gym_look, swim_look
from aqa.synthetic.scene import BONES, Picture, Plane, finish, paint_plane, plain, speckle
from aqa.synthetic.skater import skates
from aqa.synthetic.surface import Canvas, Colour, Ellipsoid, Image, Light, Shape, draw, view

_BOARDS = -15.0
_BOARD_TOP = 1.15
_PANORAMA = (2000, 620)

_DRESSES: tuple[Colour, ...] = (
    (150, 30, 60), (40, 60, 150), (20, 110, 110), (96, 40, 120), (34, 34, 44), (196, 72, 40), (190, 60, 120),
    (30, 96, 60), (216, 168, 52),
)  # fmt: skip


@dataclass(frozen=True)
class Rink:
    """A rink seen from `eye` [3] by a camera of `focal` pixels: `wide` is the picture all around that
    `camera`, a still one, sees."""

    eye: Array
    focal: float
    light: Light
    camera: Camera
    wide: Picture


def random_rink(rng: np.random.Generator, focal: float) -> Rink:
    """Draw a rink and the place of its camera; `focal` in pixels."""
    eye = np.array([rng.uniform(-2.0, 2.0), rng.uniform(2.9, 3.7), rng.uniform(19.5, 21.5)])
    side = -1.0 if rng.random() < 0.5 else 1.0
    light = Light((0.35 * side, 0.9, 0.5), float(rng.uniform(0.46, 0.54)), float(rng.uniform(0.60, 0.70)))
    width, height = _PANORAMA
    ahead = eye + np.array([0.0, -0.115, -1.0])
    camera = look_at(eye[None], ahead[None], focal, width=width, height=height)
    wide: Picture = np.full((height, width, 3), 60, np.uint8)
    for plane in (_stands(rng), _ice(rng)):
        paint_plane(wide, camera, plane)
    wide = _people(rng, wide, camera, light)
    paint_plane(wide, camera, _boards(rng))
    return Rink(eye, focal, light, camera, wide)


def _stands(rng: np.random.Generator) -> Plane:
    """Paint rising rows of seats with spectators, dark behind the bright ice."""
    wide, high, pixels = 84.0, 9.0, 30
    rows, columns = int(high * pixels), int(wide * pixels)
    seat = np.array(
        ((46, 60, 104), (84, 44, 52), (52, 56, 64), (40, 74, 84))[int(rng.integers(4))], np.float32
    )
    image = plain(rows, columns, (0.0, 0.0, 0.0)) + 0.55 * seat
    taken = float(rng.uniform(0.45, 0.85))
    pitch_y, pitch_x = 22, 17
    for y in range(0, rows - pitch_y, pitch_y):
        image[y + 17 : y + 22] = 0.35 * seat
        for x in range(int(rng.integers(0, 8)), columns - pitch_x, pitch_x):
            image[y + 8 : y + 18, x + 2 : x + 14] = 0.8 * seat
            if rng.random() < taken:
                grey = float(rng.uniform(30.0, 170.0))
                shirt = 0.65 * grey + 0.35 * rng.uniform(20.0, 200.0, 3)
                skin = np.array((216.0, 170.0, 140.0)) * rng.uniform(0.45, 0.95)
                middle = (x + 8 + int(rng.integers(-1, 2)), y + 5 + int(rng.integers(-1, 2)))
                low = (middle[0], middle[1] + 10)
                cv2.ellipse(image, low, (6, 5), 0, 180, 360, shirt.tolist(), -1, cv2.LINE_AA)
                image[low[1] : low[1] + 6, low[0] - 6 : low[0] + 7] = shirt
                cv2.ellipse(image, middle, (3, 4), 0, 0, 360, skin.tolist(), -1, cv2.LINE_AA)
                cv2.ellipse(image, middle, (3, 4), 0, 190, 350, (0.25 * skin).tolist(), -1, cv2.LINE_AA)
    image *= np.linspace(0.62, 0.95, rows, dtype=np.float32)[:, None, None]
    top = high * 0.9
    return Plane(
        (-wide / 2, top, _BOARDS - 4.5), (wide, 0.0, 0.0), (0.0, -high, 1.5), finish(image, blur=1.5)
    )


def _boards(rng: np.random.Generator) -> Plane:
    """Paint the boards: panels with the bars of invented advertisements, a kick plate, a top rail."""
    wide, pixels = 84.0, 40
    rows, columns = int(_BOARD_TOP * pixels), int(wide * pixels)
    base = ((226, 230, 234), (28, 62, 132), (200, 214, 226), (24, 96, 112))[int(rng.integers(4))]
    image = plain(rows, columns, (float(base[0]), float(base[1]), float(base[2])))
    inks = np.array(
        [(190, 40, 48), (32, 80, 168), (236, 190, 60), (24, 130, 96), (244, 244, 244), (40, 40, 52)]
    )
    x = 0
    while x < columns:
        panel = int(rng.integers(110, 190))
        ink, paper = inks[rng.permutation(len(inks))[:2]]
        if rng.random() < 0.75:
            image[6 : rows - 9, x + 2 : x + panel - 2] = paper
        start = x + 14
        while start < x + panel - 22:
            letter = int(rng.integers(6, 18))
            image[15 : rows - 18, start : start + letter] = ink
            start += letter + int(rng.integers(4, 10))
        x += panel
    image[:4] = (214.0, 218.0, 222.0)
    image[-8:] = (230.0, 196.0, 60.0)
    return Plane(
        (-wide / 2, _BOARD_TOP, _BOARDS), (wide, 0.0, 0.0), (0.0, -_BOARD_TOP, 0.0), finish(image, blur=0.9)
    )


def _ice(rng: np.random.Generator) -> Plane:
    """Paint the ice: pale, with broad reflections, the traces of blades and a large ring."""
    wide, deep, pixels = 84.0, 34.0, 32
    rows, columns = int(deep * pixels), int(wide * pixels)
    tint = ((206, 220, 232), (214, 224, 230), (198, 216, 226))[int(rng.integers(3))]
    image = plain(rows, columns, (float(tint[0]), float(tint[1]), float(tint[2])))
    image += speckle(rng, rows, columns, 30, 4.0)
    image *= np.linspace(0.90, 1.03, rows, dtype=np.float32)[:, None, None]
    for _ in range(160):
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        radius, start = int(rng.uniform(40, 260)), float(rng.uniform(0, 360))
        tone = 10.0 if rng.random() < 0.6 else -9.0
        colour = tuple(float(c + tone) for c in tint)
        cv2.ellipse(
            image,
            (int(x), int(y)),
            (radius, radius),
            0,
            start,
            start + rng.uniform(30, 120),
            colour,
            1,
            cv2.LINE_AA,
        )
    ink = ((170, 60, 70), (60, 100, 170), (70, 140, 150))[int(rng.integers(3))]
    faint = tuple(0.55 * t + 0.45 * c for t, c in zip(tint, ink, strict=True))
    centre = (columns // 2 + int(rng.integers(-80, 80)), int(15.0 * pixels))
    cv2.circle(image, centre, int(4.2 * pixels), faint, 10, cv2.LINE_AA)
    return Plane((-wide / 2, 0.0, _BOARDS), (wide, 0.0, 0.0), (0.0, 0.0, deep), finish(image))


def _people(rng: np.random.Generator, wide: Picture, camera: Camera, light: Light) -> Picture:
    """Draw coaches and judges who stand still behind the boards."""
    canvas = Canvas.over(wide)
    for x in np.sort(rng.uniform(-17.0, 17.0, int(rng.integers(5, 9)))).tolist():
        body, look = random_body(rng), replace(gym_look(rng), sleeve=2.0, leg=2.0)
        facing = rotation("y", rng.uniform(-0.5, 0.5, 1))
        pose = trunk_pose(body, np.array([[x, 1.0, _BOARDS - 0.9]]), facing, facing, facing)
        for side in (0, 1):
            swing_leg(pose, side, flexion=np.zeros(1))
            swing_arm(
                pose, side, flexion=rng.uniform(0.1, 0.9, 1), abduction=0.15, elbow=rng.uniform(0.2, 1.6, 1)
            )
        draw(canvas, view(figure(pose, look), camera, light), 0)
    people: Picture = np.clip(canvas.image, 0.0, 255.0).astype(np.uint8)
    return people


def backdrop(rink: Rink, camera: Camera) -> Canvas:
    """Return what a one-frame camera at the rink's eye sees of the rink, infinitely far away."""

    def intrinsic(of: Camera) -> Array:
        focal = float(of.focal[0])
        return np.array(
            [[focal, 0.0, (of.width - 1) / 2.0], [0.0, focal, (of.height - 1) / 2.0], [0.0, 0.0, 1.0]]
        )

    turn = camera.rotation[0] @ rink.camera.rotation[0].T
    homography = intrinsic(camera) @ turn @ np.linalg.inv(intrinsic(rink.camera))
    picture = cv2.warpPerspective(
        rink.wide,
        homography,
        (camera.width, camera.height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return Canvas.over(np.asarray(picture, np.uint8))


def follow(rink: Rink, target: Array, zoom: float, width: int, height: int) -> Camera:
    """Return a camera that pans after `target` [frames, 3], a little smoothed."""
    weights = np.exp(-0.5 * (np.arange(-8, 9) / 3.5) ** 2)
    weights /= weights.sum()
    padded = np.pad(target, ((8, 8), (0, 0)), mode="edge")
    smooth = np.stack([np.convolve(padded[:, axis], weights, "valid") for axis in range(3)], axis=1)
    return look_at(rink.eye[None], smooth, zoom * rink.focal, width=width, height=height)


def paint_contact(image: Image, camera: Camera, pose: Pose, index: int, strength: float = 0.42) -> None:
    """Darken the ice below a figure in place: the soft shadow of many lamps, which follows the bones."""
    joints = pose.joints[index].copy()
    joints[:, 2] += 0.10 * joints[:, 1]
    joints[:, 1] = 0.0
    pixels = camera.project(joints[None])[0]
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 12, 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 12, [image.shape[1], image.shape[0]])
    if (high <= low).any():
        return
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    scale = float(camera.focal[0]) / float(
        np.linalg.norm(pose.joints[index, Joint.PELVIS] - camera.position[0])
    )
    for first, second, half in BONES:
        ends = np.round((pixels[[first, second]] - low) * 16.0).astype(int)
        width = max(int(1.1 * half * scale), 2)
        cv2.line(mask, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, width, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (0, 0), 2.6).astype(np.float32)
    image[low[1] : high[1], low[0] : high[0]] *= (1.0 - (strength / 255.0) * soft)[..., None]


@dataclass(frozen=True)
class Costume:
    """What a skater wears; `skirt` is its colour, None with trousers."""

    look: Look
    skirt: Colour | None


def skating_costume(rng: np.random.Generator) -> Costume:
    """Draw a costume: a dress with a skirt and tights, or a shirt with trousers."""
    base = swim_look(rng)
    pick = _DRESSES[int(rng.integers(len(_DRESSES)))]
    if rng.random() < 0.55:
        tights: Colour = (base.skin[0] * 0.94, base.skin[1] * 0.90, base.skin[2] * 0.88)
        dress = replace(base, hair_style="bun", top=pick, bottom=tights, shoe=(232, 232, 230))
        look = replace(dress, sleeve=float(rng.choice([0.0, 2.0])), leg=2.0, trunk=1.0, loose=0.0)
        return Costume(look, pick)
    dark: Colour = (34.0, 34.0, 42.0)
    look = replace(
        base,
        hair_style="short",
        top=pick,
        bottom=dark,
        shoe=(26, 26, 30),
        sleeve=2.0,
        leg=2.0,
        trunk=1.0,
        loose=0.0,
    )
    return Costume(look, None)


def skater_shapes(pose: Pose, costume: Costume) -> list[Shape]:
    """Return a skater as shapes: the figure, its skates and its skirt."""
    shapes = [*figure(pose, costume.look), *skates(pose)]
    if costume.skirt is not None:
        size = pose.body.stature / 1.75 * pose.body.girth
        for drop, wide, high in ((-0.01, 0.185, 0.12), (-0.085, 0.225, 0.042)):
            centre = pose.at(Joint.PELVIS) + drop * pose.pelvis_rotation[..., 1]
            half = size * np.array([wide, high, 0.86 * wide])
            shapes.append(Ellipsoid(centre, pose.pelvis_rotation * half, costume.skirt))
    return shapes
