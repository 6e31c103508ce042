"""MTL-AQA on disk.

Layout: `[MTL-AQA_dataset_release/]Ready_2_Use/MTL-AQA_split_0_data/` with `final_annotations_dict.pkl`
(`{(video, dive): {...}}`), `train_split_0.pkl` and `test_split_0.pkl` (lists of those keys), and one video
a broadcast, `videos/<NN>.mp4`. The release has further folders with files of the same names (other
splits, another dataset): only the folder above is looked for, or the three files directly in the folder.
Frames are numbered from 1, both ends included, at 25 frames a second.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aqa.datasets.base import Metadata, Settings
from aqa.datasets.discover import read_metadata, read_wording
from aqa.datasets.readers import VIDEO_EXTENSIONS, examples, media_files, missing, subfolders
from aqa.datasets.safe_pickle import load
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.records import Media, Question, Sample, Split

HERE = Path(__file__).parent

FRAME_RATE = 25
ANNOTATIONS = "final_annotations_dict.pkl"
SPLIT_FILES: dict[str, Split] = {"train_split_0.pkl": "train", "test_split_0.pkl": "test"}
SPLIT_FOLDERS = ("", "MTL-AQA_split_0_data", "Ready_2_Use/MTL-AQA_split_0_data")
VIDEO_FOLDERS = ("videos", "whole_videos")
VIDEO_STEM = re.compile(r"(?:video|broadcast|diving)?[ _-]?0*([1-9][0-9]?)", re.IGNORECASE)

POSITIONS = ("free", "pike", "tuck")
ROTATIONS = ("back", "forward", "inward", "reverse")

Key = tuple[int, int]
Code = Annotated[int, Field(ge=0, le=12)]


class Dive(BaseModel):
    """One dive as annotated. `ss_no` and `tw_no` count half somersaults and half twists."""

    model_config = ConfigDict(strict=True, frozen=True)

    start_frame: int = Field(ge=1)
    end_frame: int
    position: int = Field(ge=0, lt=len(POSITIONS))
    rotation_type: int = Field(ge=0, lt=len(ROTATIONS))
    armstand: int = Field(ge=0, le=1)
    ss_no: Code
    tw_no: Code
    difficulty: float = Field(ge=0.5, le=10, allow_inf_nan=False)
    final_score: float = Field(ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _possible(self) -> Dive:
        if self.end_frame < self.start_frame:
            raise ValueError(f"end_frame {self.end_frame} lies before start_frame {self.start_frame}")
        if self.execution > 10:
            raise ValueError(
                f"final_score {self.final_score} is more than 30 times difficulty {self.difficulty}"
            )
        return self

    @property
    def execution(self) -> float:
        """Mean mark of the judges who count, 0 to 10: final score / difficulty / 3.

        Rounded to nine decimals: floating-point noise would otherwise break most ties between equal marks
        (100 values instead of 60 in the release), which a rank correlation sees.
        """
        return round(self.final_score / self.difficulty / 3, 9)


def samples(folder: Path, settings: Settings) -> list[Sample]:
    """Return one sample a dive of a split; see `aqa.datasets.base.Adapter`.

    Truth is the execution score of item "", 0 to 10. `Sample.subject` is the broadcast. `details` hold
    position, rotation, armstand (yes or no), somersaults, twists and difficulty: the dive as announced.
    """
    metadata = read_metadata(HERE)
    annotations = _locate(folder, metadata)
    dives = _read_dives(annotations / ANNOTATIONS)
    split_of = _read_splits(annotations, set(dives), metadata)
    if settings["drop_failed_dives"]:
        split_of = {key: split for key, split in split_of.items() if dives[key].final_score > 0}
    videos = _videos(folder, annotations, metadata)
    text = read_wording(HERE).questions["diving"][""]
    question = Question(item="", text=text, minimum=0, maximum=10)
    result = [
        _sample(key, dives[key], split, videos.get(key[0], f"{VIDEO_FOLDERS[0]}/{key[0]:02d}.mp4"), question)
        for key, split in split_of.items()
    ]
    return sorted(result, key=lambda sample: sample.sample_id)


def _sample(key: Key, dive: Dive, split: Split, path: str, question: Question) -> Sample:
    return Sample(
        sample_id=f"v{key[0]:02d}-d{key[1]:03d}",
        exercise="diving",
        subject=f"broadcast-{key[0]:02d}",
        split=split,
        media=Media(
            path=path,
            kind="video",
            start_s=(dive.start_frame - 1) / FRAME_RATE,
            end_s=dive.end_frame / FRAME_RATE,
        ),
        questions=(question,),
        truth={"": dive.execution},
        details={
            "position": POSITIONS[dive.position],
            "rotation": ROTATIONS[dive.rotation_type],
            "armstand": "yes" if dive.armstand else "no",
            "somersaults": dive.ss_no / 2,
            "twists": dive.tw_no / 2,
            "difficulty": dive.difficulty,
        },
    )


def _locate(folder: Path, metadata: Metadata) -> Path:
    """Return the folder with the annotations of split 0: `folder`, or below it as the release has it."""
    candidates = [folder / name for name in SPLIT_FOLDERS]
    for parent in (folder, *subfolders(folder)):
        candidates += [parent / "MTL-AQA_dataset_release" / name for name in SPLIT_FOLDERS[1:]]
        candidates += [parent / name for name in SPLIT_FOLDERS[1:]]
    holding = [path for path in dict.fromkeys(candidates) if (path / ANNOTATIONS).is_file()]
    if len(holding) > 1:
        places = ", ".join(str(path) for path in holding)
        raise UserError(
            f"{metadata.id}: {ANNOTATIONS} lies in more than one place: {places}; name one of them"
        )
    if not holding:
        raise missing(metadata, folder, f"MTL-AQA_split_0_data/{ANNOTATIONS}")
    return holding[0]


def _read_dives(path: Path) -> dict[Key, Dive]:
    values = load(path)
    if not isinstance(values, dict) or not values:
        raise UserError(f"{path}: must map (video, dive) to annotations, but is {_described(values)}")
    dives: dict[Key, Dive] = {}
    for key, annotation in values.items():
        try:
            dives[_key(key, path)] = Dive.model_validate(annotation)
        except ValidationError as error:
            problem = first_problem(error)
            raise UserError(f"{path}: dive {key!r:.60}: {problem}") from None
    return dives


def _read_splits(folder: Path, known: set[Key], metadata: Metadata) -> dict[Key, Split]:
    split_of: dict[Key, Split] = {}
    for name, split in SPLIT_FILES.items():
        path = folder / name
        if not path.is_file():
            raise missing(metadata, folder, name)
        keys = load(path)
        if not isinstance(keys, list):
            raise UserError(f"{path}: must be a list of (video, dive), but is {_described(keys)}")
        for value in keys:
            key = _key(value, path)
            if key in split_of:
                raise UserError(f"{path}: dive {key} is listed twice, or in both splits; get the file again")
            split_of[key] = split
    unknown = set(split_of) - known
    if unknown:
        raise UserError(
            f"{folder}: {len(unknown)} dive(s) of a split are not in {ANNOTATIONS}: "
            f"{examples(map(str, unknown))}; the files belong to different releases, get them again together"
        )
    return split_of


def _key(value: Any, path: Path) -> Key:
    if isinstance(value, tuple) and len(value) == 2 and all(type(part) is int and part > 0 for part in value):
        return value
    raise UserError(
        f"{path}: a dive is named by (video, dive), two numbers from 1, but here by {value!r:.60}"
    )


def _videos(folder: Path, annotations: Path, metadata: Metadata) -> dict[int, str]:
    """Return the broadcasts that are there, by number, relative to `folder`.

    `<NN>.mp4` is preferred, since a download of another name or format often lies beside the
    re-encoded file; any other doubt is an error.
    """
    within = (folder, *(path for path in annotations.parents if folder in path.parents), annotations)
    folders = [path / name for path in dict.fromkeys(within) for name in (*VIDEO_FOLDERS, "")]
    found: dict[int, list[Path]] = {}
    for path in media_files(folders, VIDEO_EXTENSIONS):
        match = VIDEO_STEM.fullmatch(path.stem)
        if match:
            found.setdefault(int(match[1]), []).append(path)
    result: dict[int, str] = {}
    for number, paths in found.items():
        exact = [path for path in paths if path.name == f"{number:02d}.mp4"]
        chosen = exact or paths
        if len(chosen) > 1:
            names = ", ".join(str(path) for path in chosen)
            raise UserError(
                f"{metadata.id}: more than one file for broadcast {number}: {names}; keep the one at 25 "
                f"frames a second, named {number:02d}.mp4"
            )
        result[number] = chosen[0].relative_to(folder).as_posix()
    return result


def _described(value: object) -> str:
    return "empty" if value in ([], {}) else f"a {type(value).__name__}"
