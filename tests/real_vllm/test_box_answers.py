"""The weights in the repository through a real vLLM: the answers of the default run's engine."""

from pathlib import Path

import pytest
from tiny_server import options

import box_answers
from aqa.config import load_model

pytestmark = pytest.mark.vllm

MODELS = Path(__file__).parents[2] / "config" / "models"


def test_the_model_in_the_box_answers_alike_through_vllm():
    shipped = load_model("tiny-qwen3-vl-vllm", (MODELS,))
    mine = {name: value for name, value in shipped.options.items() if name not in ("model", "serve")}
    served = options(box_answers.WEIGHTS, shipped.options["serve"], **mine)
    box_answers.check(shipped.model_copy(update={"options": served}), most=12)
