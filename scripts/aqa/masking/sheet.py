"""What a person reviews: the proposal as a file of masks, and a contact sheet of frames with its boxes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from aqa.masking.propose import Proposal
from aqa.media.masks import PROGRAM

_HEADER = """\
# Boxes that hide what shows the truth in each source, proposed by a program and approved by nobody.
# To approve: open {sheet} beside this file, correct the boxes below (pixels of the source, origin top left;
# right and bottom just outside; start_s and end_s in seconds where a box is not needed throughout), copy this
# file to {target}, and there set status to reviewed and by to your name.
"""


def proposal_file(proposals: Sequence[Proposal], sheet: str, target: str) -> str:
    """Return proposed.yaml: `aqa.media.masks.Masks`, with the steps of the review above it."""
    names = ("left", "top", "right", "bottom")
    sources = {
        proposal.source: [dict(zip(names, box, strict=True)) for box in proposal.boxes]
        for proposal in proposals
        if proposal.problem is None
    }
    content = {"status": "proposed", "by": PROGRAM, "sources": sources}
    header = _HEADER.format(sheet=sheet, target=" ".join(target.split()))
    return header + yaml.safe_dump(content, sort_keys=False, allow_unicode=False, width=110)


def contact_sheet(
    proposals: Sequence[Proposal], *, title: str, target: str, reader: str | None, publish: bool
) -> str:
    """Return a self-contained page: of each source its boxes, remarks, and some frames with the boxes drawn.

    Args:
        proposals: of all sources.
        title: of the dataset.
        target: where the reviewed file belongs.
        reader: what read words, None if nothing did.
        publish: whether the dataset's terms let others see its frames.
    """
    environment = SandboxedEnvironment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(Path(__file__).with_name("sheet.html.j2").read_text(encoding="utf-8"))
    shown = [
        {
            "source": proposal.source,
            "size": f"{proposal.width} x {proposal.height}",
            "boxes": [
                {"edges": ", ".join(map(str, box)), "by": by}
                for box, by in zip(proposal.boxes, proposal.found_by, strict=True)
            ],
            "remarks": proposal.remarks,
            "problem": proposal.problem,
            "stills": [base64.b64encode(still).decode() for still in proposal.stills],
        }
        for proposal in proposals
    ]
    return template.render(title=title, target=target, reader=reader, publish=publish, sources=shown)
