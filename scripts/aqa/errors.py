"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: the message names the cause, the place and the next step.

    Command lines print it as one line and exit with status 1; it never becomes a traceback.
    """


def lacking(what: str, error: ImportError, environment: str) -> UserError:
    """Return what to say where `what` needs a package that only envs/<environment>.yaml has."""
    return UserError(
        f"{what} needs packages that are not here ({error}); run with the conda environments (--sdm conda, "
        f"envs/{environment}.yaml), or install requirements-{environment}.lock"
    )


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest valid name, else the list of valid names."""
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(names)}" if names else ""
