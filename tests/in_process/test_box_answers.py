"""The weights in the repository through transformers: the answers of the default run's engine."""

from __future__ import annotations

from pathlib import Path

import pytest

import box_answers
from aqa.config import load_model

pytestmark = pytest.mark.transformers

MODELS = Path(__file__).parents[2] / "config" / "models"


def test_the_model_in_the_box_answers_alike_through_transformers() -> None:
    shipped = load_model(box_answers.MODEL, (MODELS,))
    options = {"model": str(box_answers.WEIGHTS), "dtype": "float32", "device": "cpu", "video": "video"}
    file = shipped.model_copy(update={"backend": "transformers", "options": options})
    asked, ours = zip(*box_answers.answered(most=4), strict=True)
    theirs = box_answers.ask_again(file, list(asked))
    assert box_answers.share_equal(list(ours), theirs) >= box_answers.SHARE
