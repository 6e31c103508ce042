"""Write small datasets in the real on-disk layouts, and run the real command line."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
REAL_MTL_AQA = Path("/work/shared/data/mtl_aqa")

SQUAT_LABELS = {
    "knees_inward": {
        "100_1": [],
        "100_2": [[0.5, 1.2]],
        "200_1": [],
        "300_1": [[1, 2], [3, 4.5]],
        "999_9": [],
    },
    "knees_forward": {"100_1": [[0.1, 0.9]], "100_2": [], "200_1": [], "300_1": [[0, 1]], "999_9": []},
}
SQUAT_SPLITS = {"train": ["100_1"], "val": ["200_1"], "test": ["100_2", "300_1"]}
PRESS_LABELS = {
    "elbows": {"100_1": [], "400_1": [[0.2, 0.8]], "500_3": []},
    "knees": {"100_1": [[0.3, 0.6]], "400_1": [], "500_3": [[0, 2]]},
}
PRESS_SPLITS = {"train": ["400_1"], "val": [], "test": ["100_1", "500_3"]}


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_pickle(path: Path, value: Any, protocol: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=protocol))


def write_exercise(
    labelled: Path,
    labels: dict[str, Any],
    splits: dict[str, list[str]],
    videos: tuple[str, ...] | None = None,
) -> None:
    """Write one `Labeled_Dataset` folder; each video's content follows from its clip id."""
    for item, intervals in labels.items():
        write_json(labelled / "Labels" / f"error_{item}.json", intervals)
    for split, clips in splits.items():
        write_json(labelled / "Splits" / f"{split}_keys.json", clips)
    (labelled / "videos").mkdir(exist_ok=True)
    for clip in videos if videos is not None else tuple(next(iter(labels.values()))):
        (labelled / "videos" / f"{clip}.mp4").write_bytes(f"{labelled.parent.name} {clip}".encode())


def write_fitness(parent: Path, release: str = "Fitness-AQA_dataset_release") -> Path:
    """Write both exercises below `parent / release`; return the release folder."""
    root = parent / release
    write_exercise(root / "Squat" / "Labeled_Dataset", SQUAT_LABELS, SQUAT_SPLITS)
    write_exercise(root / "OHP" / "Labeled_Dataset", PRESS_LABELS, PRESS_SPLITS)
    return root


def dive(**changes: Any) -> dict[str, Any]:
    """Return one annotation in the real shape."""
    return {
        "primary_view": 0,
        "start_frame": 26,
        "end_frame": 125,
        "position": 2,
        "difficulty": 3.2,
        "armstand": 0,
        "rotation_type": 2,
        "ss_no": 7,
        "tw_no": 0,
        "final_score": 88.0,
    } | changes


DIVES = {
    (1, 1): dive(),
    (1, 2): dive(start_frame=200, end_frame=299, final_score=0.0),
    (2, 10): dive(difficulty=3.0, final_score=85.5, position=0, rotation_type=0, armstand=1, tw_no=3),
    (14, 7): dive(difficulty=3.6, final_score=54.0),
}
DIVE_SPLITS = {"train": [(14, 7), (1, 1)], "test": [(2, 10), (1, 2)]}


def write_dives(
    folder: Path,
    annotations: Any = None,
    splits: dict[str, Any] | None = None,
    videos: tuple[Path, ...] = (),
) -> Path:
    """Write the three pickles of split 0 into `folder`, and these video files."""
    write_pickle(folder / "final_annotations_dict.pkl", DIVES if annotations is None else annotations)
    for split, keys in (splits or DIVE_SPLITS).items():
        write_pickle(folder / f"{split}_split_0.pkl", keys)
    for path in videos:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    return folder


def run_index(
    *arguments: str | Path, scripts: Path = REPOSITORY / "scripts"
) -> subprocess.CompletedProcess[str]:
    """Run scripts/index.py as a user does."""
    command = [sys.executable, str(scripts / "index.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
