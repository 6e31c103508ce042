"""`FMSRules.json`: `{movement: {actionName, view, rules: {rule: {ruleQuestion, ruleOptions, ...}}}}`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from aqa.datasets.readers import read_json
from aqa.errors import UserError
from aqa.files import first_problem

MOVEMENT = re.compile(r"m[0-9]{2}", re.ASCII)
RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,15}", re.ASCII)

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Rule(BaseModel):
    """One question about a movement; the options are the file's, whatever the question asks for."""

    model_config = ConfigDict(frozen=True)

    ruleQuestion: Text
    ruleOptions: tuple[Text, ...] = Field(min_length=2)

    @field_validator("ruleOptions")
    @classmethod
    def _differ(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        if len({option.casefold() for option in options}) < len(options):
            raise ValueError("two options are the same")
        return options


class Movement(BaseModel):
    """One movement, such as the inline lunge with the left leg."""

    model_config = ConfigDict(frozen=True)

    actionName: Text
    view: str = ""
    rules: dict[str, Rule] = Field(min_length=1)


def read_rules(path: Path) -> dict[str, Movement]:
    """Return the movements by id, `m01` to `m15`.

    Raises:
        UserError: the file is not of this shape; names the place.
    """
    values = read_json(path)
    if not isinstance(values, dict) or not values:
        raise UserError(f"{path}: must map movements (m01, ...) to their rules, but is {str(values)[:60]}")
    result: dict[str, Movement] = {}
    for key, value in values.items():
        try:
            movement = Movement.model_validate(value)
        except ValidationError as error:
            raise UserError(f"{path}: movement '{key}': {first_problem(error)}") from None
        bad = [rule for rule in movement.rules if not RULE.fullmatch(rule)]
        if not MOVEMENT.fullmatch(key) or bad:
            raise UserError(f"{path}: '{bad[0] if bad else key}' is no id like {'r01' if bad else 'm01'}")
        result[key] = movement
    return result


def items(movements: dict[str, Movement], exercises: dict[str, str]) -> dict[tuple[str, str], str]:
    """Return the question's item of each (movement, rule).

    It is the rule's id; where the movements of one exercise ask different things under one id it is
    `<movement>-<rule>`, for an item is one question throughout its exercise.
    """
    asked: dict[tuple[str, str], set[tuple[str, tuple[str, ...]]]] = {}
    for key, movement in movements.items():
        for rule_id, rule in movement.rules.items():
            question = (rule.ruleQuestion.casefold(), rule.ruleOptions)
            asked.setdefault((exercises.get(key, key), rule_id), set()).add(question)
    return {
        (key, rule_id): rule_id if len(asked[exercises.get(key, key), rule_id]) == 1 else f"{key}-{rule_id}"
        for key, movement in movements.items()
        for rule_id in movement.rules
    }
