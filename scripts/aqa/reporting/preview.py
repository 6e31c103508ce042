"""What a cell would ask, before a token is spent: messages, frames and expected answers on one page."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from aqa.errors import UserError
from aqa.files import digest, digest_file, read_jsonl, write_text
from aqa.inference.comparisons import ANCHOR_FIRST
from aqa.media.profile import thin
from aqa.media.store import read_frames
from aqa.prompts.answers import answer
from aqa.prompts.compare import FIRST, SECOND
from aqa.records import MediaPart, Pair, Part, Request, Sample
from aqa.reporting.thumbnail import thumbnail

FOLDER = Path(__file__).parent

MAX_FRAMES = 48
"""Thumbnails of one clip; of a longer clip so many, evenly spaced, first and last among them."""

SIDE = 144
"""Longer side of a thumbnail, in pixels."""


@dataclass(frozen=True)
class Frame:
    """A frame of a clip: `number` from 1, `time` in the clip, `uri` "" where it may not be shown."""

    number: int
    time: str
    uri: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Piece:
    """A part of a message: text, or (`text` None) a clip of `total` frames."""

    text: str | None
    kind: str = ""
    file: str = ""
    width: int = 0
    height: int = 0
    total: int = 0
    span: str = ""
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Turn:
    """A message."""

    role: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Preview:
    """A request with everything that it sends, and the answer that it does not send."""

    request: Request
    turns: tuple[Turn, ...]
    expected: str
    remark: str = ""


def write_preview(
    *,
    requests: Path,
    samples: Path,
    media: Path,
    output: Path,
    limit: int = 6,
    placeholders: bool = False,
    pairs: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """Write the page.

    Args:
        requests: `requests.jsonl` of a cell.
        samples: `samples.jsonl` of its dataset.
        media: the folder that the requests' clips are relative to.
        output: the page.
        limit: at most this many requests, taken in turn from the exercises; both orders of a pair stay
            together.
        placeholders: show boxes instead of frames, which the dataset's terms do not let anyone publish.
        pairs: `pairs.jsonl`, for a cell of the compare task.
        identity: the backend's settings; their digest must be that in the requests.
        title: a line below the heading.

    Raises:
        UserError: an input is missing, damaged, or does not fit the others.
    """
    everything = read_jsonl(requests, Request)
    if not everything:
        raise UserError(f"{requests}: holds no request")
    if identity is not None and {digest(identity)} != {request.settings for request in everything}:
        raise UserError(f"{requests}: was rendered with other settings of the model; render it again")
    known = {sample.sample_id: sample for sample in read_jsonl(samples, Sample)}
    paired = {pair.pair_id: pair for pair in read_jsonl(pairs, Pair)} if pairs is not None else {}
    chosen = choose(everything, limit)
    previews = [_preview(request, known, paired, media, placeholders) for request in chosen]
    facts = [
        ("requests in the cell" if len(everything) != 1 else "request in the cell", f"{len(everything):,}"),
        ("shown here", f"{len(previews):,}"),
        ("frames in those", f"{sum(p.total for v in previews for t in v.turns for p in t.pieces):,}"),
    ]
    shown_identity = json.dumps(identity, indent=2, sort_keys=True, ensure_ascii=False) if identity else ""
    write_text(
        output,
        _environment()
        .get_template("preview.html.j2")
        .render(
            **_styles(),
            title=title,
            facts=facts,
            placeholders=placeholders,
            identity=shown_identity,
            settings=sorted({request.settings for request in everything}),
            previews=previews,
            visible=visible,
        ),
    )


def choose(requests: Sequence[Request], limit: int) -> list[Request]:
    """Return at most `limit` requests: of each exercise in turn the next sample, with all its requests.

    The first sample is shown even if its requests alone are more.
    """
    by_exercise: dict[str, dict[str, list[Request]]] = {}
    for request in requests:
        by_exercise.setdefault(request.exercise, {}).setdefault(request.sample_id, []).append(request)
    rounds = zip_longest(*(samples.values() for samples in by_exercise.values()))
    chosen: list[Request] = []
    for group in (group for turn in rounds for group in turn if group):
        if chosen and len(chosen) + len(group) > limit:
            break
        chosen += group
    return chosen


def visible(text: str) -> str:
    """Return `text` with every character that cannot be seen written out, but line breaks and tabs."""
    return "".join(
        letter
        if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else f"⟨U+{ord(letter):04X}⟩"
        for letter in text
    )


def _preview(
    request: Request, samples: Mapping[str, Sample], pairs: Mapping[str, Pair], media: Path, hide: bool
) -> Preview:
    expected, remark = _expected(request, samples, pairs)
    turns = tuple(
        Turn(message.role, tuple(_piece(part, media, hide) for part in message.content))
        for message in request.messages
    )
    return Preview(request, turns, expected, remark)


def _expected(request: Request, samples: Mapping[str, Sample], pairs: Mapping[str, Pair]) -> tuple[str, str]:
    """Return the true answer in the form asked for, and what explains it."""
    pair = pairs.get(request.sample_id)
    if pair is not None:
        better = FIRST if (pair.better == "anchor") == (request.item == ANCHOR_FIRST) else SECOND
        gap = f"; the scores differ by {pair.gap:g}" if pair.gap is not None else ""
        truth = {question.item: better for question in request.questions}
        name = pair.anchor if pair.better == "anchor" else pair.partner
        return answer(request.questions, truth), f"better: {name} of {pair.anchor} and {pair.partner}{gap}"
    sample = samples.get(request.sample_id)
    if sample is None:
        raise UserError(
            f"request of '{request.sample_id}': no such sample (for a cell of the compare task give its "
            "pairs with --pairs); make samples.jsonl and requests.jsonl again"
        )
    if absent := [question.item for question in request.questions if question.item not in sample.truth]:
        raise UserError(f"request of '{request.sample_id}': the sample has no truth for '{absent[0]}'")
    return answer(request.questions, sample.truth), ""


def _piece(part: Part, media: Path, hide: bool) -> Piece:
    if not isinstance(part, MediaPart):
        return Piece(text=part.text)
    times = part.timestamps
    return Piece(
        text=None,
        kind=part.kind,
        file=part.file,
        width=part.width,
        height=part.height,
        total=len(times),
        span=f"{times[0]:.2f} s to {times[-1]:.2f} s" if times else "",
        frames=tuple(_frames(part, media, hide)),
    )


def _frames(part: MediaPart, media: Path, hide: bool) -> list[Frame]:
    kept = thin(range(len(part.timestamps)), MAX_FRAMES)
    labels = [(number + 1, f"{part.timestamps[number]:.2f} s") for number in kept]
    if hide:
        return [Frame(number, time) for number, time in labels]
    path = media / part.file
    if not path.resolve().is_relative_to(media.resolve()):
        raise UserError(f"{path}: lies outside {media}; render the requests again")
    pictures = read_frames(path)
    if digest_file(path) != part.sha256 or len(pictures) != len(part.timestamps):
        raise UserError(f"{path}: changed since the requests were rendered; render them again")
    return [
        Frame(number, time, *thumbnail(pictures[at], path, SIDE))
        for at, (number, time) in zip(kept, labels, strict=True)
    ]


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _styles() -> dict[str, Any]:
    """Return our style sheets and the policy that allows them, images in the page, and nothing else."""
    sheets = [(FOLDER / name).read_text(encoding="utf-8") for name in ("report.css", "preview.css")]
    digests = [base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode() for sheet in sheets]
    allowed = " ".join(f"'sha256-{value}'" for value in digests)
    return {
        "styles": [Markup(sheet) for sheet in sheets],  # noqa: S704 (our own files; digests in the policy)
        "policy": f"default-src 'none'; style-src {allowed}; img-src data:; base-uri 'none'; "
        "form-action 'none'",
    }
