"""A Qwen3-VL of one megabyte, made from nothing: the real architecture, its own tokenizer, random weights.

`python tests/tiny_qwen3vl.py FOLDER` writes a checkpoint that vLLM and transformers load as they load
Qwen's. Nothing is downloaded. The weights follow from `seed`; the answers are noise, but everything
before them is real: chat template, image and video processors, timestamps, multimodal positions, cache.

Needs torch, transformers and tokenizers; nothing of this is imported before `make` is called.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
"""Qwen's tokens that stand for no text. Those of thinking (`<think>`) are ordinary text here."""

CHAT_TEMPLATE = """\
{%- macro show(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}{%- for part in content -%}
{%- if part.type in ('image', 'image_url') -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type in ('video', 'video_url') -%}<|vision_start|><|video_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{ '<|im_start|>' ~ message.role ~ '\\n' ~ show(message.content) ~ '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}
"""

WORDS = (
    "The person keeps the back straight and bends the knees until the thighs are level.",
    'Which option is right? Answer as JSON: {"answer": "A", "score": 7.5, "reason": "too early"}',
    "0 1 2 3 4 5 6 7 8 9 <0.5 seconds> <12.0 seconds> True False yes no correct error none",
)
"""What the tokenizer is trained on."""

PATCH = 16
MERGE = 2
TOKEN_SIDE = PATCH * MERGE
"""Pixels of the side of the square that one visual token stands for."""

TEMPORAL_PATCH = 2
"""Frames of a video that share their tokens, and one timestamp."""

HEAD = 32
"""Dimensions of an attention head: the smallest that vLLM's CPU kernels know."""


def make(folder: Path, *, seed: int = 0, hidden: int = 64, layers: int = 2, context: int = 8192) -> Path:
    """Write the checkpoint into `folder` and return the folder.

    Args:
        folder: is made; files in it are replaced.
        seed: decides the weights.
        hidden: width of the decoder; 64 gives half a million parameters.
        layers: of the decoder, at least 2.
        context: longest prompt and answer together, in tokens.
    """
    import torch
    from transformers import GenerationConfig, Qwen3VLForConditionalGeneration

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(context)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    config = _config(ids, -(-len(tokenizer) // 64) * 64, hidden, layers, context)
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config).to(torch.bfloat16).eval()
    model.generation_config = GenerationConfig(
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
        do_sample=False,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    for name, values in _processors().items():
        (folder / name).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
    return folder


def _tokenizer(context: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.NFC()
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=448, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    trained.train_from_iterator(WORDS * 4, trainer)
    learnt = json.loads(trained.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learnt["vocab"],
        merges=[tuple(pair) for pair in learnt["merges"]],
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL),
        model_max_length=context,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _config(ids: dict[str, int], vocabulary: int, hidden: int, layers: int, context: int) -> Any:
    from transformers import Qwen3VLConfig

    sixth = HEAD // 6  # A third of the half that rotates: height, width; time takes the rest.
    text = {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD,
        "max_position_embeddings": context,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_section": [HEAD // 2 - 2 * sixth, sixth, sixth],
            "mrope_interleaved": True,
        },
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "dtype": "bfloat16",
    }
    vision = {
        "depth": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_heads": 2,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": TEMPORAL_PATCH,
        "out_hidden_size": hidden,
        "num_position_embeddings": 14 * 14,
        "deepstack_visual_indexes": [0, 1],
    }
    return Qwen3VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
        dtype="bfloat16",
    )


def _processors() -> dict[str, dict[str, Any]]:
    """Return the processors' files; Qwen's own settings but for the smallest and largest picture."""
    common = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": TEMPORAL_PATCH,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "Qwen3VLProcessor",
    }
    image = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"shortest_edge": TOKEN_SIDE**2, "longest_edge": 448**2},
    }
    video = {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "size": {"shortest_edge": TOKEN_SIDE**2, "longest_edge": 64 * 448**2},
        "fps": 2,
        "min_frames": 4,
        "max_frames": 768,
    }
    return {
        "preprocessor_config.json": common | image,
        "video_preprocessor_config.json": common | video,
        "processor_config.json": {"processor_class": "Qwen3VLProcessor"},
    }


def main() -> None:
    """Write a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--layers", type=int, default=2)
    chosen = parser.parse_args()
    print(make(chosen.folder, seed=chosen.seed, hidden=chosen.hidden, layers=chosen.layers))


if __name__ == "__main__":
    main()
