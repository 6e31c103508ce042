"""Why one clip cannot be prepared."""

from __future__ import annotations


class MediaError(Exception):
    """A fault of one source or one clip: one line, without the path; never ends a whole run."""
