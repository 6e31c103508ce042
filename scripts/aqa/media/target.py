"""What is made of a dataset's clips: one target for each manifest."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, model_validator

from aqa.config import Representation, Section, parse
from aqa.errors import UserError
from aqa.media.profile import NATIVE, Profile
from aqa.records import Name, Sample


class Target(Section):
    """A manifest to make: how its clips are shown, which frames of them, and of which samples."""

    representation: Representation = Field("original", description="How the subject is shown.")
    name: Name = Field("native", description="Name of the sampling profile.")
    profile: Profile = Field(NATIVE, description="The profile: fps, max_frames, scale.")
    only: tuple[str, ...] | None = Field(
        None, description="Files with the ids of the samples to prepare, one a line; null prepares all."
    )
    exercises: tuple[Name, ...] | None = Field(
        None, description="Prepare only the samples of these exercises; null prepares all."
    )

    @model_validator(mode="after")
    def _native_is_native(self) -> Target:
        if self.name == "native" and self.profile != NATIVE:
            raise ValueError("'native' means every frame at native size; give this profile another name")
        return self

    @property
    def path(self) -> str:
        """The folder of the manifest and its clips, below the dataset's."""
        return f"{self.representation}/{self.name}"

    @property
    def posed(self) -> bool:
        """Whether the subject's joints are needed."""
        return self.representation != "original"


def read_target(text: str) -> Target:
    """Read a target as JSON.

    Raises:
        UserError: not JSON, or not a target; one line with the nearest valid name.
    """
    try:
        values: Any = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"--target {text}: not valid JSON ({error})") from error
    return parse(Target, values, "--target")


def check_targets(targets: list[Target]) -> None:
    """Refuse two targets that would be written to one place.

    Raises:
        UserError: names the place.
    """
    for target in targets:
        if sum(other.path == target.path for other in targets) > 1:
            raise UserError(f"--target: {target.path} is there twice")


def wanted(target: Target, samples: list[Sample], ids: frozenset[str] | None) -> list[Sample]:
    """Return the samples of a target; `ids` are those that its files list, None for all."""
    return [
        sample
        for sample in samples
        if (target.exercises is None or sample.exercise in target.exercises)
        and (ids is None or sample.sample_id in ids)
    ]
