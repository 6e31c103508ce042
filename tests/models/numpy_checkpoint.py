"""A Qwen3-VL of some thousand numbers, made with numpy alone: real shapes and files, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import tiny_qwen3vl
from aqa.config import ModelFile

HIDDEN, VISION, HEAD, VOCABULARY, MLP = 64, 64, 32, 512, 96


def make(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint; its weights are large, so that answers depend on what is seen."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    ids = _tokenizer(folder)
    generator = np.random.default_rng(seed)
    tensors = {}
    for name, shape in _shapes().items():
        norm = len(shape) == 1 and "bias" not in name
        values = np.ones(shape) if norm else 0.12 * generator.standard_normal(shape)
        tensors[name] = values.astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    files = {
        "config.json": _config(ids),
        "generation_config.json": {"eos_token_id": [ids["<|im_end|>"]], "do_sample": False},
        **tiny_qwen3vl._processors(),
    }
    for name, values in files.items():
        (folder / name).write_text(json.dumps(values))
    (folder / "chat_template.jinja").write_text(tiny_qwen3vl.CHAT_TEMPLATE)
    return folder


def model_file(weights: Path, sampling: dict[str, Any] | None = None, **options: Any) -> ModelFile:
    """A model's file; greedy and short unless said otherwise."""
    chosen = {"temperature": 0, "max_tokens": 8} if sampling is None else sampling
    return ModelFile(
        title="Small",
        backend="numpy",
        concurrency=2,
        sampling=chosen,
        options={"model": str(weights), **options},
    )


def _tokenizer(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        show_progress=False,
        special_tokens=list(tiny_qwen3vl.SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(tiny_qwen3vl.WORDS, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return {name: tokenizer.token_to_id(name) for name in tiny_qwen3vl.SPECIAL}


def _config(ids: dict[str, int]) -> dict[str, Any]:
    return {
        "model_type": "qwen3_vl",
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "text_config": {
            **{"hidden_size": HIDDEN, "num_hidden_layers": 2, "head_dim": HEAD, "hidden_act": "silu"},
            **{"num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-6},
            "max_position_embeddings": 512,
            "rope_parameters": {"rope_theta": 10_000.0, "mrope_section": [6, 5, 5]},
        },
        "vision_config": {
            **{"depth": 2, "num_heads": 2, "hidden_size": VISION, "hidden_act": "gelu_pytorch_tanh"},
            **{"spatial_merge_size": 2, "deepstack_visual_indexes": [0]},
        },
    }


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def linear(name: str, outputs: int, inputs: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        if bias:
            shapes[f"{name}.bias"] = (outputs,)

    def norm(name: str, width: int, *, bias: bool = True) -> None:
        shapes[f"{name}.weight"] = (width,)
        if bias:
            shapes[f"{name}.bias"] = (width,)

    visual, text = "model.visual", "model.language_model"
    shapes[f"{visual}.patch_embed.proj.weight"] = (VISION, 3, 2, 16, 16)
    shapes[f"{visual}.patch_embed.proj.bias"] = (VISION,)
    shapes[f"{visual}.pos_embed.weight"] = (36, VISION)
    for number in range(2):
        block = f"{visual}.blocks.{number}"
        norm(f"{block}.norm1", VISION)
        norm(f"{block}.norm2", VISION)
        linear(f"{block}.attn.qkv", 3 * VISION, VISION)
        linear(f"{block}.attn.proj", VISION, VISION)
        linear(f"{block}.mlp.linear_fc1", MLP, VISION)
        linear(f"{block}.mlp.linear_fc2", VISION, MLP)
    for merger, width in ((f"{visual}.merger", VISION), (f"{visual}.deepstack_merger_list.0", 4 * VISION)):
        norm(f"{merger}.norm", width)
        linear(f"{merger}.linear_fc1", 4 * VISION, 4 * VISION)
        linear(f"{merger}.linear_fc2", HIDDEN, 4 * VISION)
    shapes[f"{text}.embed_tokens.weight"] = (VOCABULARY, HIDDEN)
    norm(f"{text}.norm", HIDDEN, bias=False)
    for number in range(2):
        layer = f"{text}.layers.{number}"
        for name, width in (("input_layernorm", HIDDEN), ("post_attention_layernorm", HIDDEN)):
            norm(f"{layer}.{name}", width, bias=False)
        for name, heads in (("q", 4), ("k", 2), ("v", 2)):
            linear(f"{layer}.self_attn.{name}_proj", heads * HEAD, HIDDEN, bias=False)
        for name in ("q", "k"):
            norm(f"{layer}.self_attn.{name}_norm", HEAD, bias=False)
        linear(f"{layer}.self_attn.o_proj", HIDDEN, 4 * HEAD, bias=False)
        for name in ("gate", "up"):
            linear(f"{layer}.mlp.{name}_proj", MLP, HIDDEN, bias=False)
        linear(f"{layer}.mlp.down_proj", HIDDEN, MLP, bias=False)
    return shapes
