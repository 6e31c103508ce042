"""The videos of the embedded data: programs of elements, rendered on a rink with a scoreboard."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from aqa.synthetic import panel, rink, scene, scoreboard, skating
from aqa.synthetic.body import Body, Joint, Pose, centre_of_mass, random_body
from aqa.synthetic.camera import Camera
from aqa.synthetic.panel import Faults, Kind
from aqa.synthetic.seeds import generator
from aqa.synthetic.skating import JumpFaults, SpinFaults
from aqa.synthetic.surface import draw, view
from aqa.synthetic.track import Box, Keypoint, Track, observe
from aqa.synthetic.video import drawn, write_video

DATASET = "finefs"
WIDTH, HEIGHT = 320, 240
FOCAL = 1350.0

Blemish = Literal["none", "time", "total", "class"]


@dataclass(frozen=True)
class Item:
    """An element of a program, from `start` to `end` seconds of the video; `code` without marks."""

    number: int
    kind: Kind
    code: str
    start: int
    end: int
    faults: Faults
    judges: tuple[int, ...]
    blemish: Blemish = "none"

    @property
    def base(self) -> float:
        """Base value as executed."""
        return panel.base_value(self.code, self.faults)

    @property
    def points(self) -> float:
        """The grade of execution in points."""
        return panel.points(self.judges, self.base)

    @property
    def called(self) -> str:
        """The code with the technical panel's mark."""
        return self.code + ("<" if panel.marked(self.faults) else "")


@dataclass(frozen=True)
class Program:
    """A video to be rendered: `competition` counts from 0, `skater` from 1."""

    seed: int
    video: int
    competition: int
    skater: int
    rate: int
    items: tuple[Item, ...]
    drawn: int | None = None

    @property
    def media(self) -> str:
        """Path of the video, relative to the data folder."""
        return f"video/{self.video}.mp4"

    @property
    def name(self) -> str:
        """What the scoreboard calls the skater."""
        return f"SKATER {self.skater:02d}"

    def clip_id(self, item: Item) -> str:
        """Return the id that the dataset's adapter gives to an element."""
        return f"{self.video:04d}-e{item.number:02d}"


def competition_name(program: Program) -> str:
    """Return the invented name of a program's competition."""
    return f"Rendered Trophy {'ABCDEFGHIJ'[program.competition % 10]}, Short Program"


@dataclass(frozen=True)
class Rendered:
    """A program's true keypoints and fault sizes, an element each, and its scoreboard."""

    tracks: list[Track]
    sizes: list[dict[str, object]]
    board: scoreboard.Shown


@dataclass(frozen=True)
class Venue:
    """What the programs of a competition share."""

    rink: rink.Rink
    tone: scene.Tone
    style: scoreboard.Style

    @property
    def throughout(self) -> bool:
        """Whether the board is in the picture all the time, the GOE from the element's first frame."""
        return self.style.design in ("lower-bar", "upper-strip")


def venue_of(program: Program) -> Venue:
    """Return the place of a program's competition."""
    rng = generator(program.seed, DATASET, "venue", str(program.competition))
    design = scoreboard.DESIGNS[program.competition % len(scoreboard.DESIGNS)]
    return Venue(rink.random_rink(rng, FOCAL), scene.random_tone(rng), scoreboard.random_style(rng, design))


def element_of(program: Program, item: Item) -> skating.Element:
    """Return the movement of an element on its place on the ice: its true joints in metres."""
    rng = generator(program.seed, DATASET, program.clip_id(item))
    body = _body(program)
    heading = float(rng.choice([-0.5, 0.5]) * np.pi + rng.uniform(-0.3, 0.3))
    faults = item.faults
    if isinstance(faults, JumpFaults):
        code = panel.JUMPS[item.code]
        found = skating.jump(body, code.turns, code.take_off, faults, heading=heading, rate=program.rate)
    elif isinstance(faults, SpinFaults):
        spin = panel.SPINS[item.code]
        found = skating.spin(body, spin.positions, spin.change, faults, heading=heading, rate=program.rate)
    else:
        found = skating.steps(body, faults, heading, program.rate, rng)
    return replace(found, pose=_on_ice(rng, found.pose))


def _body(program: Program) -> Body:
    return random_body(generator(program.seed, DATASET, str(program.video), "body"))


def _on_ice(rng: np.random.Generator, pose: Pose) -> Pose:
    """Return the pose moved so that its way lies before the camera."""
    way = pose.at(Joint.PELVIS)[:, [0, 2]]
    low, high = way.min(axis=0), way.max(axis=0)
    room = np.maximum(np.array([10.5, 3.5]) - 0.5 * (high - low), 0.0)
    place = np.array([0.0, -3.0]) + rng.uniform(-0.6, 0.6, 2) * room - 0.5 * (low + high)
    return pose.moved(np.array([place[0], 0.0, place[1]]))


def render(folder: Path, program: Program, venue: Venue) -> Rendered:
    """Render a program's video into `folder` and return its ground truth."""
    film = _Film(program, venue)
    rng = generator(program.seed, DATASET, str(program.video), "glide")
    decided = []
    for item in program.items:
        film.glide(rng)
        element = element_of(program, item)
        decided.append(item.start + element.decided)
        film.element(item, element, float(rng.uniform(0.94, 1.06)))
    film.glide(rng)
    shown = board_of(program, venue, decided)
    _burn(film.frames, program, venue, shown)
    write_video(folder / program.media, film.frames, program.rate)
    sizes: list[dict[str, object]] = [
        {
            "clip_id": program.clip_id(item),
            "kind": item.kind,
            "element": item.called,
            "sizes": asdict(item.faults),
            "quality": round(panel.quality(item.faults), 4),
            "grade": panel.grade(item.judges),
            "points": item.points,
            "blemish": item.blemish,
        }
        for item in program.items
    ]
    return Rendered(film.tracks, sizes, shown)


class _Film:
    """The frames of a program as they are drawn, and the tracks of its elements."""

    def __init__(self, program: Program, venue: Venue) -> None:
        rng = generator(program.seed, DATASET, str(program.video), "costume")
        self._program, self._venue = program, venue
        self._costume = rink.skating_costume(rng)
        self._darkroom = scene.Darkroom(venue.tone, HEIGHT, WIDTH, rng)
        self.frames: list[scene.Picture] = []
        self.tracks: list[Track] = []

    def glide(self, rng: np.random.Generator) -> None:
        """Append a second of gliding, seen from farther away."""
        heading = float(rng.choice([-0.5, 0.5]) * np.pi + rng.uniform(-0.3, 0.3))
        pose = skating.glide(_body(self._program), heading, 1.0, self._program.rate).pose
        pose = _on_ice(rng, pose)
        camera = self._camera(pose, 0.55)
        self._shoot(pose, camera, keep=False)

    def element(self, item: Item, element: skating.Element, zoom: float) -> None:
        """Append an element and its track."""
        first = len(self.frames)
        seen = self._shoot(element.pose, self._camera(element.pose, zoom), keep=True)
        self.tracks.append(
            Track(
                clip_id=self._program.clip_id(item),
                media=self._program.media,
                first_frame=first,
                width=WIDTH,
                height=HEIGHT,
                keypoints=tuple(points for points, _ in seen),
                boxes=tuple(box for _, box in seen),
            )
        )

    def _camera(self, pose: Pose, zoom: float) -> Camera:
        target = centre_of_mass(pose)
        distance = float(np.linalg.norm(target - self._venue.rink.eye, axis=1).mean())
        target[:, 1] = 0.35 + 0.55 * target[:, 1]
        return rink.follow(self._venue.rink, target, zoom * distance / 22.0, WIDTH, HEIGHT)

    def _shoot(self, pose: Pose, camera: Camera, keep: bool) -> list[tuple[tuple[Keypoint, ...], Box | None]]:
        prepared = view(rink.skater_shapes(pose, self._costume), camera, self._venue.rink.light)
        seen: list[tuple[tuple[Keypoint, ...], Box | None]] = []
        most = self._program.drawn
        chosen = drawn(len(pose.joints), most if keep or most is None else 1)
        for index in range(len(pose.joints)):
            if index not in chosen:
                self.frames.append(self.frames[-1].copy())
                seen += seen[-1:]
                continue
            here = camera.frame(index)
            canvas = rink.backdrop(self._venue.rink, here)
            rink.paint_contact(canvas.image, here, pose, index)
            draw(canvas, prepared, index)
            if keep:
                seen.append(observe(canvas, here, pose, index))
            self.frames.append(self._darkroom.develop(canvas.image, len(self.frames)))
        return seen


def board_of(program: Program, venue: Venue, decided: list[float]) -> scoreboard.Shown:
    """Return when the board is in the picture and what it says; `decided` in seconds, an element each."""
    says: list[scoreboard.Saying] = []
    end = float(program.items[-1].end + 1)
    if venue.throughout:
        first = program.items[0].start
        says.append(scoreboard.Saying(start_s=0.0, end_s=first, element="", goe=None))
        starts = [float(item.start) for item in program.items]
        ends = [*starts[1:], end]
    else:
        starts = [round(moment * program.rate) / program.rate for moment in decided]
        ends = [item.end + 0.6 for item in program.items]
    for item, start, stop in zip(program.items, starts, ends, strict=True):
        text = scoreboard.goe_text(item.points)
        says.append(scoreboard.Saying(start_s=start, end_s=stop, element=item.called, goe=text))
    visible = ((0.0, end),) if venue.throughout else tuple((s.start_s, s.end_s) for s in says)
    return scoreboard.Shown(
        media=program.media,
        competition=competition_name(program),
        design=venue.style.design,
        width=WIDTH,
        height=HEIGHT,
        box=scoreboard.box(venue.style.design, WIDTH, HEIGHT),
        visible=visible,
        says=tuple(says),
    )


def _burn(frames: list[scene.Picture], program: Program, venue: Venue, shown: scoreboard.Shown) -> None:
    """Draw the board over the frames in place."""
    left, top, right, bottom = shown.box
    total, entries = 0.0, []
    for item in program.items:
        total += item.base + item.points
        entries.append(scoreboard.Entry(program.name, item.called, item.points, round(total, 2)))
    if venue.throughout:
        entries.insert(0, scoreboard.Entry(program.name, "", None, 0.0))
    for entry, saying in zip(entries, shown.says, strict=True):
        picture = scoreboard.board(venue.style, entry, WIDTH, HEIGHT)
        for index in range(round(saying.start_s * program.rate), round(saying.end_s * program.rate)):
            frames[index][top:bottom, left:right] = picture
