"""A small network of the Qwen3-VL architecture, untrained: configuration, tokenizer, processors, weights.

torch and transformers are imported when something is made, not before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqa.files import write_text
from aqa.training.pixels import MEAN, MERGE, PATCH, STD, TEMPORAL, Sizes

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
"""Qwen's tokens that stand for no text."""

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

PIECES = r"""</?[a-z]+>| true| false|\d|"[^"\n{}:]{1,60}"|\n|[^\n".:{}<>0-9]+[.:]?"""
"""What the tokenizer never joins: digits, truth values, quoted words and sentences stay apart; within a piece
it joins freely, so that a sentence of a prompt that comes often is one token."""


@dataclass(frozen=True)
class Shape:
    """Widths and depths of the network."""

    hidden: int = 192
    layers: int = 4
    heads: int = 6
    key_heads: int = 2
    head_size: int = 32
    inner: int = 512
    vision_hidden: int = 192
    vision_depth: int = 4
    vision_heads: int = 6
    vision_inner: int = 512
    deepstack: tuple[int, ...] = (1,)
    vocabulary: int = 2_048
    context: int = 8_192


def make(folder: Path, texts: Iterable[str], shape: Shape, sizes: Sizes, seed: int) -> None:
    """Write an untrained model into `folder`: all that transformers and vLLM load.

    Args:
        folder: is made; files in it are replaced.
        texts: what the tokenizer is trained on.
        shape: of the network.
        sizes: of the pictures.
        seed: of the weights.
    """
    import torch
    from transformers import GenerationConfig, Qwen3VLForConditionalGeneration
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(texts, shape)
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL}
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(_config(ids, shape)).to(torch.bfloat16).eval()
    model.generation_config = GenerationConfig(
        eos_token_id=[ids["<|im_end|>"], ids["<|endoftext|>"]],
        pad_token_id=ids["<|endoftext|>"],
        do_sample=False,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_text(folder / "chat_template.jinja", CHAT_TEMPLATE)
    for name, values in _processors(sizes).items():
        write_text(folder / name, json.dumps(values, indent=2, sort_keys=True) + "\n")


def _tokenizer(texts: Iterable[str], shape: Shape) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=shape.vocabulary,
        min_frequency=1,
        show_progress=False,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    trained.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained,
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[0],
        additional_special_tokens=list(SPECIAL),
        model_max_length=shape.context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _config(ids: dict[str, int], shape: Shape) -> Any:
    from transformers import Qwen3VLConfig

    sixth = shape.head_size // 6
    text = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_heads,
        "head_dim": shape.head_size,
        "max_position_embeddings": shape.context,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_section": [shape.head_size // 2 - 2 * sixth, sixth, sixth],
            "mrope_interleaved": True,
        },
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
        "dtype": "bfloat16",
    }
    vision = {
        "depth": shape.vision_depth,
        "hidden_size": shape.vision_hidden,
        "intermediate_size": shape.vision_inner,
        "num_heads": shape.vision_heads,
        "patch_size": PATCH,
        "spatial_merge_size": MERGE,
        "temporal_patch_size": TEMPORAL,
        "out_hidden_size": shape.hidden,
        "num_position_embeddings": 12 * 12,
        "deepstack_visual_indexes": list(shape.deepstack),
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


def _processors(sizes: Sizes) -> dict[str, dict[str, Any]]:
    common = {
        "patch_size": PATCH,
        "merge_size": MERGE,
        "temporal_patch_size": TEMPORAL,
        "image_mean": list(MEAN),
        "image_std": list(STD),
        "processor_class": "Qwen3VLProcessor",
    }
    image = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"shortest_edge": sizes.image[0], "longest_edge": sizes.image[1]},
    }
    video = {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "size": {"shortest_edge": sizes.video[0], "longest_edge": sizes.video[1]},
        "fps": 2,
        "min_frames": 4,
        "max_frames": 768,
    }
    return {
        "preprocessor_config.json": common | image,
        "video_preprocessor_config.json": common | video,
        "processor_config.json": {"processor_class": "Qwen3VLProcessor"},
    }
