"""What a model in this process is shown: which frames, at which times, in which pixels."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_models import ask, film, frames_of, model_file, opened, request, tiny_llava
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

from aqa.errors import UserError
from aqa.models._qwen_pixels import VideoSettings
from tiny_qwen3vl import TEMPORAL_PATCH, TOKEN_SIDE

pytestmark = pytest.mark.transformers

SETTINGS = VideoSettings(1024, 64 * 448**2, 16, 2, 2, (0.5,) * 3, (0.5,) * 3)


def rendered(engine: Any, folder: Path, asked: Any) -> str:
    prompt = engine._prompts.prepare(asked.messages, frames_of(folder, asked))
    return str(engine._tokenizer.decode(prompt.ids[0]))


@pytest.mark.parametrize(
    "times", [[0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [0.04, 0.31, 0.9, 2.47, 12.0], [0.2, 7.3], [59.98, 60.02, 61.0]]
)
def test_the_times_in_the_prompt_are_those_of_the_manifest_and_no_frame_is_lost_or_added(
    weights: Path, tmp_path: Path, times: list[float]
) -> None:
    video = film(tmp_path, "a", range(len(times)), times=times)
    text = rendered(opened(model_file(weights, video="video"), tmp_path), tmp_path, request(video, "Judge."))
    groups = [times[at : at + TEMPORAL_PATCH] for at in range(0, len(times), TEMPORAL_PATCH)]
    shown = [float(time) for time in re.findall(r"<([\d.]+) seconds>", text)]
    assert shown == pytest.approx([(group[0] + group[-1]) / 2 for group in groups], abs=0.0501)
    assert text.count("<|video_pad|>") == len(groups) * (96 // TOKEN_SIDE) ** 2
    assert text.startswith("<|im_start|>user\n<") and text.endswith(
        "Judge.<|im_end|>\n<|im_start|>assistant\n"
    )


def test_usage_counts_every_frame(weights: Path, tmp_path: Path) -> None:
    model = model_file(weights, video="video")
    asked = [request(film(tmp_path, f"c{count}", range(count)), "Judge.") for count in (4, 8, 10)]
    prompts = [
        opened(model, tmp_path)._prompts.prepare(one.messages, frames_of(tmp_path, one)) for one in asked
    ]
    visual = [int((prompt.inputs["mm_token_type_ids"] == 2).sum()) for prompt in prompts]
    replies = ask(model, tmp_path, *asked)
    assert visual == [frames // TEMPORAL_PATCH * (96 // TOKEN_SIDE) ** 2 for frames in (4, 8, 10)]
    assert [reply.usage.prompt_tokens for reply in replies] == [prompt.ids.shape[1] for prompt in prompts]


def test_clips_and_texts_stand_in_the_order_of_the_messages(weights: Path, tmp_path: Path) -> None:
    video, image = film(tmp_path, "a", range(4)), film(tmp_path, "b", [9])
    engine = opened(model_file(weights, video="video"), tmp_path)
    text = rendered(engine, tmp_path, request(image, "then", video, "Which?", system="Be brief."))
    short = re.sub(r"(<\|(image|video)_pad\|>)+", r"[\2]", text)
    assert short == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|>[image]<|vision_end|>then"
        "<0.1 seconds><|vision_start|>[video]<|vision_end|><0.6 seconds><|vision_start|>[video]<|vision_end|>"
        "Which?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_frames_as_images_carry_their_times_on_demand(weights: Path, tmp_path: Path) -> None:
    video = film(tmp_path, "a", range(3))
    for times, expected in ((False, ""), (True, "<0.2 seconds>")):
        engine = opened(model_file(weights, video="frames", frame_times=times), tmp_path)
        text = rendered(engine, tmp_path, request(video, "Judge."))
        assert text.count("<|vision_start|>") == 3
        assert ("<0.2 seconds>" in text) == bool(expected)


@given(
    count=st.integers(2, 800),
    height=st.integers(8, 2000),
    width=st.integers(8, 2000),
    most=st.integers(10, 25),
)
def test_videos_are_resized_as_the_official_processor_does(
    count: int, height: int, width: int, most: int
) -> None:
    settings = VideoSettings(4096, 1 << most, 16, 2, 2, (0.5,) * 3, (0.5,) * 3)
    expected: tuple[int, int] | None
    try:
        expected = smart_resize(count, height, width, 2, 32, 4096, 1 << most)
    except ValueError:
        expected = None
    if expected is None:
        with pytest.raises(ValueError, match="elongated"):
            settings.resized(count, height, width)
    else:
        assert settings.resized(count, height, width) == expected


def test_a_still_video_has_the_pixels_of_an_image(weights: Path, tmp_path: Path) -> None:
    """The image processor is transformers' own, and shows every image twice."""
    engine = opened(model_file(weights, video="video"), tmp_path)
    [frames] = frames_of(tmp_path, request(film(tmp_path, "a", [5], size=96)))
    patches, grid = SETTINGS.patches(np.concatenate([frames, frames]))
    official, grids = engine._prompts._prompts._images([frames[0]])
    assert grids == [grid]
    np.testing.assert_allclose(patches, official, atol=1e-6)


@pytest.mark.parametrize("size", [96, 150])
def test_the_whole_prompt_equals_that_of_the_official_processor(
    weights: Path, tmp_path: Path, size: int
) -> None:
    """Its resizing of videos needs torchvision, which lives apart (see .ci/transformers)."""
    asked = request(
        film(tmp_path, "a", range(7), size=size), film(tmp_path, "b", [50], size=size), "Compare."
    )
    engine = opened(model_file(weights, video="video", video_wrapper=True), tmp_path)
    clips = frames_of(tmp_path, asked)
    ours = engine._prompts.prepare(asked.messages, clips)
    np.savez(tmp_path / "clips.npz", video=clips[0], image=clips[1][0])
    script = Path(__file__).with_name("official_processor.py")
    command = [sys.executable, str(script), str(weights), str(tmp_path), "Compare."]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.environ["AQA_TORCHVISION"]})
    with np.load(tmp_path / "official.npz") as official:
        assert official["input_ids"].tolist() == ours.ids.tolist()
        assert set(official) - {"input_ids", "attention_mask"} == set(ours.inputs)
        for name, values in ours.inputs.items():
            exact = size == 96 or not values.is_floating_point()
            tolerance = 1e-6 if exact else 1.01 / 127.5  # Pillow and torchvision round a resized pixel apart.
            np.testing.assert_allclose(values.numpy(), official[name], atol=tolerance)


def test_a_text_with_the_models_own_tokens_is_refused(weights: Path, tmp_path: Path) -> None:
    [reply] = ask(model_file(weights), tmp_path, request(film(tmp_path, "a", [1]), "See <|image_pad|>?"))
    assert isinstance(reply, UserError)
    assert str(reply).startswith("test.yaml: a text contains the model's own token <|image_pad|>")


def test_an_elongated_picture_is_rejected_and_the_others_are_answered(weights: Path, tmp_path: Path) -> None:
    import cv2

    import openai_requests

    thin = bytes(cv2.imencode(".jpg", np.zeros((8, 4000, 3), np.uint8))[1])
    part = openai_requests.clip(tmp_path, "thin", [thin, thin])
    model = model_file(weights, video="video")
    bad, good = ask(
        model, tmp_path, request(part, "Judge."), request(film(tmp_path, "a", range(2)), "Judge.")
    )
    assert bad.outcome == "rejected" and "elongated" in bad.error
    assert good.outcome in {"ok", "truncated"}


# Any other architecture, by its own processor


def test_another_model_sees_every_frame_as_an_image(tmp_path: Path) -> None:
    folder = tiny_llava(tmp_path / "llava")
    clips = [film(tmp_path, "a", range(5), size=48), film(tmp_path, "b", [7], size=48)]
    model = model_file(folder, frame_times=True)
    engine = opened(model, tmp_path)
    for clip, frames in zip(clips, (5, 1), strict=True):
        text = rendered(engine, tmp_path, request(clip, "Judge."))
        assert text.count("<image>") == frames * (32 // 8) ** 2
        assert re.findall(r"<([\d.]+) seconds>", text) == (
            [f"{time:.1f}" for time in clip.timestamps] if frames > 1 else []
        )
    first = ask(model, tmp_path, *(request(clip, "Judge.") for clip in clips))
    second = ask(model, tmp_path, *(request(clip, "Judge.") for clip in reversed(clips)))
    assert [reply.text for reply in first] == [reply.text for reply in reversed(second)]
    assert first[0].text != first[1].text
    assert first[0].usage.cached_tokens == 0


def test_video_is_refused_where_times_would_be_lost(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"options\.video: video is for Qwen3-VL"):
        opened(model_file(tiny_llava(tmp_path / "llava"), video="video"), tmp_path)
