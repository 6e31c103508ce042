"""Folders of a user's own data: a description and a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from aqa.datasets.generic.adapter import samples
from aqa.errors import UserError

GYM: dict[str, Any] = {
    "title": "My gym",
    "kind": "classification",
    "licence": "mine",
    "train_split": "train",
    "exercises": {
        "squat": "Squat",
        "press": {
            "title": "Overhead press",
            "questions": {"elbows": {"text": "Where are the elbows?", "options": ["in", "out"]}},
        },
    },
    "questions": {
        "knees": {"text": "Do the knees cave in?", "options": ["yes", "no"], "correct": "no"},
        "depth": {"text": "How deep is it?", "options": ["deep", "shallow", "half"]},
    },
}
POOL: dict[str, Any] = {
    "title": "My pool",
    "kind": "regression",
    "licence": "mine",
    "exercises": {"dive": "Dive"},
    "score": {"text": "Predict the score, from 0 (failed) to 10 (excellent).", "minimum": 0, "maximum": 10},
}
GYM_HEADER = "sample_id,exercise,subject,path,split,knees,depth,elbows"
GYM_ROWS = (
    "b,squat,ann,videos/b.mp4,test,yes,deep,",
    "a,squat,bob,videos/a.mp4,train,no,half,",
    "c,press,ann,videos/c.mp4,test,,,out",
)
POOL_HEADER = "sample_id,subject,path,start_s,end_s,score"
POOL_ROWS = ("d1,ann,pool.mp4,0,1.5,7.5", "d2,bob,pool.mp4,2,4.25,0")


def write(folder: Path, values: Mapping[str, Any], text: str | bytes, name: str = "samples.csv") -> Path:
    """Write a dataset of one's own; every named video is a few bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.yaml").write_text(yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False))
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    (folder / "videos").mkdir(exist_ok=True)
    for stem in ("videos/a", "videos/b", "videos/c", "pool"):
        (folder / f"{stem}.mp4").write_bytes(stem.encode())
    return folder


def csv(header: str, *rows: str) -> str:
    return "\n".join((header, *rows)) + "\n"


def refusal(folder: Path) -> str:
    """Return the one line with which the samples are refused."""
    with pytest.raises(UserError) as caught:
        samples(folder, {})
    message = str(caught.value)
    assert "\n" not in message
    return message
