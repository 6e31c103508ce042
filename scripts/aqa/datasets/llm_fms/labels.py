"""The labels of keyframes.

Nobody who built this project has seen the inside of `FMS-FineGrainedLabelInfo.rar`; what is known is that
a label holds at least `score` and `ruleResults`. `read_labels` says which shapes it takes, and its errors
print what it found instead: a release of another shape is a change in this module alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from aqa.datasets.readers import read_json
from aqa.errors import UserError

Results: TypeAlias = dict[str, str | int]
"""The result of each rule: an option, or the number of one."""

RESULTS_KEYS = ("ruleResults", "rule_results", "ruleResult", "results")
RULE_KEYS = ("ruleId", "rule_id", "rule", "id")
VALUE_KEYS = ("option", "result", "value", "answer", "ruleResult")
NAME_KEYS = ("image", "imageName", "image_name", "fileName", "file_name", "keyframe", "name")
_SHOWN = 200


def read_labels(path: Path) -> dict[str, Results]:
    """Return the results of the rules of each keyframe in a label file, by the keyframe's name.

    Expected, one file a keyframe, named like its image (the name is then ""):
        `{"score": 2, "ruleResults": {"r01": "Parallel", "r02": 1}}`, options as texts or numbers.
    Taken as well: `ruleResults` as a list of `{"ruleId": "r01", "result": "Parallel"}`, a result wrapped
    in such an object, null for a rule without a result, and one file for many keyframes, as
    `{name: label}` or as a list of labels that carry their image's name. Other fields are left unread.

    Raises:
        UserError: the file has none of these shapes; prints the beginning of what it holds.
    """
    values = read_json(path)
    found = list(_labels(values))
    labels = dict(found)
    if not labels or len(labels) < len(found) or not all(labels.values()):
        raise UserError(
            f"{path}: must hold 'ruleResults' with an option by rule, as in "
            f'{{"score": 2, "ruleResults": {{"r01": "Parallel"}}}}, but holds {str(values)[:_SHOWN]}'
        )
    return labels


def _labels(values: Any) -> Iterator[tuple[str, Results]]:
    if isinstance(values, dict):
        if _first(values, RESULTS_KEYS) is not None:
            yield "", _results(_first(values, RESULTS_KEYS))
            return
        for name, label in values.items():
            yield str(name), _results(_first(label, RESULTS_KEYS))
    elif isinstance(values, list):
        for label in values:
            name = _first(label, NAME_KEYS)
            yield ((str(name), _results(_first(label, RESULTS_KEYS))) if isinstance(name, str) else ("?", {}))


def _results(values: Any) -> Results:
    """Return the result of each rule; empty if one of them cannot be read."""
    if isinstance(values, list):
        named = {str(_first(entry, RULE_KEYS)): entry for entry in values}
        values = named if len(named) == len(values) else None
    if not isinstance(values, dict):
        return {}
    results = {
        rule: _first(value, VALUE_KEYS) if isinstance(value, dict) else value
        for rule, value in values.items()
    }
    results = {rule: value for rule, value in results.items() if value is not None}
    readable = all(isinstance(value, str | int) and not isinstance(value, bool) for value in results.values())
    return results if readable else {}


def _first(values: Any, keys: tuple[str, ...]) -> Any:
    """Return the value of the first of these keys that an object has, None if it has none."""
    if not isinstance(values, Mapping):
        return None
    return next((values[key] for key in keys if key in values), None)
