"""What a figure wears: skin, hair, clothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from aqa.synthetic.surface import Colour

Hair = Literal["short", "bun", "tail", "long", "cap", "bald"]

_SKINS: tuple[Colour, ...] = (
    (238, 202, 178),
    (224, 178, 148),
    (204, 152, 116),
    (164, 112, 80),
    (118, 78, 54),
    (88, 58, 44),
)
_HAIRS: tuple[Colour, ...] = (
    (34, 28, 26),
    (70, 46, 30),
    (112, 76, 44),
    (186, 150, 92),
    (120, 118, 116),
    (128, 56, 30),
)
_CLOTHES: tuple[Colour, ...] = (
    (42, 44, 50),
    (206, 208, 210),
    (176, 42, 48),
    (36, 74, 150),
    (30, 120, 92),
    (232, 178, 52),
    (122, 66, 140),
    (224, 112, 52),
    (92, 150, 196),
    (210, 92, 130),
    (96, 104, 84),
)


@dataclass(frozen=True)
class Look:
    """Colours and the lengths of garments.

    `sleeve` and `leg` say how far the cloth reaches along arm and leg: 0 none, 1 to the elbow or knee,
    2 to the wrist or ankle. `trunk` is how much of the torso the upper garment covers from the
    shoulders down, 0..1. `loose` adds to the radius of sleeves and legs, in metres.
    """

    skin: Colour
    hair: Colour
    hair_style: Hair
    top: Colour
    bottom: Colour
    shoe: Colour
    sleeve: float = 0.55
    leg: float = 0.6
    trunk: float = 1.0
    loose: float = 0.008


def _vary(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    red, green, blue = (float(np.clip(c + rng.uniform(-amount, amount), 12.0, 245.0)) for c in colour)
    return red, green, blue


def _pick(rng: np.random.Generator, palette: tuple[Colour, ...], amount: float) -> Colour:
    return _vary(rng, palette[int(rng.integers(len(palette)))], amount)


def gym_look(rng: np.random.Generator) -> Look:
    """Draw what somebody wears to train: shirt or tank top, shorts or leggings, shoes."""
    style: Hair = str_choice(rng, ("short", "short", "bun", "tail", "bald", "cap"))
    top = _pick(rng, _CLOTHES, 14.0)
    bottom = _pick(rng, _CLOTHES, 14.0)
    while sum(abs(a - b) for a, b in zip(top, bottom, strict=True)) < 60.0:
        bottom = _pick(rng, _CLOTHES, 14.0)
    leggings = rng.random() < 0.4
    return Look(
        skin=_pick(rng, _SKINS, 8.0),
        hair=_pick(rng, _HAIRS, 10.0),
        hair_style=style,
        top=top,
        bottom=bottom,
        shoe=_pick(rng, _CLOTHES, 20.0),
        sleeve=float(rng.choice([0.0, 0.5, 0.7, 2.0], p=[0.3, 0.35, 0.25, 0.1])),
        leg=float(rng.choice([1.5, 2.0])) if leggings else float(rng.uniform(0.45, 0.8)),
        loose=0.003 if leggings else float(rng.uniform(0.008, 0.016)),
    )


def swim_look(rng: np.random.Generator) -> Look:
    """Draw what a diver wears: trunks or a one-piece suit, bare arms, legs and feet."""
    skin, suit = _pick(rng, _SKINS, 8.0), _pick(rng, _CLOTHES, 14.0)
    whole = rng.random() < 0.5
    styles: tuple[Hair, ...] = ("bun", "tail", "cap") if whole else ("short", "short", "bald")
    return Look(
        skin=skin,
        hair=_pick(rng, _HAIRS, 10.0),
        hair_style=str_choice(rng, styles),
        top=suit if whole else skin,
        bottom=suit,
        shoe=skin,
        sleeve=0.0,
        leg=0.0 if whole else 0.28,
        trunk=0.9 if whole else 0.0,
        loose=0.003,
    )


def str_choice(rng: np.random.Generator, values: tuple[Hair, ...]) -> Hair:
    """Draw one of `values`, each equally likely."""
    return values[int(rng.integers(len(values)))]
