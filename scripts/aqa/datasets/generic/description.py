"""`dataset.yaml` in a user's own folder: what the data are and what models are asked about them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from aqa.config import REPRESENTATIONS, Representation, Section, Unit, load_yaml, parse
from aqa.datasets.base import Access, Metadata, Noun, TaskWording, Text, Wording
from aqa.errors import UserError
from aqa.records import Name, Question, Split

FILE = "dataset.yaml"

DEFAULTS = Path(__file__).parent / "wording.yaml"

COLUMNS = ("sample_id", "exercise", "subject", "path", "start_s", "end_s", "split")
"""The columns of a table of samples besides its truth."""

SCORE = "score"
"""The column of the truth of a regression."""


def _text(value: Any) -> Any:
    """Refuse what YAML makes of a bare yes, no, on, off, true, false or number."""
    if isinstance(value, bool):
        written = "true" if value else "false"
        raise ValueError(
            "a bare yes, no, on, off, true or false is a truth value in YAML: write it in quotes, "
            f'"{written}"'
        )
    if isinstance(value, int | float):
        raise ValueError(f'this is a number in YAML: write it in quotes, "{value}"')
    return value


Option: TypeAlias = Annotated[str, BeforeValidator(_text), Field(min_length=1, pattern=r"^\S(.*\S)?$")]


class Choice(Section):
    """One question with options."""

    text: Text = Field(description="The question, or the error or guideline to verify.")
    options: tuple[Option, ...] = Field(min_length=2, description="The possible answers.")
    correct: Option | None = Field(None, description="The option that means correct execution, if one does.")

    @model_validator(mode="after")
    def _consistent(self) -> Choice:
        folded = [option.casefold() for option in self.options]
        if len(set(folded)) < len(folded):
            raise ValueError("two options are the same but for upper and lower case")
        if self.correct is not None and self.correct not in self.options:
            raise ValueError(f"correct is '{self.correct}', which is none of the options")
        return self


class Score(Section):
    """One question with a number as its answer."""

    text: Text = Field(description="What to predict; name the ends of the scale and what they mean.")
    minimum: float
    maximum: float

    @model_validator(mode="after")
    def _is_a_scale(self) -> Score:
        if not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum < self.maximum):
            raise ValueError("minimum must be less than maximum")
        return self


class Exercise(Section):
    """One exercise; what it leaves out is taken from the top of the file."""

    title: Text
    questions: dict[Name, Choice] | None = None
    score: Score | None = None


class Description(Section):
    """`dataset.yaml`."""

    title: Text
    kind: Literal["classification", "regression"]
    media: Literal["video", "image"] = "video"
    licence: Text
    citation: Text = "not stated"
    homepage: Text = "not stated"
    upload: bool = Field(False, description="The terms let anyone send the media to a remote model.")
    publish_frames: bool = Field(False, description="Pages and exports may show frames.")
    faces: Literal["show", "hide"] = "hide"
    cluster: Text = Field("subject", description="What the column `subject` names: who moves, the video, ...")
    unit: Unit = "item"
    evaluated_split: Split = "test"
    train_split: Split | None = Field(None, description="The split for examples, if the table has one.")
    representations: tuple[Representation, ...] = Field(
        default=REPRESENTATIONS,
        min_length=1,
        validate_default=True,
    )
    exercises: dict[Name, Text | Exercise] = Field(min_length=1)
    questions: dict[Name, Choice] | None = None
    score: Score | None = None
    ignore: tuple[Text, ...] = Field((), description="Columns of the table that are not read.")
    noun: Noun | None = None
    judge: TaskWording | None = None
    compare: TaskWording | None = Field(None, description="Wording of the contrastive task, if wanted.")

    @model_validator(mode="after")
    def _consistent(self) -> Description:
        if self.train_split == self.evaluated_split:
            raise ValueError("train_split and evaluated_split are the same")
        for exercise in self.exercises:
            self.asked(exercise)
        reserved = {*COLUMNS, SCORE}
        items = self.items()
        for item in sorted(items & reserved) if self.kind == "classification" else ():
            raise ValueError(f"a question cannot be named '{item}': that column means something else")
        for column in self.ignore:
            if column in reserved | items:
                raise ValueError(f"ignore names '{column}', which is read")
        return self

    def asked(self, exercise: str) -> tuple[Question, ...]:
        """Return the questions about an exercise, in the order of the file.

        Raises:
            ValueError: none is given, or one of the other kind.
        """
        own = self.exercises[exercise]
        needed, other = ("questions", "score") if self.kind == "classification" else ("score", "questions")
        for place in (own, self):
            if not isinstance(place, str) and getattr(place, other) is not None:
                raise ValueError(f"kind is {self.kind}: write `{needed}`, not `{other}`")
        given = getattr(own, needed, None) or getattr(self, needed)
        if not given:
            raise ValueError(
                f"exercise '{exercise}' has no `{needed}`, and the file has none for all exercises"
            )
        if isinstance(given, Score):
            return (Question(item="", text=given.text, minimum=given.minimum, maximum=given.maximum),)
        return tuple(
            Question(item=item, text=choice.text, options=choice.options, correct=choice.correct)
            for item, choice in given.items()
        )

    def items(self) -> set[str]:
        """Return the items of all questions of all exercises."""
        return {question.item for exercise in self.exercises for question in self.asked(exercise)}

    def titles(self) -> dict[str, str]:
        """Return the title of each exercise, by id."""
        return {name: own if isinstance(own, str) else own.title for name, own in self.exercises.items()}

    def metadata(self, dataset_id: str, folder: Path) -> Metadata:
        """Return what every dataset declares."""
        return Metadata(
            id=dataset_id,
            title=self.title,
            licence=self.licence,
            citation=self.citation,
            homepage=self.homepage,
            access=Access(
                url=self.homepage,
                how="the data are your own",
                layout=f"{folder}/{FILE}, samples.csv or samples.jsonl beside it, and the media at the paths "
                "that the table names",
                gated=False,
            ),
            kind=self.kind,
            media=self.media,
            evaluated_split=self.evaluated_split,
            train_split=self.train_split,
            cluster=self.cluster,
            unit=self.unit,
            exercises=self.titles(),
            representations=self.representations,
            tasks=("judge",) if self.compare is None else ("judge", "compare"),
            upload=self.upload,
            publish_frames=self.publish_frames,
            faces=self.faces,
        )

    def wording(self) -> Wording:
        """Return the wording, defaults filled in."""
        defaults = load_yaml(DEFAULTS)
        return Wording(
            noun=self.noun or parse(Noun, defaults["noun"], str(DEFAULTS)),
            judge=self.judge or parse(TaskWording, defaults[self.kind], str(DEFAULTS)),
            compare=self.compare,
            questions={
                exercise: {question.item: question.text for question in self.asked(exercise)}
                for exercise in self.exercises
            },
        )


def describes(folder: Path) -> bool:
    """Say whether a folder holds a user's own dataset."""
    return (folder / FILE).is_file()


def load(folder: Path) -> Description:
    """Read and validate `dataset.yaml` in a user's folder.

    Raises:
        UserError: the file is missing or wrong; one line with the key, the cause and the next step.
    """
    path = folder / FILE
    values = load_yaml(path)
    if not isinstance(values, Mapping):
        raise UserError(f"{path}: holds no keys; docs/own-data.md shows a whole file")
    return parse(Description, values, str(path))
