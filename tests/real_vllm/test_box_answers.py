"""The weights in the repository through a real vLLM: the answers of the default run's engine."""

from pathlib import Path

import pytest
from tiny_server import options

import box_answers
from aqa.config import load_model

pytestmark = pytest.mark.vllm

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "config" / "models"

THROUGH_MP4 = 0.97
"""An mp4 has one constant rate and other colours: a time may differ by a tenth, a pixel by a shade."""


def served(video):
    """The shipped file of the model, for the vLLM of these tests."""
    shipped = load_model("tiny-qwen3-vl-vllm", (MODELS,))
    serve = shipped.options["serve"]
    serve = serve | {"chat-template": str(ROOT / serve["chat-template"])}
    return shipped.model_copy(update={"options": options(box_answers.WEIGHTS, serve, video=video)})


def test_the_same_frames_and_times_get_the_same_answers():
    ours = load_model(box_answers.MODEL, (MODELS,))
    asked = [box_answers.on_the_second(request) for request, _ in box_answers.answered(most=8)]
    theirs = box_answers.ask_again(served("video_url_jpeg"), asked)
    assert box_answers.share_equal(box_answers.ask_again(ours, asked), theirs) >= box_answers.SHARE


def test_most_answers_survive_an_mp4():
    asked, ours = zip(*box_answers.answered(most=3), strict=True)
    theirs = box_answers.ask_again(served("video_url"), list(asked))
    assert box_answers.share_equal(list(ours), theirs) >= THROUGH_MP4
