"""What a dataset's folder declares, and what its adapter does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from aqa.config import Representation, Section, Task, Unit
from aqa.errors import UserError, nearest
from aqa.records import Name, Sample, Split

SettingValue: TypeAlias = StrictBool | StrictInt | StrictFloat | StrictStr

Settings: TypeAlias = Mapping[str, bool | int | float | str]
"""A dataset's settings with every default filled in (`resolve_settings`)."""

Text: TypeAlias = Annotated[str, Field(min_length=1)]

_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "integer": (int,),
    "number": (int, float),
    "text": (str,),
}


class Setting(Section):
    """One setting of a dataset: its type, default and meaning."""

    type: Literal["bool", "integer", "number", "text"]
    default: SettingValue
    description: Text
    choices: tuple[SettingValue, ...] | None = None

    @model_validator(mode="after")
    def _default_fits(self) -> Setting:
        problem = self.problem(self.default)
        if problem:
            raise ValueError(f"default {problem}")
        return self

    def problem(self, value: object) -> str | None:
        """Return what is wrong with `value` for this setting, None if it fits."""
        fits = isinstance(value, _TYPES[self.type]) and (self.type == "bool" or not isinstance(value, bool))
        if not fits:
            return f"is {value!r}, but must be of type {self.type}"
        if self.choices is not None and value not in self.choices:
            return f"is {value!r}, but must be one of {', '.join(map(repr, self.choices))}"
        return None


class Access(Section):
    """How to get a dataset."""

    url: Text = Field(description="Where to apply or download.")
    how: Text = Field(description="What to do there, as one sentence.")
    layout: Text = Field(description="Which files to put where, relative to the data folder.")
    gated: bool = Field(description="An agreement or a request form stands before the files.")


class StudyItems(Section):
    """Whether the evaluated split holds the very samples that the study evaluated, and how that is known."""

    same: bool
    why: Text


class Metadata(Section):
    """`metadata.yaml` of a dataset.

    `evaluated_split` is the one that models are measured on; `train_split` is where examples and
    constants come from, None if the dataset has none. `cluster` names the unit that intervals resample
    (`Sample.subject`). `unit` is the default unit of balanced accuracy. `reported` holds the sizes of
    the evaluated split that the paper states, by exercise. `upload`: the terms let anyone send the media
    to a remote model; otherwise the user has to state it (`i_may_upload`). `publish_frames`: pages and
    exports may show frames. `faces`: whether shown frames must hide faces.
    `unit_reason` says why `unit` is the default, `open` what else the study leaves open and what is done
    here, by title. `study_items`: None where the study has no such dataset. `expected_shift`: where
    predictions go under positive guidelines, against negative ones, by the study (section 3.4): towards
    correct execution (`up`), away from it (`down`); None where it expects little.
    `visible_truth`: how the pictures show the truth, where they do: models are not run on such a dataset
    unless reviewed masks hide it (`aqa.media.masks`) or the user says so (`accept_visible_truth`).
    `human`: what the row of human agreement is, where several people rated a sample (`aqa.datasets.ratings`).
    """

    id: Name
    title: Text
    licence: Text
    citation: Text
    homepage: Text
    access: Access
    kind: Literal["classification", "regression"]
    media: Literal["video", "image"]
    evaluated_split: Split
    train_split: Split | None
    cluster: Text
    unit: Unit = "item"
    unit_reason: Text | None = None
    open: dict[Text, Text] = Field(default_factory=dict)
    study_items: StudyItems | None = None
    expected_shift: Literal["up", "down"] | None = None
    exercises: dict[Name, Text] = Field(min_length=1, description="Title of each exercise, by id.")
    representations: tuple[Representation, ...] = Field(min_length=1)
    tasks: tuple[Task, ...] = Field(min_length=1)
    upload: bool
    publish_frames: bool
    faces: Literal["show", "hide"]
    visible_truth: Text | None = None
    human: Text | None = None
    reported: dict[Name, int] = Field(default_factory=dict)
    settings: dict[str, Setting] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Metadata:
        if self.train_split == self.evaluated_split:
            raise ValueError("train_split and evaluated_split are the same")
        unknown = set(self.reported) - set(self.exercises)
        if unknown:
            raise ValueError(f"reported names exercises that are not declared: {', '.join(sorted(unknown))}")
        return self


class Noun(Section):
    """The noun phrase for the pixels, by kind; it contains `of someone` (paper, appendix B)."""

    video: Text = Field(pattern=r"of someone$")
    image: Text = Field(pattern=r"of someone$")


class TaskWording(Section):
    """The dataset's part of a task's prompt: Jinja texts.

    Variables: `media` (the noun phrase), `exercise` (its title), `details` (of the sample), `questions`
    (`Question` records, no truth). `task` says what to judge, `answer` the exact form of the answer.
    """

    task: Text
    answer: Text


class Wording(Section):
    """`wording.yaml` of a dataset. `questions` holds `Question.text` by exercise and item.

    `compare` is None while the dataset has no contrastive wording.
    """

    noun: Noun
    judge: TaskWording
    compare: TaskWording | None = None
    questions: dict[Name, dict[str, Text]] = Field(default_factory=dict)


class Adapter(Protocol):
    """The module `adapter.py` of a dataset."""

    def samples(self, folder: Path, settings: Settings) -> list[Sample]:
        """Return all samples of both splits, sorted by `sample_id`; the same files give the same list.

        Args:
            folder: the dataset's files as their owners distribute them. `Media.path` is relative to it
                and names where a missing file belongs; `Media.sha256` stays None (the indexer fills it).
            settings: every setting of the dataset, defaults filled in.

        Raises:
            UserError: a needed file is missing or does not hold what it should.
        """
        ...


def resolve_settings(metadata: Metadata, values: Mapping[str, object]) -> dict[str, bool | int | float | str]:
    """Return the dataset's settings: its defaults, overridden by `values`.

    Raises:
        UserError: a setting is unknown (with the nearest name) or of the wrong type.
    """
    resolved = {name: setting.default for name, setting in metadata.settings.items()}
    for name, value in values.items():
        if name not in metadata.settings:
            known = nearest(name, metadata.settings) or "; the dataset has none"
            raise UserError(f"{metadata.id}: unknown setting '{name}'{known}")
        problem = metadata.settings[name].problem(value)
        if problem:
            raise UserError(f"{metadata.id}: setting '{name}' {problem}")
        resolved[name] = value  # type: ignore[assignment]
    return resolved
