"""Which media profile a model sees: one for everything, or one that depends on the sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from pydantic import ConfigDict, RootModel, model_validator

from aqa.errors import UserError, nearest
from aqa.records import Name

DEFAULT = "default"
"""Key of the profile for every dataset that is not named."""

ELSE = "else"
"""Key of the profile for every exercise of a dataset that is not named; left out: the default."""

_FORM = "write one name, or a mapping {default: NAME, DATASET: NAME, DATASET: {EXERCISE: NAME, else: NAME}}"

Rules: TypeAlias = dict[Name, Name | dict[Name, Name]]


class ProfileChoice(RootModel[Name | Rules]):
    """`profile` of a model's file (paper, section 2.4: InternVL sees long clips smaller and thinner).

    Either the name of one media profile, or a mapping that has `default` and, by dataset id, a name or
    again a mapping by exercise:
    `{default: native, gym: half-120, rink: {sequence: half-120, else: native}}`.
    """

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _shape(cls, value: Any) -> Any:
        """Refuse a wrong shape in words, before the alternatives of the type are tried."""
        if not isinstance(value, Mapping):
            if not isinstance(value, str):
                raise ValueError(_FORM)
            return value
        if DEFAULT not in value:
            raise ValueError(f"the key 'default' is missing: {_FORM}")
        for key, rule in value.items():
            by_exercise = key != DEFAULT and isinstance(rule, Mapping) and rule
            names = list(rule.values()) if by_exercise else [rule]
            if not isinstance(key, str) or not all(isinstance(name, str) for name in names):
                raise ValueError(f"the rule of '{key}' is neither a name nor names by exercise: {_FORM}")
        return value

    @property
    def _rules(self) -> Rules:
        return {DEFAULT: self.root} if isinstance(self.root, str) else self.root

    @property
    def _default(self) -> str:
        return self._rules[DEFAULT]  # type: ignore[return-value]  # checked by _shape


def resolve(choice: ProfileChoice, dataset: str, exercise: str) -> str:
    """Return the name of the media profile for the samples of an exercise."""
    rule = choice._rules.get(dataset, choice._default)
    if isinstance(rule, str):
        return rule
    return rule.get(exercise, rule.get(ELSE, choice._default))


def names(choice: ProfileChoice, dataset: str, exercises: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return media profile -> the exercises of the dataset that need it, both in the order given."""
    needed: dict[str, tuple[str, ...]] = {}
    for exercise in exercises:
        profile = resolve(choice, dataset, exercise)
        needed[profile] = (*needed.get(profile, ()), exercise)
    return needed


def check(
    choice: ProfileChoice,
    declared: Iterable[str],
    exercises: Mapping[str, Iterable[str]],
    place: str,
) -> None:
    """Refuse names that cannot be right.

    A dataset that is not configured may be named: a model's file serves many configurations.

    Args:
        choice: `profile` of a model's file.
        declared: the names in `profiles` of the configuration.
        exercises: the configured datasets with their exercises.
        place: what the message begins with.

    Raises:
        UserError: a profile is not declared, or a dataset has no such exercise; names the nearest.
    """
    profiles = set(declared)
    for dataset, rule in choice._rules.items():
        for exercise, profile in {None: rule}.items() if isinstance(rule, str) else rule.items():
            if profile not in profiles:
                raise UserError(
                    f"{place}: media profile '{profile}' is not declared in 'profiles'"
                    f"{nearest(profile, profiles)}"
                )
            known = set(exercises.get(dataset, ()))
            if known and exercise not in (None, ELSE, *known):
                raise UserError(
                    f"{place}: profile.{dataset}: no exercise '{exercise}'{nearest(str(exercise), known)}"
                )
