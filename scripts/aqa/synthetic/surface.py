"""Shaded ellipsoids and limbs with a depth buffer: exact silhouettes, smooth shading, soft edges.

Each shape is drawn by formula in its own bounding box, under weak perspective (one scale a shape). No
triangles and no textures, so a figure of thirty shapes costs two to three milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqa.synthetic.camera import Camera
from aqa.synthetic.geometry import Array, unit

Image: TypeAlias = NDArray[np.float32]
Colour: TypeAlias = tuple[float, float, float]
"""Red, green, blue in 0..255."""

Paint: TypeAlias = Colour | Callable[[Image], Image]
"""A colour, or a function of local coordinates [k, height, width] to colours [height, width, 3].

Local coordinates of an ellipsoid are the three in units of its half axes; of a limb, the one from 0 at
its first end to 1 at its second.
"""


@dataclass(frozen=True)
class Ellipsoid:
    """`centre` [frames, 3]; the columns of `axes` [frames, 3, 3] are its half axes in metres."""

    centre: Array
    axes: Array
    paint: Paint


@dataclass(frozen=True)
class Limb:
    """A rounded, tapered bar from `start` to `end` [frames, 3]; radii in metres.

    `bulge` is added to the radius, most at a third of the way.
    """

    start: Array
    end: Array
    start_radius: float
    end_radius: float
    paint: Paint
    bulge: float = 0.0


@dataclass(frozen=True)
class Blend:
    """Overlapping ellipsoids drawn as one smooth body, without creases between them."""

    parts: tuple[Ellipsoid, ...]


Shape: TypeAlias = Ellipsoid | Limb | Blend


@dataclass(frozen=True)
class Light:
    """A far lamp: `direction` towards it in the world [3], with ambient and diffuse strength."""

    direction: tuple[float, float, float] = (-0.45, 0.75, 0.55)
    ambient: float = 0.42
    diffuse: float = 0.72
    tint: Colour = (1.0, 1.0, 1.0)


@dataclass
class Canvas:
    """What is drawn on: colours [height, width, 3] in 0..255 and depths [height, width] in metres."""

    image: Image
    depth: Image

    @staticmethod
    def over(background: NDArray[np.uint8] | Image) -> Canvas:
        """Return a canvas that begins as a copy of `background`, infinitely far away."""
        height, width = background.shape[:2]
        return Canvas(background.astype(np.float32), np.full((height, width), np.inf, np.float32))


@dataclass(frozen=True)
class _Round:
    """An ellipsoid in camera coordinates, all frames.

    `form` [frames, 3, 3] is the quadratic form that is 1 on the surface, `flat` [frames, 2, 2] that of
    the outline, `size` [frames, 2] the outline's half extents, `back` [frames, 3, 3] the way to local
    coordinates and `radius` [frames] the outline's mean radius, in metres.
    """

    paint: Paint
    centre: Array
    form: Array
    flat: Array
    size: Array
    back: Array
    radius: Array


@dataclass(frozen=True)
class _Seen:
    """A shape in camera coordinates: the ellipsoids it is made of, or a limb's ends [frames, 3]."""

    near: Array
    rounds: tuple[_Round, ...] = ()
    limb: Limb | None = None
    ends: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class View:
    """Shapes as a camera sees them, prepared for all frames at once by `view`."""

    camera: Camera
    seen: tuple[_Seen, ...]
    light: Light
    lamp: Array


def view(shapes: list[Shape], camera: Camera, light: Light) -> View:
    """Return the shapes in the camera's coordinates, ready to be drawn frame by frame."""
    seen = []
    for shape in shapes:
        if isinstance(shape, Limb):
            ends = camera.see(np.stack([shape.start, shape.end], axis=1))
            near = 0.5 * (ends[:, 0, 2] + ends[:, 1, 2])
            seen.append(_Seen(near, limb=shape, ends=(ends[:, 0], ends[:, 1])))
            continue
        rounds = tuple(
            _rounded(part, camera) for part in (shape.parts if isinstance(shape, Blend) else (shape,))
        )
        seen.append(_Seen(np.mean([part.centre[:, 2] for part in rounds], axis=0), rounds))
    lamp = np.einsum("fij,j->fi", camera.rotation, unit(np.array(light.direction)))
    return View(camera, tuple(seen), light, lamp)


def _rounded(shape: Ellipsoid, camera: Camera) -> _Round:
    axes = np.broadcast_to(camera.rotation, shape.axes.shape) @ shape.axes
    spread = axes @ np.swapaxes(axes, 1, 2)
    outline = spread[:, :2, :2]
    return _Round(
        paint=shape.paint,
        centre=camera.see(shape.centre[:, None])[:, 0],
        form=np.asarray(np.linalg.inv(spread), float),
        flat=np.asarray(np.linalg.inv(outline), float),
        size=np.sqrt(np.diagonal(outline, axis1=1, axis2=2)),
        back=np.asarray(np.linalg.inv(axes), float),
        radius=np.linalg.det(outline) ** 0.25,
    )


def draw(canvas: Canvas, prepared: View, index: int) -> None:
    """Draw frame `index` of the prepared shapes, the farthest first."""
    still = min(index, len(prepared.lamp) - 1)
    lamp, focal = prepared.lamp[still].astype(np.float32), float(prepared.camera.focal[still])
    frame = _Frame(canvas, index, focal, lamp, prepared.light)
    for seen in sorted(prepared.seen, key=lambda seen: -float(seen.near[index])):
        if seen.near[index] <= 0.2:
            continue
        if seen.limb is not None and seen.ends is not None:
            patches = [_limb(frame, seen.limb, seen.ends)]
        else:
            patches = [_ellipsoid(frame, part) for part in seen.rounds]
        found = [patch for patch in patches if patch is not None]
        if found:
            _blend(canvas, found[0] if len(found) == 1 else _merge(found), prepared.light)


@dataclass(frozen=True)
class _Frame:
    """One frame being drawn: its canvas and index, focal length in pixels, and the lamp's direction [3]."""

    canvas: Canvas
    index: int
    focal: float
    lamp: Image
    light: Light

    def pixel(self, point: Array) -> Array:
        """Return the pixel [2] of a point [3] in camera coordinates."""
        height, width = self.canvas.depth.shape
        middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
        found: Array = middle + point[:2] * (self.focal / point[2])
        return found

    def box(self, low: Array, high: Array) -> tuple[slice, slice, Image, Image] | None:
        """Return rows, columns and the x and y of the pixels between two corners [2], None if empty."""
        height, width = self.canvas.depth.shape
        left, top = max(int(np.floor(low[0])), 0), max(int(np.floor(low[1])), 0)
        right, bottom = min(int(np.ceil(high[0])) + 1, width), min(int(np.ceil(high[1])) + 1, height)
        if right <= left or bottom <= top:
            return None
        x = np.arange(left, right, dtype=np.float32)[None, :]
        y = np.arange(top, bottom, dtype=np.float32)[:, None]
        return slice(top, bottom), slice(left, right), x, y

    def shade(self, facing: Image, front: Image) -> Image:
        """Return how bright a surface is, of the cosines of its normal to the lamp and to the camera."""
        lit = np.float32(self.light.diffuse) * np.maximum(np.float32(0.35) + np.float32(0.65) * facing, 0.0)
        bright: Image = (np.float32(self.light.ambient) + lit) * (np.float32(0.72) + np.float32(0.28) * front)
        return bright


@dataclass(frozen=True)
class _Patch:
    """What one shape covers: 1 - squared distance from its middle, edge, depth, shade, colour."""

    place: tuple[slice, slice]
    inside: Image
    coverage: Image
    depth: Image
    shade: Image
    colour: Image | Colour


def _ellipsoid(frame: _Frame, shape: _Round) -> _Patch | None:
    centre = shape.centre[frame.index]
    scale = frame.focal / centre[2]
    pixel, half = frame.pixel(centre), shape.size[frame.index] * scale + 1.0
    box = frame.box(pixel - half, pixel + half)
    if box is None:
        return None
    rows, columns, xs, ys = box
    dx, dy = (xs - np.float32(pixel[0])) / np.float32(scale), (ys - np.float32(pixel[1])) / np.float32(scale)
    q, flat = shape.form[frame.index].astype(np.float32), shape.flat[frame.index].astype(np.float32)
    inside = 1.0 - (flat[0, 0] * dx * dx + (2.0 * flat[0, 1]) * dx * dy + flat[1, 1] * dy * dy)
    radius = float(shape.radius[frame.index]) * scale
    coverage = np.clip(inside * np.float32(0.5 * radius) + 0.5, 0.0, 1.0)
    dz = (-(q[0, 2] * dx + q[1, 2] * dy) - np.sqrt(np.maximum(inside, 0.0) * q[2, 2])) / q[2, 2]
    gx = q[0, 0] * dx + q[0, 1] * dy + q[0, 2] * dz
    gy = q[0, 1] * dx + q[1, 1] * dy + q[1, 2] * dz
    gz = q[0, 2] * dx + q[1, 2] * dy + q[2, 2] * dz
    length = np.sqrt(gx * gx + gy * gy + gz * gz) + np.float32(1e-6)
    lamp = frame.lamp
    shade = frame.shade((lamp[0] * gx + lamp[1] * gy + lamp[2] * gz) / length, -gz / length)
    colour: Image | Colour
    if isinstance(shape.paint, tuple):
        colour = shape.paint
    else:
        back = shape.back[frame.index].astype(np.float32)
        colour = shape.paint(np.stack([r[0] * dx + r[1] * dy + r[2] * dz for r in back]))
    return _Patch((rows, columns), inside, coverage, dz + np.float32(centre[2]), shade, colour)


def _limb(frame: _Frame, shape: Limb, ends: tuple[Array, Array]) -> _Patch | None:
    start, end = ends[0][frame.index], ends[1][frame.index]
    if min(start[2], end[2]) <= 0.1:
        return None
    scale = np.float32(2.0 * frame.focal / (start[2] + end[2]))
    a, b = frame.pixel(start), frame.pixel(end)
    widest = float((max(shape.start_radius, shape.end_radius) + shape.bulge) * scale) + 1.0
    box = frame.box(np.minimum(a, b) - widest, np.maximum(a, b) + widest)
    if box is None:
        return None
    rows, columns, xs, ys = box
    along = (b - a).astype(np.float32)
    px, py = xs - np.float32(a[0]), ys - np.float32(a[1])
    length2 = np.float32(max(float(along[0] ** 2 + along[1] ** 2), 1e-6))
    t = np.clip((px * along[0] + py * along[1]) / length2, 0.0, 1.0)
    ox, oy = px - t * along[0], py - t * along[1]
    radius = scale * (np.float32(shape.start_radius) + np.float32(shape.end_radius - shape.start_radius) * t)
    if shape.bulge:
        radius = radius + scale * np.float32(6.75 * shape.bulge) * t * (1.0 - t) ** 2
    away = np.sqrt(ox * ox + oy * oy)
    coverage = np.clip(radius - away + np.float32(0.5), 0.0, 1.0)
    rise = np.sqrt(np.maximum(radius * radius - away * away, 0.0))
    depth = np.float32(start[2]) + np.float32(end[2] - start[2]) * t - rise / scale
    lamp = frame.lamp
    shade = frame.shade((lamp[0] * ox + lamp[1] * oy - lamp[2] * rise) / radius, rise / radius)
    colour = shape.paint if isinstance(shape.paint, tuple) else shape.paint(t[None])
    return _Patch((rows, columns), rise, coverage, depth, shade, colour)


def _merge(patches: list[_Patch]) -> _Patch:
    """Join several ellipsoids: depth and shade are means weighted by how deep a pixel lies inside."""
    top, left = (min(p.place[k].start for p in patches) for k in (0, 1))
    bottom, right = (max(p.place[k].stop for p in patches) for k in (0, 1))
    size = (bottom - top, right - left)
    total, depth, shade, coverage, sharp = (np.zeros(size, np.float32) for _ in range(5))
    colour: Image = np.zeros((*size, 3), np.float32)
    for patch in patches:
        rows, columns = patch.place
        here = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
        weight = np.maximum(patch.inside, 0.0) ** 2 + np.float32(1e-6) * patch.coverage
        total[here] += weight
        depth[here] += weight * patch.depth
        shade[here] += weight * patch.shade
        np.maximum(coverage[here], patch.coverage, out=coverage[here])
        strong = weight**6 + np.float32(1e-30) * patch.coverage
        sharp[here] += strong
        colour[here] += strong[..., None] * np.asarray(patch.colour, np.float32)
    safe = np.maximum(total, np.float32(1e-12))
    colour /= np.maximum(sharp, np.float32(1e-36))[..., None]
    place = (slice(top, bottom), slice(left, right))
    depth, shade = (depth / safe).astype(np.float32), (shade / safe).astype(np.float32)
    return _Patch(place, total, coverage, depth, shade, colour)


def _blend(canvas: Canvas, patch: _Patch, light: Light) -> None:
    known, image = canvas.depth[patch.place], canvas.image[patch.place]
    alpha = patch.coverage * (patch.depth < known)
    for channel in range(3):
        own = patch.colour[channel] if isinstance(patch.colour, tuple) else patch.colour[..., channel]
        tone = np.minimum(patch.shade * (own * np.float32(light.tint[channel])), 255.0)
        image[..., channel] += alpha * (tone - image[..., channel])
    np.copyto(known, patch.depth, where=alpha > 0.5)
