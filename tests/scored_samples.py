"""Samples of one score question, on files that a test makes."""

from __future__ import annotations

from pathlib import Path

from aqa.files import digest_file
from aqa.records import Media, Question, Sample


def sample(
    sample_id: str,
    data: Path,
    path: str,
    start: float | None = None,
    end: float | None = None,
    *,
    kind: str = "video",
    split: str = "test",
) -> Sample:
    """A sample of one score question on a media file."""
    file = data / path
    return Sample(
        sample_id=sample_id,
        exercise="dive",
        subject="someone",
        split=split,  # type: ignore[arg-type]
        media=Media(
            path=path,
            kind=kind,  # type: ignore[arg-type]
            start_s=start,
            end_s=end,
            sha256=digest_file(file) if file.is_file() else None,
        ),
        questions=(Question(item="", text="Score?", minimum=0, maximum=10),),
        truth={"": 7.25},
    )
