"""Backend `transformers` as far as it goes without torch: options, identity, what is said if it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aqa import models
from aqa.config import ModelFile
from aqa.errors import UserError
from aqa.models import Context
from aqa.models import _transformers_sampling as sampling
from aqa.models._frames import pack, unpack
from aqa.models._weights import Weights
from aqa.records import MediaPart

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def folder(path: Path, weights: bytes = b"numbers", **config: Any) -> Path:
    """A folder that looks like a model's."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"model_type": "tiny", **config}))
    (path / "model.safetensors").write_bytes(weights)
    (path / "chat_template.jinja").write_text("{{ messages }}")
    (path / "README.md").write_text("about")
    return path


def created(
    model: Path | str, sampling: dict[str, Any] | None = None, concurrency: int = 2, **options: Any
) -> Any:
    file = ModelFile(
        title="Tiny",
        backend="transformers",
        concurrency=concurrency,
        sampling=sampling or {},
        options={"model": str(model), **options},
    )
    return models.create(file, Context(Path(), 1), "tiny.yaml")


def test_a_model_is_created_without_its_weights_and_without_torch(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from aqa import models; from aqa.config import ModelFile\n"
        "file = ModelFile(title='T', backend='transformers', concurrency=1, options={'model': 'nowhere'})\n"
        "backend = models.create(file, models.Context(Path(), 1), 'tiny.yaml')\n"
        "assert not backend.remote and backend.price is None and backend.account is None\n"
        "heavy = {'torch', 'transformers', 'PIL', 'huggingface_hub', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env={"PYTHONPATH": str(scripts)})


def test_a_missing_package_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from aqa import models; from aqa.config import ModelFile\n"
        "from aqa.errors import UserError\n"
        f"options = {{'model': {str(folder(tmp_path / 'tiny'))!r}}}\n"
        "file = ModelFile(title='T', backend='transformers', concurrency=1, options=options)\n"
        "async def run():\n"
        "    async with models.create(file, models.Context(Path(), 1), 'tiny.yaml'): pass\n"
        "try: asyncio.run(run())\n"
        "except UserError as error: print(error)\n"
    )
    paths = f"{Path(__file__).parents[2] / 'scripts'}:{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONPATH": paths}
    )
    assert done.stdout.startswith(
        "tiny.yaml: the backend transformers needs packages that are not here (no torch"
    )
    assert "install requirements-transformers.lock" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modle": "x"}, "unknown key 'modle'; did you mean 'model'?"),
        ({"revision": "main"}, "'revision' is 'main'"),
        ({"revision": COMMIT[:12]}, "'revision' is"),
        ({"dtype": "int3"}, "'dtype' is 'int3'"),
        ({"device": "gpu"}, "'device' is 'gpu'"),
        ({"trust_remote_code": True}, "trust_remote_code needs a repository of the hub and its full commit"),
        ({"video": "video", "frame_times": True}, "a video has its times already"),
        ({"video_size": {"shortest_edge": 1}}, "'video_size.longest_edge' is missing"),
        ({"chat_template_kwargs": {"a": {1}}}, "cannot be written as JSON"),
        ({"concurrency": 8}, "answers one request at a time"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_loaded(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=r"^tiny\.yaml: ") as caught:
        created("nowhere", **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temprature": 1}, "unknown sampling parameter 'temprature'; did you mean 'temperature'?"),
        ({"reasoning_effort": "high"}, "the backend transformers has no other parameters"),
        ({"top_p": 2}, "must lie in"),
        ({"repetition_penalty": 0}, "must be above 0"),
        ({"max_tokens": 4, "max_completion_tokens": 4}, "keep one"),
    ],
)
def test_a_parameter_that_could_not_be_honoured_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        created("nowhere", parameters)
    assert message in str(caught.value)


def test_sampling_in_the_words_of_generation() -> None:
    qwen = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.0}
    assert sampling.settings(qwen, {}) == {**qwen, "do_sample": True}
    off = {"temperature": None, "top_p": None, "top_k": None, "min_p": None, "do_sample": False}
    assert sampling.settings({"temperature": 0, "top_p": 0.5}, {"do_sample": True}) == off
    assert sampling.settings({}, {"do_sample": True, "temperature": 0.6}) == {}
    assert sampling.settings({}, {}) == off
    more = {"temperature": 1, "top_k": -1, "min_tokens": 2, "stop": "END"}
    expected = {"temperature": 1, "top_k": 0, "min_new_tokens": 2, "stop_strings": ["END"], "do_sample": True}
    assert sampling.settings(more, {}) == expected
    assert [sampling.limit(one) for one in ({}, {"max_tokens": 5}, {"max_completion_tokens": 6})] == [
        None,
        5,
        6,
    ]


def test_the_seed_follows_from_key_and_setting_alone() -> None:
    keys = ["a" * 64, "b" * 64]
    seeds = {sampling.seed(chosen, key) for chosen in ({}, {"seed": 1}) for key in keys}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
    assert sampling.seed({"seed": 0}, keys[0]) == sampling.seed({}, keys[0])


def test_identity_names_the_weights_by_content_and_not_by_place(tmp_path: Path) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    assert created(first).identity() == created(second).identity()
    (second / "README.md").write_text("more")
    assert created(first).identity() == created(second).identity()
    for change in ("model.safetensors", "config.json", "chat_template.jinja"):
        other = folder(tmp_path / f"changed-{change}")
        (other / change).write_bytes((other / change).read_bytes() + b" ")
        assert created(first).identity() != created(other).identity(), change


def test_identity_holds_what_changes_an_answer_and_nothing_else(tmp_path: Path) -> None:
    plain = created("org/tiny", revision=COMMIT)
    assert plain.identity()["revision"] == COMMIT
    same = ({"device": "cpu"}, {"cache_mb": 9}, {"reuse_prefix": False}, {"local_files_only": True})
    for options in (*same, {"concurrency": 1}):
        assert created("org/tiny", revision=COMMIT, **options).identity() == plain.identity(), options
    size = {"shortest_edge": 4, "longest_edge": 9}
    for options in (
        *({"revision": "f" * 40}, {"dtype": "float32"}, {"attention": "eager"}, {"video": "video"}),
        *({"video_wrapper": True}, {"frame_times": True}, {"image_processor": {"size": 1}}),
        *({"video_size": size}, {"chat_template_kwargs": {"a": 1}}, {"think_tags": "none"}),
        *({"context": 9}, {"trust_remote_code": True}, {"sampling": {"temperature": 0}}),
    ):
        assert created("org/tiny", **{"revision": COMMIT, **options}).identity() != plain.identity(), options


def test_weights_that_could_run_code_or_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"no folder 'org/tiny'; name a folder with weights, or give options\.rev"
    ):
        created("org/tiny").identity()
    pickled = folder(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no safetensors weights \(found pytorch_model.bin, a pickle"):
        created(pickled).identity()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no config\.json"):
        created(tmp_path / "empty").identity()
    foreign = folder(tmp_path / "foreign", auto_map={"AutoModel": ["other/place--code.Model"]})
    with pytest.raises(UserError, match="takes code from another repository"):
        Weights(str(foreign), None, code=False, local_files_only=True, place="tiny.yaml").fetch()


def test_a_clip_is_decoded_once_into_pixels(tmp_path: Path) -> None:
    import cv2

    pictures = [np.full((6, 8, 3), shade, np.uint8) for shade in (0, 90, 255)]
    part = MediaPart(
        kind="video", file="a.zip", sha256="0" * 64, width=8, height=6, timestamps=(0.0, 1.0, 2.0)
    )
    frames = [bytes(cv2.imencode(".png", picture)[1]) for picture in pictures]
    assert np.array_equal(unpack(pack(part, frames)), np.stack(pictures))
    red = np.zeros((6, 8, 3), np.uint8)
    red[..., 2] = 255  # OpenCV counts blue first.
    [pixels] = unpack(pack(part, [bytes(cv2.imencode(".png", red)[1])]))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    with pytest.raises(UserError, match=r"a\.zip: frame 1 cannot be decoded"):
        pack(part, [frames[0], b"nothing"])
    small = bytes(cv2.imencode(".png", pictures[0][:4])[1])
    with pytest.raises(UserError, match=r"a\.zip: frame 1 has another size"):
        pack(part, [frames[0], small])


def test_the_model_files_that_use_it_are_right() -> None:
    found = 0
    for path in (Path(__file__).parents[2] / "config" / "models").glob("*-transformers.yaml"):
        import yaml

        file = ModelFile.model_validate(yaml.safe_load(path.read_text()))
        identity = models.create(file, Context(Path(), 1), path.name).identity()
        assert len(identity["revision"]) == 40
        found += 1
    assert found
