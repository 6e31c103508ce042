"""What names look like in print: `labels.json`, which the workflow writes from its configuration."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from aqa.config import Policy, Representation, Task, Unit
from aqa.datasets.base import StudyItems
from aqa.errors import UserError
from aqa.files import first_problem
from aqa.grid import Cell
from aqa.records import Name, Record

Kind: TypeAlias = Literal["classification", "regression"]


class Label(Record):
    """An identifier and how it prints."""

    id: Name
    title: str = Field(min_length=1)


class OpenChoice(Record):
    """What the study leaves open: our value (empty where it is no setting), our default, and the reason."""

    name: str
    value: str = ""
    default: str = ""
    reason: str


class DatasetLabel(Label):
    """A dataset: `limit` is the configured subset, None where all samples are evaluated.

    `expected_shift`: where the study saw predictions go under positive guidelines, against negative ones.
    `study_items` None: the study has no such dataset.
    """

    kind: Kind
    limit: int | None = None
    publish_frames: bool = False
    visible_truth: str | None = None
    exercises: tuple[Label, ...] = ()
    expected_shift: Literal["up", "down"] | None = None
    study_items: StudyItems | None = None
    open: tuple[OpenChoice, ...] = ()


class ModelLabel(Label):
    """A model: baselines print apart, above the models; thinking models carry a dagger.

    `people`: no model, but raters scored against the others of them, whose truth is their own.
    """

    baseline: bool = False
    people: bool = False
    thinking: bool = False
    note: str | None = None

    @property
    def name(self) -> str:
        """The title, with a dagger for a thinking model (paper, Table 1)."""
        return f"{self.title}†" if self.thinking else self.title


class NotApplicableCell(Record):
    """A cell that is declared impossible, with the reason that prints below tables."""

    dataset: Name
    task: Task
    representation: Representation
    strategy: Name
    model: Name
    reason: str = Field(min_length=1)

    @property
    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.dataset, self.task, self.representation, self.strategy, self.model)


class Labels(Record):
    """Everything that tables, figures and the report know besides numbers. Lists keep print order.

    `unit` says which unit of balanced accuracy prints for a dataset that has both in `scores.csv`.
    `limits`: path of a cell -> how many samples it was to ask about, where a block of cells says so.
    `partial`: numbers rest on what is answered so far.
    `open` are choices that the study leaves open and that hold for all datasets.
    `synthetic` are the datasets that the project built itself. `results` and `command` make the
    commands that rebuild a file: `<command> <results>/tables/table1.csv`.
    """

    datasets: tuple[DatasetLabel, ...] = Field(min_length=1)
    models: tuple[ModelLabel, ...] = Field(min_length=1)
    strategies: tuple[Label, ...] = Field(min_length=1)
    representations: tuple[Label, ...] = Field(min_length=1)
    not_applicable: tuple[NotApplicableCell, ...] = ()
    policy: Policy = "strict"
    unit: dict[Name, Unit] = Field(default_factory=dict)
    limits: dict[str, int] = Field(default_factory=dict)
    seed: int
    resamples: int
    synthetic: tuple[Name, ...] = ()
    partial: bool = False
    open: tuple[OpenChoice, ...] = ()
    results: str = "results"
    command: str = "snakemake --cores 2"

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        for field in ("datasets", "models", "strategies", "representations"):
            counts = Counter(label.id for label in getattr(self, field))
            twice = sorted(name for name, count in counts.items() if count > 1)
            if twice:
                raise ValueError(f"{field} names '{twice[0]}' twice")
        known = {label.id for label in self.datasets}
        for field in ("unit", "synthetic"):
            for name in getattr(self, field):
                if name not in known:
                    raise ValueError(f"{field} names '{name}', which is not among the datasets")
        return self

    @property
    def people(self) -> frozenset[str]:
        """The rows that are people and no models."""
        return frozenset(model.id for model in self.models if model.people)

    def is_synthetic(self, dataset: str) -> bool:
        """Return whether the project built the dataset itself."""
        return dataset in self.synthetic

    def dataset_name(self, dataset: DatasetLabel) -> str:
        """Return the dataset's title, marked where it is synthetic."""
        return f"{dataset.title} (synthetic)" if self.is_synthetic(dataset.id) else dataset.title


def load_labels(path: Path) -> Labels:
    """Read `labels.json`.

    Raises:
        UserError: the file is missing or does not fit; names the file and the place.
    """
    try:
        return Labels.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error
