"""Lets these tests use the numbered videos of the media tests."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "media"))
