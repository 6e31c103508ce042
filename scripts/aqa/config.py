"""Typed configuration: the only place that says which keys exist, what they mean and their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from aqa.errors import UserError, nearest
from aqa.profiles import ProfileChoice
from aqa.records import Name

Task: TypeAlias = Literal["judge", "compare"]
Representation: TypeAlias = Literal["original", "cropped", "skeleton_overlay", "skeleton_only"]
Session: TypeAlias = Literal["cell", "dataset", "model"]
Unit: TypeAlias = Literal["item", "exercise"]
Policy: TypeAlias = Literal["strict", "answered"]

TASKS: tuple[str, ...] = get_args(Task)
REPRESENTATIONS: tuple[str, ...] = get_args(Representation)

ConfigT = TypeVar("ConfigT", bound=BaseModel)


class Section(BaseModel):
    """Base of all configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MediaProfile(Section):
    """Which frames of a clip a model sees, and how large. All left out: every frame, as it is."""

    fps: float | None = Field(
        None, gt=0, le=1000, description="Frames a second to keep; null keeps every frame of the clip."
    )
    max_frames: int | None = Field(
        None, ge=1, description="At most this many frames, uniformly over the clip, first and last kept."
    )
    scale: float = Field(1.0, gt=0, le=1, description="Factor on width and height.")


class DatasetConfig(Section):
    """One dataset of the experiment."""

    data: str = Field(
        "embedded",
        description="Folder that holds the dataset as its owners distribute it; "
        "`embedded` builds the synthetic benchmark in the same layout.",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="Evaluate only this many samples: seeded, stratified by exercise and truth, nested "
        "(a larger number keeps every earlier sample). null evaluates all.",
    )
    accept_broken_clips: bool = Field(
        False, description="Leave out clips that cannot be decoded instead of stopping; they are counted."
    )
    i_may_upload: bool = Field(
        False, description="State that the dataset's terms let you send its media to a remote model."
    )
    accept_visible_truth: bool = Field(
        False,
        description="Run models although the pictures show the truth (a scoreboard that nothing masks yet); "
        "a note below the tables says so.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="The dataset's own settings; see its metadata.yaml."
    )
    wording: str | None = Field(
        None, description="File of texts that you have reviewed, in the form of a dataset's guidelines.yaml."
    )
    allow_draft: bool = Field(
        False, description="Use guidelines and rephrased questions that nobody has approved; marked draft."
    )


class Block(Section):
    """A product of cells; what is left out means all that the configuration declares."""

    datasets: tuple[Name, ...] | None = Field(None, description="Dataset ids; null means all.")
    tasks: tuple[Task, ...] | None = Field(None, description="judge, compare; null means all.")
    representations: tuple[Representation, ...] | None = Field(
        None, description="original, cropped, skeleton_overlay, skeleton_only; null means all."
    )
    strategies: tuple[Name, ...] | None = Field(None, description="Prompt strategies; null means all.")
    models: tuple[Name, ...] | None = Field(None, description="Model ids; null means all.")


class NotApplicable(Block):
    """Cells of the grid that are declared impossible; they print as –∗."""

    reason: str = Field(min_length=1, description="Why; printed below the tables.")


class Cells(Section):
    """Which cells to run: the union of `include`, less `exclude`, less `not_applicable`."""

    include: tuple[Block, ...] = Field(
        (Block(tasks=("judge",), representations=("original",), strategies=("base",)),),
        description="Products of cells to run.",
    )
    exclude: tuple[Block, ...] = Field((), description="Products of cells to leave out.")
    not_applicable: tuple[NotApplicable, ...] = Field(
        (), description="Products of cells that cannot be run, with the reason."
    )


class Scoring(Section):
    """How answers become numbers."""

    policy: Policy = Field(
        "strict",
        description="Headline policy for unusable answers: `strict` counts them as wrong, `answered` "
        "leaves them out and prints the coverage. Both are in scores.csv.",
    )
    resamples: int = Field(10_000, ge=100, description="Bootstrap resamples for each interval.")
    unit: Unit | None = Field(
        None,
        description="Unit of balanced accuracy: `item` (each question or error, then their mean in the "
        "exercise) or `exercise` (pooled). null takes the dataset's own default.",
    )


class Inference(Section):
    """How sessions treat failures."""

    accept_failed: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of requests of a cell that may have failed for good without stopping the run.",
    )
    ask_rejected: bool = Field(
        False,
        description="Ask again what a provider rejected for good (a 400, say), after its cause is mended. "
        "Answers are never asked again.",
    )


class Config(Section):
    """The whole configuration of a run."""

    results: str = Field(
        "results",
        pattern=r"^[^{}\n]*[^{}\n/]$",
        description="Folder for everything that is made; no braces, no slash at the end.",
    )
    seed: int = Field(0, ge=0, description="Seed of everything random.")
    datasets: dict[Name, DatasetConfig] = Field(min_length=1, description="Datasets to evaluate, by id.")
    models: tuple[Name, ...] = Field(
        min_length=1, description="Models to evaluate: names of files in `model_files`, without .yaml."
    )
    model_files: tuple[str, ...] = Field(
        ("config/models",), description="Folders with one YAML file a model; the first match counts."
    )
    profiles: dict[Name, MediaProfile] = Field(
        default_factory=lambda: {"native": MediaProfile()},
        description="Media profiles, by a name that says what they do; a model's file names one.",
    )
    cells: Cells = Field(default_factory=Cells, description="The cells of the experiment.")
    scoring: Scoring = Field(default_factory=Scoring, description="How answers become numbers.")
    inference: Inference = Field(default_factory=Inference, description="How sessions treat failures.")

    @field_validator("models")
    @classmethod
    def _no_repeats(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("a model is named twice")
        return models


class ModelFile(Section):
    """One model: what it is, how it is asked and what it may see."""

    title: str = Field(min_length=1, description="Name in tables and figures.")
    backend: Name = Field(description="The module of scripts/aqa/models that asks it.")
    session: Session = Field(
        "cell", description="What one job asks: a cell, all cells of a dataset, or all cells of the model."
    )
    profile: ProfileChoice = Field(
        ProfileChoice("native"),
        description="Media profile that the model sees: a name, or `default` and, by dataset, a name or "
        "names by exercise.",
    )
    thinking: bool = Field(False, description="The model reasons before it answers (marked † in tables).")
    baseline: bool = Field(False, description="Not a model under test: printed apart, above the models.")
    note: str | None = Field(None, description="What a reader must know; printed below tables.")
    concurrency: int = Field(32, ge=1, description="Most requests in flight at once.")
    sampling: dict[str, float | int | bool | str] = Field(
        default_factory=dict,
        description="Sampling parameters, sent exactly as written; one that the backend does not know is "
        "an error.",
    )
    system: str | None = Field(None, description="System prompt, if the model needs one.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings of the backend.")


def parse(schema: type[ConfigT], values: Any, place: str) -> ConfigT:
    """Validate `values` against `schema`.

    Raises:
        UserError: one line with the cause, the place (`place` and the key's path) and, for a name that
            is not known, the nearest valid one.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{place}: {_explain(schema, error.errors()[0])}") from None


def load_yaml(path: Path) -> Any:
    """Read one YAML document.

    Raises:
        UserError: the file cannot be read, or is not YAML; names the file and the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML ({getattr(error, 'problem', error)})") from None


def load_model(model_id: str, folders: tuple[Path, ...]) -> ModelFile:
    """Read the file of a model.

    Raises:
        UserError: no folder has such a file (with the nearest name), or the file is wrong.
    """
    for folder in folders:
        path = folder / f"{model_id}.yaml"
        if path.is_file():
            return parse(ModelFile, load_yaml(path), str(path))
    known = {path.stem for folder in folders for path in folder.glob("*.yaml")}
    places = ", ".join(str(folder) for folder in folders)
    raise UserError(f"models: no file for model '{model_id}' in {places}{nearest(model_id, known)}")


def _explain(schema: type[BaseModel], problem: ErrorDetails) -> str:
    path = [part for part in problem["loc"] if part not in ("[key]",)]
    place = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        valid = _keys(schema, path[:-1])
        inside = ".".join(str(part) for part in path[:-1])
        where = f" in '{inside}'" if inside else ""
        return f"unknown key '{path[-1]}'{where}{nearest(str(path[-1]), valid)}"
    if problem["type"] == "literal_error" and isinstance(problem["input"], str):
        expected = problem.get("ctx", {}).get("expected", "")
        valid = {name.strip("' ") for name in expected.replace(" or ", ",").split(",")}
        return f"'{place}' is '{problem['input']}'{nearest(problem['input'], valid)}"
    if problem["type"] == "missing":
        return f"'{place}' is missing"
    shown = repr(problem["input"]) if not isinstance(problem["input"], Mapping) else "a mapping"
    return f"'{place}' is {shown[:60]}: {problem['msg'].removeprefix('Value error, ')}"


def _keys(schema: type[BaseModel], path: list[int | str]) -> set[str]:
    """Return the keys that are valid at `path` below `schema` (empty where keys are free)."""
    at: Any = schema
    for part in path:
        field = at.model_fields.get(str(part)) if _is_section(at) else None
        at = _inner(field.annotation) if field else at  # A name or a number leads to the section inside.
    return set(at.model_fields) if _is_section(at) else set()


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _inner(annotation: Any) -> Any:
    """Return the model class inside a container or optional annotation, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _inner(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return annotation
