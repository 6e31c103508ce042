"""scripts/infer.py with the test backends of `doubles` beside the real ones."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

import aqa.models  # noqa: E402

aqa.models.__path__.append(str(HERE / "doubles"))

import infer  # noqa: E402

if __name__ == "__main__":
    infer.main()
