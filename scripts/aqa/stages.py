"""Which code decides the results of which stage: Snakemake does not see a changed import."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from aqa.datasets.geometry import decides_geometry

LIBRARY = Path(__file__).parent

_RECORDS = ("records.py", "files.py", "checked.py", "config.py", "profiles.py")
_WALKED = (
    *("media/clips.py", "media/decode.py", "media/errors.py", "media/picture.py", "media/poses.py"),
    *("media/posing.py", "media/prepare.py", "media/profile.py", "media/stills.py", "media/walk.py"),
)
STAGES: Mapping[str, tuple[str, ...]] = {
    "embed": ("files.py", "workers.py", "synthetic", "datasets", "../embed.py"),
    "index": (
        *_RECORDS,
        "datasets",
        "../index.py",
        "../subset.py",
        "../examples.py",
        "../pairs.py",
        "../paired.py",
    ),
    "pose": (*_RECORDS, "pose", *_WALKED, "../pose.py", "../../resources/pose-net"),
    "media": (*_RECORDS, "media", "pose/store.py", "../media.py", "../gather.py"),
    "masks": (*_RECORDS, "media", "masking", "../propose_masks.py", "../verify_masks.py", "../mask_video.py"),
    "render": (*_RECORDS, "grid.py", "datasets", "prompts", "models", "inference", "../render.py"),
    "geometry": ("datasets",),
    "draft": (
        *(*_RECORDS, "datasets", "models", "prompts", "inference", "scoring/parse.py"),
        *("../annotate.py", "../wording.py", "../pairs.py"),
    ),
    "score": (
        *_RECORDS,
        "grid.py",
        "inference/drafts.py",
        "scoring",
        "../score.py",
        "../collect.py",
        "../effects.py",
        "../reliability.py",
        "../skill.py",
    ),
    "human": (*_RECORDS, "datasets", "scoring", "../human.py"),
    "labels": (
        *(*_RECORDS, "grid.py", "plan.py", "datasets", "prompts"),
        *("masking/verdicts.py", "reporting/describe.py", "reporting/labels.py", "../labels.py"),
    ),
    "appearance": (
        *(*_RECORDS, "media/draw.py", "media/store.py", "reporting/appearance.py", "reporting/contact.py"),
        *("reporting/thumbnail.py", "../appearance.py"),
    ),
    "report": (
        *(*_RECORDS, "grid.py", "plan.py", "datasets", "media", "prompts", "models", "inference", "scoring"),
        *("reporting", "../table.py", "../figure.py", "../report.py", "../cells.py"),
        *("../preview.py", "../effects_section.py", "../reliability_section.py", "../skill_section.py"),
        *("../evaluate.py", "../partial.py", "../distributions.py", "../outcomes.py", "../costs.py"),
        "../traces.py",
        *("../comparisons.py", "../polarity.py", "../reproduced.py", "../distance.py", "../open_settings.py"),
        "../../resources/paper",
    ),
}
"""Stage -> the parts of the library, and its command lines, that decide its results."""


@cache
def code(stage: str, dataset: str | None = None) -> str:
    """Return a digest of the library code that decides a stage's results.

    Snakemake does not see a changed import; rules carry this digest as a parameter instead. With a
    dataset, the folders of other datasets do not count. Geometry rules are a stage of their own.
    """
    digest = hashlib.sha256()
    for part in STAGES[stage]:
        path = LIBRARY / part
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if not _decides(file, dataset) or decides_geometry(file) != (stage == "geometry"):
                continue
            if file.suffix in {".py", ".j2", ".yaml", ".html", ".css", ".csv"} and file.is_file():
                digest.update(file.name.encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _decides(file: Path, dataset: str | None) -> bool:
    """Say whether a file can change results: not what fetches data, not the folder of another dataset."""
    if "acquire" in file.parts or file.name == "sources.yaml":
        return False
    folder = file.parent
    own = dataset is None or folder.name == dataset.replace("-", "_")
    return own or not (folder / "metadata.yaml").is_file()
