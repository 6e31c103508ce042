"""The backend `numpy` against transformers: the same weights and prompts, the same numbers and answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from local_models import GREEDY, ask, film, frames_of, loud_qwen, model_file, opened, request

import tiny_qwen3vl
from aqa.config import ModelFile
from aqa.models._numpy_decoder import places_of

pytestmark = pytest.mark.transformers


def numpy_file(weights: Path, sampling: dict[str, Any] | None = None, **options: Any) -> ModelFile:
    return ModelFile(
        title="Tiny",
        backend="numpy",
        concurrency=2,
        sampling=GREEDY if sampling is None else sampling,
        options={"model": str(weights), **options},
    )


def conversations(folder: Path) -> list[Any]:
    """Clips of one and of several frames, of many shapes, alone and several in a row, and none."""
    a, b = film(folder, "a", range(6)), film(folder, "b", range(20, 25), size=130)
    wide, still = film(folder, "wide", range(40, 44), size=64), film(folder, "still", [99], size=200)
    return [
        request(a, "Judge the squat.", key="1"),
        request(a, "Answer True or False.", key="2"),
        request(b, "Which score from 0 to 10?", key="3", system="Be brief."),
        request(a, "then", b, "Which is better?", key="4"),
        request(still, "How high is the hip?", key="5"),
        request(still, "and", wide, "and", a, "Which one?", key="6"),
        request("No clip at all?", key="7"),
    ]


@pytest.fixture(params=["loud", "larger"])
def network(request: pytest.FixtureRequest, weights: Path, tmp_path: Path) -> Path:
    """Two shapes of network; in the second the decoder's and the vision tower's widths differ."""
    if request.param == "loud":
        return weights
    return tiny_qwen3vl.make(tmp_path / "larger", seed=3, hidden=160, layers=5)


@pytest.mark.parametrize("video", ["video", "frames"])
def test_logits_and_places_equal_those_of_transformers(network: Path, tmp_path: Path, video: str) -> None:
    theirs = opened(model_file(network, video=video), tmp_path)
    ours = opened(numpy_file(network, video=video), tmp_path)
    for one in conversations(tmp_path):
        clips = frames_of(tmp_path, one)
        want, got = (engine._prompts.prepare(one.messages, clips) for engine in (theirs, ours))
        assert got.ids == want.ids[0].tolist()
        with torch.inference_mode():
            expected = theirs._model(
                input_ids=want.ids, attention_mask=torch.ones_like(want.ids), **want.inputs
            ).logits[0, -1]
        ours._enter(got)
        cache, place = ours._prefix.cache, ours._prefix.place
        rest = got.ids[cache.length :]
        places = np.broadcast_to(np.arange(place, place + len(rest)), (3, len(rest)))
        logits = ours._decoder(ours._decoder.embedding[rest], places, cache)
        ours._prefix = None
        np.testing.assert_allclose(logits, expected.numpy(), rtol=2e-3, atol=2e-3)
        if got.media:
            grids = {f"{kind}_grid_thw": want.inputs.get(f"{kind}_grid_thw") for kind in ("image", "video")}
            positions, delta = theirs._model.model.get_rope_index(
                want.ids, want.inputs["mm_token_type_ids"], **grids
            )
            mine, after = places_of(got.kinds, got.shown.image_grids, got.shown.video_grids, 2)
            np.testing.assert_array_equal(mine, positions[:, 0].numpy())
            assert after == len(got.ids) + int(delta)


def test_greedy_answers_equal_those_of_transformers(weights: Path, tmp_path: Path) -> None:
    asked = conversations(tmp_path)
    theirs = ask(model_file(weights, video="video"), tmp_path, *asked)
    ours = ask(numpy_file(weights), tmp_path, *asked)
    assert [reply.text for reply in ours] == [reply.text for reply in theirs]
    assert [reply.outcome for reply in ours] == [reply.outcome for reply in theirs]
    assert [reply.usage for reply in ours] == [reply.usage for reply in theirs]
    assert len({reply.text for reply in ours}) > len(asked) / 2
    assert [reply.usage.cached_tokens > 0 for reply in ours].count(True) == 1


def test_half_precision_files_are_read(weights: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(weights, tmp_path / "wide"))
    tensors = {name: tensor.float() for name, tensor in load_file(weights / "model.safetensors").items()}
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    asked = conversations(tmp_path)[:3]
    texts = [[reply.text for reply in ask(numpy_file(one), tmp_path, *asked)] for one in (weights, copy)]
    assert texts[0] == texts[1]


def test_the_images_are_cut_as_the_official_processor_cuts_them(weights: Path, tmp_path: Path) -> None:
    """Over many sizes, the smallest and largest included."""
    from transformers import AutoImageProcessor

    from aqa.models._qwen_pixels import ImageSettings

    folder = Path(shutil.copytree(weights, tmp_path / "sized"))
    path = folder / "preprocessor_config.json"
    size = {"shortest_edge": 64**2, "longest_edge": 160**2}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"size": size}))
    official = AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    ours = ImageSettings.read(folder, None)
    generator = np.random.default_rng(0)
    for height, width in [(8, 8), (20, 300), (96, 96), (97, 130), (480, 640), (640, 33)]:
        image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        made = official(images=[image], return_tensors="np")
        patches, grid = ours.patches(image[None])
        assert list(grid) == made["image_grid_thw"][0].tolist()
        np.testing.assert_allclose(patches, made["pixel_values"], atol=1e-5)


def test_a_lone_loud_model_is_loud(tmp_path: Path) -> None:
    """The fixture's answers depend on what is seen: otherwise equality above would say little."""
    weights = loud_qwen(tmp_path / "loud")
    clips = [film(tmp_path, f"c{number}", range(7 * number, 7 * number + 4)) for number in range(6)]
    replies = ask(numpy_file(weights), tmp_path, *(request(clip, "Judge.", key=clip.file) for clip in clips))
    assert len({reply.text for reply in replies}) >= 4
