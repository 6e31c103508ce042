"""Postures of figure skaters: what the elements of `skating` move between.

A leg is (flexion of the hip, flexion of the knee, away from the midline, point of the foot), an arm is
(forward and up, away from the body, flexion of the elbow, turn of the forearm inwards), all in degrees.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

from aqa.synthetic.skater import Posture

TakeOff = Literal["toe", "edge", "forward"]
Position = Literal["camel", "sit", "upright", "layback"]

_Four: TypeAlias = tuple[float, float, float, float]

_FOOT: _Four = (9.0, 18.0, 0.0, 10.0)
_ARM: _Four = (14.0, 74.0, 14.0, 0.0)
_WIDE: _Four = (8.0, 80.0, 14.0, 0.0)
_WIDE_BACK: _Four = (16.0, 80.0, 14.0, 0.0)


def _legs(left: _Four, right: _Four) -> dict[str, float]:
    parts = ("hip", "knee", "out", "point")
    return {
        f"{side}_{part}": value
        for side, leg in (("left", left), ("right", right))
        for part, value in zip(parts, leg, strict=True)
    }


def _arms(left: _Four, right: _Four) -> dict[str, float]:
    parts = ("arm", "spread", "elbow", "fold")
    return {
        f"{side}_{part}": value
        for side, arm in (("left", left), ("right", right))
        for part, value in zip(parts, arm, strict=True)
    }


def other_foot(posture: Posture) -> Posture:
    """Return the posture with the legs exchanged, on the right foot."""
    legs = {
        f"{to}_{part}": getattr(posture, f"{of}_{part}")
        for to, of in (("left", "right"), ("right", "left"))
        for part in ("hip", "out", "knee", "point")
    }
    return replace(posture, right=1.0, **legs)


OPEN = Posture(**_legs(_FOOT, _FOOT), **_arms(_ARM, _ARM))
GLIDE = replace(OPEN, **_legs((20, 36, 0, 10), (-26, 10, 10, 10)))

ENTRIES: dict[TakeOff, tuple[Posture, Posture, Posture]] = {
    "forward": (
        replace(OPEN, **_legs((16, 28, 0, 10), (-22, 8, 0, 10))),
        Posture(**_legs((42, 62, 0, 10), (-34, 26, 0, 10)), **_arms((-38, 30, 14, 0), (-38, 30, 14, 0))),
        Posture(**_legs((0, 6, 0, 10), (62, 66, 0, 10)), **_arms((64, 18, 60, 0), (64, 18, 60, 0))),
    ),
    "toe": (
        replace(OPEN, **_legs((17, 26, 0, 10), (-10, 10, 0, 10)), twist=-14),
        Posture(
            **_legs((54, 58, 0, 10), (-42, 10, 6, 10)), **_arms((58, 28, 14, 0), (-34, 42, 14, 0)), twist=-24
        ),
        Posture(**_legs((2, 6, 0, 10), (-6, 12, 0, 10)), **_arms((52, 26, 66, 0), (40, 30, 66, 0))),
    ),
    "edge": (
        replace(OPEN, **_legs((18, 30, 0, 10), (12, 22, 8, 10))),
        Posture(
            **_legs((50, 70, 0, 10), (20, 34, 16, 10)), **_arms((40, 74, 14, 0), (-28, 50, 14, 0)), twist=-26
        ),
        Posture(**_legs((2, 6, 0, 10), (34, 30, 8, 10)), **_arms((56, 20, 60, 0), (56, 20, 60, 0))),
    ),
}
"""The glide into a jump, its preparation and its take-off: the left leg jumps, the right one is free."""

FOLDED = Posture(
    **_legs((20, 26, -11, 65), (2, 5, -3, 65)), **_arms((38, 4, 118, 48), (32, 4, 122, 52)), look=24, right=1
)
OPENING = Posture(
    **_legs((40, 80, 10, 65), (10, 16, -3, 30)), **_arms((34, 34, 70, 10), (30, 34, 70, 10)), look=24, right=1
)
BENT = Posture(**_legs((-28, 50, 10, 50), (46, 62, 0, 10)), **_arms(_WIDE, _WIDE_BACK), right=1)
HELD = Posture(
    **_legs((-52, 5, 14, 60), (42, 38, 0, 10)),
    **_arms(_WIDE, _WIDE_BACK),
    curl=-14,
    nod=-10,
    look=-10,
    right=1,
)
LAST = replace(HELD, left_hip=-42, right_hip=30, right_knee=24)

SLIPPING = Posture(
    **_legs((30, 20, 0, 50), (70, 96, 0, 10)), **_arms((60, 70, 14, 0), (-20, 60, 14, 0)),
    right=1, down=0.35, tip=-14, roll=24,
)  # fmt: skip
LYING = Posture(
    **_legs((58, 11, 0, 30), (85, 64, 0, 10)), **_arms((34, 56, 14, 0), (-34, 38, 8, 0)),
    curl=16, right=1, down=1, tip=-42, roll=26,
)  # fmt: skip
SITTING = replace(
    LYING,
    left_hip=78,
    left_knee=15,
    right_hip=108,
    right_knee=74,
    left_arm=8,
    left_spread=34,
    nod=18,
    tip=-24,
    roll=8,
)

SPIN_GLIDE = replace(OPEN, **_legs((18, 34, 0, 10), (-24, 10, 0, 10)))
SPIN_READY = replace(OPEN, **_legs((34, 50, 0, 10), (-10, 10, 0, 10)))
LEAVING = replace(OPEN, **_legs((-40, 6, 12, 60), (24, 30, 0, 10)), left_spread=82, right_spread=82, right=1)

_OVERHEAD: _Four = (168.0, -6.0, 10.0, 0.0)
POSITIONS: dict[Position, Posture] = {
    "camel": Posture(
        **_legs((88, 6, 0, 10), (-8, 3, 0, 65)), **_arms((4, 84, 14, 0), (4, 84, 14, 0)), curl=-16, nod=-30
    ),
    "sit": Posture(
        **_legs((104, 124, 0, 10), (116, 8, 0, 55)), **_arms((92, 12, 20, 0), (92, 12, 20, 0)), curl=30
    ),
    "upright": Posture(**_legs((2, 5, 0, 10), (26, 34, -10, 60)), **_arms(_OVERHEAD, _OVERHEAD), nod=-6),
    "layback": Posture(
        **_legs((2, 5, 0, 10), (-34, 62, 26, 60)),
        **_arms((140, 14, 42, 0), (140, 14, 42, 0)),
        curl=-54,
        nod=-42,
    ),
}
SLOPPY: dict[Position, Posture] = {
    "camel": Posture(
        **_legs((46, 24, 0, 10), (4, 34, 0, 65)), **_arms((4, 44, 46, 0), (4, 58, 14, 0)), curl=12, nod=6
    ),
    "sit": Posture(
        **_legs((58, 62, 0, 10), (58, 44, 0, 55)), **_arms((92, 12, 20, 0), (92, 12, 20, 0)), curl=34
    ),
    "upright": Posture(
        **_legs((14, 26, 0, 10), (34, 60, 14, 60)), **_arms((52, 44, 50, 0), (30, 58, 10, 0)), curl=16, nod=-6
    ),
    "layback": Posture(
        **_legs((2, 5, 0, 10), (-4, 40, 14, 60)), **_arms((60, 50, 60, 0), (60, 50, 60, 0)), curl=-8, nod=-4
    ),
}
"""The positions of spins, on the left foot, as they should be and with most of them missing."""

STEPS: tuple[Posture, ...] = (
    Posture(
        **_legs((30, 46, 0, 10), (-48, 10, 12, 60)),
        **_arms((70, 24, 14, 0), (-16, 84, 14, 0)),
        curl=-12,
        twist=-24,
    ),
    Posture(**_legs((18, 34, 0, 10), (64, 6, 0, 60)), **_arms((20, 92, 14, 0), (20, 92, 14, 0)), curl=-6),
    Posture(
        **_legs((62, 92, 0, 10), (-36, 20, 20, 60)),
        **_arms((10, 120, 14, 0), (10, 66, 14, 0)),
        curl=-10,
        bend=16,
    ),
    Posture(**_legs((12, 22, 0, 10), (20, 72, 30, 60)), **_arms((150, 20, 24, 0), (16, 80, 14, 0)), bend=-18),
    Posture(**_legs((10, 20, 0, 10), (26, 50, -6, 60)), **_arms((160, 10, 30, 0), (160, 10, 30, 0)), nod=-12),
)
"""Steps on the left foot; the last one turns a time more."""

STIFF = Posture(**_legs((8, 14, 0, 10), (4, 26, 0, 10)), **_arms((8, 24, 24, 0), (8, 24, 24, 0)))


def flung(posture: Posture, trip: float) -> Posture:
    """Return the posture thrown forward by a stumble of `trip` degrees: arms flail, the free foot is down."""
    thrown = replace(
        posture if posture.right <= 0.5 else other_foot(posture),
        **_legs((30.0 + trip, 62.0, 0.0, 10.0), (16.0, 30.0, 18.0, 10.0)),
        **_arms((88.0, 30.0, 6.0, 0.0), (60.0, 52.0, 6.0, 0.0)),
        curl=20.0,
        twist=0.0,
        right=0.0,
    )
    return other_foot(thrown) if posture.right > 0.5 else thrown
