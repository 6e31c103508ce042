"""The training of the small model: other data than the benchmark's, the backend's own prompts, resuming."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoImageProcessor, AutoTokenizer, Qwen3VLForConditionalGeneration
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as resize_image
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as resize_video

from aqa.errors import UserError
from aqa.files import digest_file
from aqa.models._transformers_qwen import TorchQwenPrompts
from aqa.models.transformers import Options
from aqa.training import recipe
from aqa.training.blocks import Wanted, write_block
from aqa.training.corpus import Course
from aqa.training.draw import SIGHT, draw_rows, picture, stream
from aqa.training.evaluate import evaluate, plan
from aqa.training.lean import Lean, patches
from aqa.training.packing import Packer
from aqa.training.pixels import FACTOR, TEMPORAL, Sizes, shown_size
from aqa.training.rounds import FIRST_SEED
from aqa.training.settings import Mix
from aqa.training.trainer import Trainer

pytestmark = pytest.mark.transformers

SCRIPT = Path(__file__).parents[2] / "scripts" / "train_tiny.py"

PLAN = {
    "rounds": 2,
    "held_out": [1],
    "blocks": {
        "llm-fms": {"subjects": 6},
        "fitness-aqa": {"train": 8, "val": 0, "test": 8, "unlabeled": 0, "drawn": 4},
        "mtl-aqa": {"train": 1, "test": 3, "train_dives": 2, "test_dives": 2, "drawn": 4},
    },
    "profile": {"max_frames": 4},
    "shape": {"hidden": 64, "layers": 3, "heads": 2, "inner": 64, "vision_hidden": 64, "vision_depth": 2}
    | {"vision_heads": 2, "vision_inner": 64, "deepstack": [0], "vocabulary": 600},
    "recipe": {
        "steps": 6,
        "batch": 2,
        "every": 100,
        "silent": 0.2,
        "mix": {"compare": 0.3, "in_context": 0.2},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[recipe.Plan, Path, Course, Course]:
    folder = tmp_path_factory.mktemp("training")
    file = folder / "plan.yaml"
    file.write_text(yaml.safe_dump(PLAN))
    read = recipe.read_plan(file)
    for dataset in read.blocks:
        recipe.write_blocks(read, folder / "blocks", dataset, lambda _done, _all: None)
    taught, held = recipe.courses(read, folder / "blocks")
    recipe.untrained(read, folder / "init", taught)
    return read, folder, taught, held


def test_the_benchmarks_seeds_are_refused(tmp_path: Path, made: tuple) -> None:
    read = made[0]
    wanted = Wanted("llm-fms", FIRST_SEED - 1, {"subjects": 3}, read.profile, read.pixels)
    with pytest.raises(UserError, match="apart from the benchmark's"):
        write_block(tmp_path / "block", wanted)
    assert not (tmp_path / "block").exists()


@pytest.mark.parametrize(
    ("height", "width"), [(320, 256), (256, 320), (192, 256), (240, 320), (64, 40), (33, 900)]
)
@pytest.mark.parametrize("frames", [1, 2, 8])
def test_pictures_are_as_large_as_the_processors_make_them(height: int, width: int, frames: int) -> None:
    sizes = Sizes()
    shown = shown_size(sizes, frames, height, width, video=True)
    assert shown == resize_video(max(frames, 2), height, width, TEMPORAL, FACTOR, *sizes.video)
    shown = shown_size(sizes, 1, height, width, video=False)
    assert shown == resize_image(height, width, FACTOR, *sizes.image)


@pytest.mark.parametrize("mix", [Mix(compare=0, in_context=0), Mix(compare=1), Mix(compare=0, in_context=1)])
def test_what_is_trained_is_what_the_backend_asks(mix: Mix, made: tuple) -> None:
    _, folder, taught, _ = made
    start = folder / "init"
    model = Qwen3VLForConditionalGeneration.from_pretrained(start, dtype=torch.float32).eval()
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.06)
    tokenizer = AutoTokenizer.from_pretrained(start)
    images = AutoImageProcessor.from_pretrained(start, backend="pil")
    prompts = TorchQwenPrompts(
        start, model.config, tokenizer, images, Options(model=str(start), video="video")
    )
    packer, lean = Packer(tokenizer), Lean(model)
    for row in draw_rows(taught, mix, (7, 0), range(5)):
        frames = [np.array(taught.blocks[key[0]].frames(taught.shown[key])) for key in row.keys]
        asked = prompts.prepare(row.conversations[0], frames)
        count = asked.ids.shape[1]
        batch = packer.batch([packer.row(row.conversations, row.answers, row.grids)])
        assert torch.equal(batch.ids[0, :count], asked.ids[0])
        pixels = [torch.from_numpy(patches(picture(taught, key, None)[0])) / 127.5 - 1 for key in row.keys]
        with torch.no_grad():
            merged, deep = lean.see(list(zip(pixels, row.grids, strict=True)))
            layers = [torch.cat(parts) for parts in zip(*deep, strict=True)]
            mine = lean.head(lean.read(batch, torch.cat(merged), layers))[0, :count]
            theirs = model(input_ids=asked.ids, attention_mask=torch.ones_like(asked.ids), **asked.inputs)
        torch.testing.assert_close(mine, theirs.logits[0], atol=1e-4, rtol=1e-4)


def test_a_batch_compares_as_often_as_asked_whatever_else_the_step_draws(made: tuple) -> None:
    taught, mix = made[2], Mix(compare=0.4, in_context=0.0)
    for sight in (True, False):
        steps = [step for step in range(400) if (stream(0, step, SIGHT).random() < 0.5) == sight]
        pairs = [len(draw_rows(taught, mix, (0, step), [0])[0].keys) == 2 for step in steps]
        assert 0.3 < np.mean(pairs) < 0.5


def test_a_resumed_training_ends_like_one_that_ran_through(made: tuple) -> None:
    read, folder, taught, _ = made
    whole = Trainer(folder / "init", taught, read.recipe)
    whole.run(folder / "whole", lambda _now, _seconds: None, 6)
    half = Trainer(folder / "init", taught, read.recipe)
    half.run(folder / "half", lambda _now, _seconds: None, 3)
    shutil.copytree(folder / "init", folder / "half" / "init")
    again = recipe.trainer(read, taught, folder / "half")
    assert again.step == 3
    again.run(folder / "half", lambda _now, _seconds: None, 6)
    assert all(torch.equal(a, b) for a, b in zip(whole.masters, again.masters, strict=True))
    first = Trainer(folder / "init", taught, read.recipe)
    assert any(not torch.equal(a, b) for a, b in zip(whole.masters, first.masters, strict=True))


def test_every_cell_of_the_held_out_clips_is_asked_and_scored(made: tuple) -> None:
    _, folder, _, held = made
    asked = plan(held, 2, 3)
    scores = evaluate(folder / "init", held, asked, 12, lambda _done, _all: None)
    assert {score.dataset for score in scores} == set(PLAN["blocks"])
    assert {score.task for score in scores} == {"judge", "compare"}
    assert sum(score.asked for score in scores) == len(asked)
    assert all(0 <= score.parsed <= 1 for score in scores)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"held_out": [2]}, "held_out: there is no round 2, only 0 to 1"),
        ({"held_out": [0, 1]}, "held_out: all rounds; none is left to train on"),
        ({"blocks": {"mtl_aqa": {"train": 1}}}, "blocks: no dataset 'mtl_aqa'; did you mean 'mtl-aqa'?"),
        ({"processes": 4}, "processes: 4 cannot share a batch of 2 evenly"),
        ({"recipe": {"every": 0}}, "recipe.every: 0; at least 1 is needed"),
        ({"recipe": {"batch": -1}}, "recipe.batch: -1; at least 1 is needed"),
        (
            {"recipe": {"mix": {"strategies": {"bas": 9}}}},
            "recipe.mix.strategies: no 'bas' here; did you mean 'base'?",
        ),
        ({"recipe": {"mix": {"datasets": {"finefs": 9}}}}, "recipe.mix.datasets: no 'finefs' here"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, change: dict, said: str) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(yaml.safe_dump(PLAN | change))
    with pytest.raises(UserError, match=re.escape(said)):
        recipe.read_plan(file)


def script(work: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), work, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_two_processes_train_one_model_go_on_and_keep_to_their_plan_and_data(
    made: tuple, tmp_path: Path
) -> None:
    blocks, out = made[1] / "blocks", tmp_path / "run"
    plan = tmp_path / "plan.yaml"
    values = PLAN | {"processes": 2, "recipe": PLAN["recipe"] | {"steps": 4}}
    plan.write_text(yaml.safe_dump(values))
    shared = ("--plan", plan, "--blocks", blocks)
    log = tmp_path / "train.log"
    for steps in (2, 4):
        done = script("train", *shared, "--out", out, "--steps", steps, "--log", log)
        assert done.returncode == 0, done.stderr
    assert "training data: sha256" in log.read_text() and "from step 2 of 4" in log.read_text()
    through = tmp_path / "through"
    assert script("train", *shared, "--out", through).returncode == 0
    assert digest_file(out / "model/model.safetensors") == digest_file(through / "model/model.safetensors")
    plan.write_text(yaml.safe_dump(values | {"seed": 1}))
    done = script("train", *shared, "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "holds a training of another plan or of other data" in done.stderr
    plan.write_text(yaml.safe_dump(values))
    empty = tmp_path / "nothing"
    done = script("train", "--plan", plan, "--blocks", empty, "--out", tmp_path / "other")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "make the blocks first" in done.stderr


def test_an_untrained_model_is_there_whole_or_not_at_all(made: tuple, tmp_path: Path, monkeypatch) -> None:
    read, _, taught, _ = made

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aqa.training.network._processors", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.untrained(read, tmp_path / "init", taught)
    assert list(tmp_path.iterdir()) == []
