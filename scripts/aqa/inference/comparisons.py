"""The requests of a compare cell: every pair in both orders (design decision 8)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aqa.config import Representation
from aqa.datasets import Wording
from aqa.errors import UserError
from aqa.files import digest
from aqa.inference.requests import key
from aqa.prompts.compare import question, render_pair
from aqa.records import Clip, Message, Pair, Request, Sample, TextPart

log = logging.getLogger("aqa")

ANCHOR_FIRST, PARTNER_FIRST = "anchor_first", "partner_first"
"""The items of a pair's two requests: which of its samples is shown first."""


def build(
    pairs: Sequence[Pair],
    samples: Mapping[str, Sample],
    clips: Mapping[str, Clip],
    *,
    exercises: Mapping[str, str],
    strategy: str,
    wording: Wording,
    identity: Mapping[str, Any],
    representation: Representation = "original",
    system: str | None = None,
) -> list[Request]:
    """Return two requests a pair, in the order of `pairs`: the anchor first, then the partner first.

    Arguments are those of `requests.build`; `samples` maps the dataset's sample ids to samples. Pairs of
    which a clip could not be prepared are left out of both orders, and counted in the log.

    Raises:
        UserError: a pair names an unknown sample or one without a clip, compares an image with a video,
            or cannot be rendered.
    """
    settings = digest(identity)
    requests: list[Request] = []
    broken = []
    for pair in pairs:
        anchor, partner = (_clip(name, clips, pair) for name in (pair.anchor, pair.partner))
        if anchor.file is None or partner.file is None:
            broken.append(pair.pair_id)
            continue
        kind = _kind(pair, samples)
        for item, shown in ((ANCHOR_FIRST, (anchor, partner)), (PARTNER_FIRST, (partner, anchor))):
            messages = render_pair(
                pair,
                shown,
                kind=kind,
                exercise=exercises.get(pair.exercise, pair.exercise),
                strategy=strategy,
                wording=wording,
                representation=representation,
            )
            if system is not None:
                messages = (Message(role="system", content=(TextPart(text=system),)), *messages)
            requests.append(
                Request(
                    key=key(messages, settings, pair.pair_id, item),
                    settings=settings,
                    sample_id=pair.pair_id,
                    subject=pair.anchor_subject,
                    exercise=pair.exercise,
                    item=item,
                    messages=messages,
                    questions=(question(pair),),
                )
            )
    if broken:
        log.warning("%d pairs are not asked, for lack of a clip; the first is %s", len(broken), broken[0])
    return requests


def _clip(sample_id: str, clips: Mapping[str, Clip], pair: Pair) -> Clip:
    clip = clips.get(sample_id)
    if clip is None:
        raise UserError(
            f"pair {pair.pair_id}: the media manifest has no clip of {sample_id}; prepare the media of the "
            "samples that scripts/pairs.py lists (--media-list)"
        )
    return clip


def _kind(pair: Pair, samples: Mapping[str, Sample]) -> Literal["image", "video"]:
    kinds: set[Literal["image", "video"]] = set()
    for name in (pair.anchor, pair.partner):
        if name not in samples:
            raise UserError(
                f"pair {pair.pair_id}: sample {name} is not in samples.jsonl; make the pairs again"
            )
        kinds.add("image" if samples[name].media.kind == "image" else "video")
    if len(kinds) > 1:
        raise UserError(f"pair {pair.pair_id}: an image cannot be compared with a video")
    return kinds.pop()
