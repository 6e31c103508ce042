"""A dressed figure as shapes: from a pose and a look to what `surface` draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aqa.synthetic.body import SIDES, Joint, Pose
from aqa.synthetic.geometry import Array, apply, orthonormal, unit, vector
from aqa.synthetic.look import Hair, Look
from aqa.synthetic.surface import Blend, Colour, Ellipsoid, Image, Limb, Paint, Shape

# Along the spine, 0 pelvis to 1 neck: half width, half depth and half height in metres, forward offset.
_TORSO = (
    (-0.02, 0.160, 0.116, 0.100, -0.012),
    (0.10, 0.156, 0.110, 0.130, -0.004),
    (0.26, 0.140, 0.098, 0.160, 0.006),
    (0.44, 0.140, 0.102, 0.170, 0.010),
    (0.62, 0.160, 0.114, 0.160, 0.012),
    (0.80, 0.168, 0.104, 0.120, 0.004),
)


def figure(pose: Pose, look: Look) -> list[Shape]:
    """Return the shapes of a dressed figure, all frames."""
    return [*_torso(pose, look), *_head(pose, look), *_arms(pose, look), *_legs(pose, look)]


def _mix(first: Colour, second: Colour, at: float) -> Paint:
    """Paint a limb `first` up to `at` of its length and `second` beyond."""
    if at >= 1.0 or first == second:
        return first
    if at <= 0.0:
        return second
    near, far = np.array(first, np.float32), np.array(second, np.float32)

    def paint(local: Image) -> Image:
        share = np.clip((local[0] - at) * 40.0 + 0.5, 0.0, 1.0)[..., None]
        mixed: Image = near + share * (far - near)
        return mixed

    return paint


def _torso(pose: Pose, look: Look) -> list[Shape]:
    body, size = pose.body, pose.body.stature / 1.75
    girth = size * body.girth
    wide = 0.5 * body.shoulders / (0.108 * body.stature) + 0.5
    pelvis, spine, neck = pose.at(Joint.PELVIS), pose.at(Joint.SPINE), pose.at(Joint.NECK)
    parts: list[Ellipsoid] = []
    for along, width, depth, height, forward in _TORSO:
        share = min(max(along, 0.0), 1.0)
        frame = orthonormal((1.0 - share) * pose.pelvis_rotation + share * pose.chest_rotation)
        centre = _bezier(pelvis, spine, neck, along) + apply(frame, vector(0.0, 0.0, forward * size))
        half = np.array([width * wide * girth, height * size, depth * girth])
        covered = look.top if 1.0 - along < look.trunk + 0.05 else look.skin
        colour = look.bottom if along < 0.05 else covered
        parts.append(Ellipsoid(centre, frame * half, colour))
    shapes: list[Shape] = [Blend(tuple(parts))]
    for side in SIDES:
        shoulder = pose.at(Joint.LEFT_SHOULDER + side)
        base = neck + apply(pose.chest_rotation, vector(0.0, -0.02 * size, -0.01))
        shapes.append(Limb(base, shoulder, 0.060 * girth, 0.054 * girth, look.top))
    return shapes


def _bezier(first: Array, middle: Array, last: Array, along: float) -> Array:
    control = 2.0 * middle - 0.5 * (first + last)
    return (1.0 - along) ** 2 * first + 2.0 * along * (1.0 - along) * control + along**2 * last


def _head(pose: Pose, look: Look) -> list[Shape]:
    size, frame, head = pose.body.stature / 1.75, pose.head_rotation, pose.at(Joint.HEAD)

    def placed(x: float, y: float, z: float) -> Array:
        return head + size * apply(frame, vector(x, y, z))

    def ball(centre: Array, half: tuple[float, float, float], paint: Paint) -> Ellipsoid:
        return Ellipsoid(centre, frame * (size * np.array(half)), paint)

    throat = pose.at(Joint.NECK) + apply(pose.chest_rotation, vector(0.0, -0.03, 0.0))
    shapes: list[Shape] = [
        Limb(throat, placed(0.0, -0.05, -0.015), 0.056 * size * pose.body.girth, 0.050 * size, look.skin),
        ball(placed(0.0, 0.0, 0.0), (0.074, 0.112, 0.094), _face(look)),
        ball(placed(0.0, -0.026, 0.092), (0.012, 0.019, 0.017), look.skin),
    ]
    for sign in (1.0, -1.0):
        shapes.append(ball(placed(sign * 0.074, -0.008, -0.004), (0.010, 0.024, 0.017), look.skin))
    if look.hair_style == "bun":
        shapes.append(ball(placed(0.0, 0.085, -0.082), (0.040, 0.040, 0.038), look.hair))
    elif look.hair_style == "tail":
        shapes.append(
            Limb(placed(0.0, 0.06, -0.095), placed(0.0, -0.14, -0.150), 0.028 * size, 0.012 * size, look.hair)
        )
    elif look.hair_style == "long":
        shapes.append(ball(placed(0.0, -0.05, -0.045), (0.083, 0.140, 0.066), look.hair))
    return shapes


def _face(look: Look) -> Callable[[Image], Image]:
    skin, hair = np.array(look.skin, np.float32), np.array(look.hair, np.float32)
    cap = np.array(look.bottom if look.hair_style == "cap" else look.hair, np.float32)
    style: Hair = look.hair_style

    def paint(local: Image) -> Image:
        x, y, z = local
        colour = np.broadcast_to(skin, (*x.shape, 3)).copy()
        if style != "bald":
            edge = y - 0.52 * z - (0.06 if style == "cap" else 0.12)
            line = np.clip(edge * 9.0 + 0.5, 0.0, 1.0)[..., None] * (y > -0.75)[..., None]
            colour += line * (cap - colour)
        front = z > 0.35
        for sign in (1.0, -1.0):
            away = ((x - sign * 0.42) / 0.15) ** 2 + ((y - 0.10) / 0.075) ** 2
            colour[front & (away < 1.0)] = (38.0, 30.0, 28.0)
            brow = (np.abs(x - sign * 0.42) < 0.2) & (np.abs(y - 0.30) < 0.045)
            colour[front & brow] = 0.5 * hair + 0.2 * skin
        mouth = ((x / 0.30) ** 2 + ((y + 0.52) / 0.06) ** 2) < 1.0
        colour[front & mouth] = 0.55 * skin + np.array([40.0, 5.0, 8.0], np.float32)
        return colour

    return paint


def _arms(pose: Pose, look: Look) -> list[Shape]:
    size = pose.body.stature / 1.75
    girth = size * pose.body.girth
    shapes: list[Shape] = []
    for side in SIDES:
        shoulder, elbow = pose.at(Joint.LEFT_SHOULDER + side), pose.at(Joint.LEFT_ELBOW + side)
        wrist, hand = pose.at(Joint.LEFT_WRIST + side), pose.at(Joint.LEFT_HAND + side)
        upper = look.top if look.sleeve >= 1.0 else look.skin
        fore = look.top if look.sleeve >= 2.0 else look.skin
        shapes += [
            Limb(shoulder, elbow, 0.056 * girth, 0.040 * girth, upper, 0.004),
            Limb(elbow, wrist, 0.041 * girth, 0.026 * size, fore, 0.005),
            Limb(wrist, hand, 0.030 * size, 0.033 * size, look.skin),
        ]
        if 0.0 < look.sleeve < 1.0:
            end = shoulder + look.sleeve * (elbow - shoulder)
            wide = 0.056 * girth + look.loose
            shapes.append(Limb(shoulder, end, wide, wide - 0.006, look.top))
    return shapes


def _legs(pose: Pose, look: Look) -> list[Shape]:
    size = pose.body.stature / 1.75
    girth = size * pose.body.girth
    shapes: list[Shape] = []
    for side in SIDES:
        hip, knee = pose.at(Joint.LEFT_HIP + side), pose.at(Joint.LEFT_KNEE + side)
        ankle = pose.at(Joint.LEFT_ANKLE + side)
        heel, toe = pose.at(Joint.LEFT_HEEL + side), pose.at(Joint.LEFT_TOE + side)
        thigh = look.bottom if look.leg >= 1.0 else look.skin
        shank = _mix(look.bottom, look.skin, look.leg - 1.0) if look.leg > 1.0 else look.skin
        shapes += [
            Limb(hip, knee, 0.083 * girth, 0.053 * girth, thigh, 0.006),
            Limb(knee, ankle, 0.050 * girth, 0.033 * size, shank, 0.013 * girth),
            Limb(ankle, ankle + 0.6 * (heel - ankle), 0.034 * size, 0.036 * size, look.shoe),
            Limb(heel, toe, 0.034 * size, 0.024 * size, look.shoe),
        ]
        if 0.0 < look.leg < 1.0:
            end = hip + look.leg * (knee - hip)
            wide = 0.086 * girth + look.loose
            shapes.append(Limb(hip, end, wide, wide - 0.016 * look.leg, look.bottom))
    return shapes


def mirrored(shapes: list[Shape], wall: float) -> list[Shape]:
    """Return the shapes as a mirror in the plane z = `wall` shows them."""
    flip = np.array([1.0, 1.0, -1.0])
    shift = np.array([0.0, 0.0, 2.0 * wall])

    def ellipsoid(shape: Ellipsoid) -> Ellipsoid:
        return Ellipsoid(shape.centre * flip + shift, shape.axes * flip[:, None], shape.paint)

    images: list[Shape] = []
    for shape in shapes:
        if isinstance(shape, Limb):
            start, end = shape.start * flip + shift, shape.end * flip + shift
            images.append(replace(shape, start=start, end=end))
        elif isinstance(shape, Blend):
            images.append(Blend(tuple(ellipsoid(part) for part in shape.parts)))
        else:
            images.append(ellipsoid(shape))
    return images


def barbell(
    centre: Array, direction: Array, plate: float, colour: Colour, length: float = 1.56
) -> list[Shape]:
    """Return a loaded barbell.

    Args:
        centre: Middle of the bar [frames, 3].
        direction: Along the bar [frames, 3].
        plate: Radius of the plates in metres.
        colour: Of the plates' rims.
        length: Of the bar in metres.
    """
    along = unit(direction)
    side = unit(np.cross(along, np.array([0.0, 1.0, 0.0])))
    frame = np.stack([along, np.cross(side, along), side], axis=-1)
    steel: Colour = (168.0, 170.0, 176.0)
    shapes: list[Shape] = [
        Limb(centre - 0.5 * length * along, centre + 0.5 * length * along, 0.014, 0.014, steel)
    ]
    rim, dark, ring = (np.array(c, np.float32) for c in (colour, (36.0, 36.0, 40.0), steel))

    def disc(local: Image) -> Image:
        away = np.sqrt(local[1] ** 2 + local[2] ** 2)[..., None]
        return np.where(away > 0.80, rim, np.where(away < 0.22, ring, dark)).astype(np.float32)

    for sign in (1.0, -1.0):
        for offset, radius in ((0.445, plate), (0.40, 0.8 * plate)):
            middle = centre + sign * offset * length * along
            shapes.append(Ellipsoid(middle, frame * np.array([0.024, radius, radius]), disc))
    return shapes
