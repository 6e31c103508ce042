"""Models, prompts and cells for tests of the backend `transformers`."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

import openai_requests
import tiny_qwen3vl
from aqa import models
from aqa.config import ModelFile
from aqa.files import digest, write_jsonl
from aqa.media.store import read_frames
from aqa.models import Context
from aqa.models._frames import pack, unpack
from aqa.records import MediaPart, Request

SCRIPTS = Path(__file__).parents[2] / "scripts"
GREEDY = {"temperature": 0, "max_tokens": 16}


def loud_qwen(folder: Path) -> Path:
    """Make the tiny Qwen3-VL with large weights: those of an untrained one let every prompt end alike."""
    import torch
    from safetensors.torch import load_file, save_file

    tiny_qwen3vl.make(folder)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in tensors.items():
        if tensor.ndim > 1:
            tensors[name] = (0.12 * torch.randn(tensor.shape, generator=generator)).to(tensor.dtype)
    save_file(tensors, path, metadata={"format": "pt"})
    return folder


def tiny_llava(folder: Path) -> Path:
    """Make a LLaVA of a few kilobytes: another architecture, a processor that needs no torchvision."""
    import torch
    from transformers import (
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
    )

    folder.mkdir(parents=True)
    tokenizer = tiny_qwen3vl._tokenizer(2048)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<image>"]})
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    text = LlamaConfig(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,
        eos_token_id=end,
    )
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        initializer_range=0.3,
    )
    image = tokenizer.convert_tokens_to_ids("<image>")
    torch.manual_seed(3)
    model = LlavaForConditionalGeneration(
        LlavaConfig(vision_config=vision, text_config=text, image_token_index=image, image_seq_length=16)
    ).eval()
    model.generation_config = GenerationConfig(eos_token_id=end, pad_token_id=end)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    template = tiny_qwen3vl.CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    (folder / "chat_template.jinja").write_text(template)
    size = {"height": 32, "width": 32}
    pictures = {"image_processor_type": "CLIPImageProcessor", "size": size, "crop_size": size}
    processor = {
        "processor_class": "LlavaProcessor",
        "patch_size": 8,
        "vision_feature_select_strategy": "default",
        "image_token": "<image>",
        "num_additional_image_tokens": 1,
    }
    for name, values in {"preprocessor_config": pictures, "processor_config": processor}.items():
        (folder / f"{name}.json").write_bytes(orjson.dumps(values))
    return folder


def model_file(weights: Path | str, sampling: dict[str, Any] | None = None, **options: Any) -> ModelFile:
    """A model's file; 32-bit numbers unless said otherwise."""
    return ModelFile(
        title="Tiny",
        backend="transformers",
        concurrency=2,
        sampling=GREEDY if sampling is None else sampling,
        options={"model": str(weights), "dtype": "float32", "device": "cpu", **options},
    )


def film(folder: Path, name: str, seeds: Sequence[int], size: int = 96, times: Any = None) -> MediaPart:
    """Write a clip and return the part that names it; 4 frames a second unless `times` are given."""
    frames = [openai_requests.jpeg(seed, size) for seed in seeds]
    part = openai_requests.clip(folder, name, frames, "video" if len(frames) > 1 else "image")
    return part if times is None else part.model_copy(update={"timestamps": tuple(times)})


def request(*parts: MediaPart | str, key: str = "a", system: str | None = None) -> Request:
    """A request of one user turn; its key is the digest of `key`."""
    return openai_requests.request(*parts, system=system).model_copy(update={"key": digest(key)})


def frames_of(folder: Path, asked: Request) -> list[Any]:
    """The decoded clips of a request."""
    return [
        unpack(pack(part, read_frames(folder / part.file)))
        for message in asked.messages
        for part in message.content
        if isinstance(part, MediaPart)
    ]


def ask(model: ModelFile, media: Path, *requests: Request) -> list[Any]:
    """Ask all at once; an exception stands in the place of its reply."""
    return openai_requests.ask_all(model, media, requests)


def opened(model: ModelFile, media: Path) -> Any:
    """The engine of a model, for a look at its prompts."""

    async def run() -> Any:
        async with models.create(model, Context(media, 1), "tiny.yaml") as backend:
            return backend._engine

    return asyncio.run(run())


class Bench:
    """A folder with a model's file, cells and journals, asked by scripts/infer.py in its own process."""

    def __init__(self, folder: Path, weights: Path, sampling: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.media = folder / "media"
        self.media.mkdir()
        self.journals = folder / "journals"
        model = model_file(weights, sampling, video="video")
        self.settings = digest(models.create(model, Context(self.media, 1)).identity())
        self.model = folder / "tiny.yaml"
        self.model.write_text(yaml.safe_dump(model.model_dump(exclude_unset=True)))

    def cell(self, strategy: str, clips: Sequence[MediaPart]) -> Path:
        """Write the cell of a strategy: one request a clip."""
        folder = self.folder / "cells" / "tiny" / "judge" / "original" / strategy / "tiny"
        requests = [
            request(clip, f"Judge as {strategy} says.", key=f"{strategy} {clip.file}").model_copy(
                update={"settings": self.settings, "sample_id": clip.file.removesuffix(".zip")}
            )
            for clip in clips
        ]
        write_jsonl(folder / "requests.jsonl", requests)
        return folder

    def start(self, cells: Sequence[Path], **settings: Any) -> subprocess.Popen[str]:
        """Start a session."""
        command = [
            *(sys.executable, str(SCRIPTS / "infer.py"), "--model-id", "tiny", "--model", str(self.model)),
            *("--journals", str(self.journals), "--media", str(self.media), "--seed", "1"),
            *("--cells", *map(str, cells)),
        ]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings)

    def infer(self, cells: Sequence[Path], **settings: Any) -> str:
        """Run a session to its end; return what it said."""
        with self.start(cells, **settings) as process:
            said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        return said

    def answered(self) -> list[str]:
        """The keys of all answers in the journals, repeats included."""
        lines = [line for file in self.journals.rglob("*.jsonl") for line in file.read_bytes().splitlines()]
        records = [orjson.loads(line) for line in lines if line.endswith(b"}")]
        return [record["response"]["key"] for record in records if "response" in record]


def responses(cell: Path) -> list[dict[str, Any]]:
    """The responses of a cell."""
    return [orjson.loads(line) for line in (cell / "responses.jsonl").read_bytes().splitlines()]
