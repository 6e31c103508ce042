"""The strategies: templates that say in their first line what they are called and what they need.

`{# Title #}`, `{# Title | guidelines: positive #}` (or negative), `{# Title | examples #}`: a strategy is
one file. A template has the variables `task` and `answer`, the dataset's wording for this sample, and,
where it asks for guidelines, `guidelines`: one criterion a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from aqa.errors import UserError

STRATEGIES = Path(__file__).parent / "strategies"

Polarity: TypeAlias = Literal["positive", "negative"]

POLARITIES: tuple[Polarity, ...] = get_args(Polarity)

_FORM = "{# Title #}, {# Title | guidelines: positive #} or {# Title | examples #}"


@dataclass(frozen=True)
class Strategy:
    """What the first line of a template says. `guidelines`: in which polarity it uses them, if it does."""

    name: str
    title: str
    guidelines: Polarity | None = None
    examples: bool = False

    def text(self, facts: Mapping[str, Any]) -> str:
        """Return the template filled with `task`, `answer` and, where it uses them, `guidelines`.

        Raises:
            UserError: the template fails.
        """
        return fill(_source(self.name), facts, f"strategy {self.name}", strategies=True)


def strategies() -> tuple[str, ...]:
    """Return the names of all strategies: `base` first, then by name."""
    names = {path.stem for path in STRATEGIES.glob("*.j2")}
    return tuple(sorted(names, key=lambda name: (name != "base", name)))


def title(strategy: str) -> str:
    """Return a strategy's name for print, from the first line of its template."""
    return load_strategy(strategy).title


def load_strategy(name: str) -> Strategy:
    """Return what a strategy's template says about itself.

    Raises:
        UserError: there is no such template, or its first line is not of the form above.
    """
    first = _source(name).split("\n", 1)[0].strip()
    place = STRATEGIES / f"{name}.j2"
    if not (first.startswith("{#") and first.endswith("#}")) or not first.strip("{}# "):
        raise UserError(f"{place}: the first line must be its title, as {_FORM}")
    heading, *needs = (part.strip() for part in first.strip("{}# ").split("|"))
    guidelines: Polarity | None = None
    examples = False
    for need in needs:
        word, _, value = (part.strip() for part in need.partition(":"))
        polarity = next((known for known in POLARITIES if known == value), None)
        if word == "guidelines" and polarity is not None:
            guidelines = polarity
        elif need == "examples":
            examples = True
        else:
            raise UserError(f"{place}: the first line asks for '{need}'; write it as {_FORM}")
    return Strategy(name, heading, guidelines, examples)


def fill(text: str, facts: Mapping[str, Any], place: str, *, strategies: bool = False) -> str:
    """Fill a Jinja text in the sandbox; with `strategies` it may include other strategies' templates.

    Raises:
        UserError: it fails; one line, names the place.
    """
    try:
        return _template(text, strategies).render(facts).strip()
    except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise UserError(f"{place}: the template fails ({error})") from None


@lru_cache(maxsize=1024)
def _template(text: str, strategies: bool) -> Template:
    """Return the compiled text: compiling takes far longer than filling, and all samples share few texts."""
    return _environment(strategies).from_string(text)


@cache
def _environment(strategies: bool) -> ImmutableSandboxedEnvironment:
    loader: BaseLoader | None = FileSystemLoader(STRATEGIES) if strategies else None
    return ImmutableSandboxedEnvironment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )


@cache
def _source(strategy: str) -> str:
    path = STRATEGIES / f"{strategy}.j2"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
